//! The parts of a unit of work that concern delivery.

use jiff::Timestamp;

/// A lease on a subscription that must be current: this fence, and not run out at the work's `now`.
#[derive(Debug, Clone)]
pub struct Fence {
    /// The Subscription resource's id.
    pub subscription: String,
    /// The fence that came with the lease.
    pub fence: u64,
}

/// What changes about the state of a subscription; `None` leaves a value as it is.
///
/// The state is created when there is none yet; then `owner` and `status` are needed. The number of events is kept
/// by the store alone.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionChange {
    /// The Subscription resource's id.
    pub id: String,
    /// The partner it belongs to.
    pub owner: Option<String>,
    /// The Subscription's status: `requested`, `active`, `error`, `off`.
    pub status: Option<String>,
    /// How many attempts in a row have failed.
    pub failures: Option<u32>,
    /// Since when they have been failing.
    pub failing_since: Option<Option<Timestamp>>,
    /// When the receiver is tried again.
    pub retry_at: Option<Option<Timestamp>>,
    /// When the next heartbeat is due.
    pub heartbeat_at: Option<Option<Timestamp>>,
    /// A code for the newest failure.
    pub last_error: Option<Option<String>>,
    /// What delivery keeps about it, as JSON; the store does not read it.
    pub detail: Option<String>,
}

/// Something to be delivered: a reference, never a payload.
#[derive(Debug, Clone, Default)]
pub struct NewIntent {
    /// The Subscription resource's id.
    pub subscription: String,
    /// The patient; intents of one subscription and one patient are delivered in order, one at a time.
    pub patient_key: Option<String>,
    /// The type of the resource that changed.
    pub resource_type: String,
    /// Its logical id.
    pub resource_id: String,
    /// The version that it changed to.
    pub version: u64,
    /// The topic's canonical.
    pub topic: String,
    /// What happened: `create`, `update`, `delete`.
    pub trigger: String,
    /// When it happened.
    pub created: Timestamp,
    /// When it may first be delivered.
    pub due: Timestamp,
}

/// Where an intent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntentState {
    /// It is the earliest open one of its subscription and patient.
    Ready,
    /// It waits behind an earlier one of the same subscription and patient.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// It was decided that the partner does not get it.
    Withheld,
    /// Given up: a dead letter.
    Dead,
    /// Its subscription ended first.
    Ended,
}

impl IntentState {
    /// Whether it is still to be delivered.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Ready | Self::Waiting)
    }
}

/// What changes about an intent; `None` leaves a value as it is.
///
/// A final state lets the next intent of the same subscription and patient become ready. An intent in a final state
/// is changed only by [`reopen`](Self::reopen).
#[derive(Debug, Clone, Default)]
pub struct IntentUpdate {
    /// The intent.
    pub intent: i64,
    /// Its final state. Ready and waiting are kept by the store; asking for one of them changes nothing.
    pub state: Option<IntentState>,
    /// Makes a settled intent open again, to be delivered with the event number that it has.
    pub reopen: bool,
    /// How many attempts were made.
    pub attempts: Option<u32>,
    /// When it may be delivered next.
    pub due: Option<Timestamp>,
    /// When the first attempt began.
    pub first_attempt: Option<Option<Timestamp>>,
    /// What happens to its event number.
    pub number: Option<Numbering>,
    /// Whether its number may have been seen by the receiver.
    pub exposed: Option<bool>,
    /// A code for the newest outcome.
    pub reason: Option<String>,
}

/// What happens to the event number of an intent. Numbers are contiguous from 1 for each subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// It gets the next number of its subscription, or keeps the one that it has; given back in [`Done::numbers`](super::Done::numbers).
    Next,
    /// It gives its number back, which must be the newest of its subscription.
    TakeBack,
}

/// An attempt to deliver an intent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attempt {
    /// The intent.
    pub intent: i64,
    /// The attempt's number, from 1.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: u32,
    /// What came of it: for example `delivered`, `failed`, `withheld`, `refused`.
    pub outcome: String,
    /// The receiver's HTTP status, when there was one.
    pub http_status: Option<u16>,
    /// A stable code for the failure or the reason.
    pub error: Option<String>,
}

/// Ready intents of a subscription that are due later become due at this time: the receiver is back.
#[derive(Debug, Clone)]
pub struct Hastening {
    /// The Subscription resource's id.
    pub subscription: String,
    /// When they are due.
    pub due: Timestamp,
}

/// All open intents of a subscription end.
#[derive(Debug, Clone)]
pub struct Closing {
    /// The Subscription resource's id.
    pub subscription: String,
    /// The reason's code, for example `subscription-ended`.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A worker's request to lead subscriptions: nobody else numbers, sends or records for them meanwhile.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// The worker.
    pub owner: String,
    /// The time of the request.
    pub now: Timestamp,
    /// When the leases end unless they are renewed.
    pub until: Timestamp,
    /// At most this many subscriptions, those already led included.
    pub limit: usize,
}
