//! Whether a path of members leads anywhere, without collecting what it leads to.

use super::{Machine, Outcome, Scope};
use crate::fhir::tree::{NodeId, Tag};
use crate::fhirpath::expression::{ExprId, Kind};
use crate::fhirpath::value::Item;

impl<'t> Machine<'t> {
    /// Whether a part yields anything; a path of members is not collected.
    pub(super) fn any(&mut self, id: ExprId, scope: Scope<'_, 't>) -> Outcome<bool> {
        if let [Item::Node(node)] = scope.this
            && self.expression.is_path(id)
        {
            return self.leads(id, *node, &mut |_, _| Ok(true));
        }
        Ok(!self.eval(id, scope)?.is_empty())
    }

    /// Whether `then` says yes to one of the elements that a path of members leads to.
    fn leads(
        &mut self,
        id: ExprId,
        node: NodeId,
        then: &mut dyn FnMut(&mut Self, NodeId) -> Outcome<bool>,
    ) -> Outcome<bool> {
        let Kind::Member(base, name) = self.expression.kind(id) else { return Ok(false) };
        let mut last = |machine: &mut Self, parent: NodeId| {
            machine.spend(1, id)?;
            let tree = machine.tree;
            let tag = Tag::of(name);
            for child in tree.children(parent) {
                if tree.tag(child).may_begin(tag)
                    && machine.is_member(parent, child, name)
                    && then(machine, child)?
                {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        match base {
            Some(base) => self.leads(*base, node, &mut last),
            None => last(self, node),
        }
    }
}
