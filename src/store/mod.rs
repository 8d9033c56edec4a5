//! The system of record: one [`Store`], over SQLite today.
//!
//! A caller describes everything that must become true together as one [`Work`] and hands it to [`Store::commit`].
//! When that returns [`Committed`], all of it is on the disk; when it returns an error, none of it is. There are no
//! transactions to hold open and no SQL above this module, so that another database can take SQLite's place.
//!
//! - [`work`]: what is written. Preconditions on versions, idempotency keys, resources, audit leaves, delivery intents.
//! - [`delivery`]: the part of it that concerns delivery: leases, intents, event numbers, attempts.
//! - [`records`]: what is read back.
//! - [`error`]: why the store refuses, and what an operator is to do.
//! - [`settings`]: the section `[store]` of the settings file.
//! - [`sqlite`]: the implementation: one writer that gathers waiting work into one commit, and readers beside it.

pub mod delivery;
pub mod error;
pub mod records;
pub mod settings;
pub mod sqlite;
pub mod work;

pub use delivery::*;
pub use error::StoreError;
pub use records::*;
pub use settings::Settings;
pub use sqlite::{Options, SqliteStore, Synchronous};
pub use work::*;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::sync::Arc;

/// A store shared by the stages of one gateway.
pub type SharedStore = Arc<dyn Store>;

