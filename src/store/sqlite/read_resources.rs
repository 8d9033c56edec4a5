//! Reading resources.

use super::known::unsigned;
use super::readers::Readers;
use super::rows::number;
use crate::store::{PAGE_LIMIT, PatientFacts, StoreError, Stored};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

const BY_ID: &str = "SELECT v.type, v.rid, v.version, v.last_updated, v.deleted, v.patient, v.body \
    FROM resource r JOIN resource_version v ON v.id = r.row WHERE r.type = ?1 AND r.rid = ?2";
const HISTORY: &str = "WITH RECURSIVE chain(id, version, previous) AS ( \
    SELECT v.id, v.version, v.previous FROM resource r JOIN resource_version v ON v.id = r.row \
    WHERE r.type = ?1 AND r.rid = ?2 UNION ALL \
    SELECT v.id, v.version, v.previous FROM chain c JOIN resource_version v ON v.id = c.previous \
    WHERE c.version > ?4) \
    SELECT v.type, v.rid, v.version, v.last_updated, v.deleted, v.patient, v.body \
    FROM chain c JOIN resource_version v ON v.id = c.id WHERE c.version < ?3 AND c.version >= ?4 \
    ORDER BY c.version DESC LIMIT ?5";
const BY_IDENTIFIER: &str = "SELECT v.type, v.rid, v.version, v.last_updated, v.deleted, v.patient, v.body \
    FROM (SELECT DISTINCT type, rid FROM identifier WHERE type = ?1 AND value = ?2 AND (?3 IS NULL OR system = ?3)) i \
    JOIN resource r ON r.type = i.type AND r.rid = i.rid JOIN resource_version v ON v.id = r.row \
    WHERE v.deleted = 0 ORDER BY v.rid LIMIT ?4";
const BY_PATIENT: &str = "SELECT v.type, v.rid, v.version, v.last_updated, v.deleted, v.patient, v.body \
    FROM resource r JOIN resource_version v ON v.id = r.row \
    WHERE r.patient = ?1 AND r.type = ?2 AND v.deleted = 0 ORDER BY r.rid LIMIT ?3";
const LIST: &str = "SELECT v.type, v.rid, v.version, v.last_updated, v.deleted, v.patient, v.body \
    FROM resource r JOIN resource_version v ON v.id = r.row \
    WHERE r.type = ?1 AND r.rid > ?2 AND v.deleted = 0 ORDER BY r.rid LIMIT ?3";
const FACTS: &str = "SELECT v.type, v.rid, v.version, v.last_updated, v.deleted, v.patient, v.body \
    FROM resource r JOIN resource_version v ON v.id = r.row \
    WHERE r.patient = ?1 AND r.type IN ('Consent', 'Patient') AND v.deleted = 0 ORDER BY r.type, r.rid";

/// The current version of a resource.
pub async fn read(readers: &Readers, resource_type: &str, id: &str) -> Result<Option<Stored>, StoreError> {
    let row = readers.first(sqlx::query(BY_ID).bind(resource_type).bind(id)).await?;
    row.as_ref().map(stored).transpose()
}

/// One version of a resource.
pub async fn read_version(
    readers: &Readers,
    resource_type: &str,
    id: &str,
    version: u64,
) -> Result<Option<Stored>, StoreError> {
    let (below, least) = (number(version.saturating_add(1)), number(version));
    let query = sqlx::query(HISTORY).bind(resource_type).bind(id).bind(below).bind(least).bind(1);
    readers.first(query).await?.as_ref().map(stored).transpose()
}

/// The versions of a resource, the newest first.
pub async fn history(
    readers: &Readers,
    resource_type: &str,
    id: &str,
    before: Option<u64>,
    most: usize,
) -> Result<Vec<Stored>, StoreError> {
    let before = number(before.unwrap_or(u64::MAX));
    all(readers, sqlx::query(HISTORY).bind(resource_type).bind(id).bind(before).bind(0).bind(limit(most)))
        .await
}

/// Current resources with a business identifier.
pub async fn find_by_identifier(
    readers: &Readers,
    resource_type: &str,
    system: Option<&str>,
    value: &str,
    most: usize,
) -> Result<Vec<Stored>, StoreError> {
    all(readers, sqlx::query(BY_IDENTIFIER).bind(resource_type).bind(value).bind(system).bind(limit(most)))
        .await
}

/// Current resources about a patient.
pub async fn find_by_patient(
    readers: &Readers,
    resource_type: &str,
    patient_key: &str,
    most: usize,
) -> Result<Vec<Stored>, StoreError> {
    all(readers, sqlx::query(BY_PATIENT).bind(patient_key).bind(resource_type).bind(limit(most))).await
}

/// Current resources of a type.
pub async fn list(
    readers: &Readers,
    resource_type: &str,
    after: Option<&str>,
    most: usize,
) -> Result<Vec<Stored>, StoreError> {
    all(readers, sqlx::query(LIST).bind(resource_type).bind(after.unwrap_or("")).bind(limit(most))).await
}

/// The Patients and Consents with a patient's key, read by one statement and so at one moment.
pub async fn facts_for(readers: &Readers, patient_key: &str) -> Result<PatientFacts, StoreError> {
    let found = all(readers, sqlx::query(FACTS).bind(patient_key)).await?;
    let (consents, patients) = found.into_iter().partition(|one| one.resource_type == "Consent");
    Ok(PatientFacts { patients, consents })
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

async fn all(readers: &Readers, query: Query<'_>) -> Result<Vec<Stored>, StoreError> {
    readers.all(query).await?.iter().map(stored).collect()
}

fn stored(row: &SqliteRow) -> Result<Stored, StoreError> {
    stored_from(row, 0)
}

/// The resource in a row whose columns for it begin at `first`.
pub fn stored_from(row: &SqliteRow, first: usize) -> Result<Stored, StoreError> {
    Ok(Stored {
        resource_type: row.try_get(first)?,
        id: row.try_get(first + 1)?,
        version: unsigned(row.try_get(first + 2)?),
        last_updated: time(row.try_get(first + 3)?)?,
        deleted: row.try_get::<i64, _>(first + 4)? != 0,
        patient_key: row.try_get(first + 5)?,
        body: row.try_get(first + 6)?,
    })
}

/// A time from the tables.
pub fn time(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros)
        .map_err(|_| StoreError::Damaged { detail: "a time beyond all calendars".to_owned() })
}

/// A time from the tables that may be absent.
pub fn maybe_time(micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    micros.map(time).transpose()
}

/// A digest or a salt from the tables.
pub fn bytes32(blob: &[u8]) -> Result<[u8; 32], StoreError> {
    blob.try_into().map_err(|_| StoreError::Damaged { detail: "a digest of the wrong length".to_owned() })
}

/// A page's length as the database takes it.
pub fn limit(most: usize) -> i64 {
    i64::try_from(most.min(PAGE_LIMIT)).unwrap_or(i64::MAX)
}
