//! A shape with what is around it: the resources that a Flag refers to, and the Bundles in which Flags stand.

use super::{Shape, ShapeError};
use crate::fhir::systems;
use crate::validate::Validator;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What became of one Flag of a Bundle.
pub type Outcome = (String, Result<(), ShapeError>);

/// The references to those who answer for a resource: of a Flag the owner of the follow-up, then the author; of a role
/// its organisation. Only what leads to another resource of the gateway (`Type/id`) is named.
pub fn referred(resource: &Value) -> Vec<String> {
    let owner = systems::canonical("StructureDefinition/owner");
    let extensions = resource.get("extension").and_then(Value::as_array);
    let owners = extensions
        .into_iter()
        .flatten()
        .filter(|e| e.get("url").and_then(Value::as_str) == Some(&owner))
        .filter_map(|e| e.get("valueReference"));
    let named = ["author", "organization"].into_iter().filter_map(|member| resource.get(member));
    let references = owners.chain(named).filter_map(|r| r.get("reference")).filter_map(Value::as_str);
    references.filter(|r| !r.starts_with('#') && !r.contains("://")).map(str::to_owned).collect()
}

/// The Flag in a shape, with the resources around it by their references; checked anew, so that nothing leaves in a
/// shape that is not valid R4.
///
/// The errors are what the shape cannot say, or the rule that the result would break.
pub fn shaped(
    shape: Shape,
    flag: &Value,
    around: &BTreeMap<String, Value>,
    validator: &Validator,
) -> Result<Value, ShapeError> {
    let shaped = shape.of(flag, &|reference| around.get(reference))?;
    let report = validator.validate_value(&shaped, &[]);
    match report.issues.iter().find(|issue| issue.severity.refuses()) {
        Some(issue) => Err(ShapeError::Invalid { shape: shape.name(), rule: issue.rule.to_string() }),
        None => Ok(shaped),
    }
}

/// Puts every Flag of a converted Bundle into a shape and tells what became of each; one that cannot be said in the
/// shape stays as it is.
pub fn in_bundle(shape: Shape, bundle: &mut Value, validator: &Validator) -> Vec<Outcome> {
    let entries = bundle.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let reference = |resource: &Value| {
        let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
        [text("resourceType"), "/", text("id")].concat()
    };
    let resources = entries.iter().filter_map(|entry| entry.get("resource"));
    let around: BTreeMap<String, Value> = resources.map(|one| (reference(one), one.clone())).collect();
    let mut outcomes = Vec::new();
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    for entry in bundle.get_mut("entry").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(flag) = entry.get("resource").filter(|r| r.get("resourceType") == Some(&json!("Flag")))
        else {
            continue;
        };
        let old = reference(flag);
        match shaped(shape, flag, &around, validator) {
            Ok(made) => {
                let new = reference(&made);
                if let Some(members) = entry.as_object_mut() {
                    members.insert("fullUrl".into(), systems::canonical(&new).into());
                    members.insert("resource".into(), made);
                    members.insert("request".into(), json!({"method": "PUT", "url": new}));
                }
                outcomes.push((old.clone(), Ok(())));
                renamed.insert(old, new);
            }
            Err(error) => outcomes.push((old, Err(error))),
        }
    }
    renamed.retain(|old, new| old != new);
    if !renamed.is_empty() {
        rename(bundle, &renamed);
    }
    outcomes
}

/// Writes references to resources that have another type in their shape.
fn rename(value: &mut Value, renamed: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("reference")
                && let Some(new) = renamed.get(reference.as_str())
            {
                reference.clone_from(new);
            }
            members.values_mut().for_each(|member| rename(member, renamed));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, renamed)),
        _ => {}
    }
}
