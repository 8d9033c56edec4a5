//! `$status` and `$events`: what a subscriber may ask for about its subscription, decided anew for each event.

use super::deliverer::Deliverer;
use super::shared::event;
use crate::audit::{self, Act};
use crate::fhir::outcome;
use crate::route::notification::{self, Event};
use crate::route::{Content, Status};
use crate::store::{IntentUpdate, StoreError, Work};
use jiff::Timestamp;
use serde_json::Value;

/// The most events in one answer to `$events`; the next are asked for with `eventsSinceNumber`.
pub const EVENTS_LIMIT: usize = 200;

/// Why a subscriber's question cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// There is no such subscription, or it cannot be served.
    #[error("there is no subscription `{0}`")]
    Unknown(String),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which events are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventsQuery {
    /// The first number, inclusive.
    pub since: Option<u64>,
    /// The last number, inclusive.
    pub until: Option<u64>,
    /// How much content is wished for; never more than the subscription has.
    pub content: Option<Content>,
}

impl Deliverer {
    /// The answer to `$status` for these subscriptions: a `searchset` Bundle. Unknown ids are left out, so that the
    /// answer for somebody else's subscription is that of one that does not exist. With `statuses`, only
    /// subscriptions in one of them. The caller has checked whose they are.
    pub async fn status(
        &self,
        ids: &[String],
        statuses: &[Status],
        self_url: &str,
    ) -> Result<Value, QueryError> {
        let mut found = Vec::new();
        for id in ids {
            if let Some(state) = self.shared.store().subscription_state(id).await?
                && let Some(subscription) = self.shared.subscription(&state)
            {
                found.push((state, subscription));
            }
        }
        let contexts: Vec<_> = found
            .iter()
            .map(|(state, subscription)| self.shared.context(subscription, state, state.events))
            .filter(|context| statuses.is_empty() || statuses.contains(&context.status))
            .collect();
        Ok(notification::status_searchset(self_url, &contexts))
    }

    /// The answer to `$events` for one subscription: a `history` Bundle of past events, at most [`EVENTS_LIMIT`].
    ///
    /// Each event is decided anew; one that the subscriber may no longer see keeps its number and time only. Every
    /// disclosure and refusal is in the audit log before the answer is given: if it cannot be, there is no answer.
    pub async fn events(&self, id: &str, query: EventsQuery, now: Timestamp) -> Result<Value, QueryError> {
        let store = self.shared.store();
        let unknown = || QueryError::Unknown(id.to_owned());
        let state = store.subscription_state(id).await?.ok_or_else(unknown)?;
        let subscription = self.shared.subscription(&state).ok_or_else(unknown)?;
        let (from, to) = (query.since.unwrap_or(1).max(1), query.until.unwrap_or(u64::MAX).min(state.events));
        let intents = if from > to { Vec::new() } else { store.events(id, from, to, EVENTS_LIMIT).await? };
        let mut work = Work::at(now);
        let mut events = Vec::with_capacity(intents.len());
        let mut seen = Vec::new();
        for intent in &intents {
            let Some(number) = intent.event_number else { continue };
            let judged = self.shared.judge(&state.owner, intent, now).await;
            let recipient = self.shared.party(judged.partner.as_ref(), &state.owner);
            let target = audit::Target::version(&intent.resource_type, &intent.resource_id, intent.version);
            let patient = intent.patient_key.as_deref();
            let act = match &judged.permitted {
                Some((known, released)) => {
                    events.push(event(intent, number, known, Some(released.resource.clone())));
                    if intent.state.is_open() && !intent.exposed {
                        // The subscriber has now seen this number, so it can no longer be taken back.
                        let exposed = Some(true);
                        seen.push(IntentUpdate { intent: intent.id, exposed, ..IntentUpdate::default() });
                    }
                    Act::Disclosure {
                        decision: &judged.decision,
                        recipient,
                        target,
                        patient,
                        obligations: &released.obligations,
                        subscription: Some(id),
                        event_number: Some(number),
                    }
                }
                None => {
                    events.push(Event { number, timestamp: intent.created, focus: None });
                    let recipient = Some(recipient);
                    Act::Decision {
                        decision: &judged.decision,
                        recipient,
                        target,
                        patient,
                        trigger: "events",
                    }
                }
            };
            work.audits.push(self.shared.leaf(&act, now));
        }
        if !work.audits.is_empty() {
            let alone = work.clone();
            work.intent_updates = seen;
            match store.commit(work).await {
                Ok(_) => {}
                Err(error) if error.is_transient() => return Err(error.into()),
                // One of them was settled at this very moment; its number stays with it in any case.
                Err(_) => store.commit(alone).await.map(|_| ())?,
            }
        }
        let context = self.shared.context(&subscription, &state, state.events);
        Ok(notification::events_history(&context, &events, query.content))
    }
}

impl QueryError {
    /// The error as an OperationOutcome.
    pub fn outcome(&self) -> Value {
        let (code, rule) = match self {
            QueryError::Unknown(_) => ("not-found", "not-found"),
            QueryError::Store(_) => ("transient", "store"),
        };
        outcome(&[crate::fhir::Issue::error(code, rule, "", self.to_string())])
    }
}
