//! `GET /fhir/metadata`: what this gateway can do (<https://hl7.org/fhir/R4/capabilitystatement.html>).

use super::answer::{ApiError, fhir};
use super::body::require_acceptable;
use super::gate::Gate;
use crate::fhir::systems;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport";
const CORE: &str = "http://hl7.org/fhir/StructureDefinition";

/// The CapabilityStatement; it names no source and no partner, and anybody may read it.
pub(super) async fn capabilities(
    State(gate): State<Arc<Gate>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    require_acceptable(&headers, query.as_deref())?;
    Ok(fhir(StatusCode::OK, &statement(&gate)))
}

fn statement(gate: &Gate) -> Value {
    let topics: Vec<Value> = gate
        .exchange
        .topics()
        .iter()
        .map(|topic| {
            json!({
                "url": format!("{BACKPORT}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"),
                "valueCanonical": topic.url,
            })
        })
        .collect();
    let mut subscription = resource(
        "Subscription",
        "safeguarding-subscription",
        &["create", "read", "vread", "update", "search-type"],
        &[("url", "uri")],
    );
    if let Some(members) = subscription.as_object_mut() {
        members.insert("extension".to_owned(), Value::Array(topics));
        members.insert(
            "operation".to_owned(),
            json!([
                {"name": "status", "definition": format!("{BACKPORT}/OperationDefinition/backport-subscription-status")},
                {"name": "events", "definition": format!("{BACKPORT}/OperationDefinition/backport-subscription-events")},
            ]),
        );
    }
    json!({
        "resourceType": "CapabilityStatement",
        "url": systems::canonical("CapabilityStatement/sgw"),
        "version": env!("CARGO_PKG_VERSION"),
        "name": "SafeguardingGateway",
        "title": "Safeguarding gateway",
        "status": "active",
        "date": "2026-11-21",
        "kind": "instance",
        "instantiates": [format!("{BACKPORT}/CapabilityStatement/backport-subscription-server-r4")],
        "software": {"name": "sgw", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "Safeguarding gateway", "url": gate.exchange.fhir_base()},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "rest": [{
            "mode": "server",
            "documentation": "Every read and search is decided under the sharing agreements in force and recorded. What may not be shared is answered as what does not exist.",
            "security": {"description": "A key, as `Authorization: Bearer` or `X-API-Key`."},
            "resource": [
                resource("Flag", "safeguarding-flag", &["create", "read", "vread", "update", "history-instance", "search-type"],
                    &[("identifier", "token"), ("patient", "reference"), ("_id", "token")]),
                resource("Consent", "safeguarding-consent", &["create", "read", "vread", "update", "history-instance", "search-type"],
                    &[("identifier", "token"), ("patient", "reference"), ("_id", "token")]),
                subscription,
                resource("AuditEvent", "", &["create", "read", "search-type"], &AUDIT_SEARCHES),
                resource("Task", "", &["read", "vread", "update", "search-type"],
                    &[("code", "token"), ("status", "token"), ("owner", "reference"), ("_id", "token")]),
                resource("Patient", "", &["read", "vread"], &[]),
                resource("Organization", "", &["read", "vread"], &[]),
                resource("Practitioner", "", &["read", "vread"], &[]),
                resource("PractitionerRole", "", &["read", "vread"], &[]),
                resource("Provenance", "", &["read", "vread"], &[]),
                concept_map(),
            ],
            "operation": [
                {"name": "validate", "definition": "http://hl7.org/fhir/OperationDefinition/Resource-validate"},
                {"name": "decide", "definition": systems::canonical("OperationDefinition/decide")},
                {"name": "break-glass", "definition": systems::canonical("OperationDefinition/break-glass")},
                {"name": "convert", "definition": systems::canonical("OperationDefinition/convert")},
            ],
        }],
    })
}

/// What AuditEvents can be searched by; `patient`, `agent`, `entity` and `source` also with `.identifier`.
const AUDIT_SEARCHES: [(&str, &str); 18] = [
    ("date", "date"),
    ("patient", "reference"),
    ("entity", "reference"),
    ("agent", "reference"),
    ("source", "reference"),
    ("type", "token"),
    ("subtype", "token"),
    ("outcome", "token"),
    ("action", "token"),
    ("altid", "token"),
    ("address", "string"),
    ("agent-name", "string"),
    ("agent-role", "token"),
    ("policy", "uri"),
    ("entity-name", "string"),
    ("entity-type", "token"),
    ("entity-role", "token"),
    ("site", "token"),
];

fn concept_map() -> Value {
    let mut map = resource("ConceptMap", "", &["read", "search-type"], &[("url", "uri")]);
    if let Some(members) = map.as_object_mut() {
        let definition = "http://hl7.org/fhir/OperationDefinition/ConceptMap-translate";
        members.insert("operation".to_owned(), json!([{"name": "translate", "definition": definition}]));
    }
    map
}

fn resource(kind: &str, profile: &str, interactions: &[&str], searches: &[(&str, &str)]) -> Value {
    let interactions: Vec<Value> = interactions.iter().map(|code| json!({"code": code})).collect();
    let mut resource = json!({
        "type": kind,
        "profile": format!("{CORE}/{kind}"),
        "interaction": interactions,
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": false,
        "conditionalCreate": matches!(kind, "Flag" | "Consent"),
    });
    let Some(members) = resource.as_object_mut() else { return resource };
    if !profile.is_empty() {
        let url = systems::canonical(&format!("StructureDefinition/{profile}"));
        members.insert("supportedProfile".to_owned(), json!([url]));
    }
    if !searches.is_empty() {
        let list: Vec<Value> = searches.iter().map(|(name, of)| json!({"name": name, "type": of})).collect();
        members.insert("searchParam".to_owned(), Value::Array(list));
    }
    resource
}
