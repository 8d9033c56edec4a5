//! Obligations applied to a resource: what may not leave is taken out of the JSON by its type, never by its text.

use super::dataset::Dataset;
use super::permit::{ReleaseError, Released};
use crate::fhir::systems;
use serde_json::{Map, Value, json};

const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const OBSERVATION_VALUE: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// Members that stay whatever the dataset says: without them a copy cannot be understood.
fn always(name: &str) -> bool {
    matches!(name, "resourceType" | "id" | "meta" | "implicitRules" | "language" | "modifierExtension")
}

/// Members, at any depth, that tell where a person is or can be reached.
fn locates(name: &str) -> bool {
    matches!(
        name.strip_prefix('_').unwrap_or(name),
        "address"
            | "telecom"
            | "generalPractitioner"
            | "managingOrganization"
            | "contact"
            | "encounter"
            | "location"
            | "photo"
            | "contained"
            | "display"
            | "note"
            | "description"
            | "comment"
            | "valueAddress"
            | "valueContactPoint"
            | "valueString"
            | "valueMarkdown"
            | "valueAnnotation"
            | "valueAttachment"
            | "sourceAttachment"
    )
}

/// Whether a reference, relative or absolute, names a Location.
fn names_place(reference: &Value) -> bool {
    reference.as_str().is_some_and(|text| text.split('/').any(|part| part == "Location"))
}

/// How much of where somebody is a copy may tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Exact,
    General,
    Withheld,
}

/// Makes the copy: what `dataset` does not name goes, what `masks` name is masked, and for patients whose location
/// is withheld everything that could tell it goes too. Narrative goes as soon as anything else does: it could repeat
/// it. The copy is labelled `REDACTED` (security) and `SUBSETTED` (tag), and `NORDSCLCD` when it may not go further.
pub(crate) fn apply(
    resource: &Value,
    dataset: &Dataset,
    masks: &[Vec<String>],
    place: Place,
    no_onward: bool,
) -> Result<Released, ReleaseError> {
    let mut obligations = Vec::new();
    let mut copy = Map::new();
    let mut left_out = false;
    if let Some(members) = resource.as_object() {
        copy = prune(members, dataset, &mut left_out);
    }
    if left_out {
        obligations.push("minimum-dataset");
    }
    let mut masked = false;
    for path in masks {
        masked |= mask(&mut copy, path);
    }
    if masked {
        obligations.push("masked");
    }
    if place == Place::General {
        let mut changed = false;
        generalise(&mut copy, &mut changed);
        if changed {
            obligations.push("location-generalised");
        }
    }
    if place == Place::Withheld {
        let mut removed = false;
        withhold(&mut copy, &mut removed);
        removed |= withhold_text(&mut copy);
        if removed {
            obligations.push("location-withheld");
        }
    }
    let redacted = left_out || !obligations.is_empty();
    if redacted {
        copy.shift_remove("text");
    }
    repair(&mut copy)?;
    if no_onward {
        label(&mut copy, "security", systems::ACT_CODE, "NORDSCLCD");
        obligations.push("no-onward-sharing");
    }
    if redacted {
        label(&mut copy, "security", OBSERVATION_VALUE, "REDACTED");
        label(&mut copy, "tag", OBSERVATION_VALUE, "SUBSETTED");
    }
    Ok(Released {
        resource: Value::Object(copy),
        redacted,
        obligations,
        notices: Vec::new(),
        response_time: None,
    })
}

fn prune(members: &Map<String, Value>, dataset: &Dataset, left_out: &mut bool) -> Map<String, Value> {
    if dataset.whole {
        return members.clone();
    }
    let mut kept = Map::new();
    for (name, value) in members {
        if always(name) {
            kept.insert(name.clone(), value.clone());
            continue;
        }
        let inner = dataset.members.get(name.strip_prefix('_').unwrap_or(name));
        if name == "extension" && inner.is_none_or(|inner| !inner.whole) {
            if let Some(value) = prune_extensions(value, &dataset.extensions, left_out) {
                kept.insert(name.clone(), value);
            }
            continue;
        }
        match inner.and_then(|inner| prune_value(value, inner, left_out)) {
            Some(value) => {
                kept.insert(name.clone(), value);
            }
            None => *left_out = true,
        }
    }
    kept
}

