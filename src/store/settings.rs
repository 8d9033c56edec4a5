//! Settings of the store.

use serde::{Deserialize, Serialize};

/// The shortest time for which idempotency keys are kept, in days.
pub const SHORTEST_KEY_DAYS: u32 = 7;

/// How the database is used. Unknown names are refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many reads may run at a time. Default: 4.
    pub readers: u32,
    /// For how many days a submission that is sent again is recognised; at least 7. Default: 14.
    pub key_retention_days: u32,
    /// How many seconds to wait for a lock that another program holds. Default: 5.
    pub busy_timeout_seconds: u64,
    /// Accepts, at the next start, that the clock lies behind what the database has recorded. Default: no.
    pub accept_clock_step: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { readers: 4, key_retention_days: 14, busy_timeout_seconds: 5, accept_clock_step: false }
    }
}
