//! The transaction Bundle that a conversion yields.
//!
//! Each entry is `PUT Type/<id>` with the full URL `{base}/Type/<id>`, and references are relative (`Patient/<id>`), so
//! that they resolve inside the Bundle (<https://hl7.org/fhir/R4/bundle.html#references>) and after it was stored under
//! the same ids. An id is the version 5 UUID of the source's id, the resource type and what makes the fact itself, so
//! that the same fact sent twice updates one resource.

use super::evaluate::Made;
use super::object::{coding, id_text, identifier, list, map, object, reference};
use super::{Context, Source};
use crate::fhir::systems;
use serde_json::{Map, Value};
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
    reference_to(sender_id(source), source)
}

fn reference_to(sender: Uuid, source: &Source) -> Value {
    let reference = reference("Organization", sender);
    let identifier = identifier(systems::ODS_ORGANIZATION, &source.organisation);
    object([("reference", reference.into()), ("identifier", identifier)])
}

fn sender(id: Uuid, source: &Source) -> Map<String, Value> {
    let identifier = identifier(systems::ODS_ORGANIZATION, &source.organisation);
    let members = [
        ("resourceType", "Organization".into()),
        ("id", id_text(id)),
        ("identifier", list(identifier)),
        ("name", source.name.as_str().into()),
    ];
    map(members, 0)
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
    sender: Uuid,
    now: &str,
) -> Map<String, Value> {
    let key = [origin.message_id.unwrap_or(&context.received_id), origin.record].concat();
    let targets: Vec<Value> =
        facts.iter().map(|fact| object([("reference", fact.reference().into())])).collect();
    let what = match origin.message_id {
        Some(id) => identifier([systems::base(), "/Id/", source.id.as_str(), "/message"].concat(), id),
        None => identifier(systems::canonical("Id/submission"), &context.received_id),
    };
    let kind = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
    // The plan that was followed is the mapping in its version.
    let plan = [systems::base(), "/mapping/", origin.mapping, "|", origin.version].concat();
    let agent = |role: &str, who: Value| {
        let concept = object([("coding", list(coding(kind, role)))]);
        object([("type", concept), ("who", who)])
    };
    let gateway = [
        ("identifier", identifier(systems::canonical("Id/gateway"), "sgw")),
        ("display", "safeguarding gateway".into()),
    ];
    let agents = vec![agent("author", reference_to(sender, source)), agent("assembler", object(gateway))];
    let entity = [("role", "source".into()), ("what", object([("identifier", what)]))];
    let members = [
        ("resourceType", "Provenance".into()),
        ("id", id_text(id(source, "Provenance", &key))),
        ("target", Value::Array(targets)),
        ("recorded", now.into()),
        ("policy", list(plan.into())),
        ("agent", Value::Array(agents)),
        ("entity", list(object(entity))),
    ];
    map(members, 0)
}

/// Assembles the Bundle: the sender, what the facts refer to, the facts, and the Provenance of the facts.
pub(super) fn assemble(source: &Source, context: &Context, origin: &Origin<'_>, made: Vec<Made>) -> Value {
    let mut bundle = map([("resourceType", "Bundle".into())], 4);
    let now = context.now.to_string();
    if let Some(id) = origin.message_id {
        let system = [systems::base(), "/Id/", source.id.as_str(), "/message"].concat();
        bundle.insert("identifier".into(), identifier(system, id));
    }
    bundle.insert("type".into(), "transaction".into());
    bundle.insert("timestamp".into(), now.as_str().into());
    let facts: Vec<&Made> = made.iter().filter(|m| m.fact).collect();
    if !facts.is_empty() {
        let sender_id = sender_id(source);
        let provenance = provenance(source, context, origin, &facts, sender_id, &now);
        let mut entries = Vec::with_capacity(made.len() + 2);
        if !made.iter().any(|m| m.resource_type == "Organization" && m.id == sender_id) {
            entries.push(entry(sender(sender_id, source)));
        }
        let (supports, facts): (Vec<Made>, Vec<Made>) = made.into_iter().partition(|m| !m.fact);
        for one in supports.into_iter().chain(facts) {
            let mut resource = one.resource;
            if !resource.contains_key("id") {
                resource.insert("id".into(), id_text(one.id));
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
    let url = [text("resourceType"), "/", text("id")].concat();
    let full_url = systems::canonical(&url);
    let request = object([("method", "PUT".into()), ("url", url.into())]);
    object([("fullUrl", full_url.into()), ("resource", Value::Object(resource)), ("request", request)])
}
