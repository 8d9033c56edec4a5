//! Counters and timings for Prometheus.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::time::Duration;

/// Buckets for everything measured in seconds: from half a millisecond to half a minute.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Why metrics could not be gathered.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be gathered: {0}")]
pub struct MetricsError(#[from] BuildError);

/// The measurements of this process, ready to be rendered.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Starts gathering for the whole process; a second call in one process is an error.
    pub fn start() -> Result<Metrics, MetricsError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .install_recorder()?;
        describe();
        Ok(Metrics { handle })
    }

    /// Everything gathered so far, in the text format of Prometheus.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds what was recorded into its buckets; run it every few seconds so that memory stays flat.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Runs [`Metrics::upkeep`] for as long as the returned future is polled.
    pub async fn keep(self) {
        let mut ticks = tokio::time::interval(Duration::from_secs(5));
        loop {
            ticks.tick().await;
            self.upkeep();
        }
    }
}

fn describe() {
    metrics::describe_counter!(
        "sgw_http_requests_total",
        "HTTP requests answered, by route, method and status"
    );
    metrics::describe_histogram!("sgw_http_request_seconds", "time from a request's head to its answer");
    metrics::describe_counter!(
        "sgw_http_shed_total",
        "HTTP requests refused because too many were under way"
    );
    metrics::describe_gauge!("sgw_http_connections", "HTTP connections open");
    metrics::describe_counter!("sgw_mllp_messages_total", "MLLP messages answered, by acknowledgement code");
    metrics::describe_gauge!("sgw_mllp_connections", "MLLP connections open");
    metrics::describe_counter!("sgw_submissions_total", "submissions, by outcome");
    metrics::describe_histogram!("sgw_submission_seconds", "time from a payload to its commit");
    metrics::describe_counter!("sgw_deliveries_total", "attempts to deliver a notification, by outcome");
    metrics::describe_histogram!("sgw_delivery_seconds", "time of an attempt to deliver");
    metrics::describe_counter!("sgw_decisions_total", "decisions at intake, by outcome and action");
    metrics::describe_counter!(
        "sgw_http_unauthenticated_total",
        "HTTP requests refused without a valid credential"
    );
    metrics::describe_counter!("sgw_folder_files_total", "files of watched folders, by outcome");
    metrics::describe_counter!("sgw_break_glass_total", "emergency disclosures, by organisation");
    metrics::describe_counter!("sgw_tasks_total", "Tasks made, by code");
    metrics::describe_counter!("sgw_witness_answers_total", "answers of witnesses, by kind");
    metrics::describe_gauge!("sgw_agreement_days_left", "days until an agreement stops permitting");
    metrics::describe_gauge!("sgw_open_intents", "notifications that wait to be sent");
    metrics::describe_gauge!("sgw_dead_letters", "notifications that were given up");
    metrics::describe_gauge!("sgw_quarantine_held", "payloads that wait in quarantine");
    metrics::describe_gauge!("sgw_audit_leaves", "records in the audit log");
    metrics::describe_gauge!("sgw_store_wal_bytes", "size of the write-ahead log in bytes");
    metrics::describe_gauge!("sgw_store_commits", "commits since the start");
    metrics::describe_gauge!("sgw_store_units", "units of work committed since the start");
}
