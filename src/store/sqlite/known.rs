//! What the writer must know about the present to judge a batch of work, read in a few statements.

use super::fault::Fault;
use super::rows::{Cell, Rows};
use crate::store::{IntentState, Work};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::{HashMap, HashSet};

/// The present, as far as a batch of work touches it; kept up to date while units are admitted.
#[derive(Debug, Default)]
pub struct Known {
    /// Idempotency keys by scope and key.
    pub keys: HashMap<(String, String), Key>,
    /// Current versions by type and id.
    pub versions: HashMap<(String, String), Current>,
    /// Quarantined payloads that are held.
    pub held: HashSet<String>,
    /// Subscriptions by id.
    pub subscriptions: HashMap<String, SubscriptionRow>,
    /// Intents by id.
    pub intents: HashMap<i64, IntentRow>,
}

/// A known idempotency key.
#[derive(Debug, Clone)]
pub struct Key {
    /// SHA-256 of the content.
    pub digest: Vec<u8>,
    /// The stored answer.
    pub answer: Option<String>,
}

/// The current version of a resource.
#[derive(Debug, Clone)]
pub struct Current {
    /// The version.
    pub version: u64,
    /// Its row in `resource_version`.
    pub row: i64,
    /// Its business identifiers: alternating systems and values in JSON.
    pub identifiers: String,
}

/// A row of `subscription`.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionRow {
    pub owner: String,
    pub status: String,
    pub events: i64,
    pub failures: i64,
    pub failing_since: Option<i64>,
    pub retry_at: Option<i64>,
    pub heartbeat_at: Option<i64>,
    pub last_error: Option<String>,
    pub lease_owner: Option<String>,
    pub lease_until: i64,
    pub fence: i64,
    pub detail: String,
    /// Whether it differs from what the table holds.
    pub dirty: bool,
}

/// The changing columns of a row of `intent`.
#[derive(Debug, Clone)]
pub struct IntentRow {
    pub subscription: String,
    pub lane: String,
    pub state: i64,
    pub due: i64,
    pub attempts: i64,
    pub first_attempt: Option<i64>,
    pub number: Option<i64>,
    pub exposed: bool,
    pub reason: Option<String>,
    pub settled: Option<i64>,
    /// Whether it differs from what the table holds.
    pub dirty: bool,
}

impl Known {
    /// Reads what the works of a batch need.
    pub async fn load(connection: &mut SqliteConnection, works: &[&Work]) -> Result<Self, Fault> {
        let mut known = Self::default();
        known.load_keys(connection, works).await?;
        known.load_versions(connection, works).await?;
        known.load_held(connection, works).await?;
        known.load_intents(connection, works).await?;
        known.load_subscriptions(connection, works).await?;
        Ok(known)
    }

    async fn load_keys(&mut self, connection: &mut SqliteConnection, works: &[&Work]) -> Result<(), Fault> {
        let mut rows = Rows::new(
            2,
            "WITH v(scope, key) AS (",
            ") SELECT i.scope, i.key, i.digest, \
             coalesce(i.answer, (SELECT o.answer FROM idempotency o WHERE o.id = i.same_as)) \
             FROM v CROSS JOIN idempotency i ON i.scope = v.scope AND i.key = v.key",
        );
        for key in works.iter().flat_map(|work| work.key.iter().chain(&work.other_keys)) {
            rows.push([key.scope.as_str().into(), key.key.as_str().into()]);
        }
        for row in rows.fetch(connection).await? {
            let key = Key { digest: row.try_get(2)?, answer: row.try_get(3)? };
            self.keys.insert((row.try_get(0)?, row.try_get(1)?), key);
        }
        Ok(())
    }

    async fn load_versions(
        &mut self,
        connection: &mut SqliteConnection,
        works: &[&Work],
    ) -> Result<(), Fault> {
        let mut wanted: HashSet<(&str, &str)> = HashSet::new();
        for work in works {
            wanted.extend(work.puts.iter().map(|put| (put.resource_type.as_str(), put.id.as_str())));
            wanted.extend(work.requires.iter().map(|one| (one.resource_type.as_str(), one.id.as_str())));
        }
        let mut rows = Rows::new(
            2,
            "WITH v(type, rid) AS (",
            ") SELECT r.type, r.rid, r.version, r.row, r.identifiers FROM v CROSS JOIN resource r ON r.type = v.type AND r.rid = v.rid",
        );
        for (resource_type, id) in wanted {
            rows.push([resource_type.into(), id.into()]);
        }
        for row in rows.fetch(connection).await? {
            let version = unsigned(row.try_get(2)?);
            let current = Current { version, row: row.try_get(3)?, identifiers: row.try_get(4)? };
            self.versions.insert((row.try_get(0)?, row.try_get(1)?), current);
        }
        Ok(())
    }

