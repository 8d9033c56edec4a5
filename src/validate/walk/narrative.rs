//! The narrative.

use super::Walk;
use crate::fhir::tree::{Kind, NodeId};
use crate::fhir::xml::standalone;
use crate::validate::narrative::{Flaw, look};
use crate::validate::{references, rules};
use std::borrow::Cow;
use std::collections::HashSet;

impl Walk<'_> {
    pub(super) fn narrative(&mut self, node: NodeId) {
        let tree = self.tree;
        if tree.kind(node) != Kind::Xhtml && tree.kind(node) != Kind::String {
            self.error(rules::NARRATIVE_XML, node, || "the narrative must be an XHTML `div`".into());
            return;
        }
        let source = tree.value(node).unwrap_or("");
        let content = match tree.kind(node) {
            Kind::Xhtml => look(&standalone(source)),
            _ => look(source),
        };
        for flaw in content.flaws {
            match flaw {
                Flaw::Xml(text) => self.error(rules::NARRATIVE_XML, node, || text),
                Flaw::Element(text) => self.error(rules::NARRATIVE_ELEMENT, node, || text),
                Flaw::Link(text) => self.error(rules::NARRATIVE_LINK, node, || text),
                Flaw::Empty => {
                    self.error(rules::NARRATIVE_EMPTY, node, || "the narrative must say something".into())
                }
            }
        }
        if content.links.is_empty() || self.trial {
            return;
        }
        let ids = match self.ids.take() {
            Some(ids) => ids,
            None => self.targets(node),
        };
        let bundle = references::entry_of(tree, node).map(|(_, bundle)| self.references.index(tree, bundle));
        for link in &content.links {
            if !ids.contains(link) && !bundle.as_ref().is_some_and(|index| index.has_id(link)) {
                self.error(rules::NARRATIVE_LINK, node, || {
                    "a link in the narrative finds no target in the resource".into()
                });
                break;
            }
        }
        self.ids = Some(ids);
    }

    /// All ids that a link in a narrative of this resource may lead to.
    fn targets(&self, node: NodeId) -> HashSet<String> {
        let tree = self.tree;
        let mut ids = HashSet::new();
        let resource = references::container(tree, tree.resource_of(node));
        let mut open = vec![resource];
        while let Some(at) = open.pop() {
            for child in tree.children(at) {
                let name = tree.name(child);
                if name == "id" {
                    ids.extend(tree.value(child).map(str::to_owned));
                } else if name == "div" && tree.value(child).is_some() {
                    let source = tree.value(child).map_or(Cow::Borrowed(""), standalone);
                    ids.extend(look(&source).ids);
                }
                open.push(child);
            }
        }
        ids
    }
}
