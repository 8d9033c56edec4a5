//! Moves what the write-ahead log holds into the database, beside the writer instead of within its commits.

use super::shared::Shared;
use sqlx::{Connection, Row, SqliteConnection};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The log's length is looked at after this many commits.
const COMMITS: u64 = 8;
/// Pages in the log that the database lacks, beyond which they are moved.
const STEP: i64 = 2048;
/// Pages in the log beyond which the writer is held up for a moment, so that the log starts again from its beginning.
const RESTART: i64 = 8192;

/// Works until the store stops.
pub async fn run(mut connection: SqliteConnection, shared: Arc<Shared>) {
    let mut seen = 0;
    loop {
        shared.committed.notified().await;
        if shared.closing.load(Ordering::Acquire) {
            break;
        }
        let commits = shared.commits.load(Ordering::Relaxed);
        if commits.wrapping_sub(seen) < COMMITS {
            continue;
        }
        seen = commits;
        if let Err(error) = work_off(&mut connection).await {
            let error = crate::store::StoreError::from(error);
            tracing::warn!(%error, "the write-ahead log could not be worked off");
        }
    }
    let _ = connection.close().await;
}

async fn work_off(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let row = sqlx::query("PRAGMA wal_checkpoint(NOOP)").fetch_one(&mut *connection).await?;
    let (log, moved): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
    if log - moved > STEP {
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut *connection).await?;
        if log > RESTART {
            sqlx::query("PRAGMA wal_checkpoint(RESTART)").execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// The size of the write-ahead log of a database.
pub fn log_bytes(path: &Path) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(PathBuf::from(name)).map_or(0, |data| data.len())
}
