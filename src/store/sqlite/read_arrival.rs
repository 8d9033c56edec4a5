//! Reading all that taking a submission in rests on, in one statement: each statement is a journey to the database's
//! thread and back, and a submission has half a dozen resources.

use super::read_resources::{bytes32, stored_from};
use super::readers::Readers;
use super::rows::{Cell, bind};
use crate::store::{Arrived, Arriving, KnownKey, StoreError};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row};
use std::sync::OnceLock;

/// Resources in one statement; shorter lists are filled up with NULL, which finds nothing.
const RESOURCES: usize = 16;
/// Keys in one statement.
const KEYS: usize = 2;

/// Reads keys, current versions and what is known about the patient. All of it is read at one moment, unless there are
/// more resources than one statement takes; the writer checks every version again.
pub async fn arriving(readers: &Readers, wanted: &Arriving) -> Result<Arrived, StoreError> {
    let mut arrived = Arrived { keys: vec![None; wanted.keys.len()], ..Arrived::default() };
    arrived.resources.resize(wanted.resources.len(), None);
    let most = wanted.resources.len().div_ceil(RESOURCES).max(wanted.keys.len().div_ceil(KEYS)).max(1);
    for round in 0..most {
        let mut arguments = SqliteArguments::default();
        let resources = wanted.resources.iter().skip(round * RESOURCES).map(Some);
        for (place, one) in resources.chain(std::iter::repeat(None)).take(RESOURCES).enumerate() {
            let (place, resource_type, id) = match one {
                Some((resource_type, id)) => (
                    Cell::from((round * RESOURCES + place) as u64),
                    resource_type.as_str().into(),
                    id.as_str().into(),
                ),
                None => (Cell::Null, Cell::Null, Cell::Null),
            };
            for cell in [place, resource_type, id] {
                bind(&mut arguments, cell)?;
            }
        }
        let keys = wanted.keys.iter().skip(round * KEYS).map(Some);
        for (place, one) in keys.chain(std::iter::repeat(None)).take(KEYS).enumerate() {
            let (place, scope, key) = match one {
                Some((scope, key)) => {
                    (Cell::from((round * KEYS + place) as u64), scope.as_str().into(), key.as_str().into())
                }
                None => (Cell::Null, Cell::Null, Cell::Null),
            };
            for cell in [place, scope, key] {
                bind(&mut arguments, cell)?;
            }
        }
        let patient = wanted.patient_key.clone().filter(|_| round == 0);
        bind(&mut arguments, patient.into())?;
        let query = sqlx::query_with(AssertSqlSafe(sql()), arguments);
        for row in readers.all(query).await? {
            take(&row, &mut arrived)?;
        }
    }
    let facts = &mut arrived.facts;
    facts.patients.sort_by(|one, other| one.id.cmp(&other.id));
    facts.consents.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(arrived)
}

/// The columns: what was found, its place in the list asked for, then a resource's, or a key's digest and answer.
fn take(row: &SqliteRow, arrived: &mut Arrived) -> Result<(), StoreError> {
    let place = usize::try_from(row.try_get::<i64, _>(1)?).unwrap_or(usize::MAX);
    match row.try_get::<i64, _>(0)? {
        0 => {
            if let Some(slot) = arrived.resources.get_mut(place) {
                *slot = Some(stored_from(row, 2)?);
            }
        }
        1 => arrived.facts.patients.push(stored_from(row, 2)?),
        2 => arrived.facts.consents.push(stored_from(row, 2)?),
        _ => {
            if let Some(slot) = arrived.keys.get_mut(place) {
                *slot = Some(KnownKey { digest: bytes32(row.try_get(9)?)?, answer: row.try_get(8)? });
            }
        }
    }
    Ok(())
}

fn sql() -> &'static str {
    static SQL: OnceLock<String> = OnceLock::new();
    SQL.get_or_init(|| {
        let rows = |count: usize| vec!["(?,?,?)"; count].join(",");
        format!(
            "WITH v(n, type, rid) AS (VALUES {}), k(n, scope, key) AS (VALUES {}) \
             SELECT 0, v.n, w.type, w.rid, w.version, w.last_updated, w.deleted, w.patient, w.body, NULL \
             FROM v CROSS JOIN resource r ON r.type = v.type AND r.rid = v.rid \
             CROSS JOIN resource_version w ON w.id = r.row \
             UNION ALL SELECT 3, k.n, NULL, NULL, NULL, NULL, NULL, NULL, \
             coalesce(i.answer, (SELECT o.answer FROM idempotency o WHERE o.id = i.same_as)), i.digest \
             FROM k CROSS JOIN idempotency i ON i.scope = k.scope AND i.key = k.key \
             UNION ALL SELECT iif(r.type = 'Patient', 1, 2), 0, w.type, w.rid, w.version, w.last_updated, w.deleted, \
             w.patient, w.body, NULL FROM resource r CROSS JOIN resource_version w ON w.id = r.row \
             WHERE r.patient = ? AND r.type IN ('Consent', 'Patient') AND w.deleted = 0",
            rows(RESOURCES),
            rows(KEYS)
        )
    })
}
