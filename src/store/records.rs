//! What the store gives back.

use super::delivery::IntentState;
use super::work::QuarantineStatus;
use jiff::Timestamp;

/// A version of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The resource's type.
    pub resource_type: String,
    /// The resource's logical id.
    pub id: String,
    /// The version.
    pub version: u64,
    /// When this version came to be.
    pub last_updated: Timestamp,
    /// Whether this version is a deletion.
    pub deleted: bool,
    /// The patient it is about.
    pub patient_key: Option<String>,
    /// The resource as JSON, byte for byte as it was put; empty for a deletion.
    pub body: String,
}

/// What a decision about a patient rests on.
#[derive(Debug, Clone, Default)]
pub struct PatientFacts {
    /// The current Patient resources with this key, one for each source that knows the patient.
    pub patients: Vec<Stored>,
    /// The current Consents about the patient, whatever their status.
    pub consents: Vec<Stored>,
}

/// What a submission that has been read asks the store.
#[derive(Debug, Clone, Default)]
pub struct Arriving {
    /// The idempotency keys it came with: scope and key.
    pub keys: Vec<(String, String)>,
    /// The resources it makes: type and id.
    pub resources: Vec<(String, String)>,
    /// The patient it is about.
    pub patient_key: Option<String>,
}

/// What the store knows about a submission that arrives; lists are in the order asked for.
#[derive(Debug, Clone, Default)]
pub struct Arrived {
    /// What is kept for each key.
    pub keys: Vec<Option<KnownKey>>,
    /// The current version of each resource.
    pub resources: Vec<Option<Stored>>,
    /// The patient's current Patient resources and Consents.
    pub facts: PatientFacts,
}

/// A submission as it was recorded.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The submission's id.
    pub id: String,
    /// The registered source.
    pub source: String,
    /// When it came.
    pub received: Timestamp,
    /// The payload's media type.
    pub media_type: String,
    /// SHA-256 of the payload.
    pub digest: [u8; 32],
    /// The sender's own name for the message.
    pub message_id: Option<String>,
    /// What became of it.
    pub outcome: String,
    /// The loss ledger and what else is kept about it, as JSON.
    pub detail: Option<String>,
}

/// An idempotency key that the store knows.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// SHA-256 of the content it came with.
    pub digest: [u8; 32],
    /// What the sender was answered.
    pub answer: Option<String>,
}

/// A quarantined payload.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// Its place in the order of arrival: the cursor for [`QuarantineQuery::before`].
    pub position: i64,
    /// Its id.
    pub id: String,
    /// The registered source.
    pub source: String,
    /// The source's organisation.
    pub organisation: String,
    /// When it came.
    pub received: Timestamp,
    /// The payload's media type.
    pub media_type: String,
    /// The first reason's code.
    pub reason: String,
    /// All findings, as an OperationOutcome in JSON.
    pub outcome: String,
    /// Where it stands.
    pub status: QuarantineStatus,
    /// When the status changed.
    pub changed: Timestamp,
    /// The note made then.
    pub note: Option<String>,
    /// The payload; `None` in lists, and once it is discarded.
    pub payload: Option<Vec<u8>>,
}

/// Which quarantined payloads to list.
#[derive(Debug, Clone, Default)]
pub struct QuarantineQuery {
    /// Only those of this source.
    pub source: Option<String>,
    /// Only those of this organisation.
    pub organisation: Option<String>,
    /// Only those of this status.
    pub status: Option<QuarantineStatus>,
    /// Only those that came before this position.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: usize,
}

/// The state of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionState {
    /// The Subscription resource's id.
    pub id: String,
    /// The current version of the Subscription resource; 0 when there is none.
    pub resource_version: u64,
    /// The partner it belongs to.
    pub owner: String,
    /// The Subscription's status.
    pub status: String,
    /// The number of the newest event, 0 before the first.
    pub events: u64,
    /// How many attempts in a row have failed.
    pub failures: u32,
    /// Since when they have been failing.
    pub failing_since: Option<Timestamp>,
    /// When the receiver is tried again.
    pub retry_at: Option<Timestamp>,
    /// When the next heartbeat is due.
    pub heartbeat_at: Option<Timestamp>,
    /// A code for the newest failure.
    pub last_error: Option<String>,
    /// What delivery keeps about it, as JSON; empty at first.
    pub detail: String,
    /// The current Subscription resource as JSON; empty when there is none.
    pub body: String,
}