    async fn load_held(&mut self, connection: &mut SqliteConnection, works: &[&Work]) -> Result<(), Fault> {
        let mut rows = Rows::new(
            1,
            "WITH v(id) AS (",
            ") SELECT q.id FROM v CROSS JOIN quarantine q ON q.id = v.id WHERE q.status = 0",
        );
        for change in works.iter().flat_map(|work| &work.quarantine_changes) {
            rows.push([change.id.as_str().into()]);
        }
        for row in rows.fetch(connection).await? {
            self.held.insert(row.try_get(0)?);
        }
        Ok(())
    }

    async fn load_intents(
        &mut self,
        connection: &mut SqliteConnection,
        works: &[&Work],
    ) -> Result<(), Fault> {
        let mut wanted: HashSet<i64> = HashSet::new();
        for work in works {
            wanted.extend(work.intent_updates.iter().map(|update| update.intent));
            wanted.extend(work.attempts.iter().map(|attempt| attempt.intent));
        }
        let mut rows = Rows::new(
            1,
            "WITH v(id) AS (",
            ") SELECT i.id, i.subscription, i.lane, i.state, i.due, i.attempts, i.first_attempt, i.number, \
             i.exposed, i.reason, i.settled FROM v CROSS JOIN intent i ON i.id = v.id",
        );
        for id in wanted {
            rows.push([Cell::Integer(id)]);
        }
        for row in rows.fetch(connection).await? {
            self.intents.insert(row.try_get(0)?, intent_row(&row)?);
        }
        Ok(())
    }

    async fn load_subscriptions(
        &mut self,
        connection: &mut SqliteConnection,
        works: &[&Work],
    ) -> Result<(), Fault> {
        let mut wanted: HashSet<&str> = HashSet::new();
        for work in works {
            wanted.extend(work.fences.iter().map(|fence| fence.subscription.as_str()));
            wanted.extend(work.subscriptions.iter().map(|change| change.id.as_str()));
            let numbered = work.intent_updates.iter().filter(|update| update.number.is_some());
            let intents = numbered.filter_map(|update| self.intents.get(&update.intent));
            wanted.extend(intents.map(|intent| intent.subscription.as_str()));
        }
        let mut rows = Rows::new(
            1,
            "WITH v(id) AS (",
            ") SELECT s.id, s.owner, s.status, s.events, s.failures, s.failing_since, s.retry_at, \
             s.heartbeat_at, s.last_error, s.lease_owner, s.lease_until, s.fence, s.detail \
             FROM v CROSS JOIN subscription s ON s.id = v.id",
        );
        for id in wanted {
            rows.push([id.into()]);
        }
        for row in rows.fetch(connection).await? {
            self.subscriptions.insert(row.try_get(0)?, subscription_row(&row)?);
        }
        Ok(())
    }
}

fn intent_row(row: &SqliteRow) -> Result<IntentRow, Fault> {
    Ok(IntentRow {
        subscription: row.try_get(1)?,
        lane: row.try_get(2)?,
        state: row.try_get(3)?,
        due: row.try_get(4)?,
        attempts: row.try_get(5)?,
        first_attempt: row.try_get(6)?,
        number: row.try_get(7)?,
        exposed: row.try_get::<i64, _>(8)? != 0,
        reason: row.try_get(9)?,
        settled: row.try_get(10)?,
        dirty: false,
    })
}

fn subscription_row(row: &SqliteRow) -> Result<SubscriptionRow, Fault> {
    Ok(SubscriptionRow {
        owner: row.try_get(1)?,
        status: row.try_get(2)?,
        events: row.try_get(3)?,
        failures: row.try_get(4)?,
        failing_since: row.try_get(5)?,
        retry_at: row.try_get(6)?,
        heartbeat_at: row.try_get(7)?,
        last_error: row.try_get(8)?,
        lease_owner: row.try_get(9)?,
        lease_until: row.try_get(10)?,
        fence: row.try_get(11)?,
        detail: row.try_get(12)?,
        dirty: false,
    })
}

/// A count or version from the tables; none is negative.
pub fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// An intent's state as the tables hold it.
pub fn state_code(state: IntentState) -> i64 {
    match state {
        IntentState::Ready => 0,
        IntentState::Waiting => 1,
        IntentState::Delivered => 2,
        IntentState::Withheld => 3,
        IntentState::Dead => 4,
        IntentState::Ended => 5,
    }
}

/// The state of an intent, from the tables.
pub fn state_of(code: i64) -> IntentState {
    match code {
        0 => IntentState::Ready,
        1 => IntentState::Waiting,
        2 => IntentState::Delivered,
        3 => IntentState::Withheld,
        4 => IntentState::Dead,
        _ => IntentState::Ended,
    }
}
