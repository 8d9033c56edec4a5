//! The database's faults, named.

use crate::store::StoreError;
use std::path::Path;

/// A fault of the database, and whether the writer may go on after it.
#[derive(Debug)]
pub struct Fault {
    /// What the unit of work is answered.
    pub error: StoreError,
    /// Whether what the disk holds is in doubt, so that nothing more may be written.
    pub fatal: bool,
    /// Whether one unit of work of several may have caused it.
    pub from_content: bool,
}

impl Fault {
    /// A fault that one unit of work has caused by breaking a rule of the store.
    pub fn rule(rule: impl Into<String>) -> Self {
        Self { error: StoreError::Rejected { rule: rule.into() }, fatal: false, from_content: true }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let plain = |error| Self { error, fatal: false, from_content: false };
        let sqlx::Error::Database(database) = &error else {
            return match error {
                sqlx::Error::PoolClosed => plain(StoreError::Closed),
                sqlx::Error::PoolTimedOut => {
                    plain(StoreError::Busy { reason: "all readers are at work".to_owned() })
                }
                sqlx::Error::WorkerCrashed => Self {
                    error: StoreError::Stopped { reason: "the database's thread ended".to_owned() },
                    fatal: true,
                    from_content: false,
                },
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self {
                    error: StoreError::Damaged { detail: "a value of the wrong type".to_owned() },
                    fatal: false,
                    from_content: false,
                },
                other => plain(StoreError::Other { reason: other.to_string() }),
            };
        };
        // SQLite's primary result code is the low byte of the extended one (sqlite.org/rescode.html).
        let code: i32 = database.code().and_then(|code| code.parse().ok()).unwrap_or(1);
        let reason = || database.message().to_owned();
        match code & 0xff {
            5 | 6 => plain(StoreError::Busy { reason: reason() }),
            13 => plain(StoreError::Full),
            11 | 26 => {
                Self { error: StoreError::Damaged { detail: reason() }, fatal: true, from_content: false }
            }
            10 => Self {
                error: StoreError::Stopped { reason: format!("{} (SQLite code {code})", reason()) },
                fatal: true,
                from_content: false,
            },
            // Constraint, mismatch, too big, range: the content of one unit. Constraint messages name columns only.
            19 | 20 | 18 | 25 => Self::rule(reason()),
            _ => plain(StoreError::Other { reason: format!("{} (SQLite code {code})", reason()) }),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Fault::from(error).error
    }
}

/// The operating system's refusal of a file.
pub fn file(path: &Path, error: &std::io::Error) -> StoreError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return StoreError::Full;
    }
    StoreError::File { path: path.to_owned(), reason: error.to_string() }
}
