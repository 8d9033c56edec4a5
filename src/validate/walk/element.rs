//! One element against one definition.

use super::{DEEPEST, Walk};
use crate::fhir::tree::{Format, Kind, NodeId};
use crate::validate::rules;
use crate::validate::schema::{Class, Element, Schema, Type};
use std::sync::Arc;

impl Walk<'_> {
    /// Checks `node` by `element` of `schema`. `of_type` is the type that the element has at this place; none for the
    /// root of a definition.
    pub(super) fn element(
        &mut self,
        node: NodeId,
        schema: &Schema,
        element: &Element,
        of_type: Option<&Type>,
    ) {
        if self.depth > DEEPEST {
            return;
        }
        self.depth += 1;
        let class = of_type.map(|known| known.class);
        let fits = match class {
            Some(class) => self.shape(node, class),
            // Whatever refers to the content of another element has children as that has.
            None if element.content.is_some() => self.shape(node, Class::Backbone),
            None => true,
        };
        if fits {
            if class != Some(Class::Resource) && of_type.is_some() && self.tree.resource_type(node).is_some()
            {
                self.error(rules::RESOURCE_TYPE, node, || "only a resource has a `resourceType`".into());
            }
            match class {
                Some(Class::Primitive(primitive)) => self.primitive(node, primitive),
                Some(Class::Xhtml) => self.narrative(node),
                Some(Class::Coding) => self.coding(node),
                Some(Class::Quantity) => self.quantity(node),
                Some(Class::Identifier) => self.identifier(node),
                Some(Class::Attachment) => self.attachment(node),
                Some(Class::Reference) => self.reference(node, of_type, element),
                _ => {}
            }
            if let Some(values) = &element.values {
                self.values(node, values, element);
            }
            if let Some(binding) = &element.binding {
                self.bound(node, binding, class);
            }
            if class == Some(Class::Resource) {
                self.slot(node, element, of_type);
            } else {
                self.inside(node, schema, element, of_type);
            }
            let type_name = type_name(schema, of_type);
            for invariant in &element.invariants {
                self.invariant(node, invariant, type_name);
            }
            if !element.extensions.is_empty() {
                self.demands(node, element, schema);
            }
        }
        self.depth -= 1;
    }

    /// The children, and what the type of the element asks for.
    fn inside(&mut self, node: NodeId, schema: &Schema, element: &Element, of_type: Option<&Type>) {
        let own = !element.children.is_empty();
        let is_extension = of_type.is_some_and(|known| known.class == Class::Extension);
        let plain = !self.tree.has_children(node);
        if plain && self.tree.value(node).is_none() && self.tree.kind(node) != Kind::Null {
            // The tree notes an empty JSON object itself.
            if self.tree.format() == Format::Xml || self.tree.kind(node) == Kind::Absent {
                self.error(rules::ELE_1, node, || "an element must have a value or children".into());
            }
        }
        if own {
            let choice = element.choice && element.types.len() > 1;
            let registry = &self.core.registry;
            let fallback = match of_type {
                Some(one) if choice => one.schema(registry),
                _ => None,
            };
            self.children(node, schema, element, fallback.map(|schema| &**schema));
        } else if let Some(shared) = element.content.and_then(|index| schema.element(index)) {
            self.children(node, schema, shared, None);
            for invariant in &shared.invariants {
                if !element.invariants.iter().any(|known| Arc::ptr_eq(known, invariant)) {
                    self.invariant(node, invariant, None);
                }
            }
        }
        let Some(of_type) = of_type else { return };
        if is_extension {
            self.extension(node, element, of_type);
            return;
        }
        if matches!(of_type.class, Class::Primitive(_) | Class::Xhtml) {
            if !plain && !own {
                self.typed(node, element, of_type, own);
            }
        } else {
            self.typed(node, element, of_type, own);
        }
        if of_type.class == Class::Backbone && !of_type.parts.is_empty() {
            self.parts(node, of_type);
        } else if !of_type.profiles.is_empty() {
            self.one_of(node, &of_type.profiles);
        }
    }

    /// Elements of other profiles that describe this one (`elementdefinition-profile-element`).
    fn parts(&mut self, node: NodeId, of_type: &Type) {
        let core = self.core;
        for (profile, part) in of_type.profiles.iter().zip(&of_type.parts) {
            match core.registry.profile(profile) {
                Some(schema) => match schema.elements.iter().find(|element| element.id == *part) {
                    Some(element) => self.element(node, &schema, element, element.types.first()),
                    None => self.error(rules::PROFILE_UNRESOLVED, node, || {
                        format!("`{profile}` has no element `{part}`")
                    }),
                },
                None => self.error(rules::PROFILE_UNRESOLVED, node, || {
                    format!("the profile `{profile}` that the definition asks for is not known")
                }),
            }
        }
    }

    /// Checks by the definition of the type.
    fn typed(&mut self, node: NodeId, element: &Element, of_type: &Type, own: bool) {
        let registry = &self.core.registry;
        let Some(schema) = of_type.schema(registry) else { return };
        let Some(root) = schema.element(0) else { return };
        if !own && element.content.is_none() {
            self.children(node, schema, root, None);
        }
        for invariant in &root.invariants {
            if !element.invariants.iter().any(|known| Arc::ptr_eq(known, invariant)) {
                self.invariant(node, invariant, Some(&of_type.code));
            }
        }
    }

    /// Whether a primitive is written as one, and a complex element is not.
    fn shape(&mut self, node: NodeId, class: Class) -> bool {
        let primitive = Self::is_primitive(class);
        let fits = match self.tree.kind(node) {
            Kind::Object => !primitive,
            Kind::String | Kind::Number | Kind::Bool | Kind::Absent | Kind::Attribute | Kind::Xhtml => {
                primitive
            }
            Kind::Null => return false,
            Kind::Element => {
                if !primitive && self.tree.value(node).is_some() {
                    self.error(rules::XML_ATTRIBUTE, node, || {
                        "only a primitive has the attribute `value`".into()
                    });
                }
                true
            }
        };
        if !fits {
            self.error(rules::PRIMITIVE_SHAPE, node, || {
                if primitive {
                    "a primitive is expected here, not an object".into()
                } else {
                    "an object is expected here, not a primitive".into()
                }
            });
        }
        fits
    }

    /// A place that holds a whole resource.
    fn slot(&mut self, node: NodeId, element: &Element, of_type: Option<&Type>) {
        let Some(first) = of_type else { return };
        let found = self.tree.resource_type(node);
        let fits = |one: &&Type| found.is_none_or(|name| self.core.registry.is_a(name, &one.code));
        let of_type = element.types.iter().find(fits).unwrap_or(first);
        let code = of_type.code.as_ref();
        if let Some(found) = found
            && code != "Resource"
            && found != code
            && !self.core.registry.is_a(found, code)
        {
            self.error(rules::CHOICE_TYPE, node, || format!("a resource of type `{code}` is expected here"));
        }
        self.resource(node, &[]);
        if !of_type.profiles.is_empty() {
            self.one_of(node, &of_type.profiles);
        }
    }

    /// The node must meet one of the profiles; when there is only one, its findings are told.
    pub(super) fn one_of(&mut self, node: NodeId, profiles: &[Box<str>]) {
        let core = self.core;
        if let [url] = profiles
            && let Some(only) = core.registry.known(url)
        {
            return self.only(node, only);
        }
        let mut known = Vec::new();
        for url in profiles {
            match core.registry.profile(url) {
                Some(schema) => known.push(schema),
                None => {
                    self.error(rules::PROFILE_UNRESOLVED, node, || {
                        format!("the profile `{url}` that the definition asks for is not known")
                    });
                    self.unchecked("profile", url, node, "its definition is not known");
                }
            }
        }
        match known.as_slice() {
            [] => {}
            [only] => self.only(node, only),
            several => {
                if !several.iter().any(|schema| self.conforms(node, schema)) {
                    self.error(rules::PROFILE_MATCH, node, || {
                        let names: Vec<String> = several.iter().map(|schema| schema.canonical()).collect();
                        format!("none of the allowed profiles is met: `{}`", names.join("`, `"))
                    });
                }
            }
        }
    }

    fn only(&mut self, node: NodeId, only: &Arc<Schema>) {
        if let Some(found) = self.tree.resource_type(node)
            && !self.core.registry.is_a(found, &only.type_name)
        {
            self.error(rules::PROFILE_TYPE, node, || {
                format!("the profile `{}` is for `{}`", only.canonical(), only.type_name)
            });
        } else {
            self.within(node, |walk| walk.apply(node, only));
        }
    }

    /// Runs something with `node` as the resource in force, if it is one.
    pub(in crate::validate) fn within(&mut self, node: NodeId, run: impl FnOnce(&mut Self)) {
        let (resource, outer) = (self.resource, self.outer);
        if self.tree.resource_type(node).is_some() {
            self.resource = node;
            if self.tree.name(node) != "contained" {
                self.outer = node;
            }
        }
        run(self);
        (self.resource, self.outer) = (resource, outer);
    }
}

/// The type of an element by name, where it has one; what is defined in place has none.
fn type_name<'e>(schema: &'e Schema, of_type: Option<&'e Type>) -> Option<&'e str> {
    match of_type {
        None => Some(&schema.type_name),
        Some(known) if matches!(known.class, Class::Backbone | Class::Resource) => None,
        Some(known) => Some(&known.code),
    }
}
