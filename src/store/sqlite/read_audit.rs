//! Reading the audit log.

use super::known::unsigned;
use super::read_resources::{bytes32, limit, maybe_time, time};
use super::readers::Readers;
use super::rows::{micros, number};
use crate::store::work::Checkpoint;
use crate::store::{AuditQuery, Leaf, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite};

const LEAF: &str = "SELECT l.sequence, l.id, c.recorded, c.kind, c.outcome, c.canonical, c.salt, l.leaf, l.leaf_hash, \
    c.patient, c.erased FROM audit_leaf l JOIN audit_content c ON c.sequence = l.sequence ";

/// Leaves from a sequence number on.
pub async fn leaves(readers: &Readers, from: u64, most: usize) -> Result<Vec<Leaf>, StoreError> {
    let sql = AssertSqlSafe(format!("{LEAF}WHERE l.sequence >= ?1 ORDER BY l.sequence LIMIT ?2"));
    readers.all(sqlx::query(sql).bind(number(from)).bind(limit(most))).await?.iter().map(leaf).collect()
}

/// A leaf by the id of its AuditEvent.
pub async fn event(readers: &Readers, id: &str) -> Result<Option<Leaf>, StoreError> {
    let sql = AssertSqlSafe(format!("{LEAF}WHERE l.id = ?1"));
    readers.first(sqlx::query(sql).bind(id)).await?.as_ref().map(leaf).transpose()
}

/// Leaves that fit, the newest first.
pub async fn search(readers: &Readers, query: AuditQuery) -> Result<Vec<Leaf>, StoreError> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(LEAF);
    sql.push("WHERE l.sequence < ").push_bind(number(query.before.unwrap_or(u64::MAX)));
    if let Some(about) = query.about {
        sql.push(" AND l.sequence IN (SELECT sequence FROM audit_about WHERE about = ")
            .push_bind(about)
            .push(")");
    }
    if let Some(patient) = query.patient_key {
        sql.push(" AND c.patient = ").push_bind(patient);
    }
    if let Some(kind) = query.kind {
        sql.push(" AND c.kind = ").push_bind(kind);
    }
    if let Some(from) = query.from {
        sql.push(" AND c.recorded >= ").push_bind(micros(from));
    }
    if let Some(until) = query.until {
        sql.push(" AND c.recorded < ").push_bind(micros(until));
    }
    sql.push(" ORDER BY l.sequence DESC LIMIT ").push_bind(limit(query.limit));
    readers.all(sql.build()).await?.iter().map(leaf).collect()
}

/// How many leaves there are; the last one's number tells, because there are no gaps.
pub async fn size(readers: &Readers) -> Result<u64, StoreError> {
    let size: i64 = readers
        .one(sqlx::query("SELECT coalesce(max(sequence) + 1, 0) FROM audit_leaf"))
        .await?
        .try_get(0)?;
    Ok(unsigned(size))
}

/// The newest checkpoint.
pub async fn latest_checkpoint(readers: &Readers) -> Result<Option<Checkpoint>, StoreError> {
    let sql = "SELECT size, root, note, created FROM audit_checkpoint ORDER BY size DESC LIMIT 1";
    readers.first(sqlx::query(sql)).await?.as_ref().map(checkpoint).transpose()
}

/// Checkpoints in order of their sizes.
pub async fn checkpoints(
    readers: &Readers,
    after: Option<u64>,
    most: usize,
) -> Result<Vec<Checkpoint>, StoreError> {
    let sql = "SELECT size, root, note, created FROM audit_checkpoint WHERE size > ?1 ORDER BY size LIMIT ?2";
    let after = after.map_or(-1, number);
    readers.all(sqlx::query(sql).bind(after).bind(limit(most))).await?.iter().map(checkpoint).collect()
}

fn leaf(row: &SqliteRow) -> Result<Leaf, StoreError> {
    Ok(Leaf {
        sequence: unsigned(row.try_get(0)?),
        id: row.try_get(1)?,
        recorded: time(row.try_get(2)?)?,
        kind: row.try_get(3)?,
        outcome: row.try_get(4)?,
        canonical: row.try_get(5)?,
        salt: row.try_get::<Option<&[u8]>, _>(6)?.map(bytes32).transpose()?,
        leaf: row.try_get(7)?,
        leaf_hash: bytes32(row.try_get(8)?)?,
        patient_key: row.try_get(9)?,
        erased: maybe_time(row.try_get(10)?)?,
    })
}

fn checkpoint(row: &SqliteRow) -> Result<Checkpoint, StoreError> {
    Ok(Checkpoint {
        size: unsigned(row.try_get(0)?),
        root: bytes32(row.try_get(1)?)?,
        note: row.try_get(2)?,
        created: time(row.try_get(3)?)?,
    })
}
