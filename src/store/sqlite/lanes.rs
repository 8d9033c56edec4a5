//! The delivery part of a batch: leases, subscriptions' states, intents and their lanes.
//!
//! A lane is one subscription and one patient. Of its open intents the earliest is ready, the others wait, so that no
//! query ever walks over the tail of a patient whose delivery fails.

use super::batch::Batch;
use super::fault::Fault;
use super::known::{IntentRow, Known, SubscriptionRow, state_code};
use super::rows::{Cell, Rows, micros, number};
use crate::store::{IntentUpdate, NewIntent, Numbering, StoreError, SubscriptionChange, Work};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

impl Batch {
    /// Whether the delivery part of a unit may happen.
    pub(super) fn check_delivery(&self, work: &Work) -> Result<(), StoreError> {
        for fence in &work.fences {
            let current = self.known.subscriptions.get(&fence.subscription).is_some_and(|row| {
                row.fence == number(fence.fence)
                    && row.lease_owner.is_some()
                    && row.lease_until > micros(work.now)
            });
            if !current {
                return Err(StoreError::Fenced { subscription: fence.subscription.clone() });
            }
        }
        for change in &work.subscriptions {
            let complete = change.owner.is_some() && change.status.is_some();
            if !complete && !self.known.subscriptions.contains_key(&change.id) {
                return Err(StoreError::Unknown { kind: "subscription", id: change.id.clone() });
            }
        }
        for attempt in &work.attempts {
            if !self.known.intents.contains_key(&attempt.intent) {
                return Err(StoreError::Unknown { kind: "intent", id: attempt.intent.to_string() });
            }
        }
        check_updates(&self.known, &work.intent_updates)
    }

    /// Adds the delivery part of a unit; gives the new intents' ids and the numbers asked for.
    pub(super) fn stage_delivery(&mut self, work: &Work) -> (Vec<i64>, Vec<u64>) {
        self.effects.deliveries |= !work.subscriptions.is_empty()
            || !work.intents.is_empty()
            || work.intent_updates.iter().any(|update| update.reopen);
        for change in &work.subscriptions {
            apply_change(self.known.subscriptions.entry(change.id.clone()).or_default(), change);
        }
        let intents = work.intents.iter().map(|intent| self.stage_intent(intent, work.now)).collect();
        let numbers = work.intent_updates.iter().filter_map(|one| self.stage_update(one, work.now)).collect();
        for attempt in &work.attempts {
            self.attempts.push([
                attempt.intent.into(),
                attempt.number.into(),
                attempt.at.into(),
                attempt.took_ms.into(),
                attempt.outcome.as_str().into(),
                attempt.http_status.into(),
                attempt.error.clone().into(),
            ]);
        }
        for one in &work.hastenings {
            self.hastenings.push([one.subscription.as_str().into(), one.due.into()]);
        }
        for closing in &work.closings {
            let row =
                [closing.subscription.as_str().into(), closing.reason.as_str().into(), closing.at.into()];
            self.closings.push(row);
        }
        (intents, numbers)
    }

    fn stage_intent(&mut self, intent: &NewIntent, now: Timestamp) -> i64 {
        let id = self.counters.intent;
        self.counters.intent += 1;
        let lane = intent
            .patient_key
            .clone()
            .unwrap_or_else(|| format!("{}/{}", intent.resource_type, intent.resource_id));
        self.intents.push([
            id.into(),
            event_id(now).into(),
            intent.subscription.as_str().into(),
            lane.as_str().into(),
            intent.patient_key.clone().into(),
            intent.resource_type.as_str().into(),
            intent.resource_id.as_str().into(),
            intent.version.into(),
            intent.topic.as_str().into(),
            intent.trigger.as_str().into(),
            intent.created.into(),
            Cell::Integer(1),
            intent.due.into(),
            Cell::Integer(0),
            Cell::Integer(0),
        ]);
        self.lanes.insert((intent.subscription.clone(), lane));
        id
    }

