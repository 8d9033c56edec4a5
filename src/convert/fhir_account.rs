//! The ledger of a FHIR submission: what stands in a resource that was made went to the same element of it.

use super::evaluate::Made;
use super::fhir_input::{IDENTITY, Item};
use super::ledger::{Marks, Reason, Target};
use super::stu3;
use super::tree::{NodeId, Tree};
use std::sync::Arc;

/// The ledger's marks: what stands in a resource that was made went to the same element of it.
pub(super) fn account(
    tree: &Tree<'_>,
    items: &[Item],
    made: &[Made],
    from: &[Option<usize>],
    held: &[(usize, usize, String)],
) -> Marks {
    let mut marks = Marks::new(tree);
    for (slot, (one, item)) in (0u32..).zip(made.iter().zip(from)) {
        let Some(item) = item.and_then(|i| items.get(i)) else { continue };
        for (child, node) in tree.children(item.at) {
            let identity_only = one.resource_type == "Patient" && !IDENTITY.contains(&node.name);
            if identity_only || matches!(node.name, "id") {
                continue;
            }
            let known = one.resource.contains_key(node.name);
            let name = if known { node.name } else { stu3::renamed(node.name) };
            keep(tree, child, name, slot, &mut marks);
        }
    }
    for (item, slot, path) in held {
        let Some(item) = items.get(*item) else { continue };
        for (child, node) in tree.children(item.at).filter(|(_, n)| !matches!(n.name, "id" | "meta" | "text"))
        {
            let slot = u32::try_from(*slot).unwrap_or(u32::MAX);
            keep(tree, child, &format!("{path}.{}", node.name), slot, &mut marks);
        }
    }
    for (value, _) in tree.values() {
        // What is left of the envelope steers the exchange between systems.
        let place = tree.place(value);
        let transport =
            items.iter().all(|i| !tree.is_within(value, i.at)) || place.ends_with("/id") || place == "/id";
        if transport {
            marks.dropped(value, Reason::Administrative);
        }
    }
    // The patient named inside a fact alone: the reference's identifier became the Patient's.
    marks
}

fn keep(tree: &Tree<'_>, at: NodeId, path: &str, slot: u32, marks: &mut Marks) {
    if tree.node(at).is_some_and(|n| n.text.is_some()) {
        if matches!(path, "meta.versionId" | "meta.lastUpdated") {
            marks.dropped(at, Reason::Administrative);
        } else {
            marks.used(at, false, Target { made: slot, element: Arc::from(path), line: 0 });
        }
    }
    for (child, node) in tree.children(at) {
        let name = if node.name.is_empty() {
            format!("{path}[{}]", node.number)
        } else {
            format!("{path}.{}", node.name)
        };
        keep(tree, child, &name, slot, marks);
    }
}
