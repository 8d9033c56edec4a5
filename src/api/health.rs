//! State for those who watch over the gateway: no identifier and no number about patients.

use super::answer::{ApiError, text};
use super::gate::Gate;
use crate::govern::Role;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use http::{Extensions, HeaderMap, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;

/// Whether the process lives.
pub(super) async fn alive() -> Response {
    text(StatusCode::OK, "text/plain; charset=utf-8", "alive\n".to_owned())
}

/// Whether work is taken: the store's writer runs.
pub(super) async fn ready(State(gate): State<Arc<Gate>>) -> Result<Response, ApiError> {
    match gate.exchange.store().ready() {
        Ok(()) => Ok(text(StatusCode::OK, "text/plain; charset=utf-8", "ready\n".to_owned())),
        Err(error) => {
            tracing::error!(cause = %error, "the store is not ready");
            Err(ApiError::NotReady("the store does not take work".to_owned()))
        }
    }
}

/// Measurements in the text format of Prometheus.
pub(super) async fn metrics(
    State(gate): State<Arc<Gate>>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, ApiError> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let local = gate.settings.metrics_on_loopback && peer.is_some_and(|ip| ip.is_loopback());
    if !local {
        gate.is(&headers, Role::Operator)?;
    }
    let render = gate.metrics.as_ref().ok_or(ApiError::NoRoute)?;
    if let Ok(figures) = gate.exchange.store().figures().await {
        metrics::gauge!("sgw_open_intents").set(figures.open_intents as f64);
        metrics::gauge!("sgw_dead_letters").set(figures.dead_letters as f64);
        metrics::gauge!("sgw_quarantine_held").set(figures.held as f64);
        metrics::gauge!("sgw_audit_leaves").set(figures.audit_size as f64);
        metrics::gauge!("sgw_store_wal_bytes").set(figures.wal_bytes as f64);
        metrics::gauge!("sgw_store_commits").set(figures.commits as f64);
        metrics::gauge!("sgw_store_units").set(figures.units as f64);
    }
    Ok(text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", render()))
}
