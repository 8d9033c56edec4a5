//! Taking the next intents of one subscription: decide about each, number those that are permitted for the first
//! time, withhold the others; all of it committed before anything is sent.
//!
//! Event numbers. A number is given in the same unit of work that precedes the first permitted attempt, so a withheld
//! event has none and leaves no gap by which a subscriber could learn of it. An event that had its number and is
//! withheld later gives it back if it is the newest and no attempt can have reached the receiver. Otherwise the number
//! stays with it: the receiver may have seen it when that was permitted, and `$events` answers it with number and time
//! only. Only the first waiting event of a patient is ever attempted, so those behind it have no numbers yet; but while
//! the subscription is in `error`, everything permitted is counted as it comes, so that `$status` and `$events` tell the
//! subscriber what it missed.

use super::attempt::{Loaded, Prepared};
use super::shared::{Judged, Shared};
use crate::audit::{self, Act};
use crate::route::Status;
use crate::store::{
    Attempt, Closing, Committed, Done, Fence, Intent, IntentQuery, IntentState, IntentUpdate, Numbering,
    StoreError, Work,
};
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How many intents are counted in one unit of work.
const COUNT_PAGE: usize = 200;

/// What to take.
pub(super) struct Taking {
    pub id: String,
    pub fence: u64,
    /// How many may be under way more.
    pub limit: usize,
    /// Take one as a probe, whether due or not.
    pub probe: bool,
    /// What is under way already.
    pub under_way: HashSet<i64>,
    /// The subscription as it was served last.
    pub loaded: Option<Arc<Loaded>>,
    /// The newest event number known.
    pub newest: u64,
    /// Up to which intent events were counted while the subscription is in error.
    pub counted: i64,
}

/// What was taken.
pub(super) enum Taken {
    /// There is no such subscription, or it is off.
    Ended,
    /// It waits for its subscriber: the handshake failed, or its resource cannot be served.
    Idle,
    /// The handshake is to be made first.
    Handshake(Arc<Loaded>),
    /// It has passed its end.
    Expired,
    /// These may be sent.
    Batch(Batch),
}

/// Intents that may be sent now.
pub(super) struct Batch {
    pub loaded: Arc<Loaded>,
    pub sends: Vec<Prepared>,
    pub newest: u64,
    pub counted: i64,
    /// Whether more may be ready already.
    pub more: bool,
    /// When the next becomes due.
    pub next_due: Option<Timestamp>,
}

/// Takes the next intents of a subscription.
pub(super) async fn take(shared: &Shared, taking: Taking, now: Timestamp) -> Result<Taken, StoreError> {
    let store = shared.store();
    let Some(state) = store.subscription_state(&taking.id).await? else { return Ok(Taken::Ended) };
    let status = Status::from_code(&state.status);
    if matches!(status, None | Some(Status::Off)) {
        // What was routed to it while it ended, ends with it.
        if store.next_due(Some(&taking.id)).await?.is_some() {
            let mut work = Work::at(now);
            work.fences.push(Fence { subscription: taking.id.clone(), fence: taking.fence });
            let reason = "subscription-ended".to_owned();
            work.closings.push(Closing { subscription: taking.id, reason, at: now });
            store.commit(work).await?;
        }
        return Ok(Taken::Ended);
    }
    let secrets = shared.secrets();
    let loaded = match taking.loaded {
        Some(loaded) if loaded.state == state && Arc::ptr_eq(&loaded.secrets, &secrets) => loaded,
        _ => match shared.subscription(&state) {
            None => {
                tracing::error!(subscription.id = %taking.id, "the stored Subscription cannot be served");
                return Ok(Taken::Idle);
            }
            Some(subscription) => {
                let own = secrets.get(&state.owner).cloned().unwrap_or_default();
                let target = shared.sender.target(&subscription, own).map_err(|_| "egress-refused");
                Arc::new(Loaded { state, subscription, secrets, target })
            }
        },
    };
    let state = &loaded.state;
    if loaded.subscription.end.is_some_and(|end| end <= now) {
        return Ok(Taken::Expired);
    }
    if status == Some(Status::Requested) {
        return Ok(Taken::Handshake(loaded));
    }
    if status == Some(Status::Error)
        && state.last_error.as_deref().is_some_and(|e| e.starts_with("handshake"))
    {
        return Ok(Taken::Idle);
    }
    let until = if taking.probe { Timestamp::MAX } else { now };
    let asked = if taking.probe { 64 } else { taking.limit + taking.under_way.len() };
    let mut newest = taking.newest.max(state.events);
    let mut counted = 0;
    if status == Some(Status::Error) {
        (counted, newest) = count(shared, &loaded, taking.fence, taking.counted, newest, now).await?;
    }
    let mut intents = store.ready_intents(&taking.id, until, asked).await?;
    let mut more = intents.len() == asked;
    intents.retain(|intent| !taking.under_way.contains(&intent.id));
    if taking.probe {
        intents.sort_by_key(|intent| (intent.attempts, intent.due));
        more |= intents.len() > 1;
    }
    intents.truncate(taking.limit);
    if intents.is_empty() {
        let next_due = store.next_due(Some(&taking.id)).await?;
        return Ok(Taken::Batch(Batch { loaded, sends: Vec::new(), newest, counted, more: false, next_due }));
    }
    let taken = intents.len();
    let mut batch = decide_all(shared, &loaded, taking.fence, intents, newest, now).await?;
    batch.counted = counted;
    // What was not sent has made way for what waited behind it; and a probe that was withheld has probed nothing.
    more |= batch.sends.len() < taken;
    batch.more = more && (!taking.probe || batch.sends.is_empty());
    Ok(Taken::Batch(batch))
}

