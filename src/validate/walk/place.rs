//! The place of a finding as a FHIRPath.

use crate::fhir::tree::{Format, NodeId, Tree};
use crate::validate::Core;

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
    let mut chain = vec![node];
    let mut at = node;
    while let Some(parent) = tree.parent(at) {
        chain.push(parent);
        at = parent;
    }
    chain.reverse();
    let mut nodes = chain.into_iter();
    let Some(root) = nodes.next() else { return String::new() };
    let type_name = tree.resource_type(root).unwrap_or("Resource");
    let mut path = type_name.to_owned();
    let mut model = core.definitions.model(type_name).map(|model| (model, 0usize));
    for node in nodes {
        let name = tree.name(node);
        if name.is_empty() {
            continue;
        }
        let member = model.as_ref().and_then(|(model, element)| model.member(*element, name)).cloned();
        path.push('.');
        path.push_str(member.as_ref().map_or(name, |member| &member.element));
        let repeats = match &member {
            Some(member) => member.repeats,
            None => tree.was_array(node),
        };
        if repeats && (tree.format() == Format::Xml || tree.was_array(node)) {
            path.push_str(&format!("[{}]", tree.index(node)));
        }
        model = match (tree.resource_type(node), member) {
            (Some(resource), _) => core.definitions.model(resource).map(|model| (model, 0)),
            (None, Some(member)) => match member.inside {
                Some(inside) => model.map(|(model, _)| (model, inside)),
                None => core.definitions.model(&member.type_name).map(|model| (model, 0)),
            },
            (None, None) => None,
        };
    }
    path
}
