//! JSON that is hostile where it may be, and the count of its values.

use super::makers::{Made, word};
use crate::differential::random::Random;
use serde_json::{Map, Value, json};
use sgw::convert::Mapping;
use std::path::Path;

/// An object that begins as the mapping's fixture and goes on anyhow.
pub fn json(random: &mut Random, mapping: &Mapping) -> Made {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/convert");
    let name = match mapping.id.as_str() {
        "json-events" => "json-events-discharge-and-housing",
        "fhir-r4" => "fhir-flag",
        "dfe-csc" => "dfe-csc-child",
        other => other,
    };
    let text = std::fs::read_to_string(folder.join(name).join("input.json")).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    if let Some(members) = value.as_object_mut() {
        for _ in 0..random.below(4) {
            let name = ["extra", "status", "code", "note", "_status", "contained", "text"][random.below(7)];
            if mapping.id != "fhir-r4" || name == "note" || name == "extra" {
                members.insert(name.to_owned(), any(random, 0));
            }
        }
    }
    let values = scalars(&value);
    Made { payload: value.to_string().into_bytes(), values: Some(values), repeats: false }
}

fn any(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth < 5 { 8 } else { 6 }) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => serde_json::from_str(["1.50", "-0", "1e99", "123456789012345678901234567890"][random.below(4)])
            .unwrap(),
        3..=5 => word(random, &['é', '"', '\\', '\u{0}', '李']).into(),
        6 => (0..random.below(4)).map(|_| any(random, depth + 1)).collect(),
        _ => {
            let mut members = Map::new();
            for _ in 0..random.below(4) {
                let name = ["a", "a/b", "~", "", "a b"][random.below(5)];
                members.insert(name.to_owned(), any(random, depth + 1));
            }
            Value::Object(members)
        }
    }
}

fn scalars(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::String(text) => usize::from(!text.is_empty()),
        Value::Array(items) => items.iter().map(scalars).sum(),
        Value::Object(members) => members.values().map(scalars).sum(),
        _ => 1,
    }
}

/// A composition with the fixture's paths and others, some of them alike.
pub fn flat(random: &mut Random, _: &Mapping) -> Made {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/convert/openehr-flat/input.json");
    let mut value: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let members = value.as_object_mut().unwrap();
    for _ in 0..random.below(8) {
        let steps = ["a", "a:0", "a:1", "a:x", "a:", "a:00", "b", "precaution", "precaution:0"];
        let mut path: Vec<&str> = (0..1 + random.below(3)).map(|_| *random.pick(&steps)).collect();
        let last = path.pop().unwrap();
        let attribute = ["", "|code", "|value", "|"][random.below(4)];
        path.push(last);
        let key = format!("{}{attribute}", path.join("/"));
        members.insert(key, word(random, &['é']).into());
    }
    Made { values: Some(scalars(&value)), payload: value.to_string().into_bytes(), repeats: false }
}
