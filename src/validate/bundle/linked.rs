//! Documents and messages: what comes first, what must be in the bundle, and that every entry is linked with it.

use crate::fhir::tree::NodeId;
use crate::validate::references::Found;
use crate::validate::rules;
use crate::validate::walk::Walk;
use std::collections::HashMap;

/// The elements of a Composition whose targets must be in the document.
const COMPOSITION: &[&str] = &["subject", "author", "encounter", "custodian"];

/// Checks a document.
pub(super) fn document(walk: &mut Walk<'_>, bundle: NodeId, entries: &[NodeId]) {
    let tree = walk.tree;
    let Some(composition) = first(walk, bundle, entries, "Composition", "document") else { return };
    for name in COMPOSITION {
        for reference in tree.named(composition, name) {
            must_be_here(walk, reference);
        }
    }
    for (holder, name) in [("attester", "party"), ("event", "detail")] {
        for outer in tree.named(composition, holder) {
            for reference in tree.named(outer, name) {
                must_be_here(walk, reference);
            }
        }
    }
    let mut open: Vec<NodeId> = tree.named(composition, "section").collect();
    while let Some(section) = open.pop() {
        for name in ["author", "focus", "entry"] {
            for reference in tree.named(section, name) {
                must_be_here(walk, reference);
            }
        }
        open.extend(tree.named(section, "section"));
    }
    reachable(walk, bundle, entries, false);
}

/// Checks a message.
pub(super) fn message(walk: &mut Walk<'_>, bundle: NodeId, entries: &[NodeId]) {
    let tree = walk.tree;
    let Some(header) = first(walk, bundle, entries, "MessageHeader", "message") else { return };
    for focus in tree.named(header, "focus") {
        must_be_here(walk, focus);
    }
    reachable(walk, bundle, entries, true);
}

/// The resource of the first entry, when it is of the type that must come first.
fn first(
    walk: &mut Walk<'_>,
    bundle: NodeId,
    entries: &[NodeId],
    wanted: &str,
    kind: &str,
) -> Option<NodeId> {
    let tree = walk.tree;
    let Some(entry) = entries.first() else {
        walk.error(rules::BUNDLE_FIRST, bundle, || {
            format!("a {kind} must have a first entry with a `{wanted}`")
        });
        return None;
    };
    let Some(resource) = tree.child(*entry, "resource") else {
        walk.error(rules::BUNDLE_FIRST, *entry, || {
            format!("the first entry of a {kind} must hold a `{wanted}`")
        });
        return None;
    };
    if tree.resource_type(resource) != Some(wanted) {
        walk.error(rules::BUNDLE_FIRST, resource, || {
            format!("the first entry of a {kind} must hold a `{wanted}`")
        });
        return None;
    }
    Some(resource)
}

/// A reference whose target must be in the bundle.
fn must_be_here(walk: &mut Walk<'_>, reference: NodeId) {
    let tree = walk.tree;
    let Some(literal) = tree
        .child_value(reference, "reference")
        .filter(|literal| !literal.is_empty() && !literal.starts_with('#'))
    else {
        return;
    };
    match walk.lead(reference, literal) {
        Found::Elsewhere => walk.error(rules::REFERENCE_BUNDLED, reference, || {
            "the target of the reference is not in the bundle".into()
        }),
        Found::Apparent(entries) => walk.error(rules::REFERENCE_BUNDLED, reference, || {
            format!(
                "the target is not in the bundle; {} entries have its type and id, but another `fullUrl`",
                entries.len()
            )
        }),
        _ => {}
    }
}

/// Every entry is linked with the first, forward or backward.
fn reachable(walk: &mut Walk<'_>, bundle: NodeId, entries: &[NodeId], message: bool) {
    let tree = walk.tree;
    let numbers: HashMap<NodeId, usize> =
        entries.iter().enumerate().map(|(number, entry)| (*entry, number)).collect();
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
    for (number, entry) in entries.iter().enumerate() {
        let Some(resource) = tree.child(*entry, "resource") else { continue };
        for (node, target) in targets(walk, resource) {
            let Found::Entry(found, _) = walk.lead(node, &target) else { continue };
            let Some(other) = numbers.get(&found).copied() else { continue };
            if let Some(list) = neighbours.get_mut(number) {
                list.push(other);
            }
            if let Some(list) = neighbours.get_mut(other) {
                list.push(number);
            }
        }
    }
    let mut seen = vec![false; entries.len()];
    let mut open = vec![0usize];
    for link in tree.named(bundle, "link") {
        if tree.child_value(link, "relation") == Some("stylesheet")
            && let Some(url) = tree.child_value(link, "url")
        {
            let index = walk.references.index(tree, bundle);
            open.extend(index.entries(url).iter().filter_map(|(entry, _)| numbers.get(entry)));
        }
    }
    while let Some(number) = open.pop() {
        let Some(mark) = seen.get_mut(number).filter(|mark| !**mark) else { continue };
        *mark = true;
        open.extend(neighbours.get(number).into_iter().flatten());
    }
    for (entry, seen) in entries.iter().zip(seen) {
        if seen || tree.child(*entry, "resource").is_none() {
            continue;
        }
        if message {
            walk.warning(rules::BUNDLE_UNREACHABLE, *entry, || {
                "the entry is not linked with the MessageHeader".into()
            });
        } else {
            walk.error(rules::BUNDLE_UNREACHABLE, *entry, || {
                "the entry is not linked with the Composition".into()
            });
        }
    }
}

/// The places in a resource that may lead to an entry: references, and URLs that are no names of systems.
fn targets(walk: &Walk<'_>, resource: NodeId) -> Vec<(NodeId, String)> {
    let tree = walk.tree;
    let mut found = Vec::new();
    let mut open = vec![resource];
    while let Some(at) = open.pop() {
        for child in tree.children(at) {
            let name = tree.name(child);
            match tree.value(child) {
                Some(value) => {
                    let url = name == "reference"
                        || name.ends_with("Url")
                        || name.ends_with("Uri")
                        || matches!(name, "url" | "uri" | "location");
                    let extension = name == "url" && tree.name(at).ends_with("xtension");
                    if url && !extension && !value.starts_with('#') {
                        found.push((child, value.to_owned()));
                    }
                }
                None if tree.resource_type(child) == Some("Bundle") => {}
                None => {}
            }
            if tree.resource_type(child) != Some("Bundle") {
                open.push(child);
            }
        }
    }
    found
}
