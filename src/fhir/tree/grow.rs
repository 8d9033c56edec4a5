//! Adding elements to a tree while it is read.

use super::{Arena, IN_ARRAY, Key, Kind, MISSING, NONE, Node, NodeId, OWNED, Piece, Problem, Tag};
use std::borrow::Cow;

pub(super) const MAIN: u8 = 1;
pub(super) const UNDER: u8 = 2;
pub(super) const MAIN_ARRAY: u8 = 4;
pub(super) const UNDER_ARRAY: u8 = 8;

pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(NONE)
}

impl Arena {
    pub(super) fn keep(&mut self, text: &str) -> Piece {
        let start = narrow(self.text.len()) | OWNED;
        self.text.push_str(text);
        Piece { start, length: narrow(text.len()) }
    }

    #[inline]
    pub(super) fn push(&mut self, name: Piece, tag: Tag, parent: u32, offset: u32, kind: Kind) -> u32 {
        let id = narrow(self.nodes.len());
        self.nodes.push(Node {
            name,
            tag,
            value: MISSING,
            resource_type: MISSING,
            parent,
            first: NONE,
            last: NONE,
            next: NONE,
            index: 0,
            offset,
            kind,
            flags: 0,
        });
        id
    }

    /// Hangs a node behind `after` (or at the end) among the children of its parent.
    #[inline]
    pub(super) fn hang(&mut self, id: u32, parent: u32, after: u32) {
        let Some(holder) = self.nodes.get_mut(parent as usize) else { return };
        let before = if after == NONE { holder.last } else { after };
        if holder.first == NONE {
            holder.first = id;
        }
        if before == holder.last {
            holder.last = id;
        }
        let mut next = NONE;
        if let Some(previous) = self.nodes.get_mut(before as usize) {
            next = std::mem::replace(&mut previous.next, id);
        }
        if let Some(node) = self.nodes.get_mut(id as usize) {
            node.next = next;
        }
    }

    pub(super) fn problem(
        &mut self,
        rule: &'static str,
        node: u32,
        member: &str,
        offset: u32,
        text: impl Into<Cow<'static, str>>,
    ) {
        self.problems.push(Problem {
            rule,
            node: NodeId(node),
            member: member.to_owned(),
            text: text.into(),
            offset,
        });
    }

    /// The node for the next item of a member: one that the other half of the member made, or a new one.
    #[inline]
    pub(super) fn slot(&mut self, slot: &mut Slot, offset: u32) -> u32 {
        if slot.cursor != NONE {
            let here = slot.cursor;
            let end = self.keys.get(slot.key).map_or(NONE, |key| key.last);
            slot.cursor =
                if here == end { NONE } else { self.nodes.get(here as usize).map_or(NONE, |n| n.next) };
            slot.count += 1;
            return here;
        }
        let key = self.keys.get(slot.key);
        let (name, tag, after) =
            key.map_or((MISSING, Tag::default(), NONE), |key| (key.name, key.tag, key.last));
        let id = self.push(name, tag, slot.parent, offset, Kind::Absent);
        if slot.array
            && let Some(node) = self.nodes.last_mut()
        {
            node.flags |= IN_ARRAY;
            node.index = slot.count;
        }
        self.hang(id, slot.parent, after);
        if let Some(key) = self.keys.get_mut(slot.key) {
            if key.first == NONE {
                key.first = id;
            }
            key.last = id;
        }
        slot.count += 1;
        id
    }

    /// Closes an object: checks the members that need both halves, and forgets its keys.
    pub(super) fn close(&mut self, first_key: usize) {
        let keys: Vec<Key> = self.keys.drain(first_key..).collect();
        for key in keys {
            self.settle(&key);
        }
    }

    fn settle(&mut self, key: &Key) {
        let Some(head) = self.nodes.get(key.first as usize).copied() else { return };
        if key.written & MAIN != 0
            && key.written & UNDER != 0
            && (key.written & MAIN_ARRAY == 0) != (key.written & UNDER_ARRAY == 0)
        {
            let text = "the member and its `_` sibling must both be arrays, or neither";
            self.problem("misaligned-array", key.first, "", head.offset, text);
        }
        let mut at = key.first;
        while let Some(node) = self.nodes.get_mut(at as usize) {
            let (next, offset) = (node.next, node.offset);
            if node.kind == Kind::Null {
                if node.first != NONE {
                    node.kind = Kind::Absent;
                } else if key.written & UNDER != 0 {
                    let text = "neither the value nor its `_` sibling says anything";
                    self.problem("null-value", at, "", offset, text);
                } else {
                    self.problem("null-value", at, "", offset, "a member must not be null");
                }
            }
            if at == key.last {
                break;
            }
            at = next;
        }
    }
}

/// Where the items of one member go.
pub(super) struct Slot {
    pub key: usize,
    pub parent: u32,
    pub cursor: u32,
    pub count: u32,
    pub array: bool,
}
