//! Slices: each element of a sliced list is put in the slice it belongs to, and checked by it.

use super::Walk;
use crate::fhir::tree::NodeId;
use crate::validate::rules;
use crate::validate::schema::{Element, Rules, Schema, Slicing, Type};
use smallvec::SmallVec;

impl Walk<'_> {
    /// Checks the children of `node` in one sliced slot.
    pub(super) fn slices(
        &mut self,
        node: NodeId,
        schema: &Schema,
        parent: &Element,
        slot: usize,
        definition: &Element,
        slicing: &Slicing,
    ) {
        let tree = self.tree;
        let mut members: SmallVec<[(NodeId, usize); 8]> = SmallVec::new();
        for child in tree.children(node) {
            if let Some(member) = parent.children.find(tree.tag(child), || tree.name(child))
                && usize::from(member.slot) == slot
            {
                members.push((child, usize::from(member.of_type)));
            }
        }
        self.sliced(node, schema, definition, slicing, &members);
    }

    /// Puts each member in its slice. Also used for the slices of a slice.
    fn sliced(
        &mut self,
        node: NodeId,
        schema: &Schema,
        definition: &Element,
        slicing: &Slicing,
        members: &[(NodeId, usize)],
    ) {
        // Each member with the slice it is in.
        let mut placed: SmallVec<[(NodeId, usize, usize); 8]> = SmallVec::new();
        let mut furthest = 0;
        let mut outside = false;
        for (child, of_type) in members.iter().copied() {
            let mut found = None;
            for (index, slice) in slicing.slices.iter().enumerate() {
                if slice.is_default() || !self.is_in(child, schema, slicing, slice) {
                    continue;
                }
                match found {
                    None => found = Some(index),
                    Some(first) => {
                        let first: usize = first;
                        let other = slicing.slices.get(first).map_or("", |slice| slice.name.as_ref());
                        self.error(rules::SLICING_AMBIGUOUS, child, || {
                            format!(
                                "the element is in two slices of `{}`: `{other}` and `{}`",
                                definition.label(),
                                slice.name
                            )
                        });
                    }
                }
            }
            let found = found.or_else(|| slicing.slices.iter().position(|slice| slice.is_default()));
            let Some(index) = found else {
                outside = true;
                if slicing.rules == Rules::Closed {
                    self.error(rules::SLICING_CLOSED, child, || {
                        format!(
                            "the element is in no slice of `{}`, and its slicing is closed ({})",
                            definition.label(),
                            schema.canonical()
                        )
                    });
                }
                let of_type = definition.types.get(of_type);
                self.element(child, schema, definition, of_type);
                continue;
            };
            if outside && slicing.rules == Rules::OpenAtEnd {
                self.error(rules::SLICING_ORDER, child, || {
                    format!("elements outside the slices of `{}` must stand at the end", definition.label())
                });
            }
            if slicing.ordered && index < furthest {
                self.error(rules::SLICING_ORDER, child, || {
                    format!("the slices of `{}` must stand in their order", definition.label())
                });
            }
            furthest = furthest.max(index);
            placed.push((child, of_type, index));
        }
        for (index, slice) in slicing.slices.iter().enumerate() {
            let Some(element) = schema.element(slice.element as usize) else { continue };
            let members = placed.iter().filter(|(_, _, slice)| *slice == index);
            let members = members.map(|(child, of_type, _)| (*child, *of_type));
            let count = u32::try_from(members.clone().count()).unwrap_or(u32::MAX);
            if count < element.min || count > element.max {
                self.cardinality(node, element, count, schema);
            }
            if let Some(inner) = &element.slicing
                && !inner.slices.is_empty()
            {
                let members: SmallVec<[(NodeId, usize); 8]> = members.collect();
                self.sliced(node, schema, element, inner, &members);
                continue;
            }
            for (child, of_type) in members {
                let name = self.tree.name(child);
                let written = definition.types.get(of_type).map(|known| known.code.as_ref());
                let of_type: Option<&Type> = element
                    .types
                    .iter()
                    .find(|known| known.member.as_ref() == name)
                    .or_else(|| element.types.iter().find(|known| Some(known.code.as_ref()) == written));
                if of_type.is_none() && element.choice {
                    self.error(rules::CHOICE_TYPE, child, || {
                        format!("`{}` does not allow this type ({})", element.label(), schema.canonical())
                    });
                    continue;
                }
                self.element(child, schema, element, of_type);
            }
        }
    }
}
