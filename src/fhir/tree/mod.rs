//! One resource as a tree of FHIR elements, read from JSON or XML, without loss and without copying.
//!
//! A node is one FHIR element: a primitive holds its text, and the `_name` sibling that JSON gives it is merged into
//! it. What breaks a rule of the representation but can be read around (a key that stands twice, null, an empty
//! array, arrays that do not align) is recorded as a [`Problem`], so that several can be reported at once.
//!
//! The nodes live in an [`Arena`] that can be used again for the next document; they hold places in the source, so
//! reading a resource allocates nothing once the arena has grown.
//!
//! Implements <https://hl7.org/fhir/R4/json.html> and <https://hl7.org/fhir/R4/xml.html>.

mod grow;
mod json;
mod place;
mod tag;
#[cfg(test)]
mod tests;
mod value;
mod walk;
mod xml;

pub use place::position;
pub use tag::Tag;
pub use walk::{Children, Named};

use std::borrow::Cow;
use std::sync::OnceLock;

/// One element of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The position of the node in its tree, for tables kept beside it; always below [`Tree::len`].
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

/// How an element was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A JSON object.
    Object,
    /// A JSON string.
    String,
    /// A JSON number; its text is kept as written.
    Number,
    /// A JSON `true` or `false`.
    Bool,
    /// A JSON `null` that no `_name` sibling fills (always accompanied by a problem).
    Null,
    /// A JSON primitive without a value: only its `_name` sibling was written.
    Absent,
    /// An XML element; it has a value when it carries the attribute `value`.
    Element,
    /// An XML attribute other than `value`: `id` or `url`.
    Attribute,
    /// An XML `div` in the XHTML namespace; its text is the element as written.
    Xhtml,
}

/// The representation a tree was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON text.
    Json,
    /// XML text.
    Xml,
    /// A JSON value in memory: there are no lines and columns.
    Value,
}

/// A broken rule of the representation that did not stop the reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The stable name of the rule: `duplicate-key`, `null-value`, `empty-array`, `empty-object`, `empty-string`,
    /// `misaligned-array`, `nested-array`, `underscore-shape`, `resource-type`, or one that begins with `xml-`.
    pub rule: &'static str,
    /// The element the problem is about, or the parent of a member that has no element of its own.
    pub node: NodeId,
    /// The name of that member as written, when it has no element of its own; empty otherwise.
    pub member: String,
    /// What is wrong: lower case, no full stop, never a value.
    pub text: Cow<'static, str>,
    /// The byte offset in the source.
    pub offset: u32,
}

/// A piece of the source or, with the high bit of `start` set, of the arena's own text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Piece {
    start: u32,
    length: u32,
}

const OWNED: u32 = 1 << 31;
const NONE: u32 = u32::MAX;
const MISSING: Piece = Piece { start: NONE, length: 0 };

#[derive(Clone, Copy, Debug)]
struct Node {
    name: Piece,
    tag: Tag,
    value: Piece,
    resource_type: Piece,
    parent: u32,
    first: u32,
    last: u32,
    next: u32,
    index: u32,
    offset: u32,
    kind: Kind,
    flags: u8,
}

/// The element that has a `resourceType` without being a resource: `ExampleScenario.instance`. No element of that name
/// holds a resource.
const DESCRIBING: Tag = Tag::of("instance");

const IN_ARRAY: u8 = 1;
const UNDERSCORE: u8 = 2;
const REPEATS: u8 = 4;

/// What the reader remembers about a member of an object that is still open.
#[derive(Clone, Copy, Debug)]
struct Key {
    name: Piece,
    tag: Tag,
    first: u32,
    last: u32,
    written: u8,
}

/// The storage of a tree, to be used again for the next document: see [`Tree::into_arena`].
#[derive(Debug, Default)]
pub struct Arena {
    nodes: Vec<Node>,
    text: String,
    problems: Vec<Problem>,
    keys: Vec<Key>,
}

/// One resource, read.
#[derive(Debug)]
pub struct Tree<'a> {
    source: &'a str,
    arena: Arena,
    format: Format,
    lines: OnceLock<Vec<u32>>,
}

impl<'a> Tree<'a> {
    fn start(mut arena: Arena, source: &'a str, format: Format) -> Tree<'a> {
        arena.nodes.clear();
        arena.text.clear();
        arena.problems.clear();
        arena.keys.clear();
        Tree { source, arena, format, lines: OnceLock::new() }
    }

    /// The storage, for the next document.
    pub fn into_arena(self) -> Arena {
        self.arena
    }

    /// The representation the tree was read from.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The text the tree was read from; empty for [`Format::Value`].
    pub fn source(&self) -> &'a str {
        self.source
    }

    /// What breaks a rule of the representation, in order of discovery.
    pub fn problems(&self) -> &[Problem] {
        &self.arena.problems
    }

    /// How many elements there are; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a tree has at least its root")]
    pub fn len(&self) -> usize {
        self.arena.nodes.len()
    }

    /// The root element: the resource.
    pub fn root(&self) -> NodeId {
        NodeId(0)
    }
}
