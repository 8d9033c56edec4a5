//! What is kept of an artefact.

use serde_json::{Map, Value};

const STRUCTURE: &[&str] = &[
    "resourceType", "id", "url", "version", "name", "status", "fhirVersion", "kind", "abstract", "context",
    "contextInvariant", "type", "baseDefinition", "derivation",
];
const ELEMENT: &[&str] = &[
    "id", "extension", "path", "representation", "sliceName", "sliceIsConstraining", "slicing", "min", "max", "base",
    "contentReference", "type", "maxLength", "constraint", "mustSupport", "isModifier", "isSummary", "binding",
];
const VALUE_SET: &[&str] = &["resourceType", "id", "url", "version", "name", "status", "compose", "expansion"];
const CODE_SYSTEM: &[&str] = &[
    "resourceType", "id", "url", "version", "name", "status", "experimental", "caseSensitive", "valueSet",
    "hierarchyMeaning", "compositional", "versionNeeded", "content", "supplements", "count", "filter", "property",
];
const CONCEPT: &[&str] = &["code", "display", "designation", "property"];
const SEARCH_PARAMETER: &[&str] = &[
    "resourceType", "id", "url", "version", "name", "status", "code", "base", "type", "expression", "target",
    "multipleOr", "multipleAnd", "comparator", "modifier", "chain", "component",
];
const NAMED: &[&str] = &["resourceType", "id", "url", "version", "name", "status", "kind", "type"];

/// Extensions of definitions that validation reads; the rest (work groups, maturity, mappings) is left out.
const READ: &[&str] = &[
    "structuredefinition-standards-status", "structuredefinition-fhir-type", "regex", "elementdefinition-maxValueSet",
    "elementdefinition-minValueSet", "elementdefinition-bestpractice", "structuredefinition-explicit-type-name",
    "structuredefinition-xml-type", "structuredefinition-json-type", "structuredefinition-rdf-type",
    "structuredefinition-hierarchy", "elementdefinition-profile-element", "elementdefinition-identifier", "codesystem-replacedby",
    "valueset-deprecated", "codesystem-alternate", "structuredefinition-xml-no-order",
    "valueset-expand-rules", "valueset-keyWord", "elementdefinition-allowedUnits",
];

/// The artefact without what nobody reads; nothing for a type that is not kept.
pub fn artefact(kind: &str, resource: &Value) -> Option<Value> {
    let keep = match kind {
        "StructureDefinition" => STRUCTURE,
        "ValueSet" => VALUE_SET,
        "CodeSystem" => CODE_SYSTEM,
        "SearchParameter" => SEARCH_PARAMETER,
        "ConceptMap" | "NamingSystem" | "OperationDefinition" | "CapabilityStatement" | "CompartmentDefinition"
        | "ImplementationGuide" => NAMED,
        _ => return None,
    };
    let mut out = pick(resource, keep);
    extensions(resource, &mut out);
    match kind {
        "StructureDefinition" => parts(resource, &mut out),
        "ValueSet" => strip_deep(&mut out),
        "CodeSystem" => {
            if let Some(concepts) = resource.get("concept") {
                out.insert("concept".into(), self::concepts(concepts));
            }
            strip_deep(&mut out);
        }
        _ => {}
    }
    Some(Value::Object(out))
}

fn parts(resource: &Value, out: &mut Map<String, Value>) {
    for part in ["snapshot", "differential"] {
        // A specialisation is read through its snapshot alone.
        let needed = part == "snapshot" || resource["derivation"] == "constraint";
        let Some(elements) = resource[part]["element"].as_array().filter(|_| needed) else { continue };
        let elements: Vec<Value> = elements.iter().map(element).collect();
        let mut holder = Map::new();
        holder.insert("element".into(), elements.into());
        out.insert(part.into(), holder.into());
    }
}

fn pick(value: &Value, keep: &[&str]) -> Map<String, Value> {
    let members = value.as_object().into_iter().flatten();
    members.filter(|(name, _)| keep.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
}

fn extensions(value: &Value, out: &mut Map<String, Value>) {
    let all = value["extension"].as_array().into_iter().flatten();
    let read: Vec<Value> = all
        .filter(|extension| {
            let url = extension["url"].as_str().unwrap_or("");
            READ.iter().any(|name| url.strip_prefix("http://hl7.org/fhir/StructureDefinition/") == Some(name))
        })
        .cloned()
        .collect();
    out.remove("extension");
    if !read.is_empty() {
        out.insert("extension".into(), read.into());
    }
}

fn element(element: &Value) -> Value {
    let mut out = Map::new();
    for (name, value) in element.as_object().into_iter().flatten() {
        let prefixed = ["fixed", "pattern", "minValue", "maxValue", "_fixed", "_pattern", "defaultValue"];
        if ELEMENT.contains(&name.as_str()) || prefixed.iter().any(|prefix| name.starts_with(prefix)) {
            out.insert(name.clone(), value.clone());
        }
    }
    extensions(element, &mut out);
    if let Some(constraints) = out.get_mut("constraint").and_then(Value::as_array_mut) {
        for constraint in constraints {
            let mut kept = pick(constraint, &["key", "severity", "human", "expression", "source"]);
            extensions(constraint, &mut kept);
            *constraint = kept.into();
        }
    }
    if let Some(binding) = out.get_mut("binding") {
        let mut kept = pick(binding, &["strength", "valueSet"]);
        extensions(binding, &mut kept);
        *binding = kept.into();
    }
    if let Some(types) = out.get_mut("type").and_then(Value::as_array_mut) {
        for one in types {
            let mut kept = pick(one, &["code", "profile", "targetProfile", "aggregation", "versioning", "_profile"]);
            extensions(one, &mut kept);
            *one = kept.into();
        }
    }
    if let Some(slicing) = out.get_mut("slicing") {
        *slicing = pick(slicing, &["discriminator", "ordered", "rules"]).into();
    }
    for flag in ["mustSupport", "isModifier", "isSummary"] {
        if out.get(flag) == Some(&Value::Bool(false)) {
            out.remove(flag);
        }
    }
    Value::Object(out)
}

fn concepts(list: &Value) -> Value {
    let each = list.as_array().into_iter().flatten().map(|concept| {
        let mut out = pick(concept, CONCEPT);
        extensions(concept, &mut out);
        if let Some(inner) = concept.get("concept") {
            out.insert("concept".into(), concepts(inner));
        }
        Value::Object(out)
    });
    Value::Array(each.collect())
}

/// Takes out extensions nobody reads, at any depth.
fn strip_deep(map: &mut Map<String, Value>) {
    let copy = Value::Object(map.clone());
    extensions(&copy, map);
    for (_, value) in map.iter_mut() {
        deep(value);
    }
}

fn deep(value: &mut Value) {
    match value {
        Value::Object(map) => strip_deep(map),
        Value::Array(items) => items.iter_mut().for_each(deep),
        _ => {}
    }
}