    fn stage_update(&mut self, update: &IntentUpdate, now: Timestamp) -> Option<u64> {
        let row = self.known.intents.get_mut(&update.intent)?;
        row.dirty = true;
        if update.reopen && row.state > 1 {
            row.state = 1;
            row.settled = None;
            self.reopened = true;
            self.lanes.insert((row.subscription.clone(), row.lane.clone()));
        }
        if let Some(state) = update.state.filter(|state| !state.is_open()) {
            row.state = state_code(state);
            row.settled = Some(micros(now));
            self.lanes.insert((row.subscription.clone(), row.lane.clone()));
        }
        if let Some(attempts) = update.attempts {
            row.attempts = i64::from(attempts);
        }
        if let Some(due) = update.due {
            row.due = micros(due);
        }
        if let Some(first) = update.first_attempt {
            row.first_attempt = first.map(micros);
        }
        if let Some(exposed) = update.exposed {
            row.exposed = exposed;
        }
        if let Some(reason) = &update.reason {
            row.reason = Some(reason.clone());
        }
        let subscription = self.known.subscriptions.get_mut(&row.subscription);
        renumber(row, subscription, update.number?)
    }

    /// Writes the delivery part of all admitted units, then lets the earliest of each touched lane be ready.
    pub(super) async fn write_delivery(&mut self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        let mut subscriptions = Rows::new(13, SUBSCRIPTION.0, SUBSCRIPTION.1);
        for (id, row) in self.known.subscriptions.iter().filter(|(_, row)| row.dirty) {
            subscriptions.push([
                id.as_str().into(),
                row.owner.as_str().into(),
                row.status.as_str().into(),
                row.events.into(),
                row.failures.into(),
                row.failing_since.into(),
                row.retry_at.into(),
                row.heartbeat_at.into(),
                row.last_error.clone().into(),
                row.lease_owner.clone().into(),
                row.lease_until.into(),
                row.fence.into(),
                row.detail.as_str().into(),
            ]);
        }
        let mut updates = Rows::new(9, UPDATE.0, UPDATE.1);
        for (id, row) in self.known.intents.iter().filter(|(_, row)| row.dirty) {
            updates.push([
                (*id).into(),
                row.state.into(),
                row.due.into(),
                row.attempts.into(),
                row.first_attempt.into(),
                row.number.into(),
                row.exposed.into(),
                row.reason.clone().into(),
                row.settled.into(),
            ]);
        }
        subscriptions.execute(connection).await?;
        self.intents.execute(connection).await?;
        updates.execute(connection).await?;
        self.attempts.execute(connection).await?;
        self.hastenings.execute(connection).await?;
        self.closings.execute(connection).await?;
        if self.reopened {
            self.lanes(DEMOTE).execute(connection).await?;
        }
        self.lanes(PROMOTE).execute(connection).await
    }

    fn lanes(&self, (head, tail): (&'static str, &'static str)) -> Rows {
        let mut rows = Rows::new(2, head, tail);
        for (subscription, lane) in &self.lanes {
            rows.push([subscription.as_str().into(), lane.as_str().into()]);
        }
        rows
    }
}

fn check_updates(known: &Known, updates: &[IntentUpdate]) -> Result<(), StoreError> {
    let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
    for update in updates {
        let Some(row) = known.intents.get(&update.intent) else {
            return Err(StoreError::Unknown { kind: "intent", id: update.intent.to_string() });
        };
        if row.state > 1 && !update.reopen {
            return Err(StoreError::Settled { intent: update.intent });
        }
        let Some(numbering) = update.number else { continue };
        let Some(subscription) = known.subscriptions.get(&row.subscription) else {
            return Err(StoreError::Unknown { kind: "subscription", id: row.subscription.clone() });
        };
        let newest = newest.entry(row.subscription.as_str()).or_insert(subscription.events);
        match numbering {
            Numbering::Next => *newest += i64::from(row.number.is_none()),
            Numbering::TakeBack if row.number == Some(*newest) => *newest -= 1,
            Numbering::TakeBack => {
                let rule = "only the newest event number of a subscription can be given back";
                return Err(StoreError::Rejected { rule: rule.to_owned() });
            }
        }
    }
    Ok(())
}

