//! `POST /submissions/{source}`.

use super::answer::{ApiError, FHIR_JSON, text};
use super::body::media_type;
use super::gate::{Authenticated, Gate};
use crate::exchange::Payload;
use crate::govern::Role;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use std::sync::Arc;

/// Takes a payload in: 201 with the `transaction-response` Bundle once it is committed, 200 for a repeat.
pub(super) async fn submit(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Source], "submission").await?;
    let key = match idempotency_key(&headers) {
        Ok(key) => key,
        Err(error) => return Err(gate.refused(caller, "submission", error).await),
    };
    let bytes = gate.body(caller, &headers, body, "submission").await?;
    let payload = Payload {
        bytes,
        media_type: media_type(&headers),
        key,
        request_id: authenticated.request_id.clone(),
    };
    let submitted = gate.exchange.submit(caller, &source, payload, Timestamp::now()).await?;
    let status = if submitted.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok(text(status, FHIR_JSON, submitted.body))
}

/// The sender's own key for the submission. A quoted form (RFC draft) and a plain one are the same key.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or("").trim().trim_matches('"');
    if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        let text = "`Idempotency-Key` must have 1 to 255 visible characters".to_owned();
        return Err(ApiError::Refused(crate::exchange::Refusal::Malformed { text }));
    }
    Ok(Some(text.to_owned()))
}
