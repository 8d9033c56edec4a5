//! StructureDefinition: what an author may do to a base, beyond the invariants of the resource itself.

use crate::definitions::library::Artefact;
use crate::definitions::node_json;
use crate::fhir::Severity;
use crate::fhir::tree::NodeId;
use crate::fhirpath::Expression;
use crate::validate::references::is_absolute;
use crate::validate::rules;
use crate::validate::schema::Registry;
use crate::validate::walk::Walk;
use serde_json::Value;
use std::collections::HashMap;

pub(super) fn check(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    let type_name = tree.child_value(node, "type").unwrap_or("");
    let type_name = type_name.rsplit('/').next().unwrap_or(type_name);
    for name in ["differential", "snapshot"] {
        let snapshot = name == "snapshot";
        let Some(view) = tree.child(node, name) else { continue };
        let elements: Vec<NodeId> = tree.named(view, "element").collect();
        for (index, element) in elements.iter().enumerate() {
            types(walk, *element);
            if index > 0 && snapshot {
                typed(walk, *element);
            }
            bound(walk, *element);
            expressions(walk, *element);
            let following = elements.get(index + 1..).unwrap_or(&[]);
            slicing(walk, *element, type_name, following);
        }
    }
    kinds(walk, node, type_name);
    generated(walk, node);
}

/// What the definition is, is what its base is.
fn kinds(walk: &mut Walk<'_>, node: NodeId, type_name: &str) {
    let tree = walk.tree;
    let definitions = &walk.core.definitions;
    let kind = tree.child_value(node, "kind").unwrap_or("");
    let derivation = tree.child_value(node, "derivation");
    let base = tree.child_value(node, "baseDefinition");
    let known = base.and_then(|base| definitions.resource("StructureDefinition", base));
    let base_kind = known.as_ref().and_then(|known| known.body.get("kind")?.as_str());
    if let Some(base_kind) = base_kind
        && derivation == Some("constraint")
        && base_kind != kind
    {
        walk.error(rules::SD_KIND, node, || {
            format!("the kind is `{kind}`, and that of the base `{base_kind}`")
        });
    }
    if base.is_some() && derivation.is_none() {
        walk.error(rules::SD_KIND, node, || "a definition with a base says how it derives from it".into());
    }
    if let Some(context) = tree.child(node, "context").filter(|_| type_name != "Extension") {
        walk.error(rules::SD_KIND, context, || "only an extension has a context".into());
    }
    let written = tree.child_value(node, "type").unwrap_or("");
    if kind == "logical" && !is_absolute(written) && definitions.model(written).is_none() {
        walk.error(rules::SD_KIND, node, || "the type of a logical model is an absolute URI".into());
    }
}

/// An element of a snapshot, other than its root, has a type or the content of another element.
fn typed(walk: &mut Walk<'_>, element: NodeId) {
    let tree = walk.tree;
    if tree.child(element, "type").is_none() && tree.child(element, "contentReference").is_none() {
        walk.error(rules::SD_TYPE, element, || {
            "the element has neither a type nor the content of another element".into()
        });
    }
}

/// A profile on a type is for that type.
fn types(walk: &mut Walk<'_>, element: NodeId) {
    let tree = walk.tree;
    for one in tree.named(element, "type") {
        let Some(code) = tree.child_value(one, "code") else { continue };
        for profile in tree.named(one, "profile") {
            let Some(url) = tree.value(profile) else { continue };
            let Some(defined) = walk.core.registry.profile(url) else { continue };
            let backbone = matches!(code, "BackboneElement" | "Element");
            let general = matches!(code, "Resource" | "DomainResource")
                && walk.core.registry.is_a(&defined.type_name, code);
            if defined.type_name != code && !backbone && !general {
                walk.error(rules::SD_TYPE_PROFILE, profile, || {
                    format!("the profile `{url}` is for `{}`, but the type is `{code}`", defined.type_name)
                });
            }
        }
    }
}

/// An element is bound to a value set.
fn bound(walk: &mut Walk<'_>, element: NodeId) {
    let tree = walk.tree;
    let Some(set) = tree.child(element, "binding").and_then(|binding| tree.child(binding, "valueSet")) else {
        return;
    };
    let canonical = tree.value(set).unwrap_or("");
    let definitions = &walk.core.definitions;
    if !definitions.knows("ValueSet", canonical) && definitions.knows("CodeSystem", canonical) {
        walk.error(rules::SD_BINDING, set, || format!("`{canonical}` is a code system, not a value set"));
    }
}

/// The expressions of invariants are FHIRPath.
fn expressions(walk: &mut Walk<'_>, element: NodeId) {
    let tree = walk.tree;
    for constraint in tree.named(element, "constraint") {
        let Some(expression) = tree.child(constraint, "expression") else { continue };
        if let Some(text) = tree.value(expression)
            && let Err(error) = Expression::parse(text)
        {
            walk.error(rules::SD_EXPRESSION, expression, || {
                format!("the expression is not FHIRPath: {error}")
            });
        }
    }
}

