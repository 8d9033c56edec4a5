//! What the store gives back.

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
    /// The partner it belongs to.
    pub partner: String,
    /// The Subscription's status.
    pub status: String,
    /// The topic's canonical.
    pub topic: String,
    /// What routing keeps about it.
    pub detail: String,
    /// When the state changed.
    pub changed: Timestamp,
    /// The number of the newest event, 0 before the first.
    pub events: u64,
    /// When something was last delivered.
    pub last_delivered: Option<Timestamp>,
}

/// An event of a subscription: an intent that was permitted and so has a number.
#[derive(Debug, Clone)]
pub struct Event {
    /// The Subscription resource's id.
    pub subscription: String,
    /// The number, contiguous from 1 for each subscription.
    pub number: u64,
    /// When the number was given.
    pub numbered: Timestamp,
    /// The intent.
    pub intent: Intent,
}

/// Where an intent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntentState {
    /// It is the next of its subscription and patient, and may be claimed when due.
    Ready,
    /// A worker has it.
    Claimed,
    /// It waits behind an earlier one of the same subscription and patient.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// It was decided that the partner does not get it.
    Withheld,
    /// Given up.
    Dead,
}

/// A delivery intent.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The intent's id; ids grow in commit order.
    pub id: i64,
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
    /// When it may be claimed; for a claimed one, when its lease ends.
    pub due: Timestamp,
    /// The fence of the newest lease.
    pub fence: u64,
    /// How many attempts were made since it was created or replayed.
    pub attempts: u32,
    /// When the first of these attempts began.
    pub first_attempt: Option<Timestamp>,
    /// Its event's number, once it has one.
    pub number: Option<u64>,
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

/// An attempt to deliver.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// The intent.
    pub intent: i64,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// What came of it: `delivered`, `withheld`, `retry`, `dead`.
    pub verdict: String,
    /// The receiver's HTTP status.
    pub http_status: Option<u16>,
    /// The outcome's code.
    pub reason: String,
}

/// A subscription for which intents may be claimed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSubscription {
    /// The Subscription resource's id.
    pub subscription: String,
    /// How many may be claimed.
    pub count: u64,
    /// Since when the longest waiting has been due.
    pub since: Timestamp,
}

/// An intent that was given up.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its place in the order of giving up.
    pub position: i64,
    /// The intent.
    pub intent: Intent,
    /// The reason's code.
    pub reason: String,
    /// When it was given up.
    pub at: Timestamp,
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
    /// The act's code.
    pub act: String,
    /// The AuditEvent as canonical JSON; `None` once it is erased.
    pub event: Option<String>,
    /// The salt of its commitment; `None` when there is none, or once it is erased.
    pub salt: Option<Vec<u8>>,
    /// The bytes that the tree hashes when they are not the event itself.
    pub commitment: Option<Vec<u8>>,
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
    /// Only those of this act.
    pub act: Option<String>,
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
    /// Dead letters.
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
