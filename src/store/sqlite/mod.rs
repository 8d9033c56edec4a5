//! The store over SQLite: a write-ahead log synced at each commit, one writer, and readers beside it.

mod batch;
mod checkpoint;
mod fault;
mod known;
mod lanes;
mod leases;
mod open;
mod read_arrival;
mod read_audit;
mod read_delivery;
mod read_intake;
mod read_resources;
mod readers;
mod rows;
mod schema;
mod shared;
mod upkeep;
mod writer;

use crate::store::*;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
pub use open::{Options, Synchronous};
use readers::Readers;
use shared::Shared;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;
use writer::{Reply, Request};

/// How long a caller waits for a place in the queue before it is told that the store is busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// The store over one SQLite file. Made by [`SqliteStore::open`]; shared as a [`SharedStore`].
pub struct SqliteStore {
    path: PathBuf,
    readers: Readers,
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
    checkpointer: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl SqliteStore {
    async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        self.shared.ready()?;
        let (reply, answer) = oneshot::channel();
        match self.requests.send_timeout(make(reply), PATIENCE).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                return Err(StoreError::Busy { reason: "too much work is waiting".to_owned() });
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return Err(StoreError::Closed),
        }
        match answer.await {
            Ok(result) => result,
            Err(_) => self.shared.ready().and(Err(StoreError::Closed)),
        }
    }
}