/// The discriminators of a slicing lead somewhere, and a slice does not change how its list is sliced.
fn slicing(walk: &mut Walk<'_>, element: NodeId, type_name: &str, following: &[NodeId]) {
    let tree = walk.tree;
    let Some(slicing) = tree.child(element, "slicing") else { return };
    let path = tree.child_value(element, "path").unwrap_or("");
    for discriminator in tree.named(slicing, "discriminator") {
        let Some(text) = tree.child_value(discriminator, "path") else { continue };
        if !walk.core.registry.leads(type_name, path, text) {
            walk.error(rules::SD_SLICING, discriminator, || {
                format!("the path `{text}` of the discriminator leads nowhere from `{path}`")
            });
        }
    }
    let Some(name) = tree.child_value(element, "sliceName") else { return };
    let resliced = following.iter().any(|other| {
        tree.child_value(*other, "path") == Some(path)
            && tree
                .child_value(*other, "sliceName")
                .and_then(|other| other.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with('/'))
    });
    if !resliced {
        walk.warning(rules::SD_SLICING, slicing, || {
            format!("the slice `{name}` of `{path}` is sliced, but has no slices")
        });
    }
}

/// A snapshot can be generated from the differential, within the rules of profiling.
fn generated(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    if tree.child_value(node, "derivation") != Some("constraint")
        || tree.child(node, "differential").is_none()
    {
        return;
    }
    let body = node_json(&walk.core.definitions, tree, node);
    let text = |name: &str| tree.child_value(node, name).map(str::to_owned);
    let Some(url) = text("url") else { return };
    let artefact = Artefact {
        resource_type: "StructureDefinition".to_owned(),
        url,
        version: text("version"),
        body,
        origin: String::new(),
    };
    match walk.core.definitions.generate(&artefact) {
        Ok(generated) => {
            for violation in &generated.violations {
                let grave = matches!(
                    violation.rule,
                    "snapshot-cardinality"
                        | "snapshot-type"
                        | "snapshot-target"
                        | "snapshot-binding"
                        | "snapshot-slicing"
                );
                let severity = if grave { Severity::Error } else { Severity::Warning };
                walk.find(severity, rules::SD_SNAPSHOT, node, || {
                    format!("`{}`: {}", violation.element, violation.text)
                });
            }
            if let Some(differential) = tree.child(node, "differential") {
                authored(walk, differential, &generated.elements);
            }
            if let Some(snapshot) = tree.child(node, "snapshot") {
                kept(walk, snapshot, &generated.elements);
            }
        }
        Err(error) => {
            let base = text("baseDefinition").unwrap_or_default();
            if walk.core.definitions.knows("StructureDefinition", &base) {
                walk.error(rules::SD_SNAPSHOT, node, || format!("no snapshot can be generated: {error}"));
            } else {
                walk.unchecked("profile", &base, node, "the base of the profile is not known");
            }
        }
    }
}

/// The types in a snapshot are those that the base and the differential allow.
fn kept(walk: &mut Walk<'_>, snapshot: NodeId, generated: &[Value]) {
    let tree = walk.tree;
    let types: HashMap<&str, Vec<&str>> = generated
        .iter()
        .filter_map(|element| {
            let types = element.get("type")?.as_array()?;
            Some((
                element.get("id")?.as_str()?,
                types.iter().filter_map(|one| one.get("code")?.as_str()).collect(),
            ))
        })
        .collect();
    for element in tree.named(snapshot, "element") {
        let Some(allowed) = tree.child_value(element, "id").and_then(|id| types.get(id)) else { continue };
        for one in tree.named(element, "type") {
            if tree
                .child_value(one, "code")
                .is_some_and(|code| !allowed.is_empty() && !allowed.contains(&code))
            {
                walk.error(rules::SD_TYPE, one, || {
                    format!("the type is none of those that the base allows: `{}`", allowed.join("`, `"))
                });
            }
        }
    }
}

/// What the author wrote, against the snapshot made of it: elements in the order of the base, and values of the
/// element's type.
fn authored(walk: &mut Walk<'_>, differential: NodeId, snapshot: &[Value]) {
    let tree = walk.tree;
    let text = |element: &'_ Value, name: &str| element.get(name).and_then(Value::as_str).map(str::to_owned);
    let places: HashMap<String, (usize, &Value)> = snapshot
        .iter()
        .enumerate()
        .filter_map(|(index, element)| Some((text(element, "id")?, (index, element))))
        .collect();
    let mut last = 0;
    for element in tree.named(differential, "element") {
        let Some(id) = tree.child_value(element, "id") else { continue };
        let Some((place, made)) = places.get(id) else { continue };
        if *place < last {
            walk.error(rules::SD_SNAPSHOT, element, || {
                format!("`{id}` does not stand in the order of the base")
            });
        }
        last = last.max(*place);
        valued(walk, element, made);
    }
}

/// A fixed value or pattern is of the element's type.
fn valued(walk: &mut Walk<'_>, element: NodeId, made: &Value) {
    let tree = walk.tree;
    let types: Vec<&str> = made
        .get("type")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("code")?.as_str())
        .collect();
    if types.is_empty() || types.iter().any(|code| code.contains('/')) {
        return;
    }
    for child in tree.children(element) {
        let name = tree.name(child);
        let Some(suffix) = name.strip_prefix("fixed").or_else(|| name.strip_prefix("pattern")) else {
            continue;
        };
        if !types.iter().any(|code| Registry::written(code) == suffix) {
            walk.error(rules::SD_VALUE, child, || {
                format!("the value is of type `{suffix}`, and the element of `{}`", types.join("` or `"))
            });
        }
    }
}
