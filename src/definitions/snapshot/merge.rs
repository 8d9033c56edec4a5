//! What an element of a differential changes in the element of the base.

use serde_json::{Map, Value};

/// Merges an element of a differential into the element it constrains.
pub(super) fn into(base: &mut Map<String, Value>, differential: &Map<String, Value>, url: &str) {
    for (name, value) in differential {
        match name.as_str() {
            "id" | "path" | "base" => {}
            "constraint" => constraints(base, value, Some(url)),
            "binding" => binding(base, value),
            "extension" => by_url(base, value),
            "mapping" | "alias" | "condition" | "code" | "example" => append(base, name, value),
            "slicing" => slicing(base, value),
            "definition" | "comment" | "requirements" | "short" => continued(base, name, value),
            _ => {
                let value_rule =
                    ["fixed", "pattern", "minValue", "maxValue", "defaultValue"].iter().find(|prefix| {
                        name.strip_prefix(*prefix)
                            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
                    });
                if let Some(prefix) = value_rule {
                    base.retain(|known, _| !known.starts_with(prefix));
                }
                base.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Merges what the root of an extension's definition says into an element of that type.
pub(super) fn profile_root(base: &mut Map<String, Value>, root: &Map<String, Value>) {
    for name in ["short", "definition", "comment", "isModifier", "isModifierReason"] {
        if let Some(value) = root.get(name) {
            base.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(value) = root.get("constraint") {
        constraints(base, value, None);
    }
}

/// Constraints add up; one whose key is known already is the same.
fn constraints(base: &mut Map<String, Value>, added: &Value, url: Option<&str>) {
    let known = base.entry("constraint").or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(known) = known else { return };
    for constraint in added.as_array().into_iter().flatten() {
        if known.iter().any(|one| one.get("key") == constraint.get("key")) {
            continue;
        }
        let mut constraint = constraint.clone();
        if let (Some(url), Some(members)) = (url, constraint.as_object_mut()) {
            members.entry("source").or_insert_with(|| url.into());
        }
        known.push(constraint);
    }
}

fn binding(base: &mut Map<String, Value>, value: &Value) {
    match (base.get_mut("binding").and_then(Value::as_object_mut), value.as_object()) {
        (Some(known), Some(changed)) => {
            known.remove("extension");
            known.remove("description");
            for (name, value) in changed {
                known.insert(name.clone(), value.clone());
            }
        }
        _ => {
            base.insert("binding".to_owned(), value.clone());
        }
    }
}

fn by_url(base: &mut Map<String, Value>, value: &Value) {
    let known = base.entry("extension").or_insert_with(|| Value::Array(Vec::new()));
    let (Value::Array(known), Some(added)) = (known, value.as_array()) else { return };
    for extension in added {
        known.retain(|one| one.get("url") != extension.get("url"));
    }
    known.extend(added.iter().cloned());
}

fn append(base: &mut Map<String, Value>, name: &str, value: &Value) {
    let known = base.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    let (Value::Array(known), Some(added)) = (known, value.as_array()) else { return };
    for one in added {
        if !known.contains(one) {
            known.push(one.clone());
        }
    }
}

/// A slicing that says less than the base's keeps the rest of it; discriminators add up.
fn slicing(base: &mut Map<String, Value>, value: &Value) {
    let Some(known) = base.get_mut("slicing").and_then(Value::as_object_mut) else {
        base.insert("slicing".to_owned(), value.clone());
        return;
    };
    for (name, value) in value.as_object().into_iter().flatten() {
        if name == "discriminator" {
            append(known, name, value);
        } else {
            known.insert(name.clone(), value.clone());
        }
    }
}

/// A text that begins with `...` continues the base's.
fn continued(base: &mut Map<String, Value>, name: &str, value: &Value) {
    let text = match (
        value.as_str().and_then(|text| text.strip_prefix("...")),
        base.get(name).and_then(Value::as_str),
    ) {
        (Some(more), Some(known)) => format!("{known}\r\n{more}").into(),
        _ => value.clone(),
    };
    base.insert(name.to_owned(), text);
}
