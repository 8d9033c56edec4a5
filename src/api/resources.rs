//! FHIR create, read, update, versions and search (<https://hl7.org/fhir/R4/http.html>).

use super::answer::{ApiError, FHIR_JSON, fhir, text};
use super::audit_events;
use super::body::{require_acceptable, require_fhir, require_fhir_or_stu3};
use super::gate::{Authenticated, Gate};
use super::parameters::{self, Pairs, Return};
use super::shapes;
use super::tasks;
use super::translate;
use crate::convert::shape::Shape;
use crate::exchange::{Condition, Found, Refusal, Written};
use crate::fhir::{Issue, Severity, instant, outcome};
use crate::govern::labelling::high_water;
use crate::govern::{Caller, Role};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{ETAG, LAST_MODIFIED, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// `POST /fhir/{type}`.
pub(super) async fn create(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(resource_type): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    // What older systems record is STU3.
    let media: fn(&HeaderMap) -> Result<(), ApiError> = match resource_type.as_str() {
        "AuditEvent" => require_fhir_or_stu3,
        _ => require_fhir,
    };
    let asked = Asked { operation: "create", query: query.as_deref(), headers: &headers, media };
    let result = async {
        let roles = audit_events::creators(&resource_type);
        let (condition, bytes, now) =
            asked.write(&gate, caller, roles, parameters::if_none_exist, body).await?;
        Ok(match resource_type.as_str() {
            "Subscription" | "AuditEvent" if condition.none_exists.is_some() => {
                let text = format!("`If-None-Exist` is not supported for {resource_type}");
                return Err(Refusal::Malformed { text }.into());
            }
            "Subscription" => gate.exchange.subscribe(caller, &bytes, now).await?,
            "AuditEvent" => gate.exchange.receive_audit_event(caller, &bytes, now).await?,
            _ => gate.exchange.create(caller, &resource_type, &bytes, &condition, now).await?,
        })
    };
    let written = gate.settle(caller, "create", result.await).await?;
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer_write(&gate, status, &written, &headers))
}

/// `PUT /fhir/{type}/{id}`.
pub(super) async fn update(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path((resource_type, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    let asked =
        Asked { operation: "update", query: query.as_deref(), headers: &headers, media: require_fhir };
    let result = async {
        let roles: &[Role] = match resource_type.as_str() {
            "Subscription" => &[Role::Subscriber],
            "Task" => &[Role::Source, Role::Subscriber, Role::Operator],
            _ => &[Role::Source],
        };
        let (condition, bytes, now) = asked.write(&gate, caller, roles, parameters::if_match, body).await?;
        Ok(match resource_type.as_str() {
            "Subscription" => gate.exchange.resubscribe(caller, &id, &bytes, &condition, now).await?,
            "Task" => gate.exchange.settle_task(caller, &id, &bytes, condition.version, now).await?,
            _ => gate.exchange.update(caller, &resource_type, &id, &bytes, &condition, now).await?,
        })
    };
    let written = gate.settle(caller, "update", result.await).await?;
    Ok(answer_write(&gate, StatusCode::OK, &written, &headers))
}

/// What a request to write says beside its body.
struct Asked<'a> {
    operation: &'static str,
    query: Option<&'a str>,
    headers: &'a HeaderMap,
    /// Which media types are taken.
    media: fn(&HeaderMap) -> Result<(), ApiError>,
}

impl Asked<'_> {
    /// Lets a writer in: its role, what it accepts and sends, its condition; and reads the body. The time is that at
    /// which the whole request was there.
    async fn write(
        &self,
        gate: &Gate,
        caller: &Caller,
        roles: &[Role],
        condition: fn(&HeaderMap) -> Result<Condition, ApiError>,
        body: Body,
    ) -> Result<(Condition, Bytes, Timestamp), ApiError> {
        gate.allow(caller, roles, self.operation).await?;
        require_acceptable(self.headers, self.query)?;
        (self.media)(self.headers)?;
        let condition = condition(self.headers)?;
        let bytes = gate.body(caller, self.headers, body, self.operation).await?;
        Ok((condition, bytes, Timestamp::now()))
    }
}

