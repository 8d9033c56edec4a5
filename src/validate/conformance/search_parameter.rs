//! SearchParameter: its expression is FHIRPath that suits the resources it is for, and a composite has components.

use crate::fhir::tree::NodeId;
use crate::fhirpath::Expression;
use crate::validate::rules;
use crate::validate::walk::Walk;

pub(super) fn check(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    if let Some(holder) = tree.child(node, "expression")
        && let Some(text) = tree.value(holder).filter(|text| !text.is_empty())
    {
        match Expression::parse(text) {
            Ok(_) => roots(walk, node, holder, text),
            Err(error) => walk
                .error(rules::SP_EXPRESSION, holder, || format!("the expression is not FHIRPath: {error}")),
        }
    }
    if tree.child_value(node, "type") == Some("composite") && tree.named(node, "component").count() < 2 {
        walk.error(rules::SP_COMPONENT, node, || {
            "a search parameter of type `composite` must have two components or more".into()
        });
    }
}

/// An expression that begins with a resource type begins with one of those that the parameter is for.
fn roots(walk: &mut Walk<'_>, node: NodeId, holder: NodeId, text: &str) {
    let tree = walk.tree;
    let definitions = &walk.core.definitions;
    let bases: Vec<&str> = tree.named(node, "base").filter_map(|base| tree.value(base)).collect();
    let first = text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
    let strange = definitions.is_resource_type(first)
        && !bases.is_empty()
        && bases.iter().all(|base| *base != first && definitions.is_resource_type(base));
    if strange {
        walk.error(rules::SP_EXPRESSION, holder, || {
            format!("the expression begins with `{first}`, but the parameter is for `{}`", bases.join("`, `"))
        });
    }
}
