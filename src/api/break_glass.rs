//! `POST /fhir/$break-glass`: disclosure in an emergency; `GET /break-glass`: what each organisation did with it.
//!
//! The statement is `Parameters` with `user`, `role`, `reason` (a code), `text` and `patient` (an identifier), and if
//! wanted `resource` (one Flag) and `purpose`. The answer is a `searchset` with what may be disclosed. Nothing lasts: who
//! needs it again states it again.

use super::answer::{ApiError, FHIR_JSON, fhir, malformed, text};
use super::body::{require_acceptable, require_fhir};
use super::explain::{claim, moment, parameters, text_of};
use super::gate::{Authenticated, Gate};
use super::parameters::decode;
use super::resources::bundle;
use crate::govern::Role;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

const OPERATION: &str = "$break-glass";
/// The period of the figures when none is asked for.
const MONTH: SignedDuration = SignedDuration::from_hours(24 * 31);

/// `POST /fhir/$break-glass`.
pub(super) async fn disclose(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::BreakGlass], OPERATION).await?;
    require_acceptable(&headers, query.as_deref())?;
    require_fhir(&headers)?;
    let bytes = gate.body(caller, &headers, body, OPERATION).await?;
    let now = Timestamp::now();
    let (mut only, mut purpose, mut stated) = (None, None, Vec::new());
    let read = parameters(&bytes).and_then(|list| {
        for parameter in list {
            match parameter.get("name").and_then(Value::as_str) {
                Some("resource") => {
                    let reference = text_of(&parameter).unwrap_or_default();
                    let id = reference.strip_prefix("Flag/").filter(|id| !id.contains('/'));
                    only = Some(id.ok_or_else(|| malformed("`resource` must be `Flag/id`"))?.to_owned());
                }
                Some("purpose") => purpose = text_of(&parameter),
                _ => stated.push(parameter),
            }
        }
        claim(&json!({"part": stated}), now)
    });
    let claim = match read {
        Ok(claim) => claim,
        Err(error) => return Err(gate.refused(caller, OPERATION, error).await),
    };
    let page = gate.exchange.break_glass(caller, &claim, only.as_deref(), purpose.as_deref(), now).await?;
    let base = gate.exchange.fhir_base();
    let entries: Vec<Value> = page
        .found
        .into_iter()
        .map(|one| {
            let url = format!("{base}/{}/{}", one.resource_type, one.id);
            json!({"fullUrl": url, "resource": one.resource, "search": {"mode": "match"}})
        })
        .collect();
    let own = format!("{base}/{OPERATION}");
    let mut response = fhir(StatusCode::OK, &bundle("searchset", entries.len(), &own, entries));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET /break-glass?from=…&until=…`, for operators and auditors: JSON, or CSV where that is accepted.
pub(super) async fn figures(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Operator, Role::Auditor], "break-glass-figures").await?;
    let now = Timestamp::now();
    let mut from = now.checked_sub(MONTH).unwrap_or(now);
    let mut until = now;
    for (name, value) in decode(query.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "from" => from = moment(&value)?,
            "until" => until = moment(&value)?,
            _ => return Err(malformed("the parameters are `from` and `until`")),
        }
    }
    let figures = gate.exchange.break_glass_figures(caller, from, until, now).await?;
    if headers.get("accept").and_then(|accept| accept.to_str().ok()) == Some("text/csv") {
        let head =
            "organisation,uses,people,records,reviews-open,reviews-overdue,justified,not-justified,misuse\n";
        let lines = figures.iter().map(|one| {
            format!(
                "{},{},{},{},{},{},{},{},{}\n",
                one.organisation,
                one.uses,
                one.people,
                one.records,
                one.reviews_open,
                one.reviews_overdue,
                one.justified,
                one.not_justified,
                one.misuse
            )
        });
        return Ok(text(
            StatusCode::OK,
            "text/csv; charset=utf-8",
            std::iter::once(head.to_owned()).chain(lines).collect(),
        ));
    }
    let body = json!({"from": from.to_string(), "until": until.to_string(), "organisations": figures});
    let mut response = text(StatusCode::OK, FHIR_JSON, body.to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
