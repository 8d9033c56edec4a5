//! When a receiver counts as down, and when it is probed. One for each subscription; pure, takes `now`.
//!
//! Open after one attempt without a connection, after some in a row without an answer, or after failures in a row for
//! as many *different* patients: one patient's event that the receiver chokes on never stops the others. While it is
//! open, one notification at a time probes the receiver, at growing intervals; the first success closes it and
//! everything that waits is sent at once.

use super::outcome::{Failure, Scope};
use super::settings::BreakerSettings;
use jiff::Timestamp;
use std::time::Duration;

/// Whether notifications may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// As many as the subscription may have under way.
    Free,
    /// One, as a probe.
    Probe,
    /// None before this time.
    NotBefore(Timestamp),
}

/// What a success ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing: all was well.
    None,
    /// Single failures. What failed may be the events' own fault, and keeps its schedule.
    FromFailures,
    /// An outage: what waits for a later attempt may be sent now.
    FromOutage,
}

/// The state of one receiver.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    /// The different lanes (hashes of patients) whose attempts have failed since the last success.
    lanes: Vec<u64>,
    silences: u32,
    /// Attempts in a row that failed for reasons other than the event itself.
    failures: u32,
    since: Option<Timestamp>,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Timestamp,
    wait: Duration,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: BreakerSettings) -> Breaker {
        Breaker { settings, lanes: Vec::new(), silences: 0, failures: 0, since: None, open: None }
    }

    /// A breaker as it was before a restart: with failures known, the receiver is probed first.
    pub fn resumed(
        settings: BreakerSettings,
        failures: u32,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Breaker {
        let wait = Duration::from_millis(settings.first_probe_ms);
        let open = (since.is_some()).then_some(Open { until: now, wait });
        Breaker { failures, since, open, ..Breaker::new(settings) }
    }

    /// Whether notifications may be sent at `now`.
    pub fn allowance(&self, now: Timestamp) -> Allowance {
        match self.open {
            None => Allowance::Free,
            Some(open) if now >= open.until => Allowance::Probe,
            Some(open) => Allowance::NotBefore(open.until),
        }
    }

    /// A success, and from what it is one.
    pub fn succeeded(&mut self) -> Recovery {
        let recovery = match (self.open, self.since) {
            (Some(_), _) => Recovery::FromOutage,
            (None, Some(_)) => Recovery::FromFailures,
            (None, None) => Recovery::None,
        };
        self.lanes.clear();
        self.silences = 0;
        self.failures = 0;
        self.since = None;
        self.open = None;
        recovery
    }

    /// A failure of an attempt of this lane. True if the breaker has opened by it.
    pub fn failed(&mut self, failure: &Failure, lane: u64, now: Timestamp) -> bool {
        if failure.scope == Scope::Event {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert(now);
        if !self.lanes.contains(&lane) && self.lanes.len() < 1_024 {
            self.lanes.push(lane);
        }
        self.silences = if failure.scope == Scope::Silence { self.silences.saturating_add(1) } else { 0 };
        let wish = failure.retry_after;
        let threshold = self.settings.failures;
        let opens = self.open.is_some()
            || failure.scope == Scope::Connection
            || self.silences >= threshold
            || self.lanes.len() >= threshold as usize
            || wish.is_some();
        if !opens {
            return false;
        }
        let most = Duration::from_secs(self.settings.max_probe_seconds);
        let (was_open, wait) = match self.open {
            // Attempts that were under way when it opened do not lengthen the wait.
            Some(open) if now < open.until && wish.is_none() => return false,
            Some(open) => (true, (open.wait * 2).min(most)),
            None => (false, Duration::from_millis(self.settings.first_probe_ms).min(most)),
        };
        let pause = wish.unwrap_or_default().max(wait);
        self.open = Some(Open { until: later(now, pause), wait });
        !was_open
    }

    /// How many attempts have failed since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Since when attempts have been failing without a success.
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.since
    }
}

/// A later time; the end of time if it cannot be counted.
pub(super) fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn failure(scope: Scope) -> Failure {
        Failure { code: "server-error", scope, retry_after: None }
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings { failures: 3, first_probe_ms: 1_000, max_probe_seconds: 4 })
    }

    #[test]
    fn one_patient_never_stops_the_others_and_three_do() {
        let mut breaker = breaker();
        for n in 0..50 {
            assert!(!breaker.failed(&failure(Scope::Receiver), 1, at(n)));
            assert!(!breaker.failed(&failure(Scope::Event), 9, at(n)));
        }
        assert_eq!(breaker.allowance(at(60)), Allowance::Free);
        assert!(!breaker.failed(&failure(Scope::Receiver), 2, at(60)));
        assert!(breaker.failed(&failure(Scope::Receiver), 3, at(61)));
        assert_eq!(breaker.allowance(at(61)), Allowance::NotBefore(at(62)));
        assert_eq!(breaker.failing_since(), Some(at(0)));
    }

    #[test]
    fn probes_come_one_at_a_time_at_growing_intervals_and_a_success_closes() {
        let mut breaker = breaker();
        assert!(breaker.failed(&failure(Scope::Connection), 1, at(0)));
        let mut now = 0;
        for wait in [1, 2, 4, 4, 4] {
            assert_eq!(breaker.allowance(at(now)), Allowance::NotBefore(at(now + wait)));
            now += wait;
            assert_eq!(breaker.allowance(at(now)), Allowance::Probe);
            assert!(!breaker.failed(&failure(Scope::Connection), 1, at(now)));
            assert!(
                !breaker.failed(&failure(Scope::Connection), 2, at(now)),
                "late failures do not lengthen the wait"
            );
        }
        assert_eq!(breaker.succeeded(), Recovery::FromOutage);
        assert_eq!(breaker.allowance(at(now)), Allowance::Free);
        assert_eq!(breaker.succeeded(), Recovery::None);
        breaker.failed(&failure(Scope::Receiver), 1, at(now));
        assert_eq!(breaker.succeeded(), Recovery::FromFailures);
    }

    #[test]
    fn silence_opens_after_some_and_a_wish_at_once() {
        let mut quiet = breaker();
        assert!(!quiet.failed(&failure(Scope::Silence), 1, at(0)));
        assert!(!quiet.failed(&failure(Scope::Silence), 1, at(0)));
        assert!(quiet.failed(&failure(Scope::Silence), 1, at(0)));
        let mut busy = breaker();
        let wish =
            Failure { code: "busy", scope: Scope::Receiver, retry_after: Some(Duration::from_secs(90)) };
        assert!(busy.failed(&wish, 1, at(0)));
        assert_eq!(busy.allowance(at(1)), Allowance::NotBefore(at(90)));
    }

    #[test]
    fn after_a_restart_a_failing_receiver_is_probed_first() {
        let settings = BreakerSettings::default();
        assert_eq!(
            Breaker::resumed(settings.clone(), 9, Some(at(0)), at(5)).allowance(at(5)),
            Allowance::Probe
        );
        assert_eq!(Breaker::resumed(settings, 0, None, at(5)).allowance(at(5)), Allowance::Free);
    }
}
