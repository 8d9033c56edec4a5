//! Whom a submission is about: checked, never repaired, never guessed.

use super::evaluate::Engine;
use super::tree::NodeId;
use super::{Source, bundle};
use crate::fhir::identity::check_nhs_number;
use crate::fhir::{Issue, systems};
use serde_json::{Map, Value};
use uuid::Uuid;

fn identifiers(patient: &Map<String, Value>) -> impl Iterator<Item = (&str, &str)> {
    let list = patient.get("identifier").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|i| {
        Some((
            i.get("system").and_then(Value::as_str).unwrap_or_default(),
            i.get("value").and_then(Value::as_str)?,
        ))
    })
}

/// The NHS number as an `Identifier`, when it is sound.
pub(super) fn nhs_number(resource: &Map<String, Value>) -> Option<Value> {
    if resource.get("resourceType").and_then(Value::as_str) != Some("Patient") {
        return None;
    }
    let (system, value) =
        identifiers(resource).find(|(s, v)| *s == systems::NHS_NUMBER && check_nhs_number(v).is_ok())?;
    let mut identifier = Map::new();
    identifier.insert("system".into(), system.into());
    identifier.insert("value".into(), value.into());
    Some(Value::Object(identifier))
}

/// The key under which the gateway knows a patient: `nhs:<number>` or `local:<system>|<value>`. Never logged.
pub fn patient_key(patient: &Map<String, Value>) -> Option<String> {
    let sound = identifiers(patient).find(|(s, v)| *s == systems::NHS_NUMBER && check_nhs_number(v).is_ok());
    if let Some((_, number)) = sound {
        return Some(["nhs:", number].concat());
    }
    let local =
        identifiers(patient).find(|(s, v)| !s.is_empty() && *s != systems::NHS_NUMBER && !v.is_empty());
    local.map(|(system, value)| format!("local:{system}|{value}"))
}

/// Checks who a Patient is. An error for each: an NHS number that is none, two different NHS numbers, nobody (a name
/// is not an identity). `place` is where the patient stands in the source.
pub(super) fn check(patient: &Map<String, Value>, place: &str, issues: &mut Vec<Issue>) {
    let numbers: Vec<&str> =
        identifiers(patient).filter(|(s, _)| *s == systems::NHS_NUMBER).map(|(_, v)| v).collect();
    for number in &numbers {
        if let Err(error) = check_nhs_number(number) {
            issues.push(Issue::error("value", "nhs-number", place, error.to_string()));
        }
    }
    if let Some((first, rest)) = numbers.split_first()
        && rest.iter().any(|n| n != first)
    {
        let text = "the submission names two different patients: their NHS numbers differ";
        issues.push(Issue::error("conflict", "two-patients", place, text));
    }
    if patient_key(patient).is_none() && numbers.is_empty() {
        let text = "the patient has no identifier: a name is not an identity";
        issues.push(Issue::error("required", "patient-identifier-missing", place, text));
    }
}

/// The id of a patient of this source, by their best identifier; what is wrong with the identity is noted at the place
/// of the identifier that is wrong, else of the first, or of the name when there is none.
pub(super) fn patient_id(
    engine: &mut Engine<'_, '_>,
    patient: &Map<String, Value>,
    at: NodeId,
    slot: usize,
) -> Uuid {
    // A number that is wrong is named where it stands; an identity that is missing or twofold, where it would begin.
    let values = engine.marks.values(slot, "identifier");
    let wrong: Vec<&str> = identifiers(patient)
        .filter(|(s, v)| *s == systems::NHS_NUMBER && check_nhs_number(v).is_err())
        .map(|(_, v)| v)
        .collect();
    let stands =
        |node: &NodeId| engine.tree.value(*node).is_some_and(|(_, text)| wrong.contains(&text.trim()));
    let value = values.iter().copied().find(stands).or_else(|| values.first().copied());
    let value = value.or_else(|| engine.marks.first_value(slot, "name"));
    let place = engine.tree.place(value.unwrap_or(at));
    check(patient, &place, &mut engine.issues);
    id(engine.source, patient)
}

/// See [`patient_id`].
pub(super) fn id(source: &Source, patient: &Map<String, Value>) -> Uuid {
    let key = patient_key(patient).unwrap_or_else(|| Value::Object(patient.clone()).to_string());
    bundle::id(source, "Patient", &key)
}
