//! Why the store refuses, and what an operator is to do about it.

use jiff::Timestamp;
use std::path::PathBuf;

/// Why a unit of work was not written, or the store could not be opened or read.
///
/// The first group concerns one unit of work: the others of the same moment are not touched. The second group is
/// the state of the disk or of the file. No text holds a patient's value or a payload.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A resource is not at the version that the work was built on: read again, decide again, try again.
    #[error("`{resource_type}/{id}` is at version {}, not {}", shown(.found), shown(.expected))]
    Conflict {
        /// The resource's type.
        resource_type: String,
        /// The resource's logical id.
        id: String,
        /// The version the work was built on; `None`: it must not exist.
        expected: Option<u64>,
        /// The version that is current; `None`: it does not exist.
        found: Option<u64>,
    },
    /// An idempotency key came back with other content.
    #[error("the idempotency key was used in scope `{scope}` with different content")]
    KeyReused {
        /// Whose keys these are.
        scope: String,
    },
    /// The lease on a subscription has run out or passed to another worker.
    #[error("the lease on subscription `{subscription}` has ended or passed to another worker")]
    Fenced {
        /// The subscription.
        subscription: String,
    },
    /// An intent has reached its final state and is changed no more.
    #[error("intent {intent} is settled")]
    Settled {
        /// The intent.
        intent: i64,
    },
    /// A quarantined payload has already been resubmitted or discarded, or there is none of this id.
    #[error("quarantined payload `{id}` is not held")]
    NotHeld {
        /// The quarantined payload's id.
        id: String,
    },
    /// The work names something that is not in the store.
    #[error("there is no {kind} `{id}`")]
    Unknown {
        /// What was looked for.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The work breaks a rule of the store itself: an id that exists, a version that does not follow.
    #[error("the store's rules do not allow this work: {rule}")]
    Rejected {
        /// The rule that is broken.
        rule: String,
    },
    /// The clock has gone back behind what the store has recorded.
    #[error(
        "the clock says {now}, but the store has records of {last}; correct the clock, or accept the step back once with `accept_clock_step`"
    )]
    Clock {
        /// The time that the work carries.
        now: Timestamp,
        /// The latest time recorded.
        last: Timestamp,
    },
    /// Another program holds the database's lock, or the queue of waiting work is full: try again later.
    #[error("the database is busy: {reason}")]
    Busy {
        /// What holds it.
        reason: String,
    },
    /// The disk is full: nothing was written; free some space.
    #[error("the disk that holds the database is full")]
    Full,
    /// A write or a sync failed; whether the disk holds it is not known, so nothing more is written.
    #[error("writing has stopped: {reason}; look at the disk, then start again")]
    Stopped {
        /// The failure that stopped the writer.
        reason: String,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// The file's content is damaged.
    #[error(
        "the database is damaged ({detail}); keep the file, restore a backup, and let `sgw audit verify` compare the two"
    )]
    Damaged {
        /// What was found.
        detail: String,
    },
    /// The file is a database of some other program, or no database.
    #[error("`{}` is not a gateway database ({found}); name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was found in it.
        found: String,
    },
    /// The file was written by a newer release.
    #[error("`{}` has schema {found}, this release knows {known}; run the newer release, or restore the backup made before its upgrade", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema's number in the file.
        found: i64,
        /// The newest number that this release knows.
        known: i64,
    },
    /// The file's tables are not those of the schema number that it carries.
    #[error("`{}` says schema {version}, but its tables differ from it; restore a backup", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// The schema's number in the file.
        version: i64,
    },
    /// Another gateway has the database open.
    #[error("`{}` is in use by another gateway; stop that one first", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The SQLite library has a known fault that can lose data.
    #[error(
        "the SQLite library is {found}; versions before 3.51.3 can damage a database, so the gateway does not start with it"
    )]
    Engine {
        /// The library's version.
        found: String,
    },
    /// The operating system refused a file.
    #[error("`{}` cannot be used: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The database refused a statement for a reason that has no name here.
    #[error("the database refused a request: {reason}")]
    Other {
        /// The database's reason.
        reason: String,
    },
}

fn shown(version: &Option<u64>) -> String {
    version.map_or_else(|| "none".to_owned(), |number| number.to_string())
}

impl StoreError {
    /// Whether the same work may succeed later without being changed (answer 503 and `Retry-After`).
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::Full | Self::Stopped { .. } | Self::Closed | Self::Clock { .. }
        )
    }
}
