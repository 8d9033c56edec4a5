//! The one writer: it gathers the work that waits and commits it together.

use super::batch::{Batch, Counters, Effects};
use super::fault::Fault;
use super::known::{Known, unsigned};
use super::leases;
use super::shared::Shared;
use crate::store::{Committed, LeaseRequest, Leased, StoreError, Work};
use jiff::Timestamp;
use sqlx::{Connection, Row, SqliteConnection};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Units in one commit at most.
const BATCH: usize = 128;
/// How long a commit may wait for further units.
const LINGER: Duration = Duration::from_millis(1);
/// How many of the newest leaves are counted at a start.
const LEAVES_COUNTED: i64 = 20_000;
/// How many idempotency keys past their retention are dropped with one commit.
const EXPIRED_AT_ONCE: i64 = 64;

/// Answers one request.
pub type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer can be asked for.
pub enum Request {
    /// To commit a unit of work.
    Commit(Box<Work>, Reply<Committed>),
    /// To lease subscriptions.
    Lease(LeaseRequest, Reply<Vec<Leased>>),
    /// To give leases back.
    Release(String, Reply<()>),
    /// To finish and close the file.
    Close(Reply<()>),
}

/// What came of a request, kept until the commit has succeeded.
enum Outcome {
    Committed(Result<Committed, StoreError>),
    Leased(Result<Vec<Leased>, StoreError>),
    Released(Result<(), StoreError>),
}

/// The writer's task.
pub struct Writer {
    connection: SqliteConnection,
    requests: mpsc::Receiver<Request>,
    counters: Counters,
    shared: Arc<Shared>,
    last_size: usize,
    retention_microseconds: i64,
}

impl Writer {
    /// Reads where the counters stand and frees the leases of the process that held the file before.
    pub async fn prepare(
        mut connection: SqliteConnection,
        requests: mpsc::Receiver<Request>,
        shared: Arc<Shared>,
        retention: Duration,
    ) -> Result<Self, StoreError> {
        sqlx::query(
            "UPDATE subscription SET lease_owner = NULL, lease_until = 0 WHERE lease_owner IS NOT NULL",
        )
        .execute(&mut connection)
        .await?;
        let row = sqlx::query(COUNTERS).fetch_one(&mut connection).await?;
        let latest: i64 = row.try_get(4)?;
        let counters = Counters {
            leaf: row.try_get(0)?,
            intent: row.try_get(1)?,
            row: row.try_get(2)?,
            key: row.try_get(3)?,
            latest: Timestamp::from_microsecond(latest).unwrap_or_default(),
        };
        // The end of the log is where a gap would be written over; the whole is counted by `sgw store check`.
        let from = (counters.leaf - LEAVES_COUNTED).max(0);
        let leaves: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_leaf WHERE sequence >= ?1")
            .bind(from)
            .fetch_one(&mut connection)
            .await?;
        let leaves = from + leaves;
        if leaves != counters.leaf {
            let detail = format!("{leaves} audit leaves, but the last has number {}", counters.leaf - 1);
            return Err(StoreError::Damaged { detail });
        }
        let retention_microseconds = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
        Ok(Self { connection, requests, counters, shared, last_size: 1, retention_microseconds })
    }

    /// The latest time that the file has recorded.
    pub fn latest(&self) -> Timestamp {
        self.counters.latest
    }

    /// Accepts that the clock has been put back.
    pub fn accept_clock(&mut self, now: Timestamp) {
        self.counters.latest = now;
    }

