//! The place of a finding as a FHIRPath.

use crate::fhir::tree::{Format, NodeId, Tree};
use crate::validate::Core;
use smallvec::SmallVec;
use std::fmt::Write as _;

/// Lines and columns of offsets that only grow, in one reading of the source however many are asked for.
pub(super) struct Cursor<'t> {
    source: &'t str,
    at: usize,
    line: u32,
    column: u32,
}

impl<'t> Cursor<'t> {
    pub fn new(tree: &Tree<'t>) -> Cursor<'t> {
        Cursor { source: tree.source(), at: 0, line: 1, column: 1 }
    }

    /// The line and column of an offset that is not before the last one; nothing for a tree made from a value.
    pub fn position(&mut self, offset: u32) -> Option<(u32, u32)> {
        if self.source.is_empty() {
            return None;
        }
        let end = (offset as usize).min(self.source.len());
        let passed = self.source.as_bytes().get(self.at..end).unwrap_or(&[]);
        for byte in passed {
            match byte {
                b'\n' => (self.line, self.column) = (self.line + 1, 1),
                // The bytes that continue a character are no columns of their own.
                0x80..=0xBF => {}
                _ => self.column += 1,
            }
        }
        self.at = self.at.max(end);
        Some((self.line, self.column))
    }
}

/// The FHIRPath of a node from the root: `Flag.code.coding[0]`. A choice is written without its type
/// (`Observation.value`), and every element that may repeat has its index.
pub(super) fn of(tree: &Tree<'_>, core: &Core, node: NodeId) -> String {
    let mut chain: SmallVec<[NodeId; 16]> = SmallVec::new();
    let mut at = node;
    while let Some(parent) = tree.parent(at) {
        chain.push(at);
        at = parent;
    }
    let type_name = tree.resource_type(at).unwrap_or("Resource");
    let mut path = String::with_capacity(64);
    path.push_str(type_name);
    let definitions = &core.definitions;
    let mut model = definitions.model(type_name).map(|model| (model, 0usize));
    for node in chain.into_iter().rev() {
        let name = tree.name(node);
        if name.is_empty() {
            continue;
        }
        let member = model.and_then(|(model, element)| model.member(element, name));
        path.push('.');
        path.push_str(member.map_or(name, |member| &member.element));
        let repeats = match member {
            Some(member) => member.repeats,
            None => tree.was_array(node),
        };
        if repeats && (tree.format() == Format::Xml || tree.was_array(node)) {
            // Writing to a string does not fail.
            let _never = write!(path, "[{}]", tree.index(node));
        }
        model = match (tree.resource_type(node), member) {
            (Some(resource), _) => definitions.model(resource).map(|model| (model, 0)),
            (None, Some(member)) => match member.inside {
                Some(inside) => model.map(|(model, _)| (model, inside)),
                None => definitions.model(&member.type_name).map(|model| (model, 0)),
            },
            (None, None) => None,
        };
    }
    path
}
