//! StructureDefinition: what an author may do to a base, beyond the invariants of the resource itself.

use crate::definitions::library::Artefact;
use crate::definitions::node_json;
use crate::fhir::tree::NodeId;
use crate::fhirpath::Expression;
use crate::validate::rules;
use crate::validate::walk::Walk;

pub(super) fn check(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    let type_name = tree.child_value(node, "type").unwrap_or("");
    let type_name = type_name.rsplit('/').next().unwrap_or(type_name);
    for view in ["differential", "snapshot"] {
        let Some(view) = tree.child(node, view) else { continue };
        let elements: Vec<NodeId> = tree.named(view, "element").collect();
        for (index, element) in elements.iter().enumerate() {
            types(walk, *element);
            expressions(walk, *element);
            let following = elements.get(index + 1..).unwrap_or(&[]);
            slicing(walk, *element, type_name, following);
        }
    }
    generated(walk, node);
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
            for violation in generated.violations {
                walk.warning(rules::SD_SNAPSHOT, node, || {
                    format!("`{}`: {}", violation.element, violation.text)
                });
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
