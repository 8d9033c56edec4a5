//! What the writer, the checkpointer and the readers share.

use crate::store::StoreError;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError, RwLock};
use tokio::sync::{Notify, watch};

/// State shared between the writer and those who ask it.
#[derive(Debug)]
pub struct Shared {
    /// Commits since the start.
    pub commits: AtomicU64,
    /// Units in those commits.
    pub units: AtomicU64,
    /// Grows when a Patient or Consent changes.
    pub revision: AtomicU64,
    /// The time of the oldest idempotency key, so that the table is only looked at when one has expired.
    pub oldest_key: AtomicI64,
    /// Changes when there is something to deliver.
    pub deliveries: watch::Sender<u64>,
    /// Wakes the checkpointer.
    pub committed: Notify,
    /// Ends the checkpointer.
    pub closing: AtomicBool,
    stopped: RwLock<Option<StoreError>>,
    /// Held while the file is open: dropping it frees the lock.
    lock: Mutex<Option<std::fs::File>>,
}

impl Shared {
    /// The state of a store that has just been opened.
    pub fn new(lock: Option<std::fs::File>) -> Self {
        Self {
            commits: AtomicU64::new(0),
            units: AtomicU64::new(0),
            revision: AtomicU64::new(1),
            oldest_key: AtomicI64::new(i64::MIN),
            deliveries: watch::Sender::new(0),
            committed: Notify::new(),
            closing: AtomicBool::new(false),
            stopped: RwLock::new(None),
            lock: Mutex::new(lock),
        }
    }

    /// Whether the writer still takes work.
    pub fn ready(&self) -> Result<(), StoreError> {
        match &*self.stopped.read().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Stops the writer for good; the first reason stays.
    pub fn stop(&self, reason: StoreError) {
        self.stopped.write().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
    }

    /// Lets another gateway open the file.
    pub fn unlock(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
