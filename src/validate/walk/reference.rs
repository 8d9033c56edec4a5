//! References: their form, their target's type and place.

use super::Walk;
use crate::fhir::tree::NodeId;
use crate::validate::references::{self, Found};
use crate::validate::rules;
use crate::validate::schema::{Aggregation, Element, Type, Versioning};

impl Walk<'_> {
    /// What a reference leads to.
    pub(in crate::validate) fn lead(&self, node: NodeId, reference: &str) -> Found {
        let tree = self.tree;
        if let Some(id) = reference.strip_prefix('#') {
            let holder = tree.resource_of(node);
            return match references::contained(tree, holder, id) {
                Some(found) => Found::Contained(found),
                None => Found::NoFragment,
            };
        }
        let mut at = node;
        while let Some((entry, bundle)) = references::entry_of(tree, at) {
            let index = self.references.index(tree, bundle);
            match index.find(tree, self.core, reference, entry) {
                Found::Elsewhere => at = bundle,
                found => return found,
            }
        }
        Found::Elsewhere
    }

    /// The resource that a Reference, or an element with a URL, leads to, if it is at hand.
    pub(in crate::validate) fn resolved(&self, node: NodeId) -> Option<NodeId> {
        let tree = self.tree;
        self.lead_to(node, tree.child_value(node, "reference").or_else(|| tree.value(node))?)
    }

    /// The resource that a reference at a node leads to, if it is at hand.
    pub(super) fn lead_to(&self, node: NodeId, reference: &str) -> Option<NodeId> {
        match self.lead(node, reference) {
            Found::Contained(found) | Found::Entry(_, found) => Some(found),
            Found::Apparent(found) => match found.as_slice() {
                [(_, one)] => Some(*one),
                _ => None,
            },
            _ => None,
        }
    }

    /// Checks one Reference.
    pub(super) fn reference(&mut self, node: NodeId, of_type: Option<&Type>, element: &Element) {
        let tree = self.tree;
        let Some(of_type) = of_type else { return };
        let stated = tree.child_value(node, "type");
        if let Some(name) = stated
            && !self.core.definitions.is_resource_type(name)
            && !references::is_absolute(name)
        {
            self.error(rules::REFERENCE_TYPE, node, || {
                "the `type` of the reference is not a resource type".into()
            });
        }
        let Some(literal) = tree.child_value(node, "reference") else {
            let known = tree
                .children(node)
                .any(|child| matches!(tree.name(child), "identifier" | "display" | "extension"));
            if !known && tree.has_children(node) {
                self.warning(rules::REFERENCE_EMPTY, node, || {
                    "the reference has neither a literal nor an identifier nor a display".into()
                });
            }
            if let Some(name) = stated {
                self.targeted(node, name, of_type, element);
            }
            return;
        };
        let found = self.lead(node, literal);
        let (target, place) = match &found {
            Found::Contained(target) => (Some(*target), Aggregation::Contained),
            Found::Entry(_, target) => (Some(*target), Aggregation::Bundled),
            Found::Apparent(entries) => match entries.as_slice() {
                [(_, one)] => (Some(*one), Aggregation::Bundled),
                _ => (None, Aggregation::Bundled),
            },
            _ => (None, Aggregation::Referenced),
        };
        match &found {
            Found::NoFragment => self.error(rules::REFERENCE_CONTAINED, node, || {
                "the reference is to a contained resource that is not there".into()
            }),
            Found::Several(count) => {
                let count = *count;
                self.error(rules::REFERENCE_AMBIGUOUS, node, || {
                    format!("{count} entries of the bundle have this `fullUrl`")
                });
            }
            Found::Apparent(_) => self.warning(rules::REFERENCE_BUNDLED, node, || {
                "an entry has the type and id that the reference names, but not its `fullUrl`".into()
            }),
            Found::Elsewhere if literal.starts_with("urn:") && references::entry_of(tree, node).is_some() => {
                self.warning(rules::REFERENCE_BUNDLED, node, || {
                    "the `urn:` reference is not met within the bundle".into()
                });
            }
            _ => {}
        }
        if target.is_none() {
            self.form(node, literal);
        }
        let type_name = target
            .and_then(|target| tree.resource_type(target))
            .or_else(|| references::type_of(literal, self.core));
        if let Some(type_name) = type_name {
            if let Some(stated) = stated
                && stated != type_name
                && self.core.definitions.is_resource_type(stated)
            {
                self.error(rules::REFERENCE_TYPE, node, || {
                    format!("the `type` of the reference is `{stated}`, and its target is `{type_name}`")
                });
            }
            self.targeted(node, type_name, of_type, element);
        }
        if !of_type.aggregation.is_empty() && !of_type.aggregation.contains(&place) {
            self.error(rules::REFERENCE_AGGREGATION, node, || {
                format!(
                    "the target of `{}` must be {:?}, and is {place:?}",
                    element.label(),
                    of_type.aggregation
                )
                .to_lowercase()
            });
        }
        match of_type.versioning {
            Versioning::Specific if !literal.contains("/_history/") => {
                self.error(rules::REFERENCE_VERSION, node, || "the reference must name a version".into());
            }
            Versioning::Independent if literal.contains("/_history/") => {
                self.error(rules::REFERENCE_VERSION, node, || "the reference must not name a version".into());
            }
            _ => {}
        }
        if let Some(target) = target {
            self.profiled(node, target, of_type);
        }
    }

    /// The literal must be one of the forms of a reference.
    fn form(&mut self, node: NodeId, literal: &str) {
        if literal.is_empty() {
            return;
        }
        if literal.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.error(rules::REFERENCE_FORMAT, node, || {
                "a reference is a URL, which has neither white space nor control characters".into()
            });
            return;
        }
        let absolute = references::is_absolute(literal);
        if !absolute && self.is_lost(node, literal) {
            self.error(rules::REFERENCE_FORMAT, node, || {
                "a relative reference in a bundle is of the form `Type/id`, or in a batch or transaction a search".into()
            });
            return;
        }
        if !absolute && !literal.starts_with(['#', '/']) && references::type_of(literal, self.core).is_none()
        {
            let bare = literal.split(['?', '#']).next().unwrap_or(literal);
            let name = bare.split('/').next().unwrap_or(bare);
            if literal.contains('?') && self.core.definitions.is_resource_type(name) {
                return;
            }
            self.warning(rules::REFERENCE_FORMAT, node, || {
                "the relative reference is not of the form `Type/id`".into()
            });
        }
    }

    /// Whether a relative reference in the entry of a bundle can lead nowhere: it is neither `Type/id`, with or
    /// without a version, nor a search that a batch or transaction makes
    /// (<https://hl7.org/fhir/R4/bundle.html#references>).
    fn is_lost(&self, node: NodeId, literal: &str) -> bool {
        let tree = self.tree;
        let Some((entry, bundle)) = references::entry_of(tree, node) else { return false };
        if literal.starts_with('#') || tree.child_value(entry, "fullUrl").is_none() {
            return false;
        }
        let searches = matches!(tree.child_value(bundle, "type"), Some("transaction" | "batch"));
        if searches && let Some((name, query)) = literal.split_once('?') {
            return !self.core.definitions.is_resource_type(name)
                || !query
                    .split('&')
                    .all(|part| part.split_once('=').is_some_and(|(_, value)| !value.is_empty()));
        }
        !matches!(literal.split('/').count(), 2 | 4)
    }

    /// The type of the target must be one of those that the definition allows.
    fn targeted(&mut self, node: NodeId, type_name: &str, of_type: &Type, element: &Element) {
        if of_type.targets.is_empty() {
            return;
        }
        let core = self.core;
        let mut names: Vec<&str> = Vec::new();
        for target in &of_type.targets {
            let known = target.type_name.get_or_init(|| {
                let schema = core.registry.profile(&target.url);
                schema.map(|schema| schema.type_name.as_str().into()).unwrap_or_default()
            });
            if known.is_empty() {
                self.unchecked(
                    "profile",
                    &target.url,
                    node,
                    "the profile of a reference's target is not known",
                );
                return;
            }
            if core.definitions.is_a(type_name, known) {
                return;
            }
            names.push(known);
        }
        names.dedup();
        self.error(rules::REFERENCE_TARGET, node, || {
            format!("`{}` may refer to `{}`, not to `{type_name}`", element.label(), names.join("`, `"))
        });
    }

    /// A target at hand must meet one of the target profiles.
    fn profiled(&mut self, node: NodeId, target: NodeId, of_type: &Type) {
        let core = self.core;
        let Some(type_name) = self.tree.resource_type(target) else { return };
        let mut candidates = Vec::new();
        let mut unknown = None;
        for wanted in &of_type.targets {
            match core.registry.profile(&wanted.url) {
                Some(schema) if !schema.constraint && core.definitions.is_a(type_name, &schema.type_name) => {
                    return;
                }
                Some(schema) => {
                    if core.definitions.is_a(type_name, &schema.type_name) {
                        candidates.push(schema);
                    }
                }
                None => unknown = Some(wanted.url.clone()),
            }
        }
        if candidates.iter().any(|schema| self.conforms(target, schema)) {
            return;
        }
        if let Some(url) = unknown {
            self.error(rules::PROFILE_UNRESOLVED, node, || {
                format!("the profile `{url}` that the target must meet is not known")
            });
        } else if !candidates.is_empty() {
            self.error(rules::PROFILE_MATCH, node, || {
                let names: Vec<String> = candidates.iter().map(|schema| schema.canonical()).collect();
                format!("the target of the reference does not meet `{}`", names.join("` or `"))
            });
        }
    }
}
