//! Logs and metrics. Neither ever holds a patient's value: log fields are ids of the gateway's own making.

mod log;
mod metrics;

pub use self::log::{Format, LogError, LogSettings, start};
pub use self::metrics::{Metrics, MetricsError};
