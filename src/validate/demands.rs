//! Extensions on element definitions that change what is valid.

use serde_json::Value;

const BASE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// The extensions that are looked at, by the last part of their canonical.
const KNOWN: &[&str] = &[];

/// Whether an extension of an element's definition changes what is valid.
pub(super) fn matters(extension: &Value) -> bool {
    let url = extension.get("url").and_then(Value::as_str).unwrap_or("");
    url.strip_prefix(BASE).is_some_and(|name| KNOWN.contains(&name))
}
