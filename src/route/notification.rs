//! Notification Bundles of the Subscriptions Backport guide 1.1.0, in their R4 form: a `history` Bundle whose first
//! entry is a `Parameters` resource with the status of the subscription.
//!
//! R4 has no `integer64`, so counts and event numbers are `valueString`. Every entry has `request` and `response`,
//! as R4 asks of a history (bdl-3, bdl-4).

use super::subscription::{Content, Status, Subscription};
use super::topic::Trigger;
use crate::govern::labelling::high_water;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

const STATUS_PROFILE: &str =
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4";
const BUNDLE_PROFILE: &str =
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-notification-r4";

/// Why a status is sent (`subscription-notification-type`, which R4 does not define and the guide takes from R5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first contact.
    Handshake,
    /// A sign of life.
    Heartbeat,
    /// Something happened.
    EventNotification,
    /// An answer to `$status`.
    QueryStatus,
    /// An answer to `$events`.
    QueryEvent,
}

impl Kind {
    /// The FHIR code.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Handshake => "handshake",
            Kind::Heartbeat => "heartbeat",
            Kind::EventNotification => "event-notification",
            Kind::QueryStatus => "query-status",
            Kind::QueryEvent => "query-event",
        }
    }
}

/// One event of a subscription, after the decision about it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number: contiguous within the subscription, from 1.
    pub number: u64,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What it happened to; none for an event that the subscriber may no longer see, which keeps its number only.
    pub focus: Option<Focus>,
}

/// The resource of an event.
#[derive(Clone, Debug)]
pub struct Focus {
    /// Its type.
    pub resource_type: String,
    /// Its logical id.
    pub id: String,
    /// The version of the event.
    pub version: u64,
    /// What happened to it.
    pub trigger: Trigger,
    /// When this version was stored.
    pub last_modified: Timestamp,
    /// What the decision released of it; used with full-resource content, and then none for a deletion.
    pub resource: Option<Value>,
}

/// What every notification of one subscription has in common.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The base URL of the gateway's FHIR interface, without a trailing slash.
    pub base: &'a str,
    /// The subscription.
    pub subscription: &'a Subscription,
    /// The status to state.
    pub status: Status,
    /// How many events have been given numbers since the subscription started.
    pub events_since_start: u64,
    /// A code of `http://terminology.hl7.org/CodeSystem/subscription-error`, when deliveries fail.
    pub error: Option<&'a str>,
}

/// The handshake of a new subscription. States the status `requested`, and the events so far.
pub fn handshake(context: &Context<'_>, now: Timestamp) -> Value {
    let context = Context { status: Status::Requested, ..*context };
    history(&context, Kind::Handshake, &[], context.subscription.content, Some(now))
}

/// A sign of life for a subscription with a heartbeat period. It does not count as an event.
pub fn heartbeat(context: &Context<'_>, now: Timestamp) -> Value {
    history(context, Kind::Heartbeat, &[], context.subscription.content, Some(now))
}

/// A notification of events, with as much content as the subscription asks for.
pub fn events(context: &Context<'_>, events: &[Event], now: Timestamp) -> Value {
    history(context, Kind::EventNotification, events, context.subscription.content, Some(now))
}

/// The answer to `$events`: a history of past events. `content` is the caller's wish; it never exceeds what the
/// subscription itself asks for. The same events give the same bytes, so it carries no time of its own.
pub fn events_history(context: &Context<'_>, events: &[Event], content: Option<Content>) -> Value {
    let own = context.subscription.content;
    let content = content.map_or(own, |wish| if rank(wish) < rank(own) { wish } else { own });
    history(context, Kind::QueryEvent, events, content, None)
}

