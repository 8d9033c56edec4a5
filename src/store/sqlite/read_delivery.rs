//! Reading subscriptions, intents and attempts.

use super::known::{state_code, state_of, unsigned};
use super::read_resources::{limit, maybe_time, time};
use super::readers::Readers;
use super::rows::{micros, number};
use crate::store::{
    Attempt, DueSubscription, Intent, IntentQuery, QueueCount, StoreError, SubscriptionState,
};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite};
use uuid::Uuid;

const STATES: &str = "SELECT s.id, coalesce(r.version, 0), s.owner, s.status, s.events, s.failures, s.failing_since, \
    s.retry_at, s.heartbeat_at, s.last_error, coalesce(v.body, ''), s.detail \
    FROM subscription s LEFT JOIN resource r ON r.type = 'Subscription' AND r.rid = s.id \
    LEFT JOIN resource_version v ON v.id = r.row WHERE ?1 IS NULL OR s.id = ?1 ORDER BY s.id";
const INTENT: &str = "SELECT id, event_id, subscription, patient, type, rid, version, topic, trigger, created, state, \
    due, attempts, first_attempt, number, exposed, reason, settled FROM intent ";
const READY: &str = "WHERE subscription = ?1 AND state = 0 AND due <= ?2 ORDER BY due, id LIMIT ?3";
const EVENTS: &str = "WHERE subscription = ?1 AND number IS NOT NULL AND number BETWEEN ?2 AND ?3 \
    ORDER BY number LIMIT ?4";
const NEXT_DUE: &str = "SELECT min(due) FROM intent WHERE subscription = ?1 AND state = 0";
const NEXT_DUE_OF_ANY: &str = "SELECT min((SELECT min(i.due) FROM intent i WHERE i.subscription = s.id AND i.state = 0)) \
    FROM subscription s";
// One short walk along the index for each subscription, not over all that wait.
const DUE: &str = "SELECT id, n, since FROM (SELECT s.id AS id, \
    (SELECT count(*) FROM intent i WHERE i.subscription = s.id AND i.state = 0 AND i.due <= ?1) AS n, \
    (SELECT min(i.due) FROM intent i WHERE i.subscription = s.id AND i.state = 0) AS since \
    FROM subscription s) WHERE n > 0 ORDER BY since, id";
const ATTEMPTS: &str = "SELECT intent, number, at, took_ms, outcome, http_status, error FROM attempt \
    WHERE intent = ?1 ORDER BY id";
const COUNTS: &str = "SELECT subscription, state, count(*) FROM (SELECT subscription, state FROM intent WHERE state < 2 \
    UNION ALL SELECT subscription, state FROM intent WHERE state = 4) GROUP BY subscription, state";

/// The states of all subscriptions, or of one.
pub async fn subscription_states(
    readers: &Readers,
    id: Option<&str>,
) -> Result<Vec<SubscriptionState>, StoreError> {
    readers.all(sqlx::query(STATES).bind(id)).await?.iter().map(subscription_state).collect()
}

/// Intents that are ready and due.
pub async fn ready_intents(
    readers: &Readers,
    subscription: &str,
    now: Timestamp,
    most: usize,
) -> Result<Vec<Intent>, StoreError> {
    let sql = AssertSqlSafe(format!("{INTENT}{READY}"));
    let query = sqlx::query(sql).bind(subscription).bind(micros(now)).bind(limit(most));
    readers.all(query).await?.iter().map(intent).collect()
}

/// Subscriptions with intents that are ready and due.
pub async fn due(readers: &Readers, now: Timestamp) -> Result<Vec<DueSubscription>, StoreError> {
    let rows = readers.all(sqlx::query(DUE).bind(micros(now))).await?;
    rows.iter()
        .map(|row| {
            Ok(DueSubscription {
                subscription: row.try_get(0)?,
                count: unsigned(row.try_get(1)?),
                since: time(row.try_get(2)?)?,
            })
        })
        .collect()
}

/// When the next ready intent is due.
pub async fn next_due(
    readers: &Readers,
    subscription: Option<&str>,
) -> Result<Option<Timestamp>, StoreError> {
    let due = match subscription {
        Some(id) => readers.one(sqlx::query(NEXT_DUE).bind(id)).await?.try_get(0)?,
        None => readers.one(sqlx::query(NEXT_DUE_OF_ANY)).await?.try_get(0)?,
    };
    maybe_time(due)
}

/// Intents with event numbers in a range.
pub async fn events(
    readers: &Readers,
    subscription: &str,
    from: u64,
    to: u64,
    most: usize,
) -> Result<Vec<Intent>, StoreError> {
    let sql = AssertSqlSafe(format!("{INTENT}{EVENTS}"));
    let query = sqlx::query(sql).bind(subscription).bind(number(from)).bind(number(to)).bind(limit(most));
    readers.all(query).await?.iter().map(intent).collect()
}

