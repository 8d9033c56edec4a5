//! What a reference leads to, within a resource and within a bundle. The entries of a bundle are indexed once.

use super::Core;
use crate::definitions::{Set, Table};
use crate::fhir::tree::{NodeId, Tree};
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, PoisonError};

/// The entry and its resource for each hit; one is the rule.
type Entries = SmallVec<[(NodeId, NodeId); 1]>;

/// The entries of one bundle.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The entry and its resource for each `fullUrl`, and for each `fullUrl/_history/version`.
    by_url: Table<String, Entries>,
    /// The same for each `Type/id`.
    by_id: Table<String, Entries>,
    /// The ids of the resources.
    ids: Set<String>,
}

/// The bundles that were indexed.
#[derive(Debug, Default)]
pub(super) struct References {
    indexes: Mutex<Table<NodeId, Arc<Index>>>,
}

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A contained resource, or the container itself (`#`).
    Contained(NodeId),
    /// The entry of a bundle and its resource.
    Entry(NodeId, NodeId),
    /// Several entries have that `fullUrl`.
    Several(usize),
    /// So many entries have the type and id, but another `fullUrl` than the reference asks for.
    Apparent(Vec<(NodeId, NodeId)>),
    /// A fragment of this resource that is not there.
    NoFragment,
    /// Nothing here; it may be elsewhere.
    Elsewhere,
}

impl References {
    /// The index of a bundle, made at first use.
    pub fn index(&self, tree: &Tree<'_>, bundle: NodeId) -> Arc<Index> {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(indexes.entry(bundle).or_insert_with(|| Arc::new(Index::of(tree, bundle))))
    }
}

impl Index {
    fn of(tree: &Tree<'_>, bundle: NodeId) -> Index {
        let mut index = Index::default();
        for entry in tree.named(bundle, "entry") {
            let Some(resource) = tree.child(entry, "resource") else { continue };
            let found = (entry, resource);
            let version = tree
                .child(resource, "meta")
                .and_then(|meta| tree.child_value(meta, "versionId"))
                .filter(|v| !v.is_empty());
            let add = |map: &mut Table<String, Entries>, key: String| {
                if let Some(version) = version {
                    map.entry(format!("{key}/_history/{version}")).or_default().push(found);
                }
                map.entry(key).or_default().push(found);
            };
            index.ids.extend(tree.child_value(resource, "id").map(str::to_owned));
            if let Some(url) = tree.child_value(entry, "fullUrl") {
                add(&mut index.by_url, url.to_owned());
            }
            if let (Some(name), Some(id)) = (tree.resource_type(resource), tree.child_value(resource, "id")) {
                add(&mut index.by_id, format!("{name}/{id}"));
            }
        }
        index
    }

    /// Whether a resource of the bundle has this id.
    pub fn has_id(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// All entries of a `Type/id`.
    pub fn entries(&self, name: &str) -> &[(NodeId, NodeId)] {
        self.by_id.get(name).map_or(&[], |found| found)
    }

    /// Whether an entry has this `Type/id`.
    pub fn has(&self, name: &str) -> bool {
        self.by_id.contains_key(name)
    }

    /// All entries of a `fullUrl`.
    pub fn of_url(&self, url: &str) -> &[(NodeId, NodeId)] {
        self.by_url.get(url).map_or(&[], |found| found)
    }

    /// Finds the entry that a reference in `entry` leads to, by the rules of
    /// <https://hl7.org/fhir/R4/bundle.html#references>.
    pub fn find(&self, tree: &Tree<'_>, core: &Core, reference: &str, entry: NodeId) -> Found {
        let bare = reference.split('#').next().unwrap_or(reference);
        if is_absolute(bare) {
            return one(self.of_url(bare));
        }
        if let Some(url) = tree.child_value(entry, "fullUrl")
            && let Some(base) = service_base(url, core)
        {
            match one(self.of_url(&format!("{base}{bare}"))) {
                Found::Elsewhere => {}
                found => return found,
            }
        }
        match self.by_id.get(bare) {
            Some(found) => Found::Apparent(found.to_vec()),
            None => Found::Elsewhere,
        }
    }
}

fn one(found: &[(NodeId, NodeId)]) -> Found {
    match found {
        [] => Found::Elsewhere,
        [(entry, resource)] => Found::Entry(*entry, *resource),
        several => Found::Several(several.len()),
    }
}

/// Whether a reference begins with a scheme.
pub(super) fn is_absolute(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    let mut bytes = scheme.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// The base of a RESTful URL, with its last slash: `http://a/fhir/` of `http://a/fhir/Flag/1`.
pub(super) fn service_base<'u>(url: &'u str, core: &Core) -> Option<&'u str> {
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return None;
    }
    let url = url.split("/_history/").next().unwrap_or(url);
    let (rest, id) = url.rsplit_once('/')?;
    let (base, name) = rest.rsplit_once('/')?;
    let fine = is_id(id) && core.definitions.is_resource_type(name) && base.len() > "https://".len();
    if fine { url.get(..base.len() + 1) } else { None }
}

/// The resource type that a literal reference names.
pub(super) fn type_of<'u>(reference: &'u str, core: &Core) -> Option<&'u str> {
    let bare = reference.split(['#', '?']).next().unwrap_or(reference);
    let bare = bare.split("/_history/").next().unwrap_or(bare);
    let (rest, id) = bare.rsplit_once('/')?;
    let name = rest.rsplit('/').next()?;
    (is_id(id) && core.definitions.is_resource_type(name)).then_some(name)
}

/// Whether a text has the form of an id.
pub(super) fn is_id(text: &str) -> bool {
    crate::fhir::primitive::Primitive::Id.check(text).is_ok()
}

/// The contained resource of this id, in the resource that contains; the id of `#` alone is empty.
pub(super) fn contained(tree: &Tree<'_>, resource: NodeId, id: &str) -> Option<NodeId> {
    let container = container(tree, resource);
    if id.is_empty() {
        return Some(container);
    }
    tree.named(container, "contained").find(|one| tree.child_value(*one, "id") == Some(id))
}

/// The resource that holds the contained resources of a resource: itself, or the one that contains it.
pub(super) fn container(tree: &Tree<'_>, resource: NodeId) -> NodeId {
    let mut at = resource;
    while tree.name(at) == "contained" {
        match tree.parent(at) {
            Some(parent) => at = parent,
            None => break,
        }
    }
    at
}

/// The entry and the bundle that a node stands in, the nearest first.
pub(super) fn entry_of(tree: &Tree<'_>, node: NodeId) -> Option<(NodeId, NodeId)> {
    let mut at = node;
    loop {
        let parent = tree.parent(at)?;
        if tree.name(at) == "entry" && tree.resource_type(parent) == Some("Bundle") {
            return Some((at, parent));
        }
        at = parent;
    }
}
