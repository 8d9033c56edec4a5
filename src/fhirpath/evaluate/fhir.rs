//! The functions that FHIR R4 adds.
//!
//! Implements <https://hl7.org/fhir/R4/fhirpath.html#functions>.

use super::filters::{first, nodes};
use super::{Machine, Outcome, Scope};
use crate::fhir::tree::{Kind, NodeId};
use crate::fhirpath::expression::ExprId;
use crate::fhirpath::function::Function;
use crate::fhirpath::model::{Coded, Coding, Resolution};
use crate::fhirpath::value::{Collection, Item, maybe, truth};
use std::borrow::Cow;

impl<'t> Machine<'t> {
    pub(super) fn fhir_function(
        &mut self,
        focus: &[Item<'t>],
        function: Function,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        match function {
            Function::HasValue => Ok(truth(match focus {
                [Item::Node(node)] => {
                    self.tree.value(*node).is_some() && self.tree.kind(*node) != Kind::Xhtml
                }
                [Item::Elsewhere(_)] | [] => false,
                [_] => true,
                _ => false,
            })),
            Function::GetValue => Ok(self.get_value(focus)),
            Function::Extension | Function::HasExtension => {
                let Some(url) = self.string(first(args, at), scope)? else { return Ok(Collection::new()) };
                let found = self.extensions(focus, &url, at)?;
                Ok(if function == Function::Extension { found } else { truth(!found.is_empty()) })
            }
            Function::Resolve => self.resolve(focus, at),
            Function::CheckModifiers => self.check_modifiers(focus, args, at, scope),
            Function::HtmlChecks => Ok(match focus {
                [Item::Node(node)] => {
                    maybe(self.environment.services.html_checks(self.tree, *node).map(Item::Boolean))
                }
                _ => Collection::new(),
            }),
            Function::ConformsTo => self.conforms_to(focus, args, at, scope),
            Function::MemberOf => self.member_of(focus, args, at, scope),
            Function::Subsumes | Function::SubsumedBy => self.subsumes(focus, function, args, at, scope),
            Function::Slice => self.slice(focus, args, at, scope),
            // The definition of an element is not an element of the tree.
            _ => Ok(Collection::new()),
        }
    }

    fn extensions(&mut self, focus: &[Item<'t>], url: &str, at: ExprId) -> Outcome<Collection<'t>> {
        let mut found = Collection::new();
        let tree = self.tree;
        for node in nodes(focus) {
            let mut seen = 1;
            for child in tree.children(node) {
                seen += 1;
                let name = tree.name(child);
                if (name == "extension" || name == "modifierExtension")
                    && tree.child_value(child, "url") == Some(url)
                {
                    found.push(Item::Node(child));
                }
            }
            self.spend(seen, at)?;
        }
        Ok(found)
    }

    fn resolve(&mut self, focus: &[Item<'t>], at: ExprId) -> Outcome<Collection<'t>> {
        let mut found = Collection::new();
        let tree = self.tree;
        for item in focus {
            let (from, reference) = match item {
                Item::Node(node) => {
                    match tree.value(*node).or_else(|| tree.child_value(*node, "reference")) {
                        Some(reference) => (*node, Cow::Borrowed(reference)),
                        None => continue,
                    }
                }
                Item::Text(reference) => match self.context {
                    Some(node) => (node, reference.clone()),
                    None => continue,
                },
                _ => continue,
            };
            self.spend(tree.len() / 64 + 1, at)?;
            match self.environment.services.resolve(tree, from, &reference) {
                Resolution::Found(node) => found.push(Item::Node(node)),
                Resolution::Typed(name) => found.push(Item::Elsewhere(Cow::Owned(name))),
                Resolution::Unknown => {}
            }
        }
        Ok(found)
    }

    /// Whether every modifier extension is among those that the caller understands.
    fn check_modifiers(
        &mut self,
        focus: &[Item<'t>],
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let mut understood = Vec::new();
        for arg in args {
            understood.extend(self.string(*arg, scope)?);
        }
        let tree = self.tree;
        for node in nodes(focus) {
            for child in tree.named(node, "modifierExtension") {
                self.spend(understood.len() + 1, at)?;
                let url = tree.child_value(child, "url").unwrap_or("");
                if !understood.iter().any(|known| known == url) {
                    return self.fail(at, "a modifier extension is not understood");
                }
            }
        }
        Ok(focus.iter().cloned().collect())
    }

    fn conforms_to(
        &mut self,
        focus: &[Item<'t>],
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let profile = self.string(first(args, at), scope)?;
        let (Some(profile), [Item::Node(node)]) = (profile, focus) else { return Ok(Collection::new()) };
        self.spend(1000, at)?;
        match self.environment.services.conforms_to(self.tree, *node, &profile) {
            Ok(conforms) => Ok(truth(conforms)),
            Err(reason) => self.fail(at, reason),
        }
    }

    fn member_of(
        &mut self,
        focus: &[Item<'t>],
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let set = self.string(first(args, at), scope)?;
        let (Some(set), [item]) = (set, focus) else { return Ok(Collection::new()) };
        self.spend(100, at)?;
        let services = self.environment.services;
        let answer = match item {
            Item::Text(code) => services.member_of(&Coded::Code(code), &set),
            Item::Node(node) => match self.tree.value(*node) {
                Some(code) => services.member_of(&Coded::Code(code), &set),
                None => services.member_of(&Coded::Codings(self.codings(*node)), &set),
            },
            _ => None,
        };
        Ok(maybe(answer.map(Item::Boolean)))
    }

    fn codings(&self, node: NodeId) -> Vec<Coding<'t>> {
        let tree = self.tree;
        let coding = |node: NodeId| Coding {
            system: tree.child_value(node, "system"),
            version: tree.child_value(node, "version"),
            code: tree.child_value(node, "code"),
        };
        if tree.child(node, "coding").is_none() && tree.child(node, "code").is_some() {
            return vec![coding(node)];
        }
        tree.named(node, "coding").map(coding).collect()
    }

    fn subsumes(
        &mut self,
        focus: &[Item<'t>],
        function: Function,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let other = self.eval(first(args, at), scope)?;
        let ([Item::Node(here)], [Item::Node(there)]) = (focus, other.as_slice()) else {
            return Ok(Collection::new());
        };
        let (general, special) =
            if function == Function::Subsumes { (*here, *there) } else { (*there, *here) };
        let services = self.environment.services;
        let mut answer = None;
        for a in self.codings(general) {
            for b in self.codings(special) {
                self.spend(100, at)?;
                let (Some(system), Some(x), Some(y)) = (a.system, a.code, b.code) else { continue };
                if b.system != Some(system) {
                    continue;
                }
                let found = if x == y { Some(true) } else { services.subsumes(system, x, y) };
                if found == Some(true) {
                    return Ok(truth(true));
                }
                answer = answer.or(found);
            }
        }
        Ok(maybe(answer.map(Item::Boolean)))
    }

    fn slice(
        &mut self,
        focus: &[Item<'t>],
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let profile = self.string(first(args, at), scope)?;
        let name = self.string(args.get(1).copied().unwrap_or(at), scope)?;
        let (Some(profile), Some(name)) = (profile, name) else { return Ok(Collection::new()) };
        let mut kept = Collection::new();
        for node in nodes(focus) {
            self.spend(1000, at)?;
            if self.environment.services.in_slice(self.tree, node, &profile, &name) == Some(true) {
                kept.push(Item::Node(node));
            }
        }
        Ok(kept)
    }
}
