//! The connections that read: so many at a time, each used by one read after another.
//!
//! A pool that tests each connection when it comes back costs a second journey to the connection's thread for every
//! read. These connections lead to a file of this machine, and need no test.

use super::fault::Fault;
use crate::store::StoreError;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a read waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Connections for reading.
pub struct Readers {
    options: SqliteConnectOptions,
    places: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    /// So many connections; the first is opened now, so that a file that cannot be read is noticed.
    pub async fn open(options: SqliteConnectOptions, most: u32) -> Result<Self, StoreError> {
        let first = options.connect().await?;
        let places = Semaphore::new(usize::try_from(most).unwrap_or(1));
        Ok(Self { options, places, idle: Mutex::new(vec![first]) })
    }

    /// All rows that a query finds.
    pub async fn all(&self, query: Query<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        let _place = self.place().await?;
        let mut connection = self.take().await?;
        let found = query.fetch_all(&mut connection).await;
        // A read that is given up half-way drops its connection with it.
        self.give_back(connection);
        Ok(found.map_err(Fault::from)?)
    }

    /// The first row that a query finds.
    pub async fn first(&self, query: Query<'_>) -> Result<Option<SqliteRow>, StoreError> {
        let _place = self.place().await?;
        let mut connection = self.take().await?;
        let found = query.fetch_optional(&mut connection).await;
        self.give_back(connection);
        Ok(found.map_err(Fault::from)?)
    }

    /// The row that a query always finds.
    pub async fn one(&self, query: Query<'_>) -> Result<SqliteRow, StoreError> {
        self.first(query).await?.ok_or_else(|| StoreError::from(sqlx::Error::RowNotFound))
    }

    /// A connection of its own for long work, which does not take a reader's place.
    pub async fn another(&self) -> Result<SqliteConnection, StoreError> {
        Ok(self.options.connect().await?)
    }

    /// Waits for the reads under way and closes all connections; reads that come later are refused.
    pub async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in idle {
            let _ = connection.close().await;
        }
    }

    async fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, StoreError> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        match tokio::time::timeout(PATIENCE, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Busy { reason: "all readers are at work".to_owned() }),
        }
    }

    async fn take(&self) -> Result<SqliteConnection, StoreError> {
        // The one that was used last has most of what is needed in its cache.
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(connection) => Ok(connection),
            None => Ok(self.options.connect().await?),
        }
    }

    fn give_back(&self, connection: SqliteConnection) {
        if !self.places.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}
