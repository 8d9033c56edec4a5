//! Quarantine, for operators.

use super::answer::{ApiError, FHIR_JSON, malformed, text};
use super::gate::{Authenticated, Gate};
use super::parameters;
use crate::exchange::{Correction, Refusal};
use crate::fhir::instant;
use crate::govern::Role;
use crate::store::{QuarantineQuery, QuarantineStatus, Quarantined};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const JSON: &str = "application/json; charset=utf-8";

/// `GET /quarantine?source=&organisation=&status=&before=&limit=`.
pub(super) async fn list(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Operator], "quarantine-list").await?;
    let asked = asked(query.as_deref().unwrap_or(""));
    let asked = gate.settle(caller, "quarantine-list", asked).await?;
    let found = gate.exchange.quarantine_list(caller, asked, Timestamp::now()).await?;
    let items: Vec<Value> = found.iter().map(item).collect();
    Ok(text(StatusCode::OK, JSON, json!({"item": items}).to_string()))
}

fn asked(query: &str) -> Result<QuarantineQuery, ApiError> {
    let mut asked = QuarantineQuery { limit: 50, ..QuarantineQuery::default() };
    for (name, value) in parameters::decode(query) {
        match name.as_str() {
            "source" => asked.source = Some(value),
            "organisation" => asked.organisation = Some(value),
            "status" => asked.status = Some(status(&value)?),
            "before" => {
                asked.before = Some(value.parse().map_err(|_| malformed("`before` must be a number"))?)
            }
            "limit" => {
                let limit: usize = value.parse().map_err(|_| malformed("`limit` must be a number"))?;
                asked.limit = limit.clamp(1, 500);
            }
            _ => return Err(malformed(format!("the parameter `{name}` is not known here"))),
        }
    }
    Ok(asked)
}

/// `GET /quarantine/{id}`: the findings, without the payload.
pub(super) async fn read(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    gate.allow(&authenticated.caller, &[Role::Operator], "quarantine-read").await?;
    let found = gate.exchange.quarantine_read(&authenticated.caller, &id, Timestamp::now()).await?;
    let mut body = item(&found);
    if let (Some(members), Ok(outcome)) = (body.as_object_mut(), serde_json::from_str(&found.outcome)) {
        members.insert("outcome".to_owned(), outcome);
    }
    Ok(text(StatusCode::OK, JSON, body.to_string()))
}

/// `GET /quarantine/{id}/payload`: the payload as it came.
pub(super) async fn payload(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    gate.allow(&authenticated.caller, &[Role::Operator], "quarantine-read").await?;
    let found = gate.exchange.quarantine_read(&authenticated.caller, &id, Timestamp::now()).await?;
    let bytes = found.payload.ok_or(ApiError::Refused(Refusal::Gone))?;
    // Never with the media type that the sender claimed: a browser must not run what a sender wrote.
    let headers = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CONTENT_DISPOSITION, "attachment"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::OK, headers, bytes).into_response())
}

/// `POST /quarantine/{id}/$resubmit`: without a body as the payload came, perhaps with a mapping that has been
/// corrected; with a body that in its place, and `?reason=` why.
pub(super) async fn resubmit(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Operator], "quarantine-resubmit").await?;
    let payload = gate.body(caller, &headers, body, "quarantine-resubmit").await?;
    let reason = gate.settle(caller, "quarantine-resubmit", reason(query.as_deref().unwrap_or(""))).await?;
    let correction = (!payload.is_empty()).then_some(Correction { payload, reason });
    let submitted = gate.exchange.quarantine_resubmit(caller, &id, correction, Timestamp::now()).await?;
    let status = if submitted.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok(text(status, FHIR_JSON, submitted.body))
}

fn reason(query: &str) -> Result<String, ApiError> {
    let mut reason = String::new();
    for (name, value) in parameters::decode(query) {
        match name.as_str() {
            "reason" => reason = value,
            _ => return Err(malformed(format!("the parameter `{name}` is not known here"))),
        }
    }
    Ok(reason)
}

/// `POST /quarantine/{id}/$discard` with `{"reason": "…"}`.
pub(super) async fn discard(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Operator], "quarantine-discard").await?;
    let bytes = gate.body(caller, &headers, body, "quarantine-discard").await?;
    let asked = serde_json::from_slice(&bytes).map_err(|_| malformed("the body must be a JSON object"));
    let asked: Value = gate.settle(caller, "quarantine-discard", asked).await?;
    let reason = asked.get("reason").and_then(Value::as_str).unwrap_or("");
    gate.exchange.quarantine_discard(caller, &id, reason, Timestamp::now()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn item(item: &Quarantined) -> Value {
    json!({
        "id": item.id,
        "position": item.position,
        "source": item.source,
        "organisation": item.organisation,
        "received": instant(item.received),
        "mediaType": item.media_type,
        "reason": item.reason,
        "status": status_name(item.status),
        "changed": instant(item.changed),
        "note": item.note,
    })
}

fn status_name(status: QuarantineStatus) -> &'static str {
    match status {
        QuarantineStatus::Held => "held",
        QuarantineStatus::Resubmitted => "resubmitted",
        QuarantineStatus::Discarded => "discarded",
    }
}

fn status(name: &str) -> Result<QuarantineStatus, ApiError> {
    [QuarantineStatus::Held, QuarantineStatus::Resubmitted, QuarantineStatus::Discarded]
        .into_iter()
        .find(|status| status_name(*status) == name)
        .ok_or_else(|| malformed("`status` must be `held`, `resubmitted` or `discarded`"))
}
