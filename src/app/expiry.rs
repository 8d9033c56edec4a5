//! Saying ahead of time that agreements will stop permitting: in the log and as a measurement, at the start and then every
//! hour, for the agreements that are in force at that moment.

use crate::exchange::Exchange;
use crate::govern::{AgreementWarning, Policy};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(3600);

/// Warns until the gateway stops. `sgw_agreement_days_left` is the days until the last day; negative once it has passed.
pub(super) async fn watch(exchange: Arc<Exchange>, stop: CancellationToken) {
    loop {
        warn(&exchange.policy(), Timestamp::now());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn warn(policy: &Policy, now: Timestamp) {
    for AgreementWarning { agreement, version, last_day, days_left, review } in policy.warnings(now) {
        let what = if review { "review" } else { "end" };
        let labels = [("agreement", agreement.clone()), ("what", what.to_owned())];
        metrics::gauge!("sgw_agreement_days_left", &labels).set(days_left as f64);
        if days_left < 0 {
            tracing::error!(%agreement, %version, %last_day, what, "the agreement permits nothing any more");
        } else {
            tracing::warn!(%agreement, %version, %last_day, days_left, what, "the agreement will stop permitting");
        }
    }
}
