//! Invariants: by code of ours where they are recognised, by evaluation otherwise.

use super::Walk;
use super::environment::Answers;
use crate::definitions::FhirTypes;
use crate::fhir::Severity;
use crate::fhir::tree::NodeId;
use crate::fhirpath::{Environment, Expression, Item};
use crate::validate::schema::{Invariant, Native, Test};
use crate::validate::{references, rules};
use std::borrow::Cow;
use std::collections::HashSet;

impl Walk<'_> {
    pub(super) fn invariant(&mut self, node: NodeId, invariant: &Invariant, of_type: Option<&str>) {
        let met = match &invariant.test {
            Test::Native(native, expression) => match self.native(node, *native) {
                Some(met) => met,
                None => self.holds(node, invariant, expression, of_type),
            },
            Test::Expression(expression) => self.holds(node, invariant, expression, of_type),
            Test::Unusable(why) => {
                self.unusable(node, invariant, why);
                return;
            }
        };
        if !met {
            let severity = if invariant.is_error { Severity::Error } else { Severity::Warning };
            let rule = Cow::Owned(invariant.key.to_string());
            self.note(severity, "invariant", rule, node, || invariant.human.to_string());
        }
    }

    #[cold]
    fn unusable(&mut self, node: NodeId, invariant: &Invariant, why: &str) {
        self.error(rules::INVARIANT_UNUSABLE, node, || {
            format!("the invariant `{}` of `{}` cannot be evaluated: {why}", invariant.key, invariant.source)
        });
        self.unchecked("invariant", &invariant.key, node, why);
    }

    /// Evaluates an invariant; nothing counts as not met.
    pub(super) fn holds(
        &mut self,
        node: NodeId,
        invariant: &Invariant,
        expression: &Expression,
        of_type: Option<&str>,
    ) -> bool {
        let answers = Answers { core: self.core, references: self.references, nesting: self.nesting };
        let environment = self.environment(&answers, of_type, &[]);
        match expression.evaluate_boolean(self.tree, node, &environment) {
            Ok(met) => met == Some(true),
            Err(error) => {
                self.unusable(node, invariant, &error.to_string());
                true
            }
        }
    }

    fn environment<'e>(
        &self,
        answers: &'e Answers<'e>,
        of_type: Option<&'e str>,
        variables: &'e [(&'e str, NodeId)],
    ) -> Environment<'e> {
        Environment {
            context_type: of_type,
            resource: Some(self.resource),
            root_resource: Some(references::container(self.tree, self.resource)),
            variables,
            capital_types: true,
            ..Environment::new(FhirTypes::get(), answers, self.now)
        }
    }

    /// Whether a node is one of those that an expression finds in its resource.
    pub(super) fn is_at(&mut self, node: NodeId, expression: &str) -> bool {
        let Ok(parsed) = Expression::parse(expression) else { return false };
        let resource = references::container(self.tree, self.resource);
        let answers = Answers { core: self.core, references: self.references, nesting: self.nesting };
        let environment = self.environment(&answers, None, &[]);
        let found = parsed.evaluate(self.tree, resource, &environment);
        found.is_ok_and(|items| items.iter().any(|item| matches!(item, Item::Node(found) if *found == node)))
    }

    /// A condition on the place where an extension is used.
    pub(super) fn context_invariant(&mut self, node: NodeId, holder: NodeId, expression: &str, url: &str) {
        let core = self.core;
        let parsed = match core.registry.expression(expression) {
            Ok(parsed) => parsed,
            Err(why) => {
                self.error(rules::INVARIANT_UNUSABLE, node, || {
                    format!("a condition of `{url}` cannot be evaluated: {why}")
                });
                return;
            }
        };
        let variables = [("extension", node)];
        let answers = Answers { core, references: self.references, nesting: self.nesting };
        let environment = self.environment(&answers, None, &variables);
        match parsed.evaluate_boolean(self.tree, holder, &environment) {
            Ok(Some(true)) => {}
            Ok(_) => self.error(rules::EXTENSION_CONTEXT, node, || {
                format!("the extension `{url}` may stand only where `{expression}` holds")
            }),
            Err(error) => {
                self.error(rules::INVARIANT_UNUSABLE, node, || {
                    format!("a condition of `{url}` cannot be evaluated: {error}")
                });
            }
        }
    }

    /// Checks an invariant by code of ours; `None` when only the evaluator can tell.
    pub(super) fn native(&self, node: NodeId, native: Native) -> Option<bool> {
        let tree = self.tree;
        let contained = |name: &str| {
            tree.named(node, "contained")
                .all(|one| tree.child(one, "meta").is_none_or(|meta| tree.child(meta, name).is_none()))
        };
        Some(match native {
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
                    Some("") => return None,
                    Some(id) => references::contained(tree, tree.resource_of(node), id).is_some(),
                    None => true,
                }
            }
            Native::Ordered => {
                let (start, end) = (tree.child_value(node, "start"), tree.child_value(node, "end"));
                let (Some(start), Some(end)) = (start, end) else { return Some(true) };
                // Texts of the same precision and zone compare as texts.
                let same = start.len() == end.len()
                    && (start.len() == 10
                        || (start.len() == 20 && start.ends_with('Z') && end.ends_with('Z')));
                if !same {
                    return None;
                }
                start <= end
            }
            Native::Referred => match tree.child(node, "contained") {
                Some(_) => self.all_referred(node),
                None => true,
            },
        })
    }

    /// Whether every contained resource is referred to from its container, or refers to it.
    fn all_referred(&self, resource: NodeId) -> bool {
        let tree = self.tree;
        let mut local: HashSet<&str> = HashSet::new();
        self.local(resource, &mut |value| {
            local.insert(value);
        });
        let mut linked: Option<Vec<String>> = None;
        tree.named(resource, "contained").all(|one| {
            let id = tree.child_value(one, "id").unwrap_or("");
            if local.contains(id) {
                return true;
            }
            // An image or link in a narrative refers to it as well.
            if linked.get_or_insert_with(|| self.narrative_links(resource)).iter().any(|link| link == id) {
                return true;
            }
            let mut refers = false;
            self.local(one, &mut |value| refers |= value.is_empty());
            refers
        })
    }

    /// Every local link in the narratives of a resource.
    fn narrative_links(&self, resource: NodeId) -> Vec<String> {
        let tree = self.tree;
        let mut links = Vec::new();
        let mut open = vec![resource];
        while let Some(at) = open.pop() {
            for child in tree.children(at) {
                if tree.name(child) == "div" && tree.value(child).is_some() {
                    links.extend(crate::validate::narrative::look(tree.value(child).unwrap_or("")).links);
                }
                open.push(child);
            }
        }
        links
    }

    /// Every local reference (`#id`) within a resource, without the `#`.
    fn local<'n>(&'n self, node: NodeId, on: &mut dyn FnMut(&'n str)) {
        let tree = self.tree;
        let mut open = vec![node];
        while let Some(at) = open.pop() {
            for child in tree.children(at) {
                if let Some(id) = tree.value(child).and_then(|value| value.strip_prefix('#'))
                    && (tree.name(child) == "reference" || self.is_uri(child))
                {
                    on(id);
                }
                open.push(child);
            }
        }
    }

    /// Whether an element is a canonical, uri or url.
    fn is_uri(&self, node: NodeId) -> bool {
        use crate::fhirpath::Model as _;
        let tree = self.tree;
        let mut chain = vec![node];
        let mut at = node;
        while tree.resource_type(at).is_none() {
            match tree.parent(at) {
                Some(parent) => at = parent,
                None => break,
            }
            chain.push(at);
        }
        let types = FhirTypes::get();
        let mut name = tree.resource_type(at);
        for node in chain.iter().rev().skip(1) {
            name = name.and_then(|known| types.child_type(known, tree.name(*node)));
        }
        matches!(name, Some("canonical" | "uri" | "url"))
    }
}
