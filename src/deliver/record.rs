//! Recording what came of attempts: the attempt, the intent's new state and the audit leaf in one unit of work.

use super::attempt::Sent;
use super::outcome::Outcome;
use super::shared::Shared;
use crate::audit::{self, Act};
use crate::store::{Attempt, Fence, IntentState, IntentUpdate, StoreError, Work};
use jiff::Timestamp;
use std::time::Duration;

/// What recording needs besides the attempts.
pub(super) struct Recording<'a> {
    pub shared: &'a Shared,
    pub subscription: &'a str,
    pub owner: &'a str,
    pub fence: u64,
}

impl Recording<'_> {
    /// Commits what came of these attempts. If the unit is refused because of one of them, each is committed alone, so
    /// that one cannot hold up the others. Errors: the lease is lost, or the store cannot write now.
    pub async fn commit(&self, sent: &[Sent], now: Timestamp) -> Result<(), StoreError> {
        match self.shared.store().commit(self.work(sent, now)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_transient() || fenced(&error) => Err(error),
            Err(_) => {
                for one in sent {
                    self.commit_one(one, now).await?;
                }
                Ok(())
            }
        }
    }

    /// An intent that was settled meanwhile (its subscription has ended) keeps its state; the attempt and its audit
    /// record are written all the same.
    async fn commit_one(&self, one: &Sent, now: Timestamp) -> Result<(), StoreError> {
        let mut work = self.work(std::slice::from_ref(one), now);
        let Err(error) = self.shared.store().commit(work.clone()).await else { return Ok(()) };
        if error.is_transient() || fenced(&error) {
            return Err(error);
        }
        tracing::warn!(intent.id = one.prepared.intent.id, error = %error, "an intent was settled during its attempt");
        work.intent_updates.clear();
        self.shared.store().commit(work).await.map(|_| ())
    }

    fn work(&self, sent: &[Sent], now: Timestamp) -> Work {
        let mut work = Work::at(now);
        work.fences.push(Fence { subscription: self.subscription.to_owned(), fence: self.fence });
        for one in sent {
            self.add(one, now, &mut work);
        }
        work
    }

    fn add(&self, sent: &Sent, now: Timestamp, work: &mut Work) {
        let Some(answer) = &sent.answer else { return };
        let prepared = &sent.prepared;
        let intent = &prepared.intent;
        let attempts = intent.attempts.saturating_add(1);
        let code = answer.outcome.code();
        let mut update = IntentUpdate {
            intent: intent.id,
            attempts: Some(attempts),
            reason: Some(code.to_owned()),
            exposed: (!intent.exposed && !answer.outcome.exposed()).then_some(false),
            ..IntentUpdate::default()
        };
        let target = audit::Target::version(&intent.resource_type, &intent.resource_id, intent.version);
        let recipient = self.shared.party(prepared.judged.partner.as_ref(), self.owner);
        let patient = intent.patient_key.as_deref();
        let act = match &answer.outcome {
            Outcome::Delivered => {
                update.state = Some(IntentState::Delivered);
                let obligations =
                    prepared.judged.permitted.as_ref().map(|(_, released)| released.obligations.as_slice());
                Act::Disclosure {
                    decision: &prepared.judged.decision,
                    recipient,
                    target,
                    patient,
                    obligations: obligations.unwrap_or_default(),
                    subscription: Some(self.subscription),
                    event_number: Some(prepared.number),
                }
            }
            outcome => {
                let first = intent.first_attempt.unwrap_or(sent.at);
                let elapsed = Duration::try_from(now.duration_since(first)).unwrap_or(Duration::ZERO);
                let mut dead = false;
                match outcome {
                    Outcome::Failed(failure) => {
                        match self.shared.parts.settings.retry.next(elapsed, rand::random()) {
                            Some(wait) => {
                                let wait =
                                    failure.retry_after.map_or(wait, |wish| wish.max(Duration::from_secs(1)));
                                update.due = Some(super::breaker::later(now, wait));
                            }
                            None => {
                                dead = true;
                                update.state = Some(IntentState::Dead);
                            }
                        }
                    }
                    _ => update.state = Some(IntentState::Ended),
                }
                Act::DeliveryFailed {
                    recipient,
                    target,
                    patient,
                    subscription: self.subscription,
                    event_number: Some(prepared.number),
                    status: answer.status,
                    text: code,
                    dead,
                }
            }
        };
        work.audits.push(self.shared.leaf(&act, now));
        work.attempts.push(Attempt {
            intent: intent.id,
            number: attempts,
            at: sent.at,
            took_ms: sent.took_ms,
            outcome: if answer.outcome == Outcome::Delivered { "delivered" } else { "failed" }.into(),
            http_status: answer.status,
            error: (answer.outcome != Outcome::Delivered).then(|| code.to_owned()),
        });
        work.intent_updates.push(update);
    }
}

/// Whether the lease has passed to another worker.
pub(super) fn fenced(error: &StoreError) -> bool {
    matches!(error, StoreError::Fenced { .. })
}
