//! Units of work: all that must become true together, as data.

use super::delivery::{Attempt, Closing, Fence, Hastening, IntentUpdate, NewIntent, SubscriptionChange};
use jiff::Timestamp;

/// Everything that is to be committed together. Build it with [`Work::at`] and fill in what applies.
///
/// The parts are checked and applied in the order of the fields.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// The time of the work, from the one clock of the gateway. A time well behind the latest recorded is refused.
    pub now: Timestamp,
    /// Makes the work happen once: a repeat with the same digest writes nothing and gets the stored answer.
    pub key: Option<IdempotencyKey>,
    /// A second key with the same effect, for submissions that carry two (a header and a message id).
    pub other_keys: Vec<IdempotencyKey>,
    /// What a repeat is answered with.
    pub answer: Option<String>,
    /// Versions that must still be current, though this work does not change them (what a decision rested on).
    pub requires: Vec<Required>,
    /// The submission that this work records.
    pub submission: Option<NewSubmission>,
    /// New versions of resources.
    pub puts: Vec<Put>,
    /// A payload to keep in quarantine.
    pub quarantine: Option<NewQuarantine>,
    /// Quarantined payloads that leave quarantine.
    pub quarantine_changes: Vec<QuarantineChange>,
    /// Leases that must be held for the work to be right.
    pub fences: Vec<Fence>,
    /// Subscriptions' states.
    pub subscriptions: Vec<SubscriptionChange>,
    /// What is to be delivered.
    pub intents: Vec<NewIntent>,
    /// What changes about intents, in order.
    pub intent_updates: Vec<IntentUpdate>,
    /// Attempts that were made.
    pub attempts: Vec<Attempt>,
    /// Subscriptions whose ready intents become due earlier.
    pub hastenings: Vec<Hastening>,
    /// Subscriptions whose open intents end.
    pub closings: Vec<Closing>,
    /// Audit leaves, in order. If they cannot be written, none of the work happens.
    pub audits: Vec<NewLeaf>,
    /// Audit leaves whose content the law requires to be erased; their hashes stay.
    pub erasures: Vec<Erasure>,
    /// A signed checkpoint of the audit tree.
    pub checkpoint: Option<Checkpoint>,
}

impl Work {
    /// Work that carries the time `now` and nothing else yet.
    pub fn at(now: Timestamp) -> Self {
        Self { now, ..Self::default() }
    }
}

/// Names a piece of work so that it happens once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Whose keys and of which kind: for example `header:SOURCE` or `msh-10:SOURCE`.
    pub scope: String,
    /// The key.
    pub key: String,
    /// SHA-256 of the content, so that a key reused for other content is noticed.
    pub digest: [u8; 32],
}

/// A version that must be current for the work to be right.
#[derive(Debug, Clone)]
pub struct Required {
    /// The resource's type.
    pub resource_type: String,
    /// The resource's logical id.
    pub id: String,
    /// The version that must be current; `None`: there must be no such resource.
    pub version: Option<u64>,
}

/// A new version of a resource.
#[derive(Debug, Clone)]
pub struct Put {
    /// The resource's type.
    pub resource_type: String,
    /// The resource's logical id.
    pub id: String,
    /// The version that `body` states in `meta.versionId`: one more than `expected`, or 1.
    pub version: u64,
    /// The version that must be current; `None`: the resource must not exist yet.
    pub expected: Option<u64>,
    /// The resource as JSON; empty for a deletion.
    pub body: String,
    /// The patient the resource is about.
    pub patient_key: Option<String>,
    /// The resource's business identifiers; they replace those of the version before.
    pub identifiers: Vec<BusinessIdentifier>,
    /// When this version came to be, as in `meta.lastUpdated`.
    pub last_updated: Timestamp,
    /// Whether this version is a deletion.
    pub deleted: bool,
}

/// A business identifier by which a resource can be found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BusinessIdentifier {
    /// The identifier's system; empty when it has none.
    pub system: String,
    /// The identifier's value.
    pub value: String,
}

