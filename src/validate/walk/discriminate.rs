//! Whether an element is in a slice.

use super::Walk;
use super::values::matches;
use crate::fhir::tree::NodeId;
use crate::validate::rules;
use crate::validate::schema::{Expectation, Registry, Schema, Slice, Slicing, Step};
use smallvec::{SmallVec, smallvec};

/// The nodes that steps lead to; one or none are the common cases.
type Nodes = SmallVec<[NodeId; 4]>;

impl Walk<'_> {
    /// Whether an element meets everything by which a slice is told from others.
    pub(super) fn is_in(&mut self, node: NodeId, schema: &Schema, slicing: &Slicing, slice: &Slice) -> bool {
        let core = self.core;
        let tests = core.registry.expectations(schema, slicing, slice);
        let mut said = false;
        for (discriminator, test) in slicing.discriminators.iter().zip(tests) {
            if matches!(test, Expectation::Unknown) {
                continue;
            }
            said = true;
            let steps = discriminator.steps.as_deref().unwrap_or(&[]);
            if !self.meets(node, steps, test) {
                return false;
            }
        }
        if !said {
            if slicing.discriminators.is_empty() {
                return self.fits(node, schema, slice);
            }
            self.error(rules::SLICING_DISCRIMINATOR, node, || {
                format!(
                    "the slice `{}` of `{}` says nothing by which it can be told from others",
                    slice.name,
                    schema.canonical()
                )
            });
        }
        said
    }

    /// Without a discriminator an element is in a slice when it meets all the slice asks for.
    fn fits(&mut self, node: NodeId, schema: &Schema, slice: &Slice) -> bool {
        let Some(element) = schema.element(slice.element as usize) else { return false };
        let name = self.tree.name(node);
        let of_type =
            element.types.iter().find(|one| one.member.as_ref() == name).or_else(|| element.types.first());
        self.attempt(|walk| walk.element(node, schema, element, of_type))
    }

    fn meets(&mut self, node: NodeId, steps: &[Step], test: &Expectation) -> bool {
        match test {
            Expectation::Url(url) => self.tree.child_value(node, "url") == Some(url),
            Expectation::Type(types) => self.has_type(node, steps, types),
            Expectation::Profile(profiles) => {
                let nodes = self.follow(node, steps);
                nodes.into_iter().any(|found| {
                    profiles.iter().any(|url| match self.core.registry.profile(url) {
                        Some(schema) => self.conforms(found, &schema),
                        None => false,
                    })
                })
            }
            Expectation::Exists(wanted) => self.follow(node, steps).is_empty() != *wanted,
            Expectation::Bound(value_set) => {
                let nodes = self.follow(node, steps);
                nodes.into_iter().any(|found| self.is_member(found, value_set))
            }
            Expectation::Fixed(value) => {
                let tree = self.tree;
                self.follow(node, steps).into_iter().any(|found| matches(tree, found, value, true))
            }
            Expectation::Pattern(value) => {
                let tree = self.tree;
                self.follow(node, steps).into_iter().any(|found| matches(tree, found, value, false))
            }
            Expectation::All(parts) => {
                let nodes = self.follow(node, steps);
                nodes
                    .into_iter()
                    .any(|found| parts.iter().all(|(steps, test)| self.meets(found, steps, test)))
            }
            Expectation::Unknown => false,
        }
    }

    fn has_type(&mut self, node: NodeId, steps: &[Step], types: &[Box<str>]) -> bool {
        let tree = self.tree;
        if let [before @ .., Step::Resolve] = steps {
            // A target that is not at hand still has the type that its reference names.
            return self.follow(node, before).into_iter().any(|reference| match self.resolved(reference) {
                Some(target) => tree.resource_type(target).is_some_and(|name| self.is_one(name, types)),
                None => {
                    let named = tree
                        .child_value(reference, "reference")
                        .and_then(|url| crate::validate::references::type_of(url, self.core))
                        .or_else(|| tree.child_value(reference, "type"));
                    named.is_some_and(|name| self.is_one(name, types))
                }
            });
        }
        self.follow(node, steps).into_iter().any(|found| match tree.resource_type(found) {
            Some(name) => self.is_one(name, types),
            None => {
                let name = tree.name(found);
                types.iter().any(|code| {
                    let written = Registry::written(code);
                    name.strip_suffix(written.as_str()).is_some_and(|stem| !stem.is_empty())
                })
            }
        })
    }

    fn is_one(&self, name: &str, types: &[Box<str>]) -> bool {
        types.iter().any(|code| self.core.definitions.is_a(name, code))
    }

    /// The nodes that steps lead to.
    pub(super) fn follow(&mut self, node: NodeId, steps: &[Step]) -> Nodes {
        let tree = self.tree;
        let mut nodes: Nodes = smallvec![node];
        for step in steps {
            let mut next = Nodes::new();
            for at in nodes {
                match step {
                    Step::Child(name) => {
                        next.extend(tree.children(at).filter(|child| self.is_named(*child, name)))
                    }
                    Step::Extension(url) => next.extend(
                        tree.named(at, "extension")
                            .filter(|child| tree.child_value(*child, "url") == Some(url)),
                    ),
                    Step::OfType(name) => {
                        let written = Registry::written(name);
                        if tree.resource_type(at) == Some(name) || tree.name(at).ends_with(written.as_str()) {
                            next.push(at);
                        }
                    }
                    Step::Resolve => next.extend(self.resolved(at)),
                }
            }
            nodes = next;
        }
        nodes
    }

    /// Whether a node is the element of this name; a choice carries its type.
    fn is_named(&self, node: NodeId, name: &str) -> bool {
        let written = self.tree.name(node);
        match written.strip_prefix(name) {
            Some("") => true,
            Some(rest) => {
                rest.starts_with(|c: char| c.is_ascii_uppercase()) && self.core.registry.is_suffix(rest)
            }
            None => false,
        }
    }
}