fn prune_value(value: &Value, dataset: &Dataset, left_out: &mut bool) -> Option<Value> {
    if dataset.whole {
        return Some(value.clone());
    }
    match value {
        Value::Object(members) => {
            let kept = prune(members, dataset, left_out);
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let kept: Vec<Value> =
                items.iter().filter_map(|item| prune_value(item, dataset, left_out)).collect();
            *left_out |= kept.len() < items.len();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        // The dataset names something below a primitive: the primitive itself is not named.
        _ => {
            *left_out = true;
            None
        }
    }
}

fn prune_extensions(value: &Value, urls: &[String], left_out: &mut bool) -> Option<Value> {
    let items = value.as_array()?;
    let kept: Vec<Value> = items
        .iter()
        .filter(|item| {
            item.get("url").and_then(Value::as_str).is_some_and(|url| urls.iter().any(|known| known == url))
        })
        .cloned()
        .collect();
    *left_out |= kept.len() < items.len();
    (!kept.is_empty()).then_some(Value::Array(kept))
}

fn masked_value() -> Value {
    json!({"extension": [{"url": ABSENT, "valueCode": "masked"}]})
}

/// Masks the element at this path; whether there was one.
fn mask(members: &mut Map<String, Value>, path: &[String]) -> bool {
    let Some((name, rest)) = path.split_first() else { return false };
    if rest.is_empty() {
        let sibling = format!("_{name}");
        let had_sibling = members.shift_remove(&sibling).is_some();
        return match members.get_mut(name) {
            None => had_sibling,
            Some(Value::Array(items)) => {
                if items.iter().all(|item| item.is_object()) {
                    *items = vec![masked_value()];
                } else {
                    members.shift_remove(name);
                    members.insert(sibling, Value::Array(vec![masked_value()]));
                }
                true
            }
            Some(value) if value.is_object() => {
                *value = masked_value();
                true
            }
            Some(_) => {
                members.shift_remove(name);
                members.insert(sibling, masked_value());
                true
            }
        };
    }
    match members.get_mut(name) {
        Some(Value::Object(inner)) => mask(inner, rest),
        Some(Value::Array(items)) => {
            let mut found = false;
            for inner in items.iter_mut().filter_map(Value::as_object_mut) {
                found |= mask(inner, rest);
            }
            found
        }
        _ => false,
    }
}

/// Takes out, at every depth, what tells where a person is. `display` of a coding stays: it is of the code.
fn withhold(members: &mut Map<String, Value>, removed: &mut bool) {
    let coding = members.contains_key("code") && !members.contains_key("resourceType");
    let before = members.len();
    members.retain(|name, value| {
        (!locates(name) || (coding && name == "display")) && !(name == "reference" && names_place(value))
    });
    *removed |= members.len() < before;
    let mut emptied = Vec::new();
    for (name, value) in members.iter_mut() {
        match value {
            Value::Object(inner) => {
                withhold(inner, removed);
                if inner.is_empty() {
                    emptied.push(name.clone());
                }
            }
            Value::Array(items) => {
                for inner in items.iter_mut().filter_map(Value::as_object_mut) {
                    withhold(inner, removed);
                }
                // An extension without its value says nothing, and would not be valid.
                items.retain(|item| match item.as_object() {
                    Some(inner) if name.ends_with("xtension") => inner.len() > 1,
                    Some(inner) => !inner.is_empty(),
                    None => true,
                });
                if items.is_empty() {
                    emptied.push(name.clone());
                }
            }
            _ => {}
        }
    }
    for name in emptied {
        *removed = true;
        members.shift_remove(&name);
    }
}

/// Leaves of every address, at every depth, what tells a district and no house.
fn generalise(members: &mut Map<String, Value>, changed: &mut bool) {
    let before = members.len();
    members.retain(|name, _| !matches!(name.as_str(), "_address" | "_valueAddress"));
    *changed |= members.len() < before;
    for (name, value) in members.iter_mut() {
        let address = matches!(name.as_str(), "address" | "valueAddress");
        let items = match value {
            Value::Object(_) => std::slice::from_mut(value),
            Value::Array(items) => items.as_mut_slice(),
            _ => continue,
        };
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            if address { generalise_address(item, changed) } else { generalise(item, changed) }
        }
    }
}