/// A subscription that a worker leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The Subscription resource's id.
    pub subscription: String,
    /// Grows each time the lease passes to another worker; named in [`Work::fences`](super::Work::fences).
    pub fence: u64,
    /// When the lease ends.
    pub until: Timestamp,
}

/// A delivery intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The intent's id; ids grow in commit order.
    pub id: i64,
    /// The id under which the receiver knows the event, the same at every attempt.
    pub event_id: uuid::Uuid,
    /// The Subscription resource's id.
    pub subscription: String,
    /// The patient.
    pub patient_key: Option<String>,
    /// The type of the resource that changed.
    pub resource_type: String,
    /// Its logical id.
    pub resource_id: String,
    /// The version that it changed to.
    pub version: u64,
    /// The topic's canonical.
    pub topic: String,
    /// What happened.
    pub trigger: String,
    /// When it happened.
    pub created: Timestamp,
    /// Where it stands.
    pub state: IntentState,
    /// When it may be delivered.
    pub due: Timestamp,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the first of them began.
    pub first_attempt: Option<Timestamp>,
    /// Its event's number, once it has one.
    pub event_number: Option<u64>,
    /// Whether the number may have been seen by the receiver.
    pub exposed: bool,
    /// A code for the newest outcome.
    pub reason: Option<String>,
    /// When it reached its final state.
    pub settled: Option<Timestamp>,
}

/// Which intents to give. What is `None` or empty does not restrict.
#[derive(Debug, Clone, Default)]
pub struct IntentQuery {
    /// Only these.
    pub ids: Vec<i64>,
    /// Only those of this subscription.
    pub subscription: Option<String>,
    /// Only those about this patient.
    pub patient_key: Option<String>,
    /// Only those in one of these states.
    pub states: Vec<IntentState>,
    /// Only those created at or after this time.
    pub from: Option<Timestamp>,
    /// Only those created before this time.
    pub until: Option<Timestamp>,
    /// Only those with a greater id.
    pub after: Option<i64>,
    /// At most this many.
    pub limit: usize,
}

/// A subscription with intents that may be delivered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSubscription {
    /// The Subscription resource's id.
    pub subscription: String,
    /// How many intents are ready and due.
    pub count: u64,
    /// Since when the longest waiting has been due.
    pub since: Timestamp,
}

/// How many intents of a subscription stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueCount {
    /// The Subscription resource's id.
    pub subscription: String,
    /// The state.
    pub state: IntentState,
    /// How many.
    pub count: u64,
}

/// An audit leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its place in the tree, contiguous from 0 in commit order.
    pub sequence: u64,
    /// The AuditEvent's id.
    pub id: String,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// The kind of act.
    pub kind: String,
    /// The act's outcome.
    pub outcome: String,
    /// The AuditEvent as canonical JSON; `None` once it is erased.
    pub canonical: Option<String>,
    /// The salt of the leaf's commitment; `None` once it is erased.
    pub salt: Option<[u8; 32]>,
    /// The leaf's text, which the tree hashes.
    pub leaf: String,
    /// The leaf's hash.
    pub leaf_hash: [u8; 32],
    /// The patient it is about; `None` once it is erased.
    pub patient_key: Option<String>,
    /// When its content was erased.
    pub erased: Option<Timestamp>,
}

/// Which audit leaves to give. What is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only those about this patient.
    pub patient_key: Option<String>,
    /// Only those about this resource (`Flag/<id>`).
    pub about: Option<String>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those recorded at or after this time.
    pub from: Option<Timestamp>,
    /// Only those recorded before this time.
    pub until: Option<Timestamp>,
    /// Only those with a smaller sequence number.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: usize,
}

/// Counts for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Intents that are not settled.
    pub open_intents: u64,
    /// Intents that were given up.
    pub dead_letters: u64,
    /// Payloads held in quarantine.
    pub held: u64,
    /// Audit leaves.
    pub audit_size: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Commits made by the writer since the start.
    pub commits: u64,
    /// Units of work in those commits.
    pub units: u64,
}

impl From<Leaf> for crate::audit::StoredLeaf {
    fn from(leaf: Leaf) -> crate::audit::StoredLeaf {
        crate::audit::StoredLeaf {
            position: leaf.sequence,
            id: leaf.id,
            leaf: leaf.leaf,
            leaf_hash: leaf.leaf_hash,
            salt: leaf.salt,
            body: leaf.canonical,
        }
    }
}