/// Intents that fit.
pub async fn intents(readers: &Readers, query: IntentQuery) -> Result<Vec<Intent>, StoreError> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(INTENT);
    sql.push("WHERE id > ").push_bind(query.after.unwrap_or(i64::MIN));
    if !query.ids.is_empty() {
        let mut list = sql.push(" AND id IN (").separated(", ");
        for id in query.ids.iter().take(crate::store::PAGE_LIMIT) {
            list.push_bind(*id);
        }
        sql.push(")");
    }
    if let Some(subscription) = query.subscription {
        sql.push(" AND subscription = ").push_bind(subscription);
    }
    if let Some(patient) = query.patient_key {
        sql.push(" AND patient = ").push_bind(patient);
    }
    match query.states.as_slice() {
        [] => {}
        // Named as in the partial indexes, so that these are used.
        [crate::store::IntentState::Dead] => {
            sql.push(" AND state = 4");
        }
        states => {
            let mut list = sql.push(" AND state IN (").separated(", ");
            for state in states {
                list.push_bind(state_code(*state));
            }
            sql.push(")");
            if states.iter().all(|state| state.is_open()) {
                sql.push(" AND state < 2");
            }
        }
    }
    if let Some(from) = query.from {
        sql.push(" AND created >= ").push_bind(micros(from));
    }
    if let Some(until) = query.until {
        sql.push(" AND created < ").push_bind(micros(until));
    }
    sql.push(" ORDER BY id LIMIT ").push_bind(limit(query.limit));
    readers.all(sql.build()).await?.iter().map(intent).collect()
}

/// The intent of an event.
pub async fn intent_of_event(readers: &Readers, event_id: Uuid) -> Result<Option<Intent>, StoreError> {
    let sql = AssertSqlSafe(format!("{INTENT}WHERE event_id = ?1"));
    let row = readers.first(sqlx::query(sql).bind(event_id.as_bytes().to_vec())).await?;
    row.as_ref().map(intent).transpose()
}

/// The attempts made for an intent.
pub async fn attempts(readers: &Readers, intent: i64) -> Result<Vec<Attempt>, StoreError> {
    readers.all(sqlx::query(ATTEMPTS).bind(intent)).await?.iter().map(attempt).collect()
}

/// How many intents stand where.
pub async fn queue_counts(readers: &Readers) -> Result<Vec<QueueCount>, StoreError> {
    let rows = readers.all(sqlx::query(COUNTS)).await?;
    rows.iter()
        .map(|row| {
            Ok(QueueCount {
                subscription: row.try_get(0)?,
                state: state_of(row.try_get(1)?),
                count: unsigned(row.try_get(2)?),
            })
        })
        .collect()
}

fn subscription_state(row: &SqliteRow) -> Result<SubscriptionState, StoreError> {
    Ok(SubscriptionState {
        id: row.try_get(0)?,
        resource_version: unsigned(row.try_get(1)?),
        owner: row.try_get(2)?,
        status: row.try_get(3)?,
        events: unsigned(row.try_get(4)?),
        failures: u32::try_from(row.try_get::<i64, _>(5)?).unwrap_or(u32::MAX),
        failing_since: maybe_time(row.try_get(6)?)?,
        retry_at: maybe_time(row.try_get(7)?)?,
        heartbeat_at: maybe_time(row.try_get(8)?)?,
        last_error: row.try_get(9)?,
        detail: row.try_get(11)?,
        body: row.try_get(10)?,
    })
}

fn intent(row: &SqliteRow) -> Result<Intent, StoreError> {
    let event_id = Uuid::from_slice(row.try_get(1)?)
        .map_err(|_| StoreError::Damaged { detail: "an event id of the wrong length".to_owned() })?;
    Ok(Intent {
        id: row.try_get(0)?,
        event_id,
        subscription: row.try_get(2)?,
        patient_key: row.try_get(3)?,
        resource_type: row.try_get(4)?,
        resource_id: row.try_get(5)?,
        version: unsigned(row.try_get(6)?),
        topic: row.try_get(7)?,
        trigger: row.try_get(8)?,
        created: time(row.try_get(9)?)?,
        state: state_of(row.try_get(10)?),
        due: time(row.try_get(11)?)?,
        attempts: u32::try_from(row.try_get::<i64, _>(12)?).unwrap_or(u32::MAX),
        first_attempt: maybe_time(row.try_get(13)?)?,
        event_number: row.try_get::<Option<i64>, _>(14)?.map(unsigned),
        exposed: row.try_get::<i64, _>(15)? != 0,
        reason: row.try_get(16)?,
        settled: maybe_time(row.try_get(17)?)?,
    })
}

fn attempt(row: &SqliteRow) -> Result<Attempt, StoreError> {
    let status: Option<i64> = row.try_get(5)?;
    Ok(Attempt {
        intent: row.try_get(0)?,
        number: u32::try_from(row.try_get::<i64, _>(1)?).unwrap_or(u32::MAX),
        at: time(row.try_get(2)?)?,
        took_ms: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u32::MAX),
        outcome: row.try_get(4)?,
        http_status: status.and_then(|status| u16::try_from(status).ok()),
        error: row.try_get(6)?,
    })
}
