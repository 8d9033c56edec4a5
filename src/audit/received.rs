//! AuditEvents that others recorded and sent in (IHE ITI-20): they stand in the log as they came.

use super::act::Party;
use super::leaf;
use super::merkle;
use super::record::Entry;
use crate::fhir::origin;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The entry of an AuditEvent that a registered party sent. What it says is the sender's; the gateway gives it its id
/// and stamps `meta.source` with who sent it. The salt is random.
pub fn receive(event: &Value, sender: Party, patient: Option<&str>, now: Timestamp) -> Entry {
    foreign(event, ("received", ""), &origin::stamp(sender.organisation, sender.id), patient, now)
}

/// The entry of an AuditEvent that takes the place of another one, whose content is erased with it.
pub fn correct(event: &Value, corrects: &str, by: Party, patient: Option<&str>, now: Timestamp) -> Entry {
    foreign(event, ("corrected", corrects), &origin::stamp(by.organisation, by.id), patient, now)
}

fn foreign(
    event: &Value,
    (kind, erases): (&'static str, &str),
    source: &str,
    patient: Option<&str>,
    now: Timestamp,
) -> Entry {
    let id = uuid::Uuid::now_v7().to_string();
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.insert("id".to_owned(), id.as_str().into());
        let meta = members.entry("meta").or_insert_with(|| Value::Object(Map::new()));
        if let Some(meta) = meta.as_object_mut() {
            meta.remove("versionId");
            meta.remove("lastUpdated");
            meta.insert("source".to_owned(), source.into());
        }
    }
    let canonical = sorted(&event).to_string();
    let salt: [u8; 32] = rand::random();
    let recorded = now.to_string();
    let leaf = leaf::write(&leaf::Leaf {
        act: kind,
        at: &recorded,
        commitment: &leaf::commitment(&salt, canonical.as_bytes()),
        erases,
        id: &id,
        outcome: "done",
        recipient: "",
        tier: "",
        agreement: None,
        bases: &[],
    });
    Entry {
        leaf_hash: merkle::leaf_hash(leaf.as_bytes()),
        leaf,
        recorded: now,
        kind,
        outcome: "done",
        canonical,
        salt,
        patient_key: patient.map(str::to_owned),
        about: about(&event),
        id,
    }
}

/// What the event is about: references without a version.
fn about(event: &Value) -> Vec<String> {
    let entities = event.get("entity").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let references = entities.iter().filter_map(|entity| entity.pointer("/what/reference")?.as_str());
    let mut about: Vec<String> = references
        .map(|reference| reference.split("/_history/").next().unwrap_or(reference).to_owned())
        .collect();
    about.sort_unstable();
    about.dedup();
    about
}

/// The same value with the members of every object in the order of their names, as RFC 8785 orders ASCII names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            let pair = |name: &String| Some((name.clone(), sorted(members.get(name)?)));
            Value::Object(names.into_iter().filter_map(pair).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_sent_stands_in_the_log_with_the_name_of_its_sender() {
        let event = json!({"resourceType": "AuditEvent", "id": "theirs", "meta": {"versionId": "7"},
            "entity": [{"what": {"reference": "Flag/f1/_history/2"}}, {"what": {"reference": "Flag/f1"}}]});
        let sender = Party { id: "hub", organisation: "LZZ01", name: "", address: "" };
        let entry = receive(&event, sender, Some("nhs:9000000009"), "2026-11-21T09:00:00Z".parse().unwrap());
        let kept = entry.event();
        assert_eq!(kept["id"], entry.id.as_str());
        assert_eq!(kept["meta"], json!({"source": "urn:sgw:source:LZZ01:hub"}));
        assert_eq!(entry.about, ["Flag/f1"]);
        assert!(entry.canonical.starts_with("{\"entity\":") && !entry.leaf.contains("9000000009"));
        assert!(entry.leaf.contains(&leaf::commitment(&entry.salt, entry.canonical.as_bytes())));
    }
}
