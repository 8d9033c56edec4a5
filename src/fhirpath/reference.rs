//! Where a reference leads within one tree: contained resources and the entries of a Bundle.
//!
//! Implements <https://hl7.org/fhir/R4/references.html#contained> and <https://hl7.org/fhir/R4/bundle.html#references>.

use super::model::Resolution;
use crate::fhir::tree::{NodeId, Tree};

/// Finds the resource that a reference at `from` means.
pub fn resolve(tree: &Tree<'_>, from: NodeId, reference: &str) -> Resolution {
    let resource = tree.resource_of(from);
    if let Some(id) = reference.strip_prefix('#') {
        let container = container_of(tree, resource);
        if id.is_empty() {
            return Resolution::Found(container);
        }
        let contained =
            tree.named(container, "contained").find(|node| tree.child_value(*node, "id") == Some(id));
        return contained.map_or(Resolution::Unknown, Resolution::Found);
    }
    in_bundles(tree, container_of(tree, resource), reference).unwrap_or_else(|| match named_type(reference) {
        Some(name) => Resolution::Typed(name.to_owned()),
        None => Resolution::Unknown,
    })
}

/// The resource that contains this one, or itself.
pub fn container_of(tree: &Tree<'_>, resource: NodeId) -> NodeId {
    match tree.parent(resource) {
        Some(parent) if tree.name(resource) == "contained" => tree.resource_of(parent),
        _ => resource,
    }
}

/// The resource type that a literal reference names: `Patient/1`, `https://host/Patient/1/_history/2`.
pub fn named_type(reference: &str) -> Option<&str> {
    let path = reference.split_once("/_history/").map_or(reference, |(path, _)| path);
    let path = path.split_once(['?', '#']).map_or(path, |(path, _)| path);
    let (head, id) = path.rsplit_once('/')?;
    let name = head.rsplit_once('/').map_or(head, |(_, name)| name);
    let upper = name.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
    let plain = !id.is_empty() && upper && name.bytes().all(|b| b.is_ascii_alphabetic());
    plain.then_some(name)
}

/// Looks in the Bundle around the resource, and in the Bundles around that.
fn in_bundles(tree: &Tree<'_>, resource: NodeId, reference: &str) -> Option<Resolution> {
    let mut entry = tree.parent(resource)?;
    let absolute = reference.contains(':');
    let unversioned = reference.split_once("/_history/").map_or(reference, |(path, _)| path);
    loop {
        let bundle = tree.parent(entry)?;
        if tree.name(entry) == "entry" && tree.resource_type(bundle) == Some("Bundle") {
            let base = tree.child_value(entry, "fullUrl").and_then(root_of);
            let wanted = match base {
                Some(base) if !absolute => format!("{base}{unversioned}"),
                _ => unversioned.to_owned(),
            };
            for candidate in tree.named(bundle, "entry") {
                let Some(found) = tree.child(candidate, "resource") else { continue };
                let full = tree.child_value(candidate, "fullUrl");
                let by_id = || !absolute && base.is_none() && is_called(tree, found, unversioned);
                if full == Some(wanted.as_str()) || full == Some(reference) || by_id() {
                    return Some(Resolution::Found(found));
                }
            }
        }
        entry = bundle;
    }
}

/// The server's part of a `fullUrl`, with its slash; nothing for `urn:`.
fn root_of(full: &str) -> Option<&str> {
    let name = named_type(full)?;
    let tail = full.rsplit_once('/')?.0.strip_suffix(name)?;
    Some(tail)
}

fn is_called(tree: &Tree<'_>, resource: NodeId, reference: &str) -> bool {
    let Some((name, id)) = reference.split_once('/') else { return false };
    tree.resource_type(resource) == Some(name) && tree.child_value(resource, "id") == Some(id)
}