/// A submission, accepted or not.
#[derive(Debug, Clone, Default)]
pub struct NewSubmission {
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
    /// What became of it: for example `accepted`, `quarantined`.
    pub outcome: String,
    /// The loss ledger and what else is kept about it, as JSON.
    pub detail: Option<String>,
    /// The patient it is about.
    pub patient_key: Option<String>,
}

/// A payload that could not be used, kept with its reason.
#[derive(Debug, Clone, Default)]
pub struct NewQuarantine {
    /// The quarantined payload's id.
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
    /// The payload as it came.
    pub payload: Vec<u8>,
}

/// Where a quarantined payload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuarantineStatus {
    /// It waits for a person.
    Held,
    /// It was submitted again.
    Resubmitted,
    /// A person has discarded it; its content is erased.
    Discarded,
}

/// A held payload leaves quarantine. One that is not held any more: [`NotHeld`](crate::store::StoreError::NotHeld).
#[derive(Debug, Clone)]
pub struct QuarantineChange {
    /// The quarantined payload's id.
    pub id: String,
    /// Its new status. [`QuarantineStatus::Discarded`] erases the content.
    pub to: QuarantineStatus,
    /// When.
    pub at: Timestamp,
    /// Why or whereto: the person's note, the new submission's id.
    pub note: String,
}

/// An audit leaf to be appended; its sequence number is given by the store, contiguous from 0 in commit order.
#[derive(Debug, Clone, Default)]
pub struct NewLeaf {
    /// The AuditEvent's id.
    pub id: String,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// The kind of act, for searches.
    pub kind: String,
    /// The act's outcome, for searches.
    pub outcome: String,
    /// The AuditEvent as canonical JSON (RFC 8785); the part that can be erased.
    pub canonical: String,
    /// The salt of the leaf's commitment to it, erased together with it.
    pub salt: [u8; 32],
    /// The leaf's text, which the tree hashes; it holds no personal data and outlives an erasure.
    pub leaf: String,
    /// The leaf's hash (RFC 6962).
    pub leaf_hash: [u8; 32],
    /// The patient it is about.
    pub patient_key: Option<String>,
    /// What it is about, each as a relative reference without a version (`Flag/<id>`, `QuarantineItem/<id>`).
    pub about: Vec<String>,
}

impl From<crate::audit::Entry> for NewLeaf {
    fn from(entry: crate::audit::Entry) -> NewLeaf {
        NewLeaf {
            id: entry.id,
            recorded: entry.recorded,
            kind: entry.kind.to_owned(),
            outcome: entry.outcome.to_owned(),
            canonical: entry.canonical,
            salt: entry.salt,
            leaf: entry.leaf,
            leaf_hash: entry.leaf_hash,
            patient_key: entry.patient_key,
            about: entry.about,
        }
    }
}

/// The content of an audit leaf is erased; the leaf, its commitment and its hash stay.
#[derive(Debug, Clone, Copy)]
pub struct Erasure {
    /// The leaf.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
}

/// A signed head of the audit tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many leaves it covers.
    pub size: u64,
    /// The tree's root.
    pub root: [u8; 32],
    /// The signed note (C2SP tlog-checkpoint).
    pub note: String,
    /// When it was signed.
    pub created: Timestamp,
}

/// What became of a unit of work.
#[derive(Debug, Clone)]
pub enum Committed {
    /// It was written.
    Done(Done),
    /// It had been written before under the same idempotency key; nothing was written now.
    Repeated {
        /// The answer that was stored then.
        answer: Option<String>,
    },
}

/// What the store assigned to a unit of work.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// The sequence number of the first audit leaf; the others follow it without a gap.
    pub first_leaf: Option<u64>,
    /// The new intents, in the order given.
    pub intents: Vec<i64>,
    /// The event numbers asked for with [`Numbering::Next`](super::delivery::Numbering::Next), in that order.
    pub numbers: Vec<u64>,
}