    /// Works until it is asked to close or nobody is left to ask.
    pub async fn run(mut self) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = self.requests.recv().await else { break };
            let mut batch = Vec::with_capacity(self.last_size.max(8));
            closing = take(first, &mut batch);
            if closing.is_none() {
                closing = self.gather(&mut batch).await;
            }
            self.last_size = batch.len();
            if !batch.is_empty() {
                self.commit(batch).await;
            }
        }
        self.requests.close();
        while let Ok(late) = self.requests.try_recv() {
            refuse(late, &StoreError::Closed);
        }
        self.shared.stop(StoreError::Closed);
        self.shared.closing.store(true, Ordering::Release);
        self.shared.committed.notify_one();
        let closed = match self.connection.close().await {
            Ok(()) => Ok(()),
            Err(error) => Err(StoreError::from(error)),
        };
        if let Some(reply) = closing {
            let _ = reply.send(closed);
        }
    }

    /// Takes what waits. When the last commit had company, further units are expected and worth a short wait.
    async fn gather(&mut self, batch: &mut Vec<Request>) -> Option<Reply<()>> {
        let deadline = tokio::time::Instant::now() + LINGER;
        while batch.len() < BATCH {
            let next = match self.requests.try_recv() {
                Ok(next) => next,
                Err(_) if batch.len() < self.last_size => {
                    match tokio::time::timeout_at(deadline, self.requests.recv()).await {
                        Ok(Some(next)) => next,
                        Ok(None) | Err(_) => return None,
                    }
                }
                Err(_) => return None,
            };
            if let Some(reply) = take(next, batch) {
                return Some(reply);
            }
        }
        None
    }

    async fn commit(&mut self, batch: Vec<Request>) {
        if let Err(error) = self.shared.ready() {
            return batch.into_iter().for_each(|request| refuse(request, &error));
        }
        let before = self.counters;
        match self.transaction(&batch).await {
            Ok((outcomes, effects)) => {
                self.shared.commits.fetch_add(1, Ordering::Relaxed);
                self.shared
                    .units
                    .fetch_add(unsigned(i64::try_from(batch.len()).unwrap_or(0)), Ordering::Relaxed);
                if effects.facts {
                    self.shared.revision.fetch_add(1, Ordering::Release);
                }
                if effects.deliveries {
                    self.shared.deliveries.send_modify(|count| *count = count.wrapping_add(1));
                }
                self.shared.committed.notify_one();
                for (request, outcome) in batch.into_iter().zip(outcomes) {
                    answer(request, outcome);
                }
            }
            Err(fault) => {
                self.counters = before;
                if fault.fatal {
                    tracing::error!(error = %fault.error, "the store stops writing");
                    self.shared.stop(fault.error.clone());
                } else {
                    tracing::warn!(error = %fault.error, units = batch.len(), "a commit failed");
                }
                batch.into_iter().for_each(|request| refuse(request, &fault.error));
            }
        }
    }

    /// One transaction: all requests together, or, when the content of one of them fails, each in a savepoint.
    async fn transaction(&mut self, batch: &[Request]) -> Result<(Vec<Outcome>, Effects), Fault> {
        self.execute("BEGIN IMMEDIATE").await?;
        let before = self.counters;
        let mut result = self.together(batch).await;
        if result.as_ref().is_err_and(|fault| fault.from_content) {
            self.execute("ROLLBACK").await?;
            self.counters = before;
            self.execute("BEGIN IMMEDIATE").await?;
            result = self.each(batch).await;
        }
        let result = match result {
            Ok((outcomes, effects)) => {
                let end = if effects.any { "COMMIT" } else { "ROLLBACK" };
                self.execute(end).await.map(|()| (outcomes, effects))
            }
            Err(fault) => Err(fault),
        };
        if result.is_err() {
            // After a full disk SQLite has rolled back by itself; a refusal here says only that.
            let _ = self.execute("ROLLBACK").await;
        }
        result
    }

    async fn each(&mut self, batch: &[Request]) -> Result<(Vec<Outcome>, Effects), Fault> {
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut all = Effects::default();
        for request in batch {
            let before = self.counters;
            self.execute("SAVEPOINT unit").await?;
            match self.together(std::slice::from_ref(request)).await {
                Ok((one, effects)) => {
                    outcomes.extend(one);
                    all.any |= effects.any;
                    all.deliveries |= effects.deliveries;
                    all.facts |= effects.facts;
                }
                Err(fault) if fault.from_content => {
                    self.execute("ROLLBACK TO unit").await?;
                    self.counters = before;
                    outcomes.push(failed(request, fault.error));
                }
                Err(fault) => return Err(fault),
            }
            self.execute("RELEASE unit").await?;
        }
        Ok((outcomes, all))
    }

    async fn together(&mut self, batch: &[Request]) -> Result<(Vec<Outcome>, Effects), Fault> {
        let mut leased = Vec::new();
        let mut any = false;
        for request in batch {
            match request {
                Request::Lease(request, _) => {
                    leased.push(Outcome::Leased(Ok(leases::take(&mut self.connection, request).await?)));
                    any = true;
                }
                Request::Release(owner, _) => {
                    leases::release(&mut self.connection, owner).await?;
                    leased.push(Outcome::Released(Ok(())));
                    any = true;
                }
                Request::Commit(..) | Request::Close(_) => {}
            }
        }
        let works: Vec<&Work> = batch
            .iter()
            .filter_map(|request| if let Request::Commit(work, _) = request { Some(&**work) } else { None })
            .collect();
        let known = Known::load(&mut self.connection, &works).await?;
        let mut rows = Batch::new(known, self.counters);
        let mut leased = leased.into_iter();
        let outcomes = batch
            .iter()
            .filter_map(|request| match request {
                Request::Commit(work, _) => Some(Outcome::Committed(rows.admit(work))),
                Request::Lease(..) | Request::Release(..) => leased.next(),
                Request::Close(_) => None,
            })
            .collect();
        if rows.effects.any {
            rows.write(&mut self.connection).await?;
            self.expire(rows.counters.latest).await?;
        }
        self.counters = rows.counters;
        rows.effects.any |= any;
        Ok((outcomes, rows.effects))
    }

    /// Drops some idempotency keys whose retention has passed. Their rows lie in the order of their times.
    async fn expire(&mut self, now: Timestamp) -> Result<(), Fault> {
        let due = now.as_microsecond().saturating_sub(self.retention_microseconds);
        if self.shared.oldest_key.load(Ordering::Relaxed) >= due {
            return Ok(());
        }
        sqlx::query(EXPIRE).bind(EXPIRED_AT_ONCE).bind(due).execute(&mut self.connection).await?;
        let oldest: Option<i64> = sqlx::query_scalar("SELECT created FROM idempotency ORDER BY id LIMIT 1")
            .fetch_optional(&mut self.connection)
            .await?;
        self.shared.oldest_key.store(oldest.unwrap_or(now.as_microsecond()), Ordering::Relaxed);
        Ok(())
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), Fault> {
        sqlx::query(sql).execute(&mut self.connection).await?;
        Ok(())
    }
}

