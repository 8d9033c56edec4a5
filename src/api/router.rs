//! Which address leads to which handler.

use super::answer::ApiError;
use super::gate::{Gate, Parts};
use super::{
    break_glass, configuration, context, convert, deliveries, explain, health, metadata, operations,
    quarantine, resources, review, submissions, subscriptions, translate,
};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

/// The HTTP interface of a gateway.
pub fn router(parts: Parts) -> Router {
    let gate = Arc::new(Gate::new(parts));
    let limited = Router::new()
        .route("/submissions/{source}", post(submissions::submit))
        .route("/quarantine", get(quarantine::list))
        .route("/quarantine/{id}", get(quarantine::read))
        .route("/quarantine/{id}/payload", get(quarantine::payload))
        .route("/quarantine/{id}/$resubmit", post(quarantine::resubmit))
        .route("/quarantine/{id}/$discard", post(quarantine::discard))
        .route("/review", get(review::review))
        .route("/access-report", post(review::access_report))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/$replay", post(deliveries::replay))
        .route("/configuration/$reload", post(configuration::reload))
        .route(
            "/fhir/Subscription/$status",
            get(subscriptions::status_of_all).post(subscriptions::status_of_all),
        )
        .route("/fhir/Subscription/{id}/$status", get(subscriptions::status).post(subscriptions::status))
        .route("/fhir/Subscription/{id}/$events", get(subscriptions::events).post(subscriptions::events))
        .route("/break-glass", get(break_glass::figures))
        .route("/fhir/$break-glass", post(break_glass::disclose))
        .route("/fhir/$decide", post(explain::explain))
        .route("/fhir/$convert", post(convert::convert))
        .route("/fhir/ConceptMap/$translate", get(translate::of_all).post(translate::of_all))
        .route("/fhir/ConceptMap/{id}/$translate", get(translate::of_one).post(translate::of_one))
        .route("/fhir/{type}", get(resources::search).post(resources::create))
        .route("/fhir/{type}/_search", post(resources::search_by_form))
        .route("/fhir/{type}/$validate", post(operations::validate))
        .route("/fhir/{type}/{id}", get(resources::read).put(resources::update))
        .route("/fhir/{type}/{id}/$validate", post(operations::validate_instance))
        .route("/fhir/{type}/{id}/_history", get(resources::history))
        .route("/fhir/{type}/{id}/_history/{version}", get(resources::read_version))
        .layer(from_fn_with_state(gate.clone(), context::limit));
    Router::new()
        .merge(limited)
        .route("/fhir/metadata", get(metadata::capabilities))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(|| async { ApiError::NoRoute })
        .method_not_allowed_fallback(|| async { ApiError::NoMethod })
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(context::panicked))
        .layer(from_fn(context::observe))
        .with_state(gate)
}
