//! The JSON Schemas of payload contracts and of mapping files, compiled once.

use super::compile::Scope;
use super::mistake::mistake;
use crate::document::Node;
use serde_json::Value;
use std::sync::{Arc, OnceLock};

const EVENT: &str = include_str!("../../profiles/schemas/event.schema.json");
const ALERT: &str = include_str!("../../profiles/schemas/alert.schema.json");

fn compiled(text: &str) -> Option<Arc<jsonschema::Validator>> {
    let schema: Value = serde_json::from_str(text).ok()?;
    jsonschema::validator_for(&schema).ok().map(Arc::new)
}

/// The contract of the generic JSON alert.
pub fn alert() -> Option<Arc<jsonschema::Validator>> {
    static COMPILED: OnceLock<Option<Arc<jsonschema::Validator>>> = OnceLock::new();
    COMPILED.get_or_init(|| compiled(ALERT)).clone()
}

/// The contract of the events of other services.
pub fn event() -> Option<Arc<jsonschema::Validator>> {
    static COMPILED: OnceLock<Option<Arc<jsonschema::Validator>>> = OnceLock::new();
    COMPILED.get_or_init(|| compiled(EVENT)).clone()
}

/// The schema a mapping file names: one that the gateway ships with, or one written in the file itself.
pub(super) fn named(node: &Node, scope: &mut Scope<'_>) -> Option<Arc<jsonschema::Validator>> {
    let found = match node.text().as_deref() {
        Some("alert") => alert(),
        Some("event") => event(),
        Some(other) => {
            scope.errors.push(mistake(node, format!("there is no schema named `{other}`")));
            return None;
        }
        None => jsonschema::validator_for(&node.to_json()).ok().map(Arc::new),
    };
    if found.is_none() {
        scope.errors.push(mistake(node, "the JSON Schema cannot be compiled"));
    }
    found
}
