//! The transaction Bundle that a conversion yields.
//!
//! Each entry is `PUT Type/<id>` with the full URL `{base}/Type/<id>`, and references are relative (`Patient/<id>`), so
//! that they resolve inside the Bundle (<https://hl7.org/fhir/R4/bundle.html#references>) and after it was stored under
//! the same ids. An id is the version 5 UUID of the source's id, the resource type and what makes the fact itself, so
//! that the same fact sent twice updates one resource.

use super::evaluate::Made;
use super::{Context, Source};
use crate::fhir::systems;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The namespace of the ids of everything converted; changing it would make every fact a new one.
const NAMESPACE: Uuid = Uuid::from_u128(0x8e1d_6c5a_27b4_4f0e_9a63_5b7c_1d2e_3f40);

/// The id of a resource of this source.
pub fn id(source: &Source, resource_type: &str, key: &str) -> Uuid {
    let mut name = String::with_capacity(source.id.len() + resource_type.len() + key.len() + 2);
    for part in [&source.id, "|", resource_type, "|", key] {
        name.push_str(part);
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The id of the Organization that a source belongs to.
pub fn sender_id(source: &Source) -> Uuid {
    id(source, "Organization", &source.organisation)
}

/// A reference to the Organization that a source belongs to.
pub(super) fn sender_reference(source: &Source) -> Value {
    json!({
        "reference": format!("Organization/{}", sender_id(source)),
        "identifier": {"system": systems::ODS_ORGANIZATION, "value": source.organisation},
    })
}

fn sender(source: &Source) -> Map<String, Value> {
    let mut organization = Map::new();
    organization.insert("resourceType".into(), "Organization".into());
    organization.insert("id".into(), sender_id(source).to_string().into());
    organization.insert(
        "identifier".into(),
        json!([{"system": systems::ODS_ORGANIZATION, "value": source.organisation}]),
    );
    organization.insert("name".into(), source.name.as_str().into());
    organization
}

/// What a Provenance tells about a message.
pub(super) struct Origin<'o> {
    pub(super) message_id: Option<&'o str>,
    /// The place of the record in a source that holds many, else empty.
    pub(super) record: &'o str,
    pub(super) mapping: &'o str,
    pub(super) version: &'o str,
}

fn provenance(
    source: &Source,
    context: &Context,
    origin: &Origin<'_>,
    facts: &[&Made],
) -> Map<String, Value> {
    let key = format!("{}{}", origin.message_id.unwrap_or(&context.received_id), origin.record);
    let targets: Vec<Value> = facts.iter().map(|f| json!({"reference": f.reference()})).collect();
    let what = match origin.message_id {
        Some(id) => json!({"system": systems::canonical(&format!("Id/{}/message", source.id)), "value": id}),
        None => json!({"system": systems::canonical("Id/submission"), "value": context.received_id}),
    };
    let kind = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
    let mut out = Map::new();
    out.insert("resourceType".into(), "Provenance".into());
    out.insert("id".into(), id(source, "Provenance", &key).to_string().into());
    out.insert("target".into(), Value::Array(targets));
    out.insert("recorded".into(), context.now.to_string().into());
    // The plan that was followed is the mapping in its version.
    let plan = systems::canonical(&format!("mapping/{}|{}", origin.mapping, origin.version));
    out.insert("policy".into(), json!([plan]));
    out.insert(
        "agent".into(),
        json!([
            {"type": {"coding": [{"system": kind, "code": "author"}]}, "who": sender_reference(source)},
            {"type": {"coding": [{"system": kind, "code": "assembler"}]}, "who": {
                "identifier": {"system": systems::canonical("Id/gateway"), "value": "sgw"}, "display": "safeguarding gateway"}},
        ]),
    );
    out.insert("entity".into(), json!([{"role": "source", "what": {"identifier": what}}]));
    out
}

/// Assembles the Bundle: the sender, what the facts refer to, the facts, and the Provenance of the facts.
pub(super) fn assemble(source: &Source, context: &Context, origin: &Origin<'_>, made: Vec<Made>) -> Value {
    let mut bundle = Map::new();
    bundle.insert("resourceType".into(), "Bundle".into());
    if let Some(id) = origin.message_id {
        let system = systems::canonical(&format!("Id/{}/message", source.id));
        bundle.insert("identifier".into(), json!({"system": system, "value": id}));
    }
    bundle.insert("type".into(), "transaction".into());
    bundle.insert("timestamp".into(), context.now.to_string().into());
    let facts: Vec<&Made> = made.iter().filter(|m| m.fact).collect();
    if !facts.is_empty() {
        let provenance = provenance(source, context, origin, &facts);
        let mut entries = Vec::with_capacity(made.len() + 2);
        if !made.iter().any(|m| m.resource_type == "Organization" && m.id == sender_id(source)) {
            entries.push(entry(sender(source)));
        }
        let (supports, facts): (Vec<Made>, Vec<Made>) = made.into_iter().partition(|m| !m.fact);
        for one in supports.into_iter().chain(facts) {
            let mut resource = one.resource;
            if !resource.contains_key("id") {
                resource.insert("id".into(), one.id.to_string().into());
                super::flag::order(&mut resource);
            }
            entries.push(entry(resource));
        }
        entries.push(entry(provenance));
        bundle.insert("entry".into(), Value::Array(entries));
    }
    Value::Object(bundle)
}

fn entry(resource: Map<String, Value>) -> Value {
    let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
    let url = format!("{}/{}", text("resourceType"), text("id"));
    let mut out = Map::new();
    out.insert("fullUrl".into(), systems::canonical(&url).into());
    out.insert("resource".into(), Value::Object(resource));
    out.insert("request".into(), json!({"method": "PUT", "url": url}));
    Value::Object(out)
}
