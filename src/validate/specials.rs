//! Rules that one kind of resource has beyond its definition.

use super::rules;
use super::walk::Walk;
use crate::fhir::tree::NodeId;

/// Checks the rules of a resource's own kind.
pub(super) fn specials(walk: &mut Walk<'_>, node: NodeId, type_name: &str) {
    if type_name == "Bundle" {
        super::bundle::check(walk, node);
    }
    super::conformance::check(walk, node, type_name);
    contained(walk, node);
}

/// Contained resources have an id of their own.
fn contained(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    let mut seen: Vec<&str> = Vec::new();
    for one in tree.named(node, "contained") {
        match tree.child_value(one, "id") {
            None => walk.error(rules::CONTAINED_ID, one, || "a contained resource must have an id".into()),
            Some(id) if seen.contains(&id) => {
                walk.error(rules::CONTAINED_ID, one, || "another contained resource has the same id".into());
            }
            Some(id) => seen.push(id),
        }
    }
}
