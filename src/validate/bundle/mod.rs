//! Rules of bundles beyond their definition.
//!
//! Implements <https://hl7.org/fhir/R4/bundle.html>, <https://hl7.org/fhir/R4/documents.html> and
//! <https://hl7.org/fhir/R4/messaging.html>. Every pass is linear in the size of the bundle.

mod linked;
mod search;

use super::references::{is_absolute, service_base};
use super::rules;
use super::walk::Walk;
use crate::fhir::tree::NodeId;

/// Checks one bundle.
pub(super) fn check(walk: &mut Walk<'_>, bundle: NodeId) {
    let tree = walk.tree;
    let kind = tree.child_value(bundle, "type").unwrap_or("");
    links(walk, bundle, kind);
    let entries: Vec<NodeId> = tree.named(bundle, "entry").collect();
    match kind {
        "document" => linked::document(walk, bundle, &entries),
        "message" => linked::message(walk, bundle, &entries),
        "searchset" => search::check(walk, bundle, &entries),
        _ => {}
    }
    let optional = matches!(kind, "transaction" | "transaction-response" | "batch" | "batch-response");
    for entry in &entries {
        full_url(walk, *entry, optional);
        empty(walk, *entry);
    }
}

/// A resource that says nothing but its type is none (`bdl-5`).
fn empty(walk: &mut Walk<'_>, entry: NodeId) {
    let tree = walk.tree;
    if let Some(resource) = tree.child(entry, "resource")
        && !tree.has_children(resource)
        && tree.child(entry, "request").is_none()
        && tree.child(entry, "response").is_none()
    {
        walk.error(rules::BUNDLE_RESOURCE, entry, || {
            "the resource has no element at all, and there is no request or response".into()
        });
    }
}

/// The `fullUrl` of an entry is absolute, and agrees with the id of its resource.
fn full_url(walk: &mut Walk<'_>, entry: NodeId, optional: bool) {
    let tree = walk.tree;
    let Some(url) = tree.child_value(entry, "fullUrl").filter(|url| !url.is_empty()) else {
        if !optional {
            walk.error(rules::BUNDLE_FULL_URL_REQUIRED, entry, || {
                "an entry must have a `fullUrl`, except in a batch or transaction".into()
            });
        }
        return;
    };
    if !is_absolute(url) {
        walk.error(rules::BUNDLE_FULL_URL, entry, || "the `fullUrl` must be absolute".into());
        return;
    }
    let Some(resource) = tree.child(entry, "resource") else { return };
    let Some(name) = tree.resource_type(resource) else { return };
    if service_base(url, walk.core).is_none() {
        return;
    }
    match tree.child_value(resource, "id") {
        None => walk.error(rules::BUNDLE_FULL_URL, entry, || {
            "the `fullUrl` is that of a resource on a server, but the resource has no id".into()
        }),
        Some(id) => {
            let agrees = url
                .strip_suffix(id)
                .and_then(|rest| rest.strip_suffix('/'))
                .and_then(|rest| rest.strip_suffix(name))
                .is_some_and(|rest| rest.ends_with('/'));
            if !agrees {
                walk.error(rules::BUNDLE_FULL_URL, entry, || {
                    format!("the `fullUrl` must end with `{name}` and the id of the resource")
                });
            }
        }
    }
}

/// The links of a bundle suit its type, and a relation that can have one link only has one.
fn links(walk: &mut Walk<'_>, bundle: NodeId, kind: &str) {
    let tree = walk.tree;
    let paged = matches!(kind, "searchset" | "history");
    let mut seen: Vec<&str> = Vec::new();
    for link in tree.named(bundle, "link") {
        let Some(relation) = tree.child_value(link, "relation") else { continue };
        let page = matches!(relation, "first" | "previous" | "next" | "last");
        if page && !paged && !kind.is_empty() {
            walk.error(rules::BUNDLE_LINK, link, || {
                format!("a bundle of this type has no link `{relation}`")
            });
        }
        if (page && paged) || relation == "self" {
            if seen.contains(&relation) {
                walk.error(rules::BUNDLE_LINK, link, || format!("the link `{relation}` may stand once only"));
            }
            seen.push(relation);
        }
        if kind == "document"
            && relation == "stylesheet"
            && let Some(url) = tree.child_value(link, "url")
            && !is_absolute(url)
            && !walk.references.index(tree, bundle).has(url)
        {
            walk.error(rules::BUNDLE_LINK, link, || "the stylesheet is not in the bundle".into());
        }
    }
}
