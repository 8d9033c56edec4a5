//! Settings of delivery, with the defaults that a deployment starts from.

use super::schedule::Schedule;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How notifications are delivered. Unknown names are refused.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether endpoints may be `http:`. Default: no. For demonstrations on loopback only.
    pub allow_http: bool,
    /// Whether endpoints may be loopback addresses. Default: no. For demonstrations only.
    pub allow_loopback: bool,
    /// Networks that may be reached although their addresses are not public, such as a partner's range on HSCN:
    /// `10.20.0.0/16`. Metadata services and loopback stay out of reach. Default: none.
    pub allowed_networks: Vec<String>,
    /// PEM files with certificate authorities to trust besides those of the system. Default: none.
    pub extra_authorities: Vec<PathBuf>,
    /// Seconds to wait for a connection. Default: 5.
    pub connect_timeout_seconds: u64,
    /// Seconds to wait for an answer when the subscription names no timeout. Default: 10.
    pub timeout_seconds: u64,
    /// The longest timeout granted to a subscription, whatever it asks for. Default: 30.
    pub max_timeout_seconds: u64,
    /// How many notifications may be under way to one subscription. Each bounds only itself. Default: 16.
    pub in_flight: usize,
    /// Seconds after which a silent worker's subscriptions are taken over; renewed at a third of it. Default: 12.
    pub lease_seconds: u64,
    /// When failed deliveries are tried again, and when they are given up.
    pub retry: Schedule,
    /// The longest wait granted to a receiver's `Retry-After`, in seconds. Default: 86,400 (a day).
    pub max_retry_after_seconds: u64,
    /// When a receiver counts as down, and how it is probed.
    pub breaker: BreakerSettings,
    /// Seconds of failures without one success after which the subscription's status becomes `error`.
    /// Default: 3,600.
    pub error_after_seconds: u64,
}

/// When a receiver counts as down, and how it is probed then.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// How many attempts in a row, of different patients or without any connection, must fail. Default: 3.
    pub failures: u32,
    /// Milliseconds until the first probe; doubled after each that fails. Default: 500.
    pub first_probe_ms: u64,
    /// The longest time between probes in seconds: a receiver that is back is noticed within it. Default: 15.
    pub max_probe_seconds: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            allow_http: false,
            allow_loopback: false,
            allowed_networks: Vec::new(),
            extra_authorities: Vec::new(),
            connect_timeout_seconds: 5,
            timeout_seconds: 10,
            max_timeout_seconds: 30,
            in_flight: 16,
            lease_seconds: 12,
            retry: Schedule::default(),
            max_retry_after_seconds: 86_400,
            breaker: BreakerSettings::default(),
            error_after_seconds: 3_600,
        }
    }
}

impl Default for BreakerSettings {
    fn default() -> BreakerSettings {
        BreakerSettings { failures: 3, first_probe_ms: 500, max_probe_seconds: 15 }
    }
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A number is out of its range.
    #[error("`{name}` must be {rule}")]
    Range {
        /// The setting.
        name: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// A network is not written as address and prefix length.
    #[error("`{0}` in `allowed_networks` is not a network such as `10.20.0.0/16`")]
    Network(String),
    /// A file of certificate authorities cannot be used.
    #[error("`{}` in `extra_authorities` cannot be used: {reason}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client could not be built.
    #[error("the client for deliveries could not be built: {0}")]
    Client(String),
}

impl Settings {
    /// Refuses numbers with which delivery could not keep its promises.
    pub fn check(&self) -> Result<(), SettingsError> {
        let range =
            |holds: bool, name, rule| if holds { Ok(()) } else { Err(SettingsError::Range { name, rule }) };
        range((1..=600).contains(&self.timeout_seconds), "timeout_seconds", "between 1 and 600")?;
        range(
            self.timeout_seconds <= self.max_timeout_seconds,
            "max_timeout_seconds",
            "at least `timeout_seconds`",
        )?;
        range(self.max_timeout_seconds <= 600, "max_timeout_seconds", "at most 600")?;
        range(
            (1..=60).contains(&self.connect_timeout_seconds),
            "connect_timeout_seconds",
            "between 1 and 60",
        )?;
        range((1..=1_024).contains(&self.in_flight), "in_flight", "between 1 and 1024")?;
        range((1..=300).contains(&self.lease_seconds), "lease_seconds", "between 1 and 300")?;
        range(self.breaker.failures >= 1, "breaker.failures", "at least 1")?;
        range(self.breaker.first_probe_ms >= 10, "breaker.first_probe_ms", "at least 10")?;
        range(
            (1..=3_600).contains(&self.breaker.max_probe_seconds),
            "breaker.max_probe_seconds",
            "between 1 and 3600",
        )?;
        self.retry.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_and_unknown_names_do_not() {
        Settings::default().check().unwrap();
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
        assert!(serde_json::from_str::<Settings>(r#"{"alow_http": true}"#).is_err());
        assert!(serde_json::from_str::<Settings>(r#"{"breaker": {"fails": 1}}"#).is_err());
        let zero = Settings { in_flight: 0, ..Settings::default() };
        assert_eq!(zero.check(), Err(SettingsError::Range { name: "in_flight", rule: "between 1 and 1024" }));
    }
}