/// `GET /fhir/{type}/{id}`.
pub(super) async fn read(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path((resource_type, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let result = async {
        require_acceptable(&headers, query.as_deref())?;
        let pairs = parameters::decode(query.as_deref().unwrap_or(""));
        let shape = shapes::asked(&pairs)?;
        read_one(&gate, &authenticated.caller, &resource_type, &id, (None, shape), &headers).await
    };
    gate.settle(&authenticated.caller, "read", result.await).await
}

/// `GET /fhir/{type}/{id}/_history/{vid}`.
pub(super) async fn read_version(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path((resource_type, id, version)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let result = async {
        require_acceptable(&headers, query.as_deref())?;
        let version = version.parse().map_err(|_| ApiError::Refused(Refusal::NotFound))?;
        let shape = shapes::asked(&parameters::decode(query.as_deref().unwrap_or("")))?;
        read_one(&gate, &authenticated.caller, &resource_type, &id, (Some(version), shape), &headers).await
    };
    gate.settle(&authenticated.caller, "read", result.await).await
}

async fn read_one(
    gate: &Gate,
    caller: &Caller,
    resource_type: &str,
    id: &str,
    (version, shape): (Option<u64>, Option<Shape>),
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let now = Timestamp::now();
    match resource_type {
        "AuditEvent" => {
            gate.allow(caller, &[Role::Auditor], "read").await?;
            if version.is_some_and(|version| version != 1) {
                return Err(Refusal::NotFound.into());
            }
            let purpose = parameters::purpose(headers);
            let event = gate.exchange.audit_event(caller, id, purpose, now).await?;
            Ok(fhir(StatusCode::OK, &event))
        }
        "Subscription" => {
            gate.allow(caller, &[Role::Subscriber, Role::Operator], "read").await?;
            Ok(versioned(StatusCode::OK, &gate.exchange.subscription(caller, id, version, now).await?))
        }
        "ConceptMap" => {
            let map = translate::read(gate, id).ok_or(Refusal::NotFound)?;
            Ok(fhir(StatusCode::OK, &map))
        }
        _ => {
            gate.allow(caller, readers(resource_type), "read").await?;
            let purpose = parameters::purpose(headers);
            let mut found = gate.exchange.read(caller, resource_type, id, version, purpose, now).await?;
            shapes::or_refuse(gate, &mut found, shape).await?;
            Ok(versioned(StatusCode::OK, &found))
        }
    }
}

/// `GET /fhir/{type}/{id}/_history`.
pub(super) async fn history(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path((resource_type, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, readers(&resource_type), "history").await?;
    let result = async {
        require_acceptable(&headers, query.as_deref())?;
        let purpose = parameters::purpose(&headers);
        Ok(gate.exchange.history(caller, &resource_type, &id, purpose, Timestamp::now()).await?)
    };
    let page = gate.settle(caller, "history", result.await).await?;
    let base = gate.exchange.fhir_base();
    let entries: Vec<Value> = page
        .found
        .iter()
        .map(|one| {
            let url = format!("{resource_type}/{id}");
            let method = if one.version == 1 { "POST" } else { "PUT" };
            json!({
                "fullUrl": format!("{base}/{url}"),
                "resource": one.resource,
                "request": {"method": method, "url": if one.version == 1 { resource_type.clone() } else { url }},
                "response": {
                    "status": if one.version == 1 { "201" } else { "200" },
                    "etag": format!("W/\"{}\"", one.version),
                    "lastModified": instant(one.last_updated),
                },
            })
        })
        .collect();
    let own = format!("{base}/{resource_type}/{id}/_history");
    Ok(fhir(StatusCode::OK, &bundle("history", entries.len(), &own, entries)))
}

/// `GET /fhir/{type}?…`.
pub(super) async fn search(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(resource_type): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let result = async {
        require_acceptable(&headers, query.as_deref())?;
        let pairs = parameters::decode(query.as_deref().unwrap_or(""));
        search_for(&gate, &authenticated.caller, &resource_type, &pairs, &headers).await
    };
    gate.settle(&authenticated.caller, "search", result.await).await
}

/// `POST /fhir/{type}/_search`, which keeps identifiers out of addresses and logs.
pub(super) async fn search_by_form(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(resource_type): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    let bytes = gate.body(caller, &headers, body, "search").await?;
    let result = async {
        require_acceptable(&headers, query.as_deref())?;
        let mut pairs = parameters::decode(query.as_deref().unwrap_or(""));
        pairs.extend(parameters::decode(&String::from_utf8_lossy(&bytes)));
        search_for(&gate, caller, &resource_type, &pairs, &headers).await
    };
    gate.settle(caller, "search", result.await).await
}

async fn search_for(
    gate: &Gate,
    caller: &Caller,
    resource_type: &str,
    pairs: &Pairs,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let now = Timestamp::now();
    let base = gate.exchange.fhir_base();
    let one = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let mut told: Vec<Issue> = Vec::new();
    let (used, resources): (Pairs, Vec<(String, Value)>) = match resource_type {
        "AuditEvent" => return audit_events::search(gate, caller, pairs, headers).await,
        "Subscription" => {
            gate.allow(caller, &[Role::Subscriber, Role::Operator], "search").await?;
            let used: Pairs = pairs.iter().filter(|(name, _)| name == "url").cloned().collect();
            let query = parameters::encode(&used);
            let found = gate.exchange.subscriptions(caller, one("url"), &query, now).await?;
            (used, found.into_iter().map(|one| (one.id, one.resource)).collect())
        }
        "Task" if one("_id").is_none() => {
            gate.allow(caller, readers(resource_type), "search").await?;
            let (query, used) = tasks::query(pairs)?;
            let page = gate.exchange.tasks(caller, &query, &parameters::encode(&used), now).await?;
            (used, page.found.into_iter().map(|one| (one.id, one.resource)).collect())
        }
        "ConceptMap" => {
            let used: Pairs = pairs.iter().filter(|(name, _)| name == "url").cloned().collect();
            let id = |map: &Value| map.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            (used, translate::search(gate, one("url")).into_iter().map(|map| (id(&map), map)).collect())
        }
        _ => {
            gate.allow(caller, readers(resource_type), "search").await?;
            let (search, mut used) = parameters::search(pairs, headers)?;
            let shape = shapes::asked(pairs)?;
            let query = parameters::encode(&used);
            let purpose = parameters::purpose(headers);
            let mut page = gate.exchange.search(caller, resource_type, &search, &query, purpose, now).await?;
            told = shapes::or_tell(gate, &mut page.found, shape).await?;
            used.extend(shape.map(|shape| ("_shape".to_owned(), shape.name().to_owned())));
            (used, page.found.into_iter().map(|one| (one.id, one.resource)).collect())
        }
    };
    let own = format!("{base}/{resource_type}?{}", parameters::encode(&used));
    let mut entries: Vec<Value> = resources
        .into_iter()
        .map(|(id, resource)| {
            let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or(resource_type);
            json!({"fullUrl": format!("{base}/{kind}/{id}"), "resource": resource, "search": {"mode": "match"}})
        })
        .collect();
    let total = entries.len();
    if !told.is_empty() {
        let urn = format!("urn:uuid:{}", uuid::Uuid::now_v7());
        entries.push(json!({"fullUrl": urn, "resource": outcome(&told), "search": {"mode": "outcome"}}));
    }
    Ok(fhir(StatusCode::OK, &bundle("searchset", total, &own, entries)))
}

/// Who may ask for resources of a type at all; what they get is decided for each.
fn readers(resource_type: &str) -> &'static [Role] {
    match resource_type {
        "Task" => &[Role::Source, Role::Subscriber, Role::Operator, Role::Auditor],
        _ => &[Role::Subscriber, Role::Source],
    }
}

pub(super) fn bundle(kind: &str, total: usize, own: &str, entries: Vec<Value>) -> Value {
    let mut bundle = json!({
        "resourceType": "Bundle",
        "id": uuid::Uuid::now_v7().to_string(),
        "type": kind,
        "total": total,
        "link": [{"relation": "self", "url": own}],
    });
    if let (false, Some(members)) = (entries.is_empty(), bundle.as_object_mut()) {
        if let Some(labels) = high_water(entries.iter().filter_map(|entry| entry.get("resource"))) {
            members.insert("meta".to_owned(), json!({"security": labels}));
        }
        members.insert("entry".to_owned(), Value::Array(entries));
    }
    bundle
}

/// An answer with the version in its headers.
fn versioned(status: StatusCode, found: &Found) -> Response {
    let mut response = fhir(status, &found.resource);
    stamp(&mut response, found.version, found.last_updated);
    response
}

fn stamp(response: &mut Response, version: u64, last_updated: Timestamp) {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{version}\"")) {
        headers.insert(ETAG, tag);
    }
    let date = last_updated.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        headers.insert(LAST_MODIFIED, date);
    }
}

fn answer_write(gate: &Gate, status: StatusCode, written: &Written, headers: &HeaderMap) -> Response {
    let mut response = match parameters::wanted(headers) {
        Return::Representation => fhir(status, &written.resource),
        Return::Minimal => text(status, FHIR_JSON, String::new()),
        Return::Outcome => {
            let what = if written.created { "created" } else { "stored" };
            let text = format!(
                "`{}/{}` is {what} as version {}",
                written.resource_type, written.id, written.version
            );
            let issue = Issue::new(Severity::Information, "informational", "stored", "", text);
            fhir(status, &outcome(&[issue]))
        }
    };
    stamp(&mut response, written.version, written.last_updated);
    let location = format!(
        "{}/{}/{}/_history/{}",
        gate.exchange.fhir_base(),
        written.resource_type,
        written.id,
        written.version
    );
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
