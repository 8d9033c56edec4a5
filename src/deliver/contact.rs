//! Handshakes, heartbeats and changes of a subscription's status.

use super::attempt::Loaded;
use super::outcome::{Outcome, Scope};
use super::sender::Answer;
use super::shared::{Shared, restate};
use crate::audit::{self, Act};
use crate::route::{Status, notification};
use crate::store::{Closing, Fence, StoreError, SubscriptionChange, Work};
use bytes::Bytes;
use jiff::Timestamp;

/// Sends the handshake or, without `handshake`, a heartbeat.
pub(super) async fn contact(shared: &Shared, loaded: &Loaded, events: u64, handshake: bool) -> Answer {
    let now = Timestamp::now();
    let context = shared.context(&loaded.subscription, &loaded.state, events);
    let target = match &loaded.target {
        Ok(target) => target,
        Err(code) => return Answer { outcome: Outcome::failed(code, Scope::Connection), status: None },
    };
    let (kind, bundle) = if handshake {
        ("handshake", notification::handshake(&context, now))
    } else {
        ("heartbeat", notification::heartbeat(&context, now))
    };
    let state = &loaded.state;
    let id = format!("{kind}.{}.{}.{}", state.id, state.resource_version, now.as_millisecond());
    shared.sender.send(target, &id, Bytes::from(bundle.to_string()), now).await
}

/// Makes the handshake: `requested` becomes `active` when the receiver answers with success, `error` otherwise. It is
/// made once; after an error the subscriber asks again by writing `requested`.
pub(super) async fn handshake(
    shared: &Shared,
    subscription: &str,
    fence: u64,
    loaded: &Loaded,
    events: u64,
) -> Result<(), StoreError> {
    let answer = contact(shared, loaded, events, true).await;
    let reason = format!("handshake-{}", answer.outcome.code());
    let to = if answer.outcome == Outcome::Delivered { Status::Active } else { Status::Error };
    let from = &[Status::Requested];
    change_status(shared, &Restating { subscription, fence, from, to, reason: &reason, close: false }).await
}

/// A change of a subscription's status.
pub(super) struct Restating<'a> {
    pub subscription: &'a str,
    pub fence: u64,
    pub from: &'a [Status],
    pub to: Status,
    /// A stable code of why.
    pub reason: &'a str,
    /// Whether the open intents end.
    pub close: bool,
}

/// Writes a subscription's new status: a new version of the resource, its state, and an audit record, together. If the
/// subscriber changes the resource meanwhile, its version is looked at again.
pub(super) async fn change_status(shared: &Shared, change: &Restating<'_>) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        let now = Timestamp::now();
        let Some(state) = shared.store().subscription_state(change.subscription).await? else {
            return Ok(());
        };
        if !Status::from_code(&state.status).is_some_and(|status| change.from.contains(&status)) {
            return Ok(());
        }
        let error = (change.to != Status::Active).then_some(change.reason);
        let Some(put) = restate(&state, change.to, error, now) else { return Ok(()) };
        let mut work = Work::at(now);
        work.fences.push(Fence { subscription: state.id.clone(), fence: change.fence });
        let operation = match change.to {
            Status::Active => "subscription-active",
            Status::Error => "subscription-error",
            Status::Off => "subscription-off",
            Status::Requested => "subscription-requested",
        };
        let act = Act::Administration {
            actor: audit::Party { id: "deliver", ..audit::Party::default() },
            operation,
            subject: Some(audit::Target::version("Subscription", &state.id, put.version)),
            details: &[("reason", change.reason), ("partner", &state.owner)],
        };
        work.audits.push(shared.leaf(&act, now));
        work.puts.push(put);
        work.subscriptions.push(SubscriptionChange {
            id: state.id.clone(),
            status: Some(change.to.code().to_owned()),
            last_error: Some(error.map(str::to_owned)),
            ..SubscriptionChange::default()
        });
        if change.close {
            let reason = "subscription-ended".to_owned();
            work.closings.push(Closing { subscription: state.id.clone(), reason, at: now });
        }
        match shared.store().commit(work).await {
            Err(StoreError::Conflict { .. }) if tries < 5 => tries += 1,
            Err(error) => return Err(error),
            Ok(_) => {
                tracing::info!(subscription.id = %state.id, subscription.status = change.to.code(), reason = change.reason, "a subscription has changed its status");
                return Ok(());
            }
        }
    }
}
