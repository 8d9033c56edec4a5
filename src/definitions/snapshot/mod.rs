//! Snapshots from differentials: a profile's elements in full, for any depth of derivation.
//!
//! Implements <https://hl7.org/fhir/R4/profiling.html> and the rules of
//! <https://hl7.org/fhir/R4/elementdefinition.html#interpretation>. The base's snapshot becomes a tree; each element of
//! the differential finds its place there by its id (or, without one, by path and slice name in the order written),
//! opening data types, profiles and content references on the way, and is merged; then the tree is written out.

mod apply;
mod check;
mod ids;
mod merge;
mod node;
#[cfg(test)]
mod tests;

use super::library::{Artefact, split_canonical};
use super::read::{Unusable, list, text};
use super::{Definitions, read_lock, write_lock};
use node::Node;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The elements of a snapshot, as JSON.
pub type Elements = Arc<Vec<Value>>;

/// A generated snapshot.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The elements.
    pub elements: Elements,
    /// What the author did that the base does not allow: one sentence each, with the element's id.
    pub violations: Vec<Violation>,
}

/// A rule of profiling that a differential breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The stable name of the rule, such as `snapshot-cardinality`.
    pub rule: &'static str,
    /// The id of the element.
    pub element: String,
    /// What is wrong: lower case, no full stop.
    pub text: String,
}

const DEEPEST: usize = 32;

impl Definitions {
    /// The snapshot of a StructureDefinition: the one it carries, or one generated from its differential.
    pub fn snapshot(&self, reference: &str) -> Result<Generated, Unusable> {
        self.snapshot_within(reference, 0)
    }

    pub(super) fn snapshot_within(&self, reference: &str, depth: usize) -> Result<Generated, Unusable> {
        if let Some(known) = read_lock(&self.snapshots).get(reference) {
            return known.clone();
        }
        if depth > DEEPEST {
            return Err(Unusable::new(format!("the definition `{reference}` is derived from itself")));
        }
        // What is not known is not kept: a sender could name any number of profiles.
        let artefact = self
            .resource("StructureDefinition", reference)
            .ok_or_else(|| Unusable::new(format!("the definition `{reference}` is not loaded")))?;
        let made = match artefact.body.pointer("/snapshot/element").and_then(Value::as_array) {
            Some(elements) if !elements.is_empty() => {
                Ok(Generated { elements: Arc::new(ids::with_ids(elements)), violations: Vec::new() })
            }
            _ => self.generate_at(&artefact, depth),
        };
        write_lock(&self.snapshots).insert(reference.to_owned(), made.clone());
        made
    }

    /// Generates the snapshot from the differential, even where the definition carries one.
    pub fn generate(&self, artefact: &Artefact) -> Result<Generated, Unusable> {
        self.generate_at(artefact, 0)
    }

    fn generate_at(&self, artefact: &Artefact, depth: usize) -> Result<Generated, Unusable> {
        let body = &artefact.body;
        let about = |why: Unusable| Unusable::new(format!("`{}`: {}", artefact.canonical(), why.text));
        let missing = |name: &str| about(Unusable::new(format!("`{name}` is missing")));
        let base = text(body, "baseDefinition").ok_or_else(|| missing("baseDefinition"))?;
        let type_name = text(body, "type").ok_or_else(|| missing("type"))?;
        let type_name = type_name.rsplit('/').next().unwrap_or_default().to_owned();
        if split_canonical(&base).0 == artefact.url {
            return Err(about(Unusable::new("the definition is derived from itself")));
        }
        let base_elements = self
            .snapshot_within(&base, depth + 1)
            .map_err(|why| about(Unusable::new(format!("its base cannot be used: {}", why.text))))?;
        let specialises = text(body, "derivation").as_deref() == Some("specialization");
        let mut root = Node::tree(&base_elements.elements)
            .ok_or_else(|| about(Unusable::new("the snapshot of its base has no elements")))?;
        if specialises {
            root.rename(&type_name);
        } else if root.name != type_name {
            let text = format!("its type is `{type_name}`, but its base is about `{}`", root.name);
            return Err(about(Unusable::new(text)));
        }
        let differential = ids::with_ids(list(body.get("differential").unwrap_or(&Value::Null), "element"));
        let pristine = root.clone();
        let mut work = apply::Work {
            definitions: self,
            url: &artefact.url,
            pristine: &pristine,
            specialises,
            depth,
            violations: Vec::new(),
        };
        work.differential(&mut root, &differential).map_err(about)?;
        let mut elements = Vec::new();
        root.write("", "", &mut elements);
        let violations = work.violations;
        Ok(Generated { elements: Arc::new(elements), violations })
    }

    /// A StructureDefinition with its snapshot in place, generated where it has none, for people to read.
    pub fn with_snapshot(&self, reference: &str) -> Result<Value, Unusable> {
        // What is not known is not kept: a sender could name any number of profiles.
        let artefact = self
            .resource("StructureDefinition", reference)
            .ok_or_else(|| Unusable::new(format!("the definition `{reference}` is not loaded")))?;
        Ok(placed(&artefact, &self.snapshot(reference)?))
    }

    /// A StructureDefinition with a snapshot generated from its differential, even where it carries one; the
    /// definition of a type, which has no base to start from, as it is.
    pub fn regenerated(&self, reference: &str) -> Result<Value, Unusable> {
        // What is not known is not kept: a sender could name any number of profiles.
        let artefact = self
            .resource("StructureDefinition", reference)
            .ok_or_else(|| Unusable::new(format!("the definition `{reference}` is not loaded")))?;
        if artefact.body.get("differential").is_none() {
            return self.with_snapshot(reference);
        }
        Ok(placed(&artefact, &self.generate(&artefact)?))
    }
}

fn placed(artefact: &Artefact, snapshot: &Generated) -> Value {
    let mut body = artefact.body.clone();
    if let Some(members) = body.as_object_mut() {
        let mut holder = Map::new();
        holder.insert("element".to_owned(), Value::Array(snapshot.elements.to_vec()));
        members.insert("snapshot".to_owned(), Value::Object(holder));
    }
    body
}
