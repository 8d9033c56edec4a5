//! Figures, the integrity check and the backup.

use super::checkpoint::log_bytes;
use super::fault;
use super::known::unsigned;
use super::readers::Readers;
use super::shared::Shared;
use crate::store::{Figures, StoreError};
use sqlx::{Connection, Row, SqliteConnection};
use std::path::Path;
use std::sync::atomic::Ordering;

const FIGURES: &str = "SELECT (SELECT count(*) FROM intent WHERE state < 2), \
    (SELECT count(*) FROM intent WHERE state = 4), (SELECT count(*) FROM quarantine WHERE status = 0), \
    (SELECT coalesce(max(sequence) + 1, 0) FROM audit_leaf)";
/// Rules over the tables that no constraint of the database holds.
const RULES: &[(&str, &str)] = &[
    (
        "SELECT count(*) FROM resource r LEFT JOIN resource_version v ON v.id = r.row \
         WHERE v.type IS NOT r.type OR v.rid IS NOT r.rid OR v.version IS NOT r.version",
        "resources whose current version is not the one that is named",
    ),
    (
        "SELECT (SELECT coalesce(max(sequence) + 1, 0) FROM audit_leaf) - (SELECT count(*) FROM audit_leaf)",
        "gaps in the audit log",
    ),
    (
        "SELECT (SELECT count(*) FROM audit_leaf) - (SELECT count(*) FROM audit_content)",
        "audit leaves without their content's row",
    ),
    (
        "SELECT count(*) FROM (SELECT subscription, count(number) AS numbers, max(number) AS newest, \
         count(DISTINCT number) AS different FROM intent WHERE number IS NOT NULL GROUP BY subscription) \
         WHERE numbers <> newest OR numbers <> different",
        "subscriptions whose event numbers are not contiguous",
    ),
    (
        "SELECT count(*) FROM (SELECT subscription, lane, min(id) AS head, sum(state = 0) AS ready FROM intent \
         WHERE state < 2 GROUP BY subscription, lane) l JOIN intent i ON i.id = l.head \
         WHERE l.ready <> 1 OR i.state <> 0",
        "patients whose earliest open intent is not the one that is ready",
    ),
];

/// Counts for the metrics.
pub async fn figures(readers: &Readers, path: &Path, shared: &Shared) -> Result<Figures, StoreError> {
    let row = readers.one(sqlx::query(FIGURES)).await?;
    Ok(Figures {
        open_intents: unsigned(row.try_get(0)?),
        dead_letters: unsigned(row.try_get(1)?),
        held: unsigned(row.try_get(2)?),
        audit_size: unsigned(row.try_get(3)?),
        wal_bytes: log_bytes(path),
        commits: shared.commits.load(Ordering::Relaxed),
        units: shared.units.load(Ordering::Relaxed),
    })
}

/// Reads every page, every index and the rules between the tables.
pub async fn check(readers: &Readers) -> Result<Vec<String>, StoreError> {
    let mut reader = readers.another().await?;
    let mut found = listed(&mut reader, "PRAGMA integrity_check(100)").await?;
    found.extend(
        listed(
            &mut reader,
            "SELECT 'a reference to nothing in ' || \"table\" FROM pragma_foreign_key_check LIMIT 100",
        )
        .await?,
    );
    for (sql, rule) in RULES {
        let count: i64 = sqlx::query_scalar(*sql).fetch_one(&mut reader).await?;
        if count != 0 {
            found.push(format!("{count} {rule}"));
        }
    }
    Ok(found)
}

/// Reads every page, without the comparison of tables and indexes.
pub async fn quick_check(connection: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    listed(connection, "PRAGMA quick_check(10)").await
}

/// Writes a compact copy of the store as of one moment, and syncs it.
pub async fn backup(readers: &Readers, to: &Path) -> Result<(), StoreError> {
    if to.exists() {
        return Err(StoreError::File { path: to.to_owned(), reason: "the file exists".to_owned() });
    }
    let Some(name) = to.to_str() else {
        return Err(StoreError::File { path: to.to_owned(), reason: "the name is not UTF-8".to_owned() });
    };
    let mut reader = readers.another().await?;
    sqlx::query("VACUUM INTO ?1").bind(name).execute(&mut reader).await?;
    reader.close().await?;
    std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(|error| fault::file(to, &error))
}

async fn listed(connection: &mut SqliteConnection, sql: &'static str) -> Result<Vec<String>, StoreError> {
    let found: Result<Vec<String>, sqlx::Error> = sqlx::query_scalar(sql).fetch_all(connection).await;
    match found.map_err(StoreError::from) {
        Ok(list) => Ok(list.into_iter().filter(|line| line != "ok").collect()),
        Err(StoreError::Damaged { detail }) => Ok(vec![detail]),
        Err(error) => Err(error),
    }
}
