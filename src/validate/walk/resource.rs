//! A resource: which profiles apply to it, and the rules that a kind of resource has of its own.

use super::{DEEPEST, Walk};
use crate::fhir::tree::NodeId;
use crate::validate::rules;
use crate::validate::schema::{Kind, Schema};
use std::sync::Arc;

impl Walk<'_> {
    /// The outermost resource.
    pub(super) fn document(&mut self, node: NodeId, profiles: &[Arc<Schema>]) {
        self.resource(node, profiles);
    }

    /// A resource at any place: its type, the profiles asked for and those it claims.
    pub(in crate::validate) fn resource(&mut self, node: NodeId, profiles: &[Arc<Schema>]) {
        let Some(type_name) = self.tree.resource_type(node) else {
            let name = self.tree.name(node).to_owned();
            self.error(rules::RESOURCE_TYPE, node, || {
                format!("the resource in `{name}` does not name its type")
            });
            return;
        };
        let core = self.core;
        let Some(base) = core.registry.of_type(type_name).filter(|schema| schema.kind == Kind::Resource)
        else {
            self.error(rules::UNKNOWN_RESOURCE, node, || "the resource type is not one of R4".into());
            return;
        };
        if base.is_abstract {
            self.error(rules::ABSTRACT_TYPE, node, || format!("`{type_name}` is abstract"));
            return;
        }
        let (resource, outer, ids) = (self.resource, self.outer, self.ids.take());
        self.resource = node;
        let in_bundle = self.tree.parent(node).is_none_or(|parent| self.tree.name(parent) != "contained")
            && self.tree.name(node) != "contained";
        if in_bundle {
            self.outer = node;
        }
        let root = node == self.tree.root();
        let mut claimed = self.claimed(node);
        claimed.extend(core.registry.global(type_name));
        claimed.extend(super::super::vital_signs::profiles(self, node));
        let covered = profiles.iter().chain(&claimed).any(|profile| {
            profile.complete && profile.type_name == type_name && core.registry.descends(profile, base)
        });
        if root && !self.trial {
            self.profiles.push(base.url.clone());
        }
        if !covered {
            self.apply(node, base);
        }
        for profile in profiles.iter().chain(&claimed) {
            if !(profile.type_name == type_name || self.core.registry.is_a(type_name, &profile.type_name)) {
                self.error(rules::PROFILE_TYPE, node, || {
                    format!(
                        "the profile `{}` is for `{}`, not for `{type_name}`",
                        profile.canonical(),
                        profile.type_name
                    )
                });
                continue;
            }
            if root && !self.trial && !self.profiles.contains(&profile.url) {
                self.profiles.push(profile.url.clone());
            }
            self.apply(node, profile);
        }
        if self.applied.insert((node, usize::MAX)) {
            super::super::specials(self, node, type_name);
        }
        (self.resource, self.outer, self.ids) = (resource, outer, ids);
    }

    /// The profiles that a resource claims in `meta.profile`, as far as they are known.
    fn claimed(&mut self, node: NodeId) -> Vec<Arc<Schema>> {
        let tree = self.tree;
        let mut claimed = Vec::new();
        let Some(meta) = tree.child(node, "meta") else { return claimed };
        for profile in tree.named(meta, "profile") {
            let Some(url) = tree.value(profile) else { continue };
            match self.core.registry.profile(url) {
                Some(schema) => claimed.push(schema),
                None => {
                    self.warning(rules::PROFILE_UNKNOWN, profile, || {
                        format!("the profile `{url}` is not known, so it was not checked")
                    });
                    self.unchecked("profile", url, profile, "its definition is not known");
                }
            }
        }
        claimed
    }

    /// Applies one definition to a node, once.
    pub(in crate::validate) fn apply(&mut self, node: NodeId, schema: &Arc<Schema>) {
        if !self.applied.insert((node, Arc::as_ptr(schema) as usize)) || self.depth > DEEPEST {
            return;
        }
        self.depth += 1;
        if let Some(root) = schema.element(0) {
            self.element(node, schema, root, None);
        }
        self.depth -= 1;
    }

    /// Whether a node meets a profile. A question that is asked again while it is being answered (profiles that ask
    /// for each other) is answered with yes.
    pub(in crate::validate) fn conforms(&mut self, node: NodeId, schema: &Arc<Schema>) -> bool {
        let key = (node, Arc::as_ptr(schema) as usize);
        if let Some(known) = self.trials.get(&key) {
            return known.unwrap_or(true);
        }
        if let Some(type_name) = self.tree.resource_type(node)
            && type_name != schema.type_name
            && !self.core.registry.is_a(type_name, &schema.type_name)
        {
            self.trials.insert(key, Some(false));
            return false;
        }
        self.trials.insert(key, None);
        let resource = self.resource;
        let met = self.attempt(|walk| {
            if walk.tree.resource_type(node).is_some() {
                walk.resource = node;
            }
            walk.apply(node, schema);
        });
        self.resource = resource;
        self.trials.insert(key, Some(met));
        met
    }
}
