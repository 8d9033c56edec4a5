//! What an expression yields, as JSON.

use super::value::Item;
use super::{Temporal, TemporalKind};
use crate::fhir::tree::{Kind, NodeId, Tree};
use serde_json::{Map, Number, Value, json};

impl Item<'_> {
    /// This value as `{"type", "value"}`: the types are named as FHIR names them (`boolean`, `dateTime`, `Quantity`,
    /// `HumanName`); a date or time of the expression itself is written as its literal, with `@`.
    pub fn to_json(&self, tree: &Tree<'_>, type_name: Option<&str>) -> Value {
        let (name, value) = match self {
            Item::Node(node) => (type_name.unwrap_or("Element"), element(tree, *node)),
            Item::Elsewhere(name) => (&**name, Value::Null),
            Item::Boolean(value) => ("boolean", Value::Bool(*value)),
            Item::Integer(value) => ("integer", Value::from(*value)),
            Item::Decimal(value) => ("decimal", number(&value.to_string())),
            Item::Text(value) => ("string", Value::String(value.clone().into_owned())),
            Item::Temporal(value) => (temporal(value), Value::String(literal(value))),
            Item::Quantity(value) => (
                "Quantity",
                json!({"value": number(&value.value.to_string()), "unit": unit(&value.to_string())}),
            ),
            Item::Type(info) => ("TypeInfo", json!({"namespace": info.0, "name": info.1})),
        };
        json!({"type": name, "value": value})
    }
}

fn temporal(value: &Temporal) -> &'static str {
    match value.kind() {
        TemporalKind::Date => "date",
        TemporalKind::DateTime => "dateTime",
        TemporalKind::Time => "time",
    }
}

fn literal(value: &Temporal) -> String {
    match value.kind() {
        TemporalKind::Time => format!("@T{value}"),
        _ => format!("@{value}"),
    }
}

/// The unit of a quantity as written: after the number, without quotes.
fn unit(text: &str) -> String {
    text.split_once(' ').map_or(String::new(), |(_, unit)| unit.trim_matches('\'').to_owned())
}

fn number(text: &str) -> Value {
    text.parse::<Number>().map_or_else(|_| Value::String(text.to_owned()), Value::Number)
}

/// An element of the tree as JSON: a primitive as its value, anything else as an object.
fn element(tree: &Tree<'_>, node: NodeId) -> Value {
    if let Some(text) = tree.value(node) {
        return match tree.kind(node) {
            Kind::Bool => Value::Bool(text == "true"),
            Kind::Number => number(text),
            _ => Value::String(text.to_owned()),
        };
    }
    let mut map = Map::new();
    if let Some(name) = tree.resource_type(node) {
        map.insert("resourceType".to_owned(), Value::String(name.to_owned()));
    }
    for child in tree.children(node) {
        let value = element(tree, child);
        let name = tree.name(child);
        match map.get_mut(name) {
            Some(Value::Array(items)) if tree.was_array(child) => items.push(value),
            Some(_) => {}
            None if tree.was_array(child) => {
                map.insert(name.to_owned(), Value::Array(vec![value]));
            }
            None => {
                map.insert(name.to_owned(), value);
            }
        }
    }
    Value::Object(map)
}
