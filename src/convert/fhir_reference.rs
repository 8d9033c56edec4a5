//! References of a FHIR submission: found in its Bundle, and turned into references to what the gateway stores.

use super::fhir_input::Intake;
use crate::fhir::systems;
use serde_json::{Map, Value, json};

/// The item that a reference leads to: by full URL, by the end of one, or by type and id.
pub(super) fn find(intake: &Intake<'_>, reference: &str) -> Option<usize> {
    if reference.is_empty() || reference.starts_with('#') {
        return None;
    }
    intake.items.iter().position(|i| {
        let by_id =
            !i.text("id").is_empty() && reference == format!("{}/{}", i.text("resourceType"), i.text("id"));
        i.full_url == reference
            || by_id
            || (reference.contains('/') && i.full_url.ends_with(&format!("/{reference}")))
    })
}

/// The contained resource that a reference leads to.
pub(super) fn contained<'h>(
    holder: &'h Map<String, Value>,
    reference: &str,
) -> Option<&'h Map<String, Value>> {
    let id = reference.strip_prefix('#')?;
    let list = holder.get("contained").and_then(Value::as_array)?;
    list.iter().filter_map(Value::as_object).find(|r| r.get("id").and_then(Value::as_str) == Some(id))
}

/// Removes the contained Patient that a subject led to: it is an entry of its own now.
pub(super) fn drop_contained_patient(resource: &mut Map<String, Value>, subject: &Value) {
    let Some(id) = subject.get("reference").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) else {
        return;
    };
    if let Some(list) = resource.get_mut("contained").and_then(Value::as_array_mut) {
        list.retain(|r| r.get("id").and_then(Value::as_str) != Some(id));
        if list.is_empty() {
            resource.shift_remove("contained");
        }
    }
}

/// Turns every reference in a value into one to what the gateway stores. A relative one that leads nowhere in the
/// submission would lead nowhere in the gateway: it becomes an identifier below the source's own name.
pub(super) fn rewrite(intake: &mut Intake<'_>, value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|i| rewrite(intake, i)),
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("reference") {
                let reference = reference.clone();
                let made = find(intake, &reference).and_then(|i| intake.companion(i));
                let known = intake.made.iter().any(|m| m.reference() == reference);
                let own = reference == format!("Organization/{}", super::bundle::sender_id(intake.source));
                if let Some(made) = made {
                    members.insert("reference".into(), made.into());
                } else if !known && !own && !reference.starts_with('#') && !reference.contains("://") {
                    members.shift_remove("reference");
                    let system = systems::canonical(&format!("Id/{}/reference", intake.source.id));
                    members
                        .entry("identifier")
                        .or_insert_with(|| json!({"system": system, "value": reference}));
                }
            }
            members.values_mut().for_each(|m| rewrite(intake, m));
        }
        _ => {}
    }
}
