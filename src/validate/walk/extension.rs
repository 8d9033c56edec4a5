//! Extensions: known, at a place where they may stand, and as their definition asks.

use super::Walk;
use crate::fhir::tree::NodeId;
use crate::validate::references::is_absolute;
use crate::validate::rules;
use crate::validate::schema::{Context, ContextKind, Element, Schema, Type};

/// Extensions of R4 whose published context is known to be wrong, and where HL7's correction allows them.
const CORRECTED: [(&str, &str); 5] = [
    ("http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type", "ElementDefinition.type"),
    ("http://hl7.org/fhir/StructureDefinition/regex", "ElementDefinition.type"),
    ("http://hl7.org/fhir/StructureDefinition/structuredefinition-normative-version", "Element"),
    ("http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation", "Element"),
    ("http://hl7.org/fhir/StructureDefinition/capabilitystatement-prohibited", "Element"),
];

impl Walk<'_> {
    pub(super) fn extension(&mut self, node: NodeId, element: &Element, of_type: &Type) {
        let tree = self.tree;
        let core = self.core;
        let url = tree.child_value(node, "url").unwrap_or("");
        let nested = tree.parent(node).is_some_and(|parent| self.is_extension(parent));
        let absolute = is_absolute(url);
        let slow = |url: &str| core.registry.profile(url);
        let held = if absolute && core.registry.known(url).is_none() { slow(url) } else { None };
        let defined = if absolute { core.registry.known(url).or(held.as_ref()) } else { None };
        if let Some(schema) = defined.filter(|schema| schema.type_name == "Extension") {
            self.context(node, schema);
            self.modifier(node, schema);
            if of_type.profiles.is_empty()
                || !of_type.profiles.iter().any(|profile| same(profile, &schema.url))
            {
                self.apply(node, schema);
            }
        } else {
            if element.children.is_empty()
                && let Some(base) = of_type.schema(&core.registry)
            {
                self.apply(node, base);
            }
            if absolute {
                self.stranger(node, url);
            } else if !nested && !url.is_empty() {
                self.error(rules::EXTENSION_URL, node, || {
                    "the `url` of an extension must be absolute".into()
                });
            } else if !url.is_empty() {
                self.part(node, url);
            }
        }
        if url.contains('|') {
            self.error(rules::EXTENSION_URL, node, || "the `url` of an extension has no version".into());
        }
        self.value_or_extensions(node);
        for profile in &of_type.profiles {
            if let Some(schema) = core.registry.known(profile) {
                self.apply(node, schema);
                continue;
            }
            match core.registry.profile(profile) {
                Some(schema) => self.apply(node, &schema),
                None => self.error(rules::PROFILE_UNRESOLVED, node, || {
                    format!("the extension `{profile}` that the definition asks for is not known")
                }),
            }
        }
    }

    /// `ext-1`: a value or extensions, and not both.
    fn value_or_extensions(&mut self, node: NodeId) {
        let tree = self.tree;
        let (mut value, mut extensions) = (false, false);
        for child in tree.children(node) {
            value |= tree.tag(child).starts("value");
            extensions |= tree.is_named(child, "extension");
        }
        if value == extensions {
            self.error(rules::EXT_1, node, || "an extension must have either a value or extensions".into());
        }
    }

    /// Whether the node is itself an extension.
    fn is_extension(&self, node: NodeId) -> bool {
        (self.tree.is_named(node, "extension") || self.tree.is_named(node, "modifierExtension"))
            && self.tree.resource_type(node).is_none()
    }

    /// A part of a complex extension must be one that its definition has.
    fn part(&mut self, node: NodeId, url: &str) {
        let tree = self.tree;
        let Some(outer) = tree.parent(node).and_then(|outer| tree.child_value(outer, "url")) else { return };
        let Some(schema) = self.core.registry.profile(outer).filter(|schema| schema.constraint) else {
            return;
        };
        let named = |element: &Element| {
            &*element.path == "Extension.extension.url"
                && element.values.as_ref().and_then(|values| values.fixed.as_ref()?.as_str()) == Some(url)
        };
        if schema.type_name == "Extension" && !schema.elements.iter().any(named) {
            self.error(rules::EXTENSION_UNKNOWN, node, || {
                format!("the extension `{outer}` has no part `{url}`")
            });
        }
    }

    /// An extension whose definition is not known.
    fn stranger(&mut self, node: NodeId, url: &str) {
        if self.core.registry.profile(url).is_some() {
            self.error(rules::EXTENSION_UNKNOWN, node, || {
                format!("`{url}` is the definition of something else than an extension")
            });
            return;
        }
        let settings = &self.core.settings;
        let allowed = settings
            .allow_extensions
            .iter()
            .any(|prefix| prefix == "any" || url.starts_with(prefix.as_str()));
        let example = [
            "http://example.org/",
            "https://example.org/",
            "http://example.com/",
            "https://example.com/",
            "http://acme.com/",
            "http://acme.org/",
            "http://hl7.org/fhir/test/",
        ]
        .iter()
        .any(|prefix| url.starts_with(prefix))
            || url.split('/').nth(2).is_some_and(|host| {
                host.ends_with(".example") || host.ends_with("example.org") || host.ends_with("example.com")
            });
        let modifier = self.tree.name(node) == "modifierExtension";
        if (allowed || example) && !modifier {
            self.unchecked("extension", url, node, "its definition is not known");
            if example && !allowed {
                self.warning(rules::EXTENSION_UNKNOWN, node, || {
                    format!("the extension `{url}` is of an example domain, and its definition is not known")
                });
            }
            return;
        }
        if allowed && modifier {
            self.unchecked("extension", url, node, "its definition is not known");
            return;
        }
        self.error(rules::EXTENSION_UNKNOWN, node, || {
            format!("the definition of the extension `{url}` is not known")
        });
    }

    /// A modifier extension stands in `modifierExtension`, and no other does.
    fn modifier(&mut self, node: NodeId, schema: &Schema) {
        let name = self.tree.name(node);
        let is_modifier = schema.element(0).is_some_and(|root| root.modifier);
        let url = &schema.url;
        if name == "modifierExtension" && !is_modifier {
            self.error(rules::EXTENSION_MODIFIER, node, || format!("`{url}` is not a modifier extension"));
        } else if name == "extension" && is_modifier {
            self.error(rules::EXTENSION_MODIFIER, node, || {
                format!("`{url}` is a modifier extension: it must stand in `modifierExtension`")
            });
        }
    }

    /// The extension must stand where its definition allows it.
    fn context(&mut self, node: NodeId, schema: &Schema) {
        let tree = self.tree;
        let Some(holder) = tree.parent(node) else { return };
        if schema.contexts.is_empty() {
            return;
        }
        if schema.contexts.iter().any(|context| self.is_plainly(holder, context)) {
            return self.context_invariants(node, holder, schema);
        }
        let places = self.places(holder);
        let mut allowed = CORRECTED.iter().any(|(url, place)| {
            schema.url == *url && (*place == "Element" || places.iter().any(|one| one == place))
        });
        for context in &schema.contexts {
            let met = match context.kind {
                ContextKind::Element => {
                    let expression = context.expression.as_str();
                    places.iter().any(|place| place == expression)
                        || matches!(expression, "Element" | "*")
                        || expression == "Resource" && tree.resource_type(holder).is_some()
                        || expression
                            .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
                            .is_some_and(|name| places.iter().any(|place| place == name))
                        || self.is_element_of_profile(expression, &places)
                }
                ContextKind::Extension => {
                    let (url, rest) = context.expression.split_once('#').unwrap_or((&context.expression, ""));
                    // The value of an extension is part of it.
                    let value = tree.name(holder).starts_with("value");
                    let holder = tree.parent(holder).filter(|_| value).unwrap_or(holder);
                    self.is_extension(holder)
                        && (tree.child_value(holder, "url") == Some(url) && rest.is_empty()
                            || self.inner(holder, url, rest))
                }
                ContextKind::FhirPath => self.is_at(holder, &context.expression),
            };
            if met {
                allowed = true;
                break;
            }
        }
        if !allowed {
            let url = &schema.url;
            self.error(rules::EXTENSION_CONTEXT, node, || {
                let all: Vec<&str> =
                    schema.contexts.iter().map(|context| context.expression.as_str()).collect();
                format!("the extension `{url}` may not stand here, but at `{}`", all.join("`, `"))
            });
        }
        self.context_invariants(node, holder, schema);
    }

    /// Whether a context is the type of the resource, or any place: that is told without looking further.
    fn is_plainly(&self, holder: NodeId, context: &Context) -> bool {
        context.kind == ContextKind::Element
            && (self.tree.resource_type(holder) == Some(context.expression.as_str())
                || matches!(context.expression.as_str(), "Element" | "*"))
    }

    fn context_invariants(&mut self, node: NodeId, holder: NodeId, schema: &Schema) {
        for invariant in &schema.context_invariants {
            self.context_invariant(node, holder, invariant, &schema.url);
        }
    }

    /// Whether a context `profile#id` names an element at one of the places.
    fn is_element_of_profile(&self, context: &str, places: &[String]) -> bool {
        let Some((profile, id)) = context.split_once('#').filter(|(profile, _)| is_absolute(profile)) else {
            return false;
        };
        let schema = self.core.registry.profile(profile);
        let element = schema.as_ref().and_then(|schema| schema.elements.iter().find(|one| &*one.id == id));
        let path =
            id.split('.').map(|part| part.split(':').next().unwrap_or(part)).collect::<Vec<_>>().join(".");
        element.is_some() && places.contains(&path)
    }

    /// Whether an extension is the part `name` of the extension `url`.
    fn inner(&self, holder: NodeId, url: &str, name: &str) -> bool {
        let tree = self.tree;
        !name.is_empty()
            && tree.child_value(holder, "url") == Some(name)
            && tree.parent(holder).is_some_and(|outer| tree.child_value(outer, "url") == Some(url))
    }

    /// All paths and types by which a definition may name the place of an element.
    pub(super) fn places(&self, node: NodeId) -> Vec<String> {
        let tree = self.tree;
        let definitions = &self.core.definitions;
        let mut chain = vec![node];
        let mut at = node;
        while tree.resource_type(at).is_none() {
            match tree.parent(at) {
                Some(parent) => {
                    chain.push(parent);
                    at = parent;
                }
                None => break,
            }
        }
        chain.reverse();
        let root = tree.resource_type(at).unwrap_or("").to_owned();
        // Each path begins at a type: the resource's, or that of an element on the way.
        let mut paths: Vec<String> = vec![root.clone()];
        let mut model = definitions.model(&root).map(|model| (model, 0usize));
        let mut type_name = root;
        for node in chain.into_iter().skip(1) {
            let name = tree.name(node);
            let member = model.as_ref().and_then(|(model, element)| model.member(*element, name)).cloned();
            let Some(member) = member else { return Vec::new() };
            let mut next = Vec::new();
            for path in &paths {
                next.push(format!("{path}.{}", member.element));
                if member.is_choice {
                    next.push(format!("{path}.{}[x]", member.element));
                    next.push(format!("{path}.{name}"));
                    next.push(format!("{path}.{}.ofType({})", member.element, member.type_name));
                }
            }
            type_name = member.type_name.to_string();
            // What refers to the content of another element stands at the place of that too.
            let shared =
                model.as_ref().zip(member.inside).and_then(|((model, _), inside)| model.path(inside));
            if let Some(path) = shared.filter(|path| !next.iter().any(|known| known == path)) {
                next.push(path.to_owned());
            }
            match member.inside {
                Some(inside) => model = model.map(|(model, _)| (model, inside)),
                None => {
                    next.push(type_name.clone());
                    model = definitions.model(&type_name).map(|model| (model, 0));
                }
            }
            paths = next;
        }
        let mut at = type_name;
        for _ in 0..8 {
            if !paths.contains(&at) {
                paths.push(at.clone());
            }
            match definitions.model(&at).and_then(|model| model.base.clone()) {
                Some(base) => at = base,
                None => break,
            }
        }
        paths
    }
}

/// Whether a canonical, perhaps with a version, is that of a definition.
fn same(canonical: &str, url: &str) -> bool {
    canonical.split('|').next() == Some(url)
}
