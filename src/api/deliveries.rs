//! Deliveries, for operators: what waits, what was given up, and delivering again.

use super::answer::{ApiError, malformed, text};
use super::gate::{Authenticated, Gate};
use super::parameters;
use crate::deliver::Selection;
use crate::fhir::instant;
use crate::govern::Role;
use crate::store::{Intent, IntentQuery, IntentState};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

const JSON: &str = "application/json; charset=utf-8";

/// The states by their names here.
const STATES: [(&str, IntentState); 6] = [
    ("ready", IntentState::Ready),
    ("waiting", IntentState::Waiting),
    ("delivered", IntentState::Delivered),
    ("withheld", IntentState::Withheld),
    ("dead", IntentState::Dead),
    ("ended", IntentState::Ended),
];

/// `GET /deliveries?subscription=&state=&from=&until=&after=&limit=`. No answer names a patient.
pub(super) async fn list(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Operator], "deliveries-list").await?;
    let asked = gate.settle(caller, "deliveries-list", asked(query.as_deref().unwrap_or(""))).await?;
    let found = gate.exchange.deliveries(caller, asked, Timestamp::now()).await?;
    let items: Vec<Value> = found.iter().map(item).collect();
    Ok(text(StatusCode::OK, JSON, json!({"item": items}).to_string()))
}

fn asked(query: &str) -> Result<IntentQuery, ApiError> {
    let mut asked = IntentQuery { limit: 100, ..IntentQuery::default() };
    for (name, value) in parameters::decode(query) {
        let wrong = || malformed(format!("`{name}` cannot be read"));
        match name.as_str() {
            "subscription" => asked.subscription = Some(value),
            "state" => {
                let found = STATES.iter().find(|(known, _)| *known == value);
                asked.states.push(found.map(|(_, state)| *state).ok_or_else(wrong)?);
            }
            "from" => asked.from = Some(value.parse().map_err(|_| wrong())?),
            "until" => asked.until = Some(value.parse().map_err(|_| wrong())?),
            "after" => asked.after = Some(value.parse().map_err(|_| wrong())?),
            "limit" => asked.limit = value.parse::<usize>().map_err(|_| wrong())?.clamp(1, 1000),
            _ => return Err(malformed(format!("the parameter `{name}` is not known here"))),
        }
    }
    Ok(asked)
}

/// What `POST /deliveries/$replay` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    event: Option<String>,
    subscription: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    #[serde(default)]
    delivered: bool,
    #[serde(default)]
    withheld: bool,
}

/// `POST /deliveries/$replay`: by event, subscription or time. Each event is decided anew before it is sent.
pub(super) async fn replay(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Operator], "replay").await?;
    let bytes = gate.body(caller, &headers, body, "replay").await?;
    let selection = gate.settle(caller, "replay", selection(&bytes)).await?;
    let count = gate.exchange.replay(caller, &selection, Timestamp::now()).await?;
    Ok(text(StatusCode::OK, JSON, json!({"replayed": count}).to_string()))
}

fn selection(bytes: &[u8]) -> Result<Selection, ApiError> {
    let asked: Replay = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    let Replay { event, subscription, from, until, delivered, withheld } = asked;
    if event.is_none() && subscription.is_none() && from.is_none() {
        return Err(malformed("one of `event`, `subscription` and `from` is needed"));
    }
    let event = event.map(|id| Uuid::parse_str(&id)).transpose();
    let event = event.map_err(|_| malformed("`event` is not the id of an event"))?;
    Ok(Selection { event, subscription, from, until, delivered, withheld })
}

fn item(intent: &Intent) -> Value {
    let state = STATES.iter().find(|(_, state)| *state == intent.state).map(|(name, _)| *name);
    json!({
        "id": intent.id,
        "event": intent.event_id.to_string(),
        "subscription": intent.subscription,
        "resource": format!("{}/{}/_history/{}", intent.resource_type, intent.resource_id, intent.version),
        "topic": intent.topic,
        "trigger": intent.trigger,
        "created": instant(intent.created),
        "state": state,
        "due": instant(intent.due),
        "attempts": intent.attempts,
        "eventNumber": intent.event_number,
        "reason": intent.reason,
    })
}
