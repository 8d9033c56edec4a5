//! `$status` and `$events` of subscriptions (Subscriptions Backport 1.1.0).

use super::answer::{ApiError, fhir, malformed};
use super::gate::{Authenticated, Gate};
use super::parameters::{self, Pairs};
use crate::deliver::EventsQuery;
use crate::fhir::json::{self, Limits};
use crate::govern::Role;
use crate::route::{Content, Status};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// Who may ask: the subscriber, and for the state also an operator.
const ROLES: [Role; 2] = [Role::Subscriber, Role::Operator];

/// `GET` and `POST /fhir/Subscription/$status`.
pub(super) async fn status_of_all(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &ROLES, "$status").await?;
    let asked = asked(&gate, &authenticated, query.as_deref(), &headers, body).await?;
    let mut ids = Vec::new();
    let mut statuses = Vec::new();
    for (name, value) in &asked {
        match name.as_str() {
            "id" => ids.extend(value.split(',').map(|id| id.trim_start_matches("Subscription/").to_owned())),
            "status" => {
                for code in value.split(',') {
                    let unknown = || malformed("`status` is not a status of a subscription");
                    statuses.push(Status::from_code(code).ok_or_else(unknown)?);
                }
            }
            _ => {}
        }
    }
    let query = parameters::encode(&asked);
    let exchange = &gate.exchange;
    let answer = exchange.subscriptions_status(caller, &ids, &statuses, &query, Timestamp::now()).await?;
    Ok(fhir(StatusCode::OK, &answer))
}

/// `GET` and `POST /fhir/Subscription/{id}/$status`.
pub(super) async fn status(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    gate.allow(&authenticated.caller, &ROLES, "$status").await?;
    let answer = gate.exchange.subscription_status(&authenticated.caller, &id, Timestamp::now()).await?;
    Ok(fhir(StatusCode::OK, &answer))
}

/// `GET` and `POST /fhir/Subscription/{id}/$events`.
pub(super) async fn events(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Subscriber], "$events").await?;
    let pairs = asked(&gate, &authenticated, query.as_deref(), &headers, body).await;
    let wanted = gate.settle(caller, "$events", pairs.and_then(wanted)).await?;
    let answer = gate.exchange.subscription_events(caller, &id, wanted, Timestamp::now()).await?;
    Ok(fhir(StatusCode::OK, &answer))
}

fn wanted(pairs: Pairs) -> Result<EventsQuery, ApiError> {
    let mut wanted = EventsQuery::default();
    for (name, value) in pairs {
        let number = || value.parse::<u64>().map_err(|_| malformed(format!("`{name}` is not a number")));
        match name.as_str() {
            "eventsSinceNumber" => wanted.since = Some(number()?),
            "eventsUntilNumber" => wanted.until = Some(number()?),
            "content" => {
                let unknown = || malformed("`content` must be `empty`, `id-only` or `full-resource`");
                wanted.content = Some(Content::from_code(&value).ok_or_else(unknown)?);
            }
            _ => {}
        }
    }
    Ok(wanted)
}

/// What is asked for: names and values of the query string, and of `Parameters` in the body.
async fn asked(
    gate: &Gate,
    authenticated: &Authenticated,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Pairs, ApiError> {
    let mut pairs = parameters::decode(query.unwrap_or(""));
    let bytes = gate.body(&authenticated.caller, headers, body, "$status").await?;
    if bytes.is_empty() {
        return Ok(pairs);
    }
    let read = json::parse(&bytes, &Limits::default()).map_err(|error| malformed(error.to_string()))?;
    let list = read.get("parameter").and_then(Value::as_array);
    for parameter in list.into_iter().flatten() {
        let Some(name) = parameter.get("name").and_then(Value::as_str) else { continue };
        let value = parameter.as_object().into_iter().flatten().find(|(key, _)| key.starts_with("value"));
        let value = match value {
            Some((_, Value::String(text))) => text.clone(),
            Some((_, other)) => other.to_string(),
            None => continue,
        };
        pairs.push((name.to_owned(), value));
    }
    Ok(pairs)
}
