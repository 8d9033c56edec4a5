//! One attempt: from the decision to what came of it.

use super::outcome::{Outcome, Scope};
use super::sender::{Answer, Target};
use super::shared::{Judged, Shared, event};
use super::webhook::Secret;
use crate::route::{Subscription, notification};
use crate::store::{Intent, SubscriptionState};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// A subscription as it is served at the moment.
pub(super) struct Loaded {
    pub state: SubscriptionState,
    pub subscription: Subscription,
    /// The secrets that were in force when this was made.
    pub secrets: Arc<BTreeMap<String, Vec<Secret>>>,
    /// Where notifications go, or the code of why they may not.
    pub target: Result<Target, &'static str>,
}

/// An intent that may be sent now: permitted and numbered.
pub(super) struct Prepared {
    pub intent: Intent,
    pub number: u64,
    /// The newest number of the subscription when this was prepared.
    pub newest: u64,
    pub judged: Judged,
}

/// What came of an attempt.
pub(super) struct Sent {
    pub prepared: Prepared,
    /// None when the facts changed before anything was sent: it is to be prepared again.
    pub answer: Option<Answer>,
    pub at: Timestamp,
    pub took_ms: u32,
}

/// Sends one prepared notification. If a Patient or a Consent has changed since the decision, it is decided again.
pub(super) async fn send(shared: Arc<Shared>, loaded: Arc<Loaded>, mut prepared: Prepared) -> Sent {
    let at = Timestamp::now();
    let begun = Instant::now();
    let revision = shared.store().revision();
    let stale = prepared.judged.permitted.as_ref().is_none_or(|(known, _)| known.revision != revision);
    if stale {
        prepared.judged = shared.judge(&loaded.state.owner, &prepared.intent, at).await;
    }
    let Some((known, released)) = &prepared.judged.permitted else {
        return Sent { prepared, answer: None, at, took_ms: 0 };
    };
    let answer = match &loaded.target {
        Err(code) => Answer { outcome: Outcome::failed(code, Scope::Connection), status: None },
        Ok(target) => {
            let context = shared.context(&loaded.subscription, &loaded.state, prepared.newest);
            let event = event(&prepared.intent, prepared.number, known, Some(released.resource.clone()));
            let body = notification::events(&context, &[event], at).to_string();
            let id = prepared.intent.event_id.to_string();
            shared.sender.send(target, &id, Bytes::from(body), at).await
        }
    };
    let took_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    Sent { prepared, answer: Some(answer), at, took_ms }
}
