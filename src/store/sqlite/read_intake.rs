//! Reading submissions, idempotency keys and the quarantine.

use super::batch::quarantine_code;
use super::read_resources::{bytes32, limit, time};
use super::readers::Readers;
use crate::store::work::QuarantineStatus;
use crate::store::{KnownKey, QuarantineQuery, Quarantined, StoreError, Submission};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

const SUBMISSION: &str = "SELECT id, source, received, media_type, digest, message_id, outcome, detail \
    FROM submission WHERE id = ?1";
const KEY: &str = "SELECT i.digest, coalesce(i.answer, (SELECT o.answer FROM idempotency o WHERE o.id = i.same_as)) \
    FROM idempotency i WHERE i.scope = ?1 AND i.key = ?2";
const LIST: &str = "SELECT position, id, source, organisation, received, media_type, reason, outcome, status, changed, \
    note, NULL FROM quarantine WHERE position < ?1 AND (?2 IS NULL OR source = ?2) \
    AND (?3 IS NULL OR organisation = ?3) AND (?4 IS NULL OR status = ?4) ORDER BY position DESC LIMIT ?5";
const READ: &str = "SELECT position, id, source, organisation, received, media_type, reason, outcome, status, changed, \
    note, payload FROM quarantine WHERE id = ?1";

/// A submission by its id.
pub async fn submission(readers: &Readers, id: &str) -> Result<Option<Submission>, StoreError> {
    let Some(row) = readers.first(sqlx::query(SUBMISSION).bind(id)).await? else { return Ok(None) };
    Ok(Some(Submission {
        id: row.try_get(0)?,
        source: row.try_get(1)?,
        received: time(row.try_get(2)?)?,
        media_type: row.try_get(3)?,
        digest: bytes32(row.try_get(4)?)?,
        message_id: row.try_get(5)?,
        outcome: row.try_get(6)?,
        detail: row.try_get(7)?,
    }))
}

/// What is kept for an idempotency key.
pub async fn known_key(readers: &Readers, scope: &str, key: &str) -> Result<Option<KnownKey>, StoreError> {
    let Some(row) = readers.first(sqlx::query(KEY).bind(scope).bind(key)).await? else {
        return Ok(None);
    };
    Ok(Some(KnownKey { digest: bytes32(row.try_get(0)?)?, answer: row.try_get(1)? }))
}

/// Quarantined payloads without their content.
pub async fn quarantine_list(
    readers: &Readers,
    query: QuarantineQuery,
) -> Result<Vec<Quarantined>, StoreError> {
    let rows = readers
        .all(
            sqlx::query(LIST)
                .bind(query.before.unwrap_or(i64::MAX))
                .bind(query.source)
                .bind(query.organisation)
                .bind(query.status.map(quarantine_code))
                .bind(limit(query.limit)),
        )
        .await?;
    rows.iter().map(quarantined).collect()
}

/// A quarantined payload with its content.
pub async fn quarantine_read(readers: &Readers, id: &str) -> Result<Option<Quarantined>, StoreError> {
    readers.first(sqlx::query(READ).bind(id)).await?.as_ref().map(quarantined).transpose()
}

fn quarantined(row: &SqliteRow) -> Result<Quarantined, StoreError> {
    let status = match row.try_get(8)? {
        0_i64 => QuarantineStatus::Held,
        1 => QuarantineStatus::Resubmitted,
        _ => QuarantineStatus::Discarded,
    };
    Ok(Quarantined {
        position: row.try_get(0)?,
        id: row.try_get(1)?,
        source: row.try_get(2)?,
        organisation: row.try_get(3)?,
        received: time(row.try_get(4)?)?,
        media_type: row.try_get(5)?,
        reason: row.try_get(6)?,
        outcome: row.try_get(7)?,
        status,
        changed: time(row.try_get(9)?)?,
        note: row.try_get(10)?,
        payload: row.try_get(11)?,
    })
}
