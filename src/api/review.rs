//! Review packs, for auditors.

use super::answer::{ApiError, malformed, text};
use super::gate::{Authenticated, Gate};
use super::parameters;
use crate::convert::identity;
use crate::exchange::Refusal;
use crate::fhir::systems;
use crate::govern::Role;
use crate::oversight::{self, Links, SMALLEST};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;

/// `GET /review?period=2026-10&format=html|json|csv|records&for-sharing=5`: the pack of a month, or of a quarter
/// (`2026-Q4`). `for-sharing` withholds counts below its number, 5 when it has none.
pub(super) async fn review(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Auditor], "review").await?;
    let (mut period, mut format, mut for_sharing) = (None, "html".to_owned(), None);
    for (name, value) in parameters::decode(query.as_deref().unwrap_or("")) {
        match name.as_str() {
            "period" => period = Some(value.parse().map_err(|error| malformed(format!("{error}")))?),
            "format" => format = value,
            "for-sharing" if value.is_empty() || value == "true" => for_sharing = Some(SMALLEST),
            "for-sharing" => {
                let smallest = value.parse().map_err(|_| malformed("`for-sharing` must be a number"))?;
                for_sharing = Some(smallest);
            }
            _ => return Err(malformed(format!("the parameter `{name}` is not known here"))),
        }
    }
    let period = period.ok_or_else(|| malformed("the parameter `period` is missing"))?;
    if !["html", "json", "csv", "records"].contains(&format.as_str()) {
        return Err(malformed("`format` must be `html`, `json`, `csv` or `records`"));
    }
    let pack = gate.exchange.review(caller, &period, for_sharing, Timestamp::now()).await?;
    let (media_type, content) = match format.as_str() {
        "json" => {
            let written = serde_json::to_string_pretty(&pack);
            let internal = |_| Refusal::Internal { cause: "a review pack is not JSON".to_owned() };
            ("application/json; charset=utf-8", written.map_err(internal)?)
        }
        "csv" => ("text/csv; charset=utf-8", oversight::tables_sheet(&pack)),
        "records" => ("text/csv; charset=utf-8", oversight::records_sheet(&pack)),
        _ => {
            let links = Links::Server(gate.exchange.fhir_base());
            ("text/html; charset=utf-8", oversight::html(&pack, &links))
        }
    };
    let headers = [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    Ok((StatusCode::OK, headers, content).into_response())
}

/// `POST /access-report` with the form `patient=SYSTEM|VALUE` (an NHS number needs no system) and `format=json|letter`:
/// who saw what about the patient, for a subject's request. In a form, so that no address holds the number.
pub(super) async fn access_report(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Auditor], "access-report").await?;
    let bytes = gate.body(caller, &headers, body, "access-report").await?;
    let (mut patient, mut format) = (None, "json".to_owned());
    for (name, value) in parameters::decode(&String::from_utf8_lossy(&bytes)) {
        match name.as_str() {
            "patient" => patient = Some(value),
            "format" => format = value,
            _ => return Err(malformed(format!("the parameter `{name}` is not known here"))),
        }
    }
    let patient = patient.ok_or_else(|| malformed("the parameter `patient` is missing"))?;
    let (system, value) = patient.split_once('|').unwrap_or((systems::NHS_NUMBER, &patient));
    let named = json!({"identifier": [{"system": system, "value": value}]});
    let key = named.as_object().and_then(identity::patient_key);
    let key = key.ok_or_else(|| malformed("`patient` must be an NHS number or `SYSTEM|VALUE`"))?;
    let purpose = parameters::purpose(&headers);
    let found = gate.exchange.access_report(caller, &key, purpose, Timestamp::now()).await?;
    Ok(match format.as_str() {
        "json" => {
            text(StatusCode::OK, "application/json; charset=utf-8", json!({"access": found}).to_string())
        }
        "letter" => text(StatusCode::OK, "text/plain; charset=utf-8", oversight::letter(&found)),
        _ => return Err(malformed("`format` must be `json` or `letter`")),
    })
}
