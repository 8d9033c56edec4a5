//! Mutants of JSON resources.

use super::random::Random;
use serde_json::{Map, Value, json};

/// Every place in a document: the way to it, as keys and indexes.
fn places(value: &Value, at: &[String], found: &mut Vec<Vec<String>>) {
    let mut visit = |key: String, inner: &Value| {
        let mut way = at.to_vec();
        way.push(key);
        found.push(way.clone());
        places(inner, &way, found);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| visit(key.clone(), inner)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, inner)| visit(i.to_string(), inner)),
        _ => {}
    }
}

fn at<'v>(value: &'v mut Value, way: &[String]) -> Option<&'v mut Value> {
    way.iter().try_fold(value, |value, key| match value {
        Value::Object(map) => map.get_mut(key),
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A list of the same members with one of them changed in place.
fn rebuilt(map: &Map<String, Value>, change: impl Fn(&str, &Value, &mut Vec<(String, Value)>)) -> Value {
    let mut members = Vec::new();
    for (key, value) in map {
        change(key, value, &mut members);
    }
    Value::Object(members.into_iter().collect())
}

const PRIMITIVES: [&str; 22] = [
    "",
    " ",
    "not-a-date",
    "2024-02-30",
    "2024-13-01",
    "2024-01-01T10:00",
    "2024-01-01T25:00:00Z",
    "2024",
    "1e400",
    "-1",
    "a b",
    "\u{1}",
    "***",
    "urn:oid:1.2.x",
    "http://example.org/a b",
    "TRUE",
    "01",
    "1.",
    "  lead",
    "x\ny",
    "ü",
    "0",
];

const CODES: [&str; 6] = ["no-such-code", "active ", "ACTIVE", "final", "entered-in-error", "unknown"];

const REFERENCES: [&str; 9] = [
    "#nothing",
    "#",
    "Device/1",
    "NoSuchType/1",
    "Patient",
    "http://example.org/fhir/Patient/1",
    "urn:uuid:1",
    "Patient/a b",
    "/Patient/1",
];

fn retyped(value: &Value, random: &mut Random) -> Value {
    match random.below(8) {
        0 => Value::String("text".into()),
        1 => json!(5),
        2 => json!(true),
        3 => Value::Null,
        4 => json!({}),
        5 => json!([]),
        6 => json!([value]),
        _ => match value {
            Value::Array(items) => items.first().cloned().unwrap_or(Value::Null),
            Value::Object(_) => Value::String("object".into()),
            Value::String(text) => json!({"value": text}),
            other => Value::String(other.to_string()),
        },
    }
}

/// One mutant and what was done; nothing when the choice did not apply.
pub fn mutant(seed: &Value, random: &mut Random) -> Option<(String, String)> {
    let mut all = Vec::new();
    places(seed, &[], &mut all);
    let mut copy = seed.clone();
    let kind = random.below(9);
    let wanted = |way: &Vec<String>| -> bool {
        let last = way.last().map_or("", String::as_str);
        match kind {
            5 => last == "reference",
            6 => last == "code" || last == "status" || last == "system",
            _ => last != "div" && last != "resourceType" || kind == 8,
        }
    };
    let ways: Vec<_> = all.into_iter().filter(wanted).collect();
    if ways.is_empty() {
        return None;
    }
    let way = random.pick(&ways).clone();
    let (last, head) = way.split_last()?;
    let place = way.join(".");
    let what = match kind {
        0 => {
            match at(&mut copy, head)? {
                Value::Object(map) => drop(map.shift_remove(last)),
                Value::Array(items) => drop(items.remove(last.parse().ok()?)),
                _ => return None,
            }
            "delete"
        }
        1 => {
            let name = random
                .pick(&["unknown", "extension", "id", "value", "Status", "valueString", "_status"])
                .to_string();
            let holder = at(&mut copy, head)?;
            let Value::Object(map) = holder else { return None };
            if map.contains_key(&name) {
                return None;
            }
            *holder = rebuilt(map, |key, value, out| {
                out.push((if key == last { name.clone() } else { key.to_owned() }, value.clone()));
            });
            "rename"
        }
        2 => {
            match at(&mut copy, head)? {
                Value::Array(items) => {
                    let item = items.get(last.parse::<usize>().ok()?)?.clone();
                    items.push(item);
                }
                Value::Object(map) => {
                    let value = map.get_mut(last)?;
                    *value = json!([value.clone(), value.clone()]);
                }
                _ => return None,
            }
            "duplicate"
        }
        3 => {
            let value = at(&mut copy, &way)?;
            *value = retyped(value, random);
            "retype"
        }
        4 | 7 => {
            let value = at(&mut copy, &way)?;
            *value = match value {
                Value::String(_) => Value::String(random.pick(&PRIMITIVES).to_string()),
                Value::Number(_) => {
                    random.pick(&[json!(-1), json!(1.5), json!(99999999999i64), json!("1")]).clone()
                }
                Value::Bool(_) => json!("true"),
                _ => return None,
            };
            "bad primitive"
        }
        5 => {
            *at(&mut copy, &way)? = Value::String(random.pick(&REFERENCES).to_string());
            "wrong reference"
        }
        6 => {
            let value = at(&mut copy, &way)?;
            if !value.is_string() {
                return None;
            }
            *value = Value::String(random.pick(&CODES).to_string());
            "wrong code"
        }
        _ => match at(&mut copy, &way)? {
            Value::Array(items) if items.len() > 1 => {
                items.reverse();
                "reorder"
            }
            Value::Object(map) if map.len() > 1 => {
                let reversed: Map<String, Value> =
                    map.iter().rev().map(|(k, v)| (k.clone(), v.clone())).collect();
                *map = reversed;
                "reorder"
            }
            _ => return None,
        },
    };
    Some((format!("{what} {place}"), copy.to_string()))
}