/// What a call to the store gives: an answer later, or the reason why not.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The system of record.
///
/// Reads see every unit of work whose [`commit`](Store::commit) has returned. Lists are cut at the `limit` asked for
/// (and never exceed [`PAGE_LIMIT`]); the last item's position is the cursor of the next page.
pub trait Store: Send + Sync + 'static {
    /// Writes all that `work` names, durably, or nothing of it.
    ///
    /// Returns once the data has been synced to the disk. A known idempotency key with the same digest writes nothing
    /// and gives the stored answer. Errors: [`StoreError::Conflict`] when a version is not the one expected,
    /// [`StoreError::KeyReused`], [`StoreError::Fenced`], [`StoreError::Clock`], and the states of the disk.
    fn commit(&self, work: Work) -> Answer<'_, Committed>;

    /// Leases subscriptions to a worker: those that it leads are renewed with the fence that they have; those that are
    /// free, or whose lease has run out, are taken over with a new fence, in order of their ids.
    fn lease_subscriptions(&self, request: LeaseRequest) -> Answer<'_, Vec<Leased>>;

    /// Gives all leases of a worker back.
    fn release_leases<'a>(&'a self, owner: &'a str) -> Answer<'a, ()>;

    /// The current version of a resource, also when it is deleted; `None` when it was never stored.
    fn read<'a>(&'a self, resource_type: &'a str, id: &'a str) -> Answer<'a, Option<Stored>>;

    /// One version of a resource.
    fn read_version<'a>(
        &'a self,
        resource_type: &'a str,
        id: &'a str,
        version: u64,
    ) -> Answer<'a, Option<Stored>>;

    /// The versions of a resource, the newest first, below `before` when given.
    fn history<'a>(
        &'a self,
        resource_type: &'a str,
        id: &'a str,
        before: Option<u64>,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>>;

    /// Current resources with a business identifier; without `system`, whatever its system.
    fn find_by_identifier<'a>(
        &'a self,
        resource_type: &'a str,
        system: Option<&'a str>,
        value: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>>;

    /// Current resources of one type about one patient, in order of their ids.
    fn find_by_patient<'a>(
        &'a self,
        resource_type: &'a str,
        patient_key: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>>;

    /// Current resources of one type in order of their ids, after the id given.
    fn list<'a>(
        &'a self,
        resource_type: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>>;

    /// What a decision about a patient rests on: the current Patient resources and Consents, read at one moment.
    fn facts_for<'a>(&'a self, patient_key: &'a str) -> Answer<'a, PatientFacts>;

    /// What taking a submission in rests on: its keys, the current versions of its resources, and the patient's facts.
    fn arriving<'a>(&'a self, wanted: &'a Arriving) -> Answer<'a, Arrived>;

    /// A submission by its id.
    fn submission<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Submission>>;

    /// The answer kept for an idempotency key, when it is known.
    fn known_key<'a>(&'a self, scope: &'a str, key: &'a str) -> Answer<'a, Option<KnownKey>>;

    /// Quarantined payloads without their content, the newest first.
    fn quarantine_list(&self, query: QuarantineQuery) -> Answer<'_, Vec<Quarantined>>;

    /// A quarantined payload with its content.
    fn quarantine_read<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Quarantined>>;

    /// The state of every subscription, in order of their ids.
    fn subscription_states(&self) -> Answer<'_, Vec<SubscriptionState>>;

    /// The state of one subscription.
    fn subscription_state<'a>(&'a self, id: &'a str) -> Answer<'a, Option<SubscriptionState>>;

    /// Intents of a subscription that are ready and due at `now`, the longest due first.
    fn ready_intents<'a>(
        &'a self,
        subscription: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> Answer<'a, Vec<Intent>>;

    /// Subscriptions with intents that are ready and due at `now`, the longest waiting first.
    fn due(&self, now: Timestamp) -> Answer<'_, Vec<DueSubscription>>;

    /// When the next ready intent of a subscription is due (which may have passed); of any, without one named.
    fn next_due<'a>(&'a self, subscription: Option<&'a str>) -> Answer<'a, Option<Timestamp>>;

    /// Intents of a subscription with event numbers `from ..= to`, in order of these.
    fn events<'a>(
        &'a self,
        subscription: &'a str,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Answer<'a, Vec<Intent>>;

    /// Intents that fit, in commit order.
    fn intents(&self, query: IntentQuery) -> Answer<'_, Vec<Intent>>;

    /// The intent of an event, by the id under which the receiver knows it.
    fn intent_of_event(&self, event_id: uuid::Uuid) -> Answer<'_, Option<Intent>>;

    /// The attempts made for an intent, in order.
    fn attempts(&self, intent: i64) -> Answer<'_, Vec<Attempt>>;

    /// How many intents of each subscription stand where; open and dead ones only.
    fn queue_counts(&self) -> Answer<'_, Vec<QueueCount>>;

    /// Changes after each commit that made or reopened intents or changed a subscription's state.
    fn intents_committed(&self) -> tokio::sync::watch::Receiver<u64>;

    /// Grows after each commit that changed a Patient or a Consent: facts read at one number hold while it stays.
    fn revision(&self) -> u64;

    /// Audit leaves from a sequence number on, in order.
    fn audit_leaves(&self, from: u64, limit: usize) -> Answer<'_, Vec<Leaf>>;

    /// An audit leaf by the id of its AuditEvent.
    fn audit_event<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Leaf>>;

    /// Audit leaves that fit, the newest first.
    fn audit_search(&self, query: AuditQuery) -> Answer<'_, Vec<Leaf>>;

    /// How many audit leaves there are.
    fn audit_size(&self) -> Answer<'_, u64>;

    /// The newest signed checkpoint.
    fn latest_checkpoint(&self) -> Answer<'_, Option<Checkpoint>>;

    /// Signed checkpoints in order of tree size, after the size given.
    fn checkpoints(&self, after: Option<u64>, limit: usize) -> Answer<'_, Vec<Checkpoint>>;

    /// Counts for the metrics.
    fn figures(&self) -> Answer<'_, Figures>;

    /// Whether the writer still takes work; an error names what stopped it.
    fn ready(&self) -> Result<(), StoreError>;

    /// Reads every page and every index and names what is damaged; an empty list means that all is well.
    fn check(&self) -> Answer<'_, Vec<String>>;

    /// Writes a copy of the store as of now to a file that must not exist.
    fn backup<'a>(&'a self, to: &'a std::path::Path) -> Answer<'a, ()>;

    /// Finishes what was accepted, then closes the files. Work offered later is refused.
    fn close(&self) -> Answer<'_, ()>;
}

/// The largest page a list gives.
pub const PAGE_LIMIT: usize = 10_000;
