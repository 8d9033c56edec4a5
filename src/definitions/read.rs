//! From the JSON of a StructureDefinition with a snapshot to the typed [`Structure`].

use super::structure::{
    Binding, Constraint, Context, Derivation, Discriminator, Element, Slicing, Strength, Structure,
    StructureKind, TypeReference,
};
use serde_json::{Map, Value};

/// Why a StructureDefinition cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unusable {
    /// What is wrong: lower case, no full stop.
    pub text: String,
}

impl Unusable {
    pub(super) fn new(text: impl Into<String>) -> Unusable {
        Unusable { text: text.into() }
    }
}

const PREFIX: &str = "http://hl7.org/fhir/StructureDefinition/";

pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool) == Some(true)
}

fn number(value: &Value, name: &str) -> Option<u32> {
    value.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}

/// Reads a StructureDefinition whose snapshot stands in `elements`.
pub fn structure(resource: &Value, elements: &[Value], generated: bool) -> Result<Structure, Unusable> {
    let needed =
        |name: &str| text(resource, name).ok_or_else(|| Unusable::new(format!("`{name}` is missing")));
    let kind = match needed("kind")?.as_str() {
        "primitive-type" => StructureKind::Primitive,
        "complex-type" => StructureKind::Complex,
        "resource" => StructureKind::Resource,
        "logical" => StructureKind::Logical,
        other => return Err(Unusable::new(format!("the kind `{other}` is not known"))),
    };
    let derivation = match text(resource, "derivation").as_deref() {
        Some("constraint") => Some(Derivation::Constraint),
        Some("specialization") => Some(Derivation::Specialization),
        None => None,
        Some(other) => return Err(Unusable::new(format!("the derivation `{other}` is not known"))),
    };
    let contexts = list(resource, "context").iter().map(|context| Context {
        kind: text(context, "type").unwrap_or_default(),
        expression: text(context, "expression").unwrap_or_default(),
    });
    let type_name = needed("type")?;
    let elements: Vec<Element> = elements.iter().map(element).collect::<Result<_, _>>()?;
    if elements.is_empty() {
        return Err(Unusable::new("the snapshot has no elements"));
    }
    Ok(Structure {
        url: needed("url")?,
        version: text(resource, "version"),
        name: text(resource, "name").unwrap_or_default(),
        status: text(resource, "status").unwrap_or_default(),
        kind,
        is_abstract: flag(resource, "abstract"),
        type_name: type_name.strip_prefix(PREFIX).unwrap_or(&type_name).to_owned(),
        base: text(resource, "baseDefinition"),
        derivation,
        contexts: contexts.collect(),
        context_invariants: texts(resource, "contextInvariant"),
        extensions: list(resource, "extension").to_vec(),
        elements,
        generated,
    })
}

/// Reads one element of a snapshot.
pub fn element(value: &Value) -> Result<Element, Unusable> {
    let Some(map) = value.as_object() else { return Err(Unusable::new("an element is not an object")) };
    let Some(path) = text(value, "path") else { return Err(Unusable::new("an element has no `path`")) };
    let about = |what: &str| Unusable::new(format!("the element `{path}` {what}"));
    let max = most(value.get("max").or_else(|| value.pointer("/base/max")))
        .ok_or_else(|| about("has a `max` that is no number"))?;
    let base = value.get("base").unwrap_or(&Value::Null);
    let base_path = text(base, "path").unwrap_or_else(|| path.clone());
    let base_max = text(base, "max");
    let repeats = match base_max.as_deref() {
        Some(most) => most != "1" && most != "0",
        None => max.is_none_or(|most| most > 1),
    };
    let binding = value
        .get("binding")
        .map(|binding| self::binding(binding).ok_or_else(|| about("has a binding without a known strength")));
    let mut constraints = Vec::new();
    for constraint in list(value, "constraint") {
        constraints
            .push(self::constraint(constraint).ok_or_else(|| about("has a constraint without `key`"))?);
    }
    let is_root_id = base_path == "Resource.id";
    Ok(Element {
        id: text(value, "id").unwrap_or_else(|| path.clone()),
        slice_name: text(value, "sliceName"),
        min: number(value, "min").unwrap_or(0),
        max,
        repeats,
        types: list(value, "type").iter().filter_map(|one| type_reference(one, is_root_id)).collect(),
        content_reference: text(value, "contentReference")
            .map(|reference| reference.rsplit('#').next().unwrap_or_default().to_owned()),
        fixed: prefixed(map, "fixed"),
        pattern: prefixed(map, "pattern"),
        min_value: prefixed(map, "minValue"),
        max_value: prefixed(map, "maxValue"),
        max_length: number(value, "maxLength"),
        binding: binding.transpose()?,
        constraints,
        slicing: value.get("slicing").map(slicing),
        is_modifier: flag(value, "isModifier"),
        must_support: flag(value, "mustSupport"),
        is_summary: flag(value, "isSummary"),
        representation: texts(value, "representation"),
        extensions: list(value, "extension").to_vec(),
        base_path,
        path,
    })
}