fn generalise_address(address: &mut Map<String, Value>, changed: &mut bool) {
    let before = address.clone();
    address.retain(|name, _| {
        matches!(
            name.as_str(),
            "use" | "type" | "city" | "district" | "state" | "country" | "period" | "postalCode"
        )
    });
    let outward = address.get("postalCode").and_then(Value::as_str).and_then(outward_code).map(str::to_owned);
    match outward {
        Some(code) => {
            address.insert("postalCode".into(), code.into());
        }
        None => {
            address.shift_remove("postalCode");
        }
    }
    if address.is_empty() {
        *address = masked_value().as_object().cloned().unwrap_or_default();
    }
    *changed |= *address != before;
}

/// The first half of a postcode of the United Kingdom; nothing of any other.
fn outward_code(postcode: &str) -> Option<&str> {
    let postcode = postcode.trim();
    if !postcode.is_ascii() {
        return None;
    }
    let (outward, inward) = postcode.split_at_checked(postcode.len().checked_sub(3)?)?;
    let outward = outward.trim_end();
    let [digit, rest @ ..] = inward.as_bytes() else { return None };
    let shaped = digit.is_ascii_digit() && rest.iter().all(u8::is_ascii_alphabetic);
    let begins = outward.starts_with(|first: char| first.is_ascii_alphabetic());
    (shaped
        && begins
        && (2..=4).contains(&outward.len())
        && outward.bytes().all(|b| b.is_ascii_alphanumeric()))
    .then_some(outward)
}

/// Free text of the main concept could name a place: it goes where a code says the same.
fn withhold_text(copy: &mut Map<String, Value>) -> bool {
    let mut removed = copy.shift_remove("text").is_some();
    for name in ["code", "category"] {
        let concepts = match copy.get_mut(name) {
            Some(Value::Object(concept)) => vec![concept],
            Some(Value::Array(items)) => items.iter_mut().filter_map(Value::as_object_mut).collect(),
            _ => Vec::new(),
        };
        for concept in concepts {
            removed |= concept.shift_remove("text").is_some();
        }
    }
    removed
}

/// A concept that lost its content says that it was withheld; a copy that lost whom it is about is none.
fn repair(copy: &mut Map<String, Value>) -> Result<(), ReleaseError> {
    let (needed, subject): (&[&str], Option<&'static str>) =
        match copy.get("resourceType").and_then(Value::as_str) {
            Some("Flag") => (&["code"], Some("subject")),
            Some("Consent") => (&[], Some("patient")),
            _ => (&[], None),
        };
    for name in needed {
        let lost = match copy.get(*name) {
            None => true,
            Some(concept) => concept.get("coding").is_none() && concept.get("text").is_none(),
        };
        if lost {
            let mut concept = masked_value();
            if let Some(members) = concept.as_object_mut() {
                members.insert("text".into(), "withheld".into());
            }
            copy.insert((*name).to_owned(), concept);
        }
    }
    match subject {
        Some(name) => {
            let known = copy
                .get(name)
                .is_some_and(|about| about.get("reference").is_some() || about.get("identifier").is_some());
            let of = if name == "patient" { "Consent" } else { "Flag" };
            if known { Ok(()) } else { Err(ReleaseError::Incomplete(of.to_owned(), name)) }
        }
        None => Ok(()),
    }
}

/// Adds a label to `meta.security` or `meta.tag`, once.
fn label(copy: &mut Map<String, Value>, member: &str, system: &str, code: &str) {
    let meta = copy.entry("meta").or_insert_with(|| json!({}));
    let Some(meta) = meta.as_object_mut() else { return };
    let codings = meta.entry(member).or_insert_with(|| json!([]));
    if let Some(codings) = codings.as_array_mut() {
        let has = codings.iter().any(|coding| {
            coding.get("system").and_then(Value::as_str) == Some(system)
                && coding.get("code").and_then(Value::as_str) == Some(code)
        });
        if !has {
            codings.push(json!({"system": system, "code": code}));
        }
    }
}
