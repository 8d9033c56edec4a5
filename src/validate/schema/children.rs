//! From a member's name to the element that defines it, in a few nanoseconds.

use crate::fhir::tree::Tag;

/// What a member's name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Member {
    /// The position among the children of the element.
    pub slot: u16,
    /// The position of the type among the types of that child.
    pub of_type: u16,
}

#[derive(Debug)]
struct Named {
    tag: Tag,
    name: Box<str>,
    member: Member,
}

/// The children of an element by name.
#[derive(Debug, Default)]
pub(in super::super) struct Children {
    /// The element in the snapshot for each slot, in order.
    pub slots: Vec<u32>,
    names: Vec<Named>,
    table: Vec<u16>,
}

const EMPTY: u16 = u16::MAX;

/// Where the search for a name begins.
#[inline]
fn start(tag: Tag) -> usize {
    (tag.spread() >> 40) as usize
}

impl Children {
    /// Adds a child; answers its slot.
    pub fn slot(&mut self, element: u32) -> u16 {
        self.slots.push(element);
        u16::try_from(self.slots.len() - 1).unwrap_or(EMPTY)
    }

    /// Adds a name by which a child may be written; the first to claim a name keeps it.
    pub fn name(&mut self, name: &str, member: Member) {
        if !self.names.iter().any(|known| known.name.as_ref() == name) {
            self.names.push(Named { tag: Tag::of(name), name: name.into(), member });
        }
    }

    /// Builds the table, when all names are there.
    pub fn finish(&mut self) {
        let size = (self.names.len() * 4).next_power_of_two().max(4);
        self.table = vec![EMPTY; size];
        for (index, named) in self.names.iter().enumerate() {
            let mut at = start(named.tag) & (size - 1);
            while self.table.get(at).is_some_and(|slot| *slot != EMPTY) {
                at = (at + 1) & (size - 1);
            }
            if let Some(slot) = self.table.get_mut(at) {
                *slot = u16::try_from(index).unwrap_or(EMPTY);
            }
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The child that a member's name leads to; the name itself is asked for only when its tag cannot tell.
    #[inline]
    pub fn find<'n>(&self, tag: Tag, name: impl Fn() -> &'n str) -> Option<Member> {
        let mask = self.table.len().wrapping_sub(1);
        let mut at = start(tag) & mask;
        loop {
            let index = *self.table.get(at)?;
            if index == EMPTY {
                return None;
            }
            let named = self.names.get(usize::from(index))?;
            if named.tag == tag && (tag.is_whole() || named.name.as_ref() == name()) {
                return Some(named.member);
            }
            at = (at + 1) & mask;
        }
    }

    /// The names by which children may be written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|named| named.name.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_name_and_no_other() {
        let mut children = Children::default();
        let names = [
            "id",
            "meta",
            "implicitRules",
            "language",
            "text",
            "contained",
            "extension",
            "valueString",
            "valueCode",
        ];
        for name in names {
            let slot = children.slot(1);
            children.name(name, Member { slot, of_type: 0 });
        }
        children.finish();
        for (index, name) in names.iter().enumerate() {
            assert_eq!(children.find(Tag::of(name), || name).map(|m| usize::from(m.slot)), Some(index));
        }
        assert_eq!(children.find(Tag::of("valueCodf"), || "valueCodf"), None);
        assert_eq!(Children::default().find(Tag::of("x"), || "x"), None);
    }
}