/// Reads a `max`: unlimited when it is `*` or nothing says. A JSON number is taken too: that is wrong, and the
/// validation of the definition says so, but it is clear what is meant.
fn most(max: Option<&Value>) -> Option<Option<u32>> {
    match max {
        None => Some(None),
        Some(Value::String(text)) if text == "*" => Some(None),
        Some(Value::String(text)) => text.parse().ok().map(Some),
        Some(other) => other.as_u64().and_then(|number| u32::try_from(number).ok()).map(Some),
    }
}

/// A member such as `fixedUri`: its type suffix and value. A primitive's `_` sibling alone counts as no value.
fn prefixed(map: &Map<String, Value>, prefix: &str) -> Option<(String, Value)> {
    map.iter().find_map(|(name, value)| {
        let suffix = name.strip_prefix(prefix)?;
        suffix
            .starts_with(|first: char| first.is_ascii_uppercase())
            .then(|| (suffix.to_owned(), value.clone()))
    })
}

fn type_reference(value: &Value, is_resource_id: bool) -> Option<TypeReference> {
    let code = text(value, "code")?;
    let extensions = list(value, "extension").to_vec();
    let stated = extensions.iter().find(|extension| {
        text(extension, "url").as_deref()
            == Some("http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type")
    });
    let code = match code.strip_prefix("http://hl7.org/fhirpath/") {
        // `Resource.id` states `string`, but its own definition has the rules of `id`.
        Some(_) if is_resource_id => "id".to_owned(),
        Some(system) => stated
            .and_then(|extension| text(extension, "valueUrl").or_else(|| text(extension, "valueUri")))
            .unwrap_or_else(|| system.to_owned()),
        None => code.strip_prefix(PREFIX).unwrap_or(&code).to_owned(),
    };
    Some(TypeReference {
        code,
        profiles: texts(value, "profile"),
        profile_elements: profile_elements(value),
        targets: texts(value, "targetProfile"),
        aggregation: texts(value, "aggregation"),
        versioning: text(value, "versioning"),
        extensions,
    })
}

/// The ids that `elementdefinition-profile-element` gives beside the profiles of a type.
fn profile_elements(value: &Value) -> Vec<String> {
    let extensions = list(value, "_profile").iter().flat_map(|one| list(one, "extension"));
    extensions
        .filter(|extension| {
            text(extension, "url").is_some_and(|url| url.ends_with("/elementdefinition-profile-element"))
        })
        .filter_map(|extension| text(extension, "valueString"))
        .collect()
}

fn binding(value: &Value) -> Option<Binding> {
    const TOOLS: &str = "http://hl7.org/fhir/tools/StructureDefinition/additional-binding";
    let extensions = list(value, "extension").to_vec();
    let named = |name: &str| {
        extensions.iter().find(|extension| {
            text(extension, "url").is_some_and(|url| url.strip_prefix(PREFIX) == Some(name))
        })
    };
    let canonical =
        |extension: &Value| text(extension, "valueCanonical").or_else(|| text(extension, "valueUri"));
    let mut additional: Vec<(String, String)> = list(value, "additional")
        .iter()
        .filter_map(|one| Some((text(one, "purpose")?, text(one, "valueSet")?)))
        .collect();
    for extension in &extensions {
        let url = text(extension, "url").unwrap_or_default();
        if url != TOOLS && url.strip_prefix(PREFIX) != Some("additional-binding") {
            continue;
        }
        let part = |name: &str| {
            list(extension, "extension").iter().find(|one| text(one, "url").as_deref() == Some(name))
        };
        let purpose = part("purpose").and_then(|one| text(one, "valueCode"));
        let value_set = part("valueSet").and_then(canonical);
        if let (Some(purpose), Some(value_set)) = (purpose, value_set) {
            additional.push((purpose, value_set));
        }
    }
    Some(Binding {
        strength: Strength::of(value.get("strength")?.as_str()?)?,
        value_set: text(value, "valueSet"),
        max_value_set: named("elementdefinition-maxValueSet").and_then(canonical),
        additional,
        extensions,
    })
}

fn constraint(value: &Value) -> Option<Constraint> {
    let best_practice = list(value, "extension").iter().any(|extension| {
        text(extension, "url")
            .is_some_and(|url| url.strip_prefix(PREFIX) == Some("elementdefinition-bestpractice"))
            && flag(extension, "valueBoolean")
    });
    Some(Constraint {
        key: text(value, "key")?,
        is_error: value.get("severity").and_then(Value::as_str) != Some("warning"),
        human: text(value, "human").unwrap_or_default(),
        expression: text(value, "expression"),
        source: text(value, "source"),
        best_practice,
    })
}

fn slicing(value: &Value) -> Slicing {
    let discriminators = list(value, "discriminator")
        .iter()
        .filter_map(|one| Some(Discriminator { kind: text(one, "type")?, path: text(one, "path")? }));
    Slicing {
        discriminators: discriminators.collect(),
        ordered: flag(value, "ordered"),
        rules: text(value, "rules").unwrap_or_else(|| "open".to_owned()),
    }
}
