//! The tables: created, brought up to date, and checked before anything else is done with a file.

use super::fault::{self, Fault};
use crate::store::StoreError;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};
use std::io::Read;
use std::path::Path;

/// Marks a file as a gateway's database: "SGW1" (SQLite file format, section 1.3.15).
const APPLICATION_ID: i64 = 0x5347_5731;

/// The migrations in order; the schema's number is how many were applied.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001.sql")];

/// The engine that the gateway needs: earlier ones can damage a write-ahead log when it is reset.
const OLDEST_ENGINE: [u32; 3] = [3, 51, 3];

/// Looks at a file's header before SQLite opens it, so that a file of another program is not touched.
///
/// `Ok(true)`: it is a gateway's. `Ok(false)`: there is nothing yet. Errors: [`StoreError::Foreign`], [`StoreError::File`].
pub fn recognise(path: &Path) -> Result<bool, StoreError> {
    let mut header = Vec::with_capacity(100);
    match std::fs::File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut header).map_err(|error| fault::file(path, &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(fault::file(path, &error)),
    };
    let foreign = |found: &str| StoreError::Foreign { path: path.to_owned(), found: found.to_owned() };
    if header.is_empty() {
        return Ok(false);
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(foreign("it is no SQLite file"));
    }
    let id = header.get(68..72).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map(i32::from_be_bytes);
    match id.map(i64::from) {
        Some(APPLICATION_ID) => Ok(true),
        Some(id) => Err(foreign(&format!("its application id is {id:#x}, not {APPLICATION_ID:#x}"))),
        None => Err(StoreError::Damaged { detail: "the file's header is cut short".to_owned() }),
    }
}

/// Refuses an engine with a known fault.
pub async fn check_engine(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await?;
    let parts: Vec<u32> = found.split('.').filter_map(|part| part.parse().ok()).collect();
    if parts.as_slice() < OLDEST_ENGINE.as_slice() { Err(StoreError::Engine { found }) } else { Ok(()) }
}

/// Creates the tables in a new file, in one transaction, before the write-ahead log is switched on: the header of the
/// file itself then says what it is from the first moment.
pub async fn create(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut script = format!("BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID};");
    for migration in MIGRATIONS {
        script.push_str(migration);
    }
    script.push_str(&format!("PRAGMA user_version = {}; COMMIT;", MIGRATIONS.len()));
    sqlx::raw_sql(AssertSqlSafe(script)).execute(connection).await?;
    Ok(())
}

/// Applies the migrations that the file lacks, then compares its tables with those that this release creates.
///
/// Errors: [`StoreError::Newer`], [`StoreError::Altered`], [`StoreError::Damaged`].
pub async fn bring_up_to_date(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    for (migration, version) in MIGRATIONS.iter().zip(1_i64..).filter(|(_, version)| *version > found) {
        let script = format!("BEGIN IMMEDIATE; {migration} PRAGMA user_version = {version}; COMMIT;");
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *connection).await?;
    }
    if digest(connection).await? == expected_digest().await? {
        Ok(())
    } else {
        Err(StoreError::Altered { path: path.to_owned(), version: found })
    }
}

/// Compares a file's tables without changing anything.
pub async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    match found.cmp(&known) {
        std::cmp::Ordering::Greater => Err(StoreError::Newer { path: path.to_owned(), found, known }),
        std::cmp::Ordering::Less => {
            let reason = format!("it has schema {found}; start the gateway once to bring it to {known}");
            Err(StoreError::File { path: path.to_owned(), reason })
        }
        std::cmp::Ordering::Equal if digest(connection).await? == expected_digest().await? => Ok(()),
        std::cmp::Ordering::Equal => Err(StoreError::Altered { path: path.to_owned(), version: found }),
    }
}

async fn digest(connection: &mut SqliteConnection) -> Result<[u8; 32], Fault> {
    let rows = sqlx::query("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
        .fetch_all(connection)
        .await?;
    let mut hash = Sha256::new();
    for row in rows {
        for column in 0..2 {
            hash.update(row.try_get::<String, _>(column)?.as_bytes());
            hash.update([0]);
        }
    }
    Ok(hash.finalize().into())
}

async fn expected_digest() -> Result<[u8; 32], StoreError> {
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().in_memory(true).connect().await?;
    create(&mut connection).await?;
    Ok(digest(&mut connection).await?)
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        fault.error
    }
}
