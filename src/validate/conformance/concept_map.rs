//! ConceptMap: the codes it maps are in its source and target value sets.

use crate::definitions::Membership;
use crate::definitions::terminology::ValueSet;
use crate::fhir::tree::NodeId;
use crate::validate::rules;
use crate::validate::walk::Walk;
use std::sync::Arc;

pub(super) fn check(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    let scope = |names: [&str; 2]| -> Option<Arc<ValueSet>> {
        let canonical = names.iter().find_map(|name| tree.child_value(node, name))?;
        walk.core.definitions.value_set(canonical)
    };
    let source = scope(["sourceCanonical", "sourceUri"]);
    let target = scope(["targetCanonical", "targetUri"]);
    for group in tree.named(node, "group") {
        let from = tree.child_value(group, "source");
        let to = tree.child_value(group, "target");
        for element in tree.named(group, "element") {
            mapped(walk, element, from, source.as_deref(), "source");
            for one in tree.named(element, "target") {
                mapped(walk, one, to, target.as_deref(), "target");
            }
        }
    }
}

fn mapped(walk: &mut Walk<'_>, holder: NodeId, system: Option<&str>, set: Option<&ValueSet>, side: &str) {
    let tree = walk.tree;
    let core = walk.core;
    let Some(node) = tree.child(holder, "code") else { return };
    let (Some(system), Some(code)) = (system, tree.value(node)) else { return };
    match core.definitions.has_code(system, code) {
        Membership::No(why) => {
            walk.error(rules::CM_CODE, node, || format!("the {side} code is not one of `{system}`: {why}"));
            return;
        }
        // Of a code system that is not known nothing is said.
        Membership::Unknown(_) => return,
        Membership::Yes => {}
    }
    if let Some(set) = set
        && let Membership::No(why) = set.member(Some(system), None, code)
    {
        walk.error(rules::CM_CODE, node, || {
            format!("the {side} code is not in the value set `{}`: {why}", set.url)
        });
    }
}
