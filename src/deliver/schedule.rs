//! When a failed delivery is tried again. Pure: elapsed time and a random number in, the next wait out.

use super::settings::SettingsError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The time over which delivery is tried at least: what Standard Webhooks recommends (10 attempts over 75.6 h), rounded up.
pub const LEAST_HORIZON: Duration = Duration::from_secs(76 * 3_600);

/// Waits between attempts, counted from the first attempt of an event.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// The wait after each failed attempt, in seconds. Their sum is the time after which an event becomes a dead
    /// letter. Default: 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, 24 h (99 h 42 min).
    pub delays_seconds: Vec<u64>,
    /// By what part a wait is lengthened or shortened at random, so that failures do not come back in step.
    /// Default: 0.1.
    pub jitter: f64,
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule {
            delays_seconds: vec![
                5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, 86_400,
            ],
            jitter: 0.1,
        }
    }
}

impl Schedule {
    /// The wait before the next attempt, or none when the event is to be given up.
    ///
    /// `elapsed` is the time since the event's first attempt: the answer depends on it alone, not on how many
    /// attempts there were, so that probes of a receiver that is down never use up an event's time. `random` is
    /// uniform in `0.0 ..= 1.0`.
    pub fn next(&self, elapsed: Duration, random: f64) -> Option<Duration> {
        let mut offset = Duration::ZERO;
        for delay in &self.delays_seconds {
            offset += Duration::from_secs(*delay);
            if offset > elapsed {
                let wait = (offset - elapsed).as_secs_f64();
                let factor = 1.0 + self.jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0);
                return Some(Duration::from_secs_f64((wait * factor).max(0.1)));
            }
        }
        None
    }

    /// The time after which an event is given up.
    pub fn horizon(&self) -> Duration {
        Duration::from_secs(self.delays_seconds.iter().sum())
    }

    /// Refuses a schedule that gives up before [`LEAST_HORIZON`].
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let range =
            |holds: bool, name, rule| if holds { Ok(()) } else { Err(SettingsError::Range { name, rule }) };
        range((0.0..=0.5).contains(&self.jitter), "retry.jitter", "between 0 and 0.5")?;
        range(
            self.delays_seconds.iter().all(|d| (1..=86_400 * 7).contains(d)),
            "retry.delays_seconds",
            "between 1 second and 7 days each",
        )?;
        range(self.horizon() >= LEAST_HORIZON, "retry.delays_seconds", "at least 76 hours in all")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However the dice fall, a receiver that never answers is tried for at least 76 hours, at least ten times,
        /// never more often than the first delay allows, and not for ever.
        #[test]
        fn every_walk_through_the_schedule_lasts_at_least_76_hours(dice in prop::collection::vec(0.0f64..=1.0, 200)) {
            let schedule = Schedule::default();
            let mut elapsed = Duration::ZERO;
            let mut attempts = 1;
            for random in dice {
                match schedule.next(elapsed, random) {
                    None => break,
                    Some(wait) => {
                        prop_assert!(wait >= Duration::from_millis(100));
                        prop_assert!(wait <= Duration::from_secs(86_400 * 2));
                        elapsed += wait;
                        attempts += 1;
                    }
                }
            }
            prop_assert!(schedule.next(elapsed, 0.5).is_none(), "it ends");
            prop_assert!(elapsed >= LEAST_HORIZON);
            prop_assert!(attempts >= 10);
        }

        /// A wait stays within the jitter of the plan.
        #[test]
        fn the_wait_stays_within_the_jitter(seconds in 0u64..350_000, random in 0.0f64..=1.0) {
            let schedule = Schedule::default();
            let even = schedule.next(Duration::from_secs(seconds), 0.5);
            let wait = schedule.next(Duration::from_secs(seconds), random);
            prop_assert_eq!(even.is_some(), wait.is_some());
            if let (Some(even), Some(wait)) = (even, wait) {
                prop_assert!(wait.as_secs_f64() >= even.as_secs_f64() * 0.9 - 0.001);
                prop_assert!(wait.as_secs_f64() <= even.as_secs_f64() * 1.1 + 0.101);
            }
        }
    }

    #[test]
    fn a_schedule_that_gives_up_early_is_refused() {
        let short = Schedule { delays_seconds: vec![60; 10], jitter: 0.1 };
        assert!(short.check().is_err());
        assert!(Schedule { jitter: 0.9, ..Schedule::default() }.check().is_err());
    }
}
