//! The children of an element: known, of the right shape and order, often enough and not too often.

use super::Walk;
use crate::fhir::tree::{Format, Kind, NodeId};
use crate::validate::rules;
use crate::validate::schema::{Class, Element, Schema};

impl Walk<'_> {
    /// Checks the children of `node` by the children that `element` has in the snapshot of `schema`.
    ///
    /// `fallback` is the definition of the type, for children that the snapshot does not list because the element has a
    /// choice of types.
    pub(super) fn children(
        &mut self,
        node: NodeId,
        schema: &Schema,
        element: &Element,
        fallback: Option<&Schema>,
    ) {
        let tree = self.tree;
        let slots = &element.children.slots;
        let base = self.counts.len();
        self.counts.resize(base + slots.len(), 0);
        let xml = tree.format() == Format::Xml;
        let mut furthest = 0u16;
        let mut sliced = false;
        for child in tree.children(node) {
            let Some(member) = element.children.find(tree.tag(child), || tree.name(child)) else {
                if !self.by_type(child, fallback) {
                    self.unknown(child, element);
                }
                continue;
            };
            let slot = usize::from(member.slot);
            let Some(definition) = slots.get(slot).and_then(|index| schema.element(*index as usize)) else {
                continue;
            };
            let Some(count) = self.counts.get_mut(base + slot) else { continue };
            *count += 1;
            let again = *count > 1;
            if xml {
                if tree.kind(child) != Kind::Attribute {
                    if member.slot < furthest {
                        self.error(rules::XML_ORDER, child, || {
                            format!("`{}` stands behind elements that must follow it", tree.name(child))
                        });
                    }
                    furthest = furthest.max(member.slot);
                }
            } else if tree.was_array(child) != definition.many && tree.index(child) == 0 {
                self.array_shape(child, definition.many, tree.name(child));
            }
            if definition.choice && again && definition.max <= 1 {
                self.choice_twice(child, node, definition);
            }
            if definition.slicing.is_some() {
                sliced = true;
                continue;
            }
            let of_type = definition.types.get(usize::from(member.of_type));
            self.element(child, schema, definition, of_type);
        }
        for (slot, index) in slots.iter().enumerate() {
            let Some(definition) = schema.element(*index as usize) else { continue };
            let count = self.counts.get(base + slot).copied().unwrap_or(0);
            if count < definition.min || count > definition.max {
                self.cardinality(node, definition, count, schema);
            }
            if let Some(slicing) = &definition.slicing
                && (sliced || !slicing.slices.is_empty())
            {
                self.slices(node, schema, element, slot, definition, slicing);
            }
        }
        self.counts.truncate(base);
    }

    /// Checks a child by the definition of its holder's type; answers whether there is one.
    fn by_type(&mut self, child: NodeId, fallback: Option<&Schema>) -> bool {
        let Some(schema) = fallback else { return false };
        let tree = self.tree;
        let found = schema.element(0).map(|root| root.children.find(tree.tag(child), || tree.name(child)));
        let Some(member) = found.flatten() else { return false };
        let slot = schema.element(0).and_then(|root| root.children.slots.get(usize::from(member.slot)));
        let Some(definition) = slot.and_then(|index| schema.element(*index as usize)) else { return false };
        self.element(child, schema, definition, definition.types.get(usize::from(member.of_type)));
        true
    }

    #[cold]
    fn unknown(&mut self, child: NodeId, element: &Element) {
        let name = self.tree.name(child).to_owned();
        if name.is_empty() {
            return;
        }
        // A member of a choice whose type is not allowed says so, instead of being unknown.
        let choice = element.children.names().find_map(|known| {
            let stem = known.trim_end_matches(|c: char| !c.is_ascii_uppercase());
            let stem = stem.trim_end_matches(|c: char| c.is_ascii_uppercase());
            (!stem.is_empty() && stem != known && name.starts_with(stem)).then(|| stem.to_owned())
        });
        match choice {
            Some(stem) if name.get(stem.len()..).is_some_and(|rest| self.core.registry.is_suffix(rest)) => {
                self.error(rules::CHOICE_TYPE, child, || {
                    format!("`{name}` is not one of the types that `{}.{stem}[x]` allows", element.label())
                });
            }
            _ => {
                let best = element
                    .children
                    .names()
                    .map(|known| (strsim::damerau_levenshtein(known, &name), known))
                    .min()
                    .filter(|(distance, known)| *distance <= 2 && *distance < known.len());
                self.error(rules::UNKNOWN_ELEMENT, child, || {
                    let path = element.label();
                    match best {
                        Some((_, known)) => {
                            format!("`{path}` has no element of this name; `{known}` is near")
                        }
                        None => format!("`{path}` has no element of this name"),
                    }
                });
            }
        }
    }

    #[cold]
    fn array_shape(&mut self, child: NodeId, many: bool, name: &str) {
        self.error(rules::ARRAY_SHAPE, child, || {
            if many {
                format!("`{name}` may repeat, so it must be an array")
            } else {
                format!("`{name}` must not be an array")
            }
        });
    }

    #[cold]
    fn choice_twice(&mut self, child: NodeId, node: NodeId, definition: &Element) {
        let name = self.tree.name(child);
        let stem = definition.name.as_ref();
        let other = self.tree.children(node).any(|sibling| {
            let sibling = self.tree.name(sibling);
            sibling != name && definition.types.iter().any(|known| known.member.as_ref() == sibling)
        });
        if other {
            self.error(rules::CHOICE_TYPE, child, || format!("`{stem}[x]` must have one type only"));
        }
    }

    #[cold]
    pub(super) fn cardinality(&mut self, node: NodeId, definition: &Element, count: u32, schema: &Schema) {
        if count < definition.min {
            self.error(rules::CARDINALITY_MIN, node, || {
                format!(
                    "`{}` must occur at least {} times, found {count} ({})",
                    definition.label(),
                    definition.min,
                    schema.canonical()
                )
            });
        } else if count > definition.max {
            self.error(rules::CARDINALITY_MAX, node, || {
                format!(
                    "`{}` may occur at most {} times, found {count} ({})",
                    definition.label(),
                    definition.max,
                    schema.canonical()
                )
            });
        }
    }

    /// Whether the type class of an element is written as a primitive.
    pub(super) fn is_primitive(class: Class) -> bool {
        matches!(class, Class::Primitive(_) | Class::Xhtml)
    }
}