fn renumber(row: &mut IntentRow, subscription: Option<&mut SubscriptionRow>, what: Numbering) -> Option<u64> {
    let subscription = subscription?;
    match what {
        Numbering::Next => {
            if row.number.is_none() {
                subscription.events += 1;
                subscription.dirty = true;
                row.number = Some(subscription.events);
            }
            row.number.and_then(|number| u64::try_from(number).ok())
        }
        Numbering::TakeBack => {
            if row.number.take().is_some() {
                subscription.events -= 1;
                subscription.dirty = true;
            }
            None
        }
    }
}

fn apply_change(row: &mut SubscriptionRow, change: &SubscriptionChange) {
    row.dirty = true;
    if let Some(owner) = &change.owner {
        row.owner.clone_from(owner);
    }
    if let Some(status) = &change.status {
        row.status.clone_from(status);
    }
    if let Some(failures) = change.failures {
        row.failures = i64::from(failures);
    }
    if let Some(time) = change.failing_since {
        row.failing_since = time.map(micros);
    }
    if let Some(time) = change.retry_at {
        row.retry_at = time.map(micros);
    }
    if let Some(time) = change.heartbeat_at {
        row.heartbeat_at = time.map(micros);
    }
    if let Some(detail) = &change.detail {
        row.detail.clone_from(detail);
    }
    if let Some(error) = &change.last_error {
        row.last_error.clone_from(error);
    }
}

/// A new event id (UUID version 7), so that the index over them grows at its end.
fn event_id(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds))
}

const SUBSCRIPTION: (&str, &str) = (
    "INSERT INTO subscription (id, owner, status, events, failures, failing_since, retry_at, heartbeat_at, \
     last_error, lease_owner, lease_until, fence, detail) SELECT * FROM (",
    ") WHERE column1 IS NOT NULL ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, status = excluded.status, events = excluded.events, \
     failures = excluded.failures, failing_since = excluded.failing_since, retry_at = excluded.retry_at, \
     heartbeat_at = excluded.heartbeat_at, last_error = excluded.last_error, detail = excluded.detail",
);
const UPDATE: (&str, &str) = (
    "WITH v(id, state, due, attempts, first_attempt, number, exposed, reason, settled) AS (",
    ") UPDATE intent SET state = v.state, due = v.due, attempts = v.attempts, first_attempt = v.first_attempt, \
     number = v.number, exposed = v.exposed, reason = v.reason, settled = v.settled FROM v WHERE intent.id = v.id",
);
pub(super) const HASTENING: (&str, &str) = (
    "WITH v(s, due) AS (",
    ") UPDATE intent SET due = v.due FROM v WHERE intent.subscription = v.s AND intent.state = 0 AND intent.due > v.due",
);
pub(super) const CLOSING: (&str, &str) = (
    "WITH v(s, reason, at) AS (",
    ") UPDATE intent SET state = 5, reason = v.reason, settled = v.at \
     FROM v WHERE intent.subscription = v.s AND intent.state < 2",
);
pub(super) const INTENT: &str = "INSERT INTO intent (id, event_id, subscription, lane, patient, type, rid, version, \
    topic, trigger, created, state, due, attempts, exposed)";
pub(super) const ATTEMPT: &str =
    "INSERT INTO attempt (intent, number, at, took_ms, outcome, http_status, error)";
const DEMOTE: (&str, &str) = (
    "WITH v(s, l) AS (",
    ") UPDATE intent SET state = 1 WHERE state = 0 AND id IN (SELECT i.id FROM v CROSS JOIN intent i \
     ON i.lane = v.l AND i.subscription = v.s AND i.state < 2)",
);
const PROMOTE: (&str, &str) = (
    "WITH v(s, l) AS (",
    ") UPDATE intent SET state = 0 WHERE state = 1 AND id IN (SELECT (SELECT min(i.id) FROM intent i \
     WHERE i.lane = v.l AND i.subscription = v.s AND i.state < 2) FROM v)",
);
