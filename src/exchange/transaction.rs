//! The `transaction-response` Bundle that a submission is answered with.

use super::version::Version;
use crate::fhir::{Issue, instant, outcome, systems};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The resources of a Bundle, in order.
pub(super) fn resources(bundle: &Value) -> impl Iterator<Item = &Value> {
    let entries = bundle.get("entry").and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(|entry| entry.get("resource"))
}

/// The resources of a Bundle, in order, taken out of it.
pub(super) fn into_resources(mut bundle: Value) -> impl Iterator<Item = Value> {
    let entries = bundle.get_mut("entry").map(Value::take).unwrap_or_default();
    let entries = if let Value::Array(entries) = entries { entries } else { Vec::new() };
    entries.into_iter().filter_map(|mut entry| entry.get_mut("resource").map(Value::take))
}

/// The answer: for each resource where it is now; remarks of the conversion stand with the first entry.
pub(super) fn response(submission: &str, versions: &[Version], remarks: &[Issue], now: Timestamp) -> String {
    let entries: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(index, version)| {
            let status = match (version.changed, version.expected) {
                (true, None) => "201 Created",
                _ => "200 OK",
            };
            let mut response = json!({
                "status": status,
                "location": format!("{}/_history/{}", version.reference(), version.version),
                "etag": format!("W/\"{}\"", version.version),
                "lastModified": instant(version.last_updated),
            });
            if index == 0
                && !remarks.is_empty()
                && let Some(members) = response.as_object_mut()
            {
                members.insert("outcome".to_owned(), outcome(remarks));
            }
            json!({"response": response})
        })
        .collect();
    let mut bundle = json!({
        "resourceType": "Bundle",
        "id": submission,
        "identifier": {"system": systems::canonical("Id/submission"), "value": submission},
        "type": "transaction-response",
        "timestamp": instant(now),
    });
    if !entries.is_empty()
        && let Some(members) = bundle.as_object_mut()
    {
        members.insert("entry".to_owned(), Value::Array(entries));
    }
    bundle.to_string()
}