async fn decide_all(
    shared: &Shared,
    loaded: &Arc<Loaded>,
    fence: u64,
    intents: Vec<Intent>,
    mut newest: u64,
    now: Timestamp,
) -> Result<Batch, StoreError> {
    let mut work = Work::at(now);
    let mut sends = Vec::new();
    let mut numbered = Vec::new();
    for mut intent in intents {
        let judged = shared.judge(&loaded.state.owner, &intent, now).await;
        if judged.permitted.is_none() {
            refuse(shared, loaded, &intent, &judged, newest, now, &mut work);
            continue;
        }
        let update = IntentUpdate {
            intent: intent.id,
            number: intent.event_number.is_none().then_some(Numbering::Next),
            first_attempt: intent.first_attempt.is_none().then_some(Some(now)),
            // Until the attempt is recorded, it must be taken to have reached the receiver.
            exposed: (!intent.exposed).then_some(true),
            ..IntentUpdate::default()
        };
        let changes = update.number.is_some() || update.first_attempt.is_some() || update.exposed.is_some();
        if update.number.is_some() {
            numbered.push(sends.len());
        }
        if changes {
            work.intent_updates.push(update);
        }
        intent.first_attempt = intent.first_attempt.or(Some(now));
        let number = intent.event_number.unwrap_or_default();
        sends.push(Prepared { intent, number, newest, judged });
    }
    if !work.intent_updates.is_empty() {
        work.fences.push(Fence { subscription: loaded.state.id.clone(), fence });
        if let Committed::Done(Done { numbers, .. }) = shared.store().commit(work).await? {
            for (at, number) in numbered.into_iter().zip(numbers) {
                newest = newest.max(number);
                if let Some(prepared) = sends.get_mut(at) {
                    prepared.number = number;
                }
            }
        }
    }
    for prepared in &mut sends {
        prepared.newest = newest;
    }
    Ok(Batch { loaded: loaded.clone(), sends, newest, counted: 0, more: false, next_due: None })
}

/// Numbers what is permitted and has no number yet, in the order of commit: a subscription in error goes on counting.
/// What is not permitted is left until its turn comes. Gives the last intent looked at and the newest number.
async fn count(
    shared: &Shared,
    loaded: &Loaded,
    fence: u64,
    mut after: i64,
    mut newest: u64,
    now: Timestamp,
) -> Result<(i64, u64), StoreError> {
    loop {
        let query = IntentQuery {
            subscription: Some(loaded.state.id.clone()),
            states: vec![IntentState::Ready, IntentState::Waiting],
            after: Some(after),
            limit: COUNT_PAGE,
            ..IntentQuery::default()
        };
        let page = shared.store().intents(query).await?;
        let mut work = Work::at(now);
        for intent in &page {
            after = intent.id;
            if intent.event_number.is_none()
                && shared.judge(&loaded.state.owner, intent, now).await.permitted.is_some()
            {
                let number = Some(Numbering::Next);
                work.intent_updates.push(IntentUpdate {
                    intent: intent.id,
                    number,
                    ..IntentUpdate::default()
                });
            }
        }
        if !work.intent_updates.is_empty() {
            work.fences.push(Fence { subscription: loaded.state.id.clone(), fence });
            if let Committed::Done(Done { numbers, .. }) = shared.store().commit(work).await? {
                newest = numbers.into_iter().fold(newest, u64::max);
            }
        }
        if page.len() < COUNT_PAGE {
            return Ok((after, newest));
        }
    }
}

/// Records that an intent is withheld, or that the decision could not be made and is to be tried again.
fn refuse(
    shared: &Shared,
    loaded: &Loaded,
    intent: &Intent,
    judged: &Judged,
    newest: u64,
    now: Timestamp,
    work: &mut Work,
) {
    let attempts = intent.attempts.saturating_add(1);
    let mut update = IntentUpdate {
        intent: intent.id,
        attempts: Some(attempts),
        first_attempt: intent.first_attempt.is_none().then_some(Some(now)),
        reason: Some(judged.reason().to_owned()),
        ..IntentUpdate::default()
    };
    let outcome = if judged.failed() {
        let elapsed = intent.first_attempt.map_or(Duration::ZERO, |first| {
            Duration::try_from(now.duration_since(first)).unwrap_or(Duration::ZERO)
        });
        match shared.parts.settings.retry.next(elapsed, rand::random()) {
            Some(wait) => update.due = Some(super::breaker::later(now, wait)),
            None => update.state = Some(IntentState::Dead),
        }
        "failed"
    } else {
        update.state = Some(IntentState::Withheld);
        let newest_unseen = intent.event_number == Some(newest) && newest > 0 && !intent.exposed;
        update.number = newest_unseen.then_some(Numbering::TakeBack);
        "withheld"
    };
    work.intent_updates.push(update);
    work.attempts.push(Attempt {
        intent: intent.id,
        number: attempts,
        at: now,
        took_ms: 0,
        outcome: outcome.into(),
        http_status: None,
        error: Some(judged.reason().to_owned()),
    });
    let act = Act::Decision {
        decision: &judged.decision,
        recipient: Some(shared.party(judged.partner.as_ref(), &loaded.state.owner)),
        target: audit::Target::version(&intent.resource_type, &intent.resource_id, intent.version),
        patient: intent.patient_key.as_deref(),
        trigger: if intent.attempts == 0 { "send" } else { "retry" },
    };
    work.audits.push(shared.leaf(&act, now));
}