impl Store for SqliteStore {
    fn commit(&self, work: Work) -> Answer<'_, Committed> {
        self.ask(move |reply| Request::Commit(Box::new(work), reply)).boxed()
    }

    fn lease_subscriptions(&self, request: LeaseRequest) -> Answer<'_, Vec<Leased>> {
        self.ask(move |reply| Request::Lease(request, reply)).boxed()
    }

    fn release_leases<'a>(&'a self, owner: &'a str) -> Answer<'a, ()> {
        self.ask(move |reply| Request::Release(owner.to_owned(), reply)).boxed()
    }

    fn read<'a>(&'a self, resource_type: &'a str, id: &'a str) -> Answer<'a, Option<Stored>> {
        read_resources::read(&self.readers, resource_type, id).boxed()
    }

    fn read_version<'a>(
        &'a self,
        resource_type: &'a str,
        id: &'a str,
        version: u64,
    ) -> Answer<'a, Option<Stored>> {
        read_resources::read_version(&self.readers, resource_type, id, version).boxed()
    }

    fn history<'a>(
        &'a self,
        resource_type: &'a str,
        id: &'a str,
        before: Option<u64>,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>> {
        read_resources::history(&self.readers, resource_type, id, before, limit).boxed()
    }

    fn find_by_identifier<'a>(
        &'a self,
        resource_type: &'a str,
        system: Option<&'a str>,
        value: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>> {
        read_resources::find_by_identifier(&self.readers, resource_type, system, value, limit).boxed()
    }

    fn find_by_patient<'a>(
        &'a self,
        resource_type: &'a str,
        patient_key: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>> {
        read_resources::find_by_patient(&self.readers, resource_type, patient_key, limit).boxed()
    }

    fn list<'a>(
        &'a self,
        resource_type: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>> {
        read_resources::list(&self.readers, resource_type, after, limit).boxed()
    }

    fn facts_for<'a>(&'a self, patient_key: &'a str) -> Answer<'a, PatientFacts> {
        read_resources::facts_for(&self.readers, patient_key).boxed()
    }

    fn arriving<'a>(&'a self, wanted: &'a Arriving) -> Answer<'a, Arrived> {
        read_arrival::arriving(&self.readers, wanted).boxed()
    }

    fn submission<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Submission>> {
        read_intake::submission(&self.readers, id).boxed()
    }

    fn known_key<'a>(&'a self, scope: &'a str, key: &'a str) -> Answer<'a, Option<KnownKey>> {
        read_intake::known_key(&self.readers, scope, key).boxed()
    }

    fn quarantine_list(&self, query: QuarantineQuery) -> Answer<'_, Vec<Quarantined>> {
        read_intake::quarantine_list(&self.readers, query).boxed()
    }

    fn quarantine_read<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Quarantined>> {
        read_intake::quarantine_read(&self.readers, id).boxed()
    }

    fn subscription_states(&self) -> Answer<'_, Vec<SubscriptionState>> {
        read_delivery::subscription_states(&self.readers, None).boxed()
    }

    fn subscription_state<'a>(&'a self, id: &'a str) -> Answer<'a, Option<SubscriptionState>> {
        read_delivery::subscription_states(&self.readers, Some(id)).map(|found| Ok(found?.pop())).boxed()
    }

    fn ready_intents<'a>(
        &'a self,
        subscription: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> Answer<'a, Vec<Intent>> {
        read_delivery::ready_intents(&self.readers, subscription, now, limit).boxed()
    }

    fn due(&self, now: Timestamp) -> Answer<'_, Vec<DueSubscription>> {
        read_delivery::due(&self.readers, now).boxed()
    }

    fn next_due<'a>(&'a self, subscription: Option<&'a str>) -> Answer<'a, Option<Timestamp>> {
        read_delivery::next_due(&self.readers, subscription).boxed()
    }

    fn events<'a>(
        &'a self,
        subscription: &'a str,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Answer<'a, Vec<Intent>> {
        read_delivery::events(&self.readers, subscription, from, to, limit).boxed()
    }

    fn intents(&self, query: IntentQuery) -> Answer<'_, Vec<Intent>> {
        read_delivery::intents(&self.readers, query).boxed()
    }

    fn intent_of_event(&self, event_id: Uuid) -> Answer<'_, Option<Intent>> {
        read_delivery::intent_of_event(&self.readers, event_id).boxed()
    }

    fn attempts(&self, intent: i64) -> Answer<'_, Vec<Attempt>> {
        read_delivery::attempts(&self.readers, intent).boxed()
    }

    fn queue_counts(&self) -> Answer<'_, Vec<QueueCount>> {
        read_delivery::queue_counts(&self.readers).boxed()
    }

    fn intents_committed(&self) -> watch::Receiver<u64> {
        self.shared.deliveries.subscribe()
    }

    fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Acquire)
    }

    fn audit_leaves(&self, from: u64, limit: usize) -> Answer<'_, Vec<Leaf>> {
        read_audit::leaves(&self.readers, from, limit).boxed()
    }

    fn audit_event<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Leaf>> {
        read_audit::event(&self.readers, id).boxed()
    }

    fn audit_search(&self, query: AuditQuery) -> Answer<'_, Vec<Leaf>> {
        read_audit::search(&self.readers, query).boxed()
    }

    fn audit_size(&self) -> Answer<'_, u64> {
        read_audit::size(&self.readers).boxed()
    }

    fn latest_checkpoint(&self) -> Answer<'_, Option<Checkpoint>> {
        read_audit::latest_checkpoint(&self.readers).boxed()
    }

    fn checkpoints(&self, after: Option<u64>, limit: usize) -> Answer<'_, Vec<Checkpoint>> {
        read_audit::checkpoints(&self.readers, after, limit).boxed()
    }

    fn figures(&self) -> Answer<'_, Figures> {
        upkeep::figures(&self.readers, &self.path, &self.shared).boxed()
    }

    fn ready(&self) -> Result<(), StoreError> {
        self.shared.ready()
    }

    fn check(&self) -> Answer<'_, Vec<String>> {
        upkeep::check(&self.readers).boxed()
    }

    fn backup<'a>(&'a self, to: &'a Path) -> Answer<'a, ()> {
        upkeep::backup(&self.readers, to).boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            self.readers.close().await;
            self.shared.closing.store(true, Ordering::Release);
            self.shared.committed.notify_one();
            if let Some(task) = self.checkpointer.lock().await.take() {
                let _ = task.await;
            }
            // The writer's connection is the last: closing it empties the log into the database.
            let closed = self.ask(Request::Close).await;
            self.shared.unlock();
            match closed {
                Err(StoreError::Closed) => Ok(()),
                other => other,
            }
        }
        .boxed()
    }
}
