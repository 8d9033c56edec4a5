//! Conditions on the source, and the account of what no rule used: what is left out, and what may never be.

use super::evaluate::{DELETED, Engine};
use super::ledger::{Outcome, Reason};
use super::model::Condition;
use super::path::Path;
use super::tree::NodeId;
use crate::fhir::Issue;
use std::sync::Arc;

impl<'e> Engine<'e, '_> {
    /// Whether a condition is true at a node.
    pub(super) fn test(&self, condition: &Condition, at: NodeId) -> bool {
        match condition {
            Condition::Holds(path, wanted) => {
                let mut hit = false;
                path.visit(self.tree, at, &mut |id| {
                    hit = self
                        .tree
                        .value(id)
                        .is_some_and(|(_, text)| wanted.iter().any(|w| w.takes(text.trim())));
                    !hit
                });
                hit
            }
            Condition::Exists(path) => !self.texts(path, at).is_empty() || self.read(path, at).is_some(),
            Condition::Not(inner) => !self.test(inner, at),
            Condition::All(all) => all.iter().all(|c| self.test(c, at)),
            Condition::Any(any) => any.iter().any(|c| self.test(c, at)),
        }
    }

    /// Notes that the values a condition looks at decided an element.
    pub(super) fn mark_condition(
        &mut self,
        condition: &'e Condition,
        at: NodeId,
        slot: usize,
        element: &Arc<str>,
    ) {
        match condition {
            Condition::Holds(path, _) | Condition::Exists(path) => {
                for value in self.nodes(path, at) {
                    self.mark(value, false, slot, element, 0);
                }
            }
            Condition::Not(inner) => self.mark_condition(inner, at, slot, element),
            Condition::All(all) | Condition::Any(all) => {
                for inner in all {
                    self.mark_condition(inner, at, slot, element);
                }
            }
        }
    }

    /// The values at or below what a path leads to: a text is put together from all that it holds.
    pub(super) fn texts(&self, path: &Path, at: NodeId) -> Vec<NodeId> {
        let mut values = Vec::new();
        path.visit(self.tree, at, &mut |id| {
            self.below(id, &mut |v| values.push(v));
            true
        });
        values.retain(|v| self.text(*v) != DELETED && !self.tree.node(*v).is_some_and(|n| n.attribute));
        values
    }

    /// The values at or below a node.
    pub(super) fn below(&self, at: NodeId, found: &mut dyn FnMut(NodeId)) {
        if self.tree.node(at).is_some_and(|n| n.text.is_some()) {
            found(at);
        }
        for (child, _) in self.tree.children(at) {
            self.below(child, found);
        }
    }

    pub(super) fn drops(&mut self) {
        let mapping = self.mapping;
        for drop in &mapping.drops {
            if drop.when.as_ref().is_some_and(|c| !self.test(c, self.scope)) {
                continue;
            }
            let mut values = Vec::new();
            for path in &drop.paths {
                path.visit(self.tree, self.scope, &mut |id| {
                    self.below(id, &mut |v| values.push(v));
                    true
                });
            }
            for value in values {
                self.marks.dropped(value, drop.reason);
            }
        }
    }

    /// What may never be lost: each such value that was lost is an error.
    pub(super) fn critical(&mut self) {
        let mapping = self.mapping;
        let mut values = Vec::new();
        for path in &mapping.critical {
            path.visit(self.tree, self.scope, &mut |id| {
                self.below(id, &mut |v| values.push(v));
                true
            });
        }
        for value in values {
            let kept = matches!(
                self.marks.outcome(value),
                Some(
                    Outcome::Mapped
                        | Outcome::Carried
                        | Outcome::Dropped(Reason::EmptyBySender | Reason::Duplicate)
                )
            );
            if !kept {
                let text = "a safeguarding-critical value is neither mapped nor carried";
                self.issues.push(Issue::error(
                    "not-supported",
                    "critical-value-lost",
                    self.tree.place(value),
                    text,
                ));
            }
        }
    }
}
