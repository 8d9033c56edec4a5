//! Rules that one kind of resource has beyond its definition.

use super::walk::Walk;
use crate::fhir::tree::NodeId;

/// Checks the rules of a resource's own kind.
pub(super) fn specials(walk: &mut Walk<'_>, node: NodeId, type_name: &str) {
    let _ = (walk, node, type_name);
}