fn take(request: Request, batch: &mut Vec<Request>) -> Option<Reply<()>> {
    if let Request::Close(reply) = request {
        return Some(reply);
    }
    batch.push(request);
    None
}

fn failed(request: &Request, error: StoreError) -> Outcome {
    match request {
        Request::Lease(..) => Outcome::Leased(Err(error)),
        Request::Release(..) | Request::Close(_) => Outcome::Released(Err(error)),
        Request::Commit(..) => Outcome::Committed(Err(error)),
    }
}

/// Sends an outcome; whoever asked may have gone away.
fn answer(request: Request, outcome: Outcome) {
    match (request, outcome) {
        (Request::Commit(_, reply), Outcome::Committed(result)) => drop(reply.send(result)),
        (Request::Lease(_, reply), Outcome::Leased(result)) => drop(reply.send(result)),
        (Request::Release(_, reply), Outcome::Released(result)) => drop(reply.send(result)),
        (request, _) => refuse(request, &StoreError::Other { reason: "an answer went astray".to_owned() }),
    }
}

fn refuse(request: Request, error: &StoreError) {
    match request {
        Request::Commit(_, reply) => drop(reply.send(Err(error.clone()))),
        Request::Lease(_, reply) => drop(reply.send(Err(error.clone()))),
        Request::Release(_, reply) | Request::Close(reply) => drop(reply.send(Err(error.clone()))),
    }
}

const COUNTERS: &str = "SELECT \
    (SELECT coalesce(max(sequence) + 1, 0) FROM audit_leaf), \
    (SELECT coalesce(max(id), 0) + 1 FROM intent), \
    (SELECT coalesce(max(id), 0) + 1 FROM resource_version), \
    (SELECT coalesce(max(id), 0) + 1 FROM idempotency), \
    max((SELECT coalesce(max(recorded), 0) FROM (SELECT recorded FROM audit_content ORDER BY sequence DESC LIMIT 256)), \
        (SELECT coalesce(max(received), 0) FROM (SELECT received FROM submission ORDER BY position DESC LIMIT 256)))";
const EXPIRE: &str = "DELETE FROM idempotency WHERE id IN \
    (SELECT id FROM (SELECT id, created FROM idempotency ORDER BY id LIMIT ?1) WHERE created < ?2)";