/// The answer to `$status`: a searchset with the status of each subscription.
pub fn status_searchset(self_url: &str, contexts: &[Context<'_>]) -> Value {
    let entries: Vec<Value> = contexts
        .iter()
        .map(|context| {
            let mut parameters = status(context, Kind::QueryStatus, &[], Content::FullResource);
            // What a search finds has an id.
            if let Some(members) = parameters.as_object_mut() {
                members.shift_insert(1, "id".into(), context.subscription.id.clone().into());
            }
            json!({"fullUrl": entry_urn(context, Kind::QueryStatus, &[]), "resource": parameters, "search": {"mode": "match"}})
        })
        .collect();
    let mut bundle = Map::new();
    bundle.insert("resourceType".into(), "Bundle".into());
    bundle.insert("type".into(), "searchset".into());
    bundle.insert("total".into(), contexts.len().into());
    bundle.insert("link".into(), json!([{"relation": "self", "url": self_url}]));
    if !entries.is_empty() {
        bundle.insert("entry".into(), Value::Array(entries));
    }
    Value::Object(bundle)
}

fn rank(content: Content) -> u8 {
    match content {
        Content::Empty => 0,
        Content::IdOnly => 1,
        Content::FullResource => 2,
    }
}

fn history(
    context: &Context<'_>,
    kind: Kind,
    events: &[Event],
    content: Content,
    now: Option<Timestamp>,
) -> Value {
    let mut entries = Vec::with_capacity(events.len() + 1);
    entries.push(json!({
        "fullUrl": entry_urn(context, kind, events),
        "resource": status(context, kind, events, content),
        "request": {"method": "GET", "url": format!("{}/$status", subscription_url(context))},
        "response": {"status": "200"},
    }));
    if content != Content::Empty {
        // Events about the same version of a resource share one entry: a history names a version once (bdl-7).
        let mut listed: Vec<(&str, &str, u64)> = Vec::new();
        for focus in events.iter().filter_map(|event| event.focus.as_ref()) {
            let key = (focus.resource_type.as_str(), focus.id.as_str(), focus.version);
            if !listed.contains(&key) {
                listed.push(key);
                entries.push(focus_entry(context, focus, content));
            }
        }
    }
    let mut bundle = Map::new();
    bundle.insert("resourceType".into(), "Bundle".into());
    let mut meta = json!({"profile": [BUNDLE_PROFILE]});
    let released = entries.iter().skip(1).filter_map(|entry| entry.get("resource"));
    if let (Some(labels), Some(members)) = (high_water(released), meta.as_object_mut()) {
        members.insert("security".into(), labels);
    }
    bundle.insert("meta".into(), meta);
    bundle.insert("type".into(), "history".into());
    if let Some(now) = now {
        bundle.insert("timestamp".into(), instant(now).into());
    }
    bundle.insert("entry".into(), Value::Array(entries));
    Value::Object(bundle)
}

fn focus_entry(context: &Context<'_>, focus: &Focus, content: Content) -> Value {
    let mut entry = Map::new();
    entry.insert("fullUrl".into(), focus_url(context, focus).into());
    if content == Content::FullResource
        && focus.trigger != Trigger::Delete
        && let Some(resource) = &focus.resource
    {
        entry.insert("resource".into(), resource.clone());
    }
    let (method, url, status) = match focus.trigger {
        Trigger::Create => ("POST", focus.resource_type.clone(), "201"),
        Trigger::Update => ("PUT", format!("{}/{}", focus.resource_type, focus.id), "200"),
        Trigger::Delete => ("DELETE", format!("{}/{}", focus.resource_type, focus.id), "204"),
    };
    entry.insert("request".into(), json!({"method": method, "url": url}));
    entry.insert(
        "response".into(),
        json!({
            "status": status,
            "etag": format!("W/\"{}\"", focus.version),
            "lastModified": instant(focus.last_modified),
        }),
    );
    Value::Object(entry)
}

/// The status as `Parameters`. The topic is left out of empty notifications, as the guide advises.
fn status(context: &Context<'_>, kind: Kind, events: &[Event], content: Content) -> Value {
    let mut parameters =
        vec![json!({"name": "subscription", "valueReference": {"reference": subscription_url(context)}})];
    if content != Content::Empty {
        parameters.push(json!({"name": "topic", "valueCanonical": context.subscription.topic.url}));
    }
    parameters.push(json!({"name": "status", "valueCode": context.status.code()}));
    parameters.push(json!({"name": "type", "valueCode": kind.code()}));
    parameters.push(json!({
        "name": "events-since-subscription-start",
        "valueString": context.events_since_start.to_string(),
    }));
    for event in events {
        let mut part = vec![
            json!({"name": "event-number", "valueString": event.number.to_string()}),
            json!({"name": "timestamp", "valueInstant": instant(event.timestamp)}),
        ];
        if content != Content::Empty
            && let Some(focus) = &event.focus
        {
            part.push(json!({"name": "focus", "valueReference": {"reference": focus_url(context, focus), "type": focus.resource_type}}));
        }
        parameters.push(json!({"name": "notification-event", "part": part}));
    }
    if let Some(code) = context.error {
        parameters.push(json!({
            "name": "error",
            "valueCodeableConcept": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/subscription-error", "code": code,
            }]},
        }));
    }
    json!({"resourceType": "Parameters", "meta": {"profile": [STATUS_PROFILE]}, "parameter": parameters})
}

fn subscription_url(context: &Context<'_>) -> String {
    format!("{}/Subscription/{}", context.base, context.subscription.id)
}

fn focus_url(context: &Context<'_>, focus: &Focus) -> String {
    format!("{}/{}/{}", context.base, focus.resource_type, focus.id)
}

/// A stable name for the status entry: the same events give the same name.
fn entry_urn(context: &Context<'_>, kind: Kind, events: &[Event]) -> String {
    let mut name = format!("{}|{}|{}", subscription_url(context), kind.code(), context.events_since_start);
    for event in events {
        name.push('|');
        name.push_str(&event.number.to_string());
    }
    format!("urn:uuid:{}", uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()))
}

fn instant(at: Timestamp) -> String {
    crate::fhir::instant(at)
}

#[cfg(test)]
#[path = "notification_tests.rs"]
mod tests;
