//! Lines, columns and locations.

use super::{NodeId, Tree};

/// The line and column (from 1, in characters) of a byte offset.
pub fn position(source: &str, offset: usize) -> (u32, u32) {
    let mut end = offset.min(source.len());
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let before = source.get(..end).unwrap_or("");
    let line_start = memchr::memrchr(b'\n', before.as_bytes()).map_or(0, |at| at + 1);
    let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
    let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
    (clamp(line), clamp(column))
}

fn clamp(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Tree<'_> {
    /// The line and column (from 1, in characters) of a byte offset; nothing for a tree made from a value.
    /// The first call indexes the lines, so that many issues cost no more than one reading of the source.
    pub fn position_of(&self, offset: u32) -> Option<(u32, u32)> {
        if self.source.is_empty() {
            return None;
        }
        let lines = self.lines.get_or_init(|| {
            let ends = memchr::memchr_iter(b'\n', self.source.as_bytes());
            std::iter::once(0).chain(ends.map(|at| clamp(at + 1))).collect()
        });
        let line = lines.partition_point(|start| *start <= offset).max(1);
        let start = lines.get(line - 1).copied().unwrap_or(0) as usize;
        let mut end = (offset as usize).min(self.source.len());
        while !self.source.is_char_boundary(end) {
            end -= 1;
        }
        let column = self.source.get(start..end).unwrap_or("").chars().count() + 1;
        Some((clamp(line), clamp(column)))
    }

    /// The line and column at which an element begins; nothing for a tree made from a value.
    pub fn position(&self, node: NodeId) -> Option<(u32, u32)> {
        self.position_of(self.offset(node))
    }

    /// The place of an element as a FHIRPath from the root: `Flag.code.coding[0]`. An index is written where an
    /// array was, or where elements of one name stand together in XML.
    pub fn location(&self, node: NodeId) -> String {
        let mut out = String::new();
        self.write_location(node, &mut out);
        out
    }

    fn write_location(&self, node: NodeId, out: &mut String) {
        use std::fmt::Write as _;
        match self.parent(node) {
            Some(parent) => {
                self.write_location(parent, out);
                out.push('.');
                out.push_str(self.name(node));
            }
            None => out.push_str(self.resource_type(node).unwrap_or("Resource")),
        }
        if self.was_array(node) {
            let _ = write!(out, "[{}]", self.index(node));
        }
    }
}
