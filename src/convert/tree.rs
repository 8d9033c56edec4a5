//! The one shape that every source format is read into: a tree in an arena over borrowed text.
//!
//! A node is a segment, field, component, member, element, attribute, row or cell; a node with text is a *value*, and
//! every value has exactly one entry in the ledger. Paths ([`super::path`]) walk this tree and nothing else, so one
//! mapping language serves all formats.

use std::borrow::Cow;
use std::fmt::Write;

/// The index of a node in its [`Tree`].
pub type NodeId = u32;

/// The index that stands for "no node".
pub const NONE: NodeId = u32::MAX;

/// The root of every tree.
pub const ROOT: NodeId = 0;

/// How places are written and what a path means in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notation {
    /// HL7 v2 in its pipe notation: `PID[1]-3[2].4.1`.
    Er7,
    /// JSON pointers: `/alerts/0/code`.
    Json,
    /// XML paths with positions: `/a/b[2]/@c`.
    Xml,
    /// CSV: `row 7, column "CPP start"`.
    Csv,
    /// openEHR FLAT keys: `x/precaution:0/condition|code`.
    Flat,
}

/// One node, see the module.
#[derive(Debug)]
pub struct Node<'a> {
    /// The name of a segment, member, element or attribute (local name) or column; empty for numbered nodes.
    pub name: &'a str,
    /// The namespace of an XML element or attribute, else empty.
    pub space: &'a str,
    /// Whether it is an attribute of an XML element.
    pub attribute: bool,
    /// The number of a field, component or sub-component (from 1), the index in an array (from 0), or the ordinal
    /// among siblings of the same name (from 1).
    pub number: u32,
    /// The repetition of a field, from 1; 1 elsewhere.
    pub repeat: u32,
    /// The parent, [`NONE`] for the root.
    pub parent: NodeId,
    /// The first child or [`NONE`].
    pub first: NodeId,
    /// The last child or [`NONE`].
    pub last: NodeId,
    /// The next sibling or [`NONE`].
    pub next: NodeId,
    /// The value, decoded; never empty.
    pub text: Option<Cow<'a, str>>,
    /// The byte offset in the decoded source, where known.
    pub offset: u32,
}

/// A source, read.
#[derive(Debug)]
pub struct Tree<'a> {
    /// How its places are written.
    pub notation: Notation,
    nodes: Vec<Node<'a>>,
}

impl<'a> Tree<'a> {
    /// A tree that holds only its root.
    pub fn new(notation: Notation, capacity: usize) -> Tree<'a> {
        let mut nodes = Vec::with_capacity(capacity.max(1));
        nodes.push(Node {
            name: "",
            space: "",
            attribute: false,
            number: 1,
            repeat: 1,
            parent: NONE,
            first: NONE,
            last: NONE,
            next: NONE,
            text: None,
            offset: 0,
        });
        Tree { notation, nodes }
    }

    /// Appends a node as the last child of `parent` and answers its index.
    pub fn push(&mut self, parent: NodeId, name: &'a str, number: u32, offset: usize) -> NodeId {
        let id = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(Node {
            name,
            space: "",
            attribute: false,
            number,
            repeat: 1,
            parent,
            first: NONE,
            last: NONE,
            next: NONE,
            text: None,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
        });
        let mut previous = NONE;
        if let Some(p) = self.nodes.get_mut(parent as usize) {
            previous = p.last;
            p.last = id;
            if previous == NONE {
                p.first = id;
            }
        }
        if let Some(sibling) = self.nodes.get_mut(previous as usize) {
            sibling.next = id;
        }
        id
    }

    /// The node of this index, if there is one.
    pub fn node(&self, id: NodeId) -> Option<&Node<'a>> {
        self.nodes.get(id as usize)
    }

    /// The node of this index, to be completed by a reader.
    pub fn node_mut(&mut self, id: NodeId) -> Option<&mut Node<'a>> {
        self.nodes.get_mut(id as usize)
    }

    /// How many nodes there are, with the root.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing but the root is there.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// The children of a node, in order.
    pub fn children(&self, id: NodeId) -> Children<'_, 'a> {
        Children { tree: self, next: self.node(id).map_or(NONE, |n| n.first) }
    }

    /// Every value with its index, in the order of the source.
    pub fn values(&self) -> impl Iterator<Item = (NodeId, &Node<'a>)> {
        (0u32..).zip(self.nodes.iter()).filter(|(_, n)| n.text.is_some())
    }

    /// The value at a node: its own text, or for HL7 v2 the first component's first sub-component (a receiver that
    /// expects a simple field reads the first component of a composite one; HL7 v2.5.1 section 2.8.2).
    pub fn value(&self, id: NodeId) -> Option<(NodeId, &str)> {
        let mut at = id;
        loop {
            let node = self.node(at)?;
            if let Some(text) = &node.text {
                return Some((at, text));
            }
            if self.notation == Notation::Er7 && node.parent != ROOT && at != ROOT {
                at = self
                    .children(at)
                    .map(|(id, _)| id)
                    .next()
                    .filter(|c| self.node(*c).is_some_and(|n| n.number == 1))?;
            } else if self.notation == Notation::Xml {
                at = self.children(at).find(|(_, n)| n.name == "#text").map(|(id, _)| id)?;
            } else {
                return None;
            }
        }
    }

    /// The child of the root that holds this node (its segment in HL7 v2), or [`NONE`] for the root itself.
    pub fn top(&self, id: NodeId) -> NodeId {
        let mut at = id;
        while let Some(node) = self.node(at) {
            if node.parent == ROOT {
                return at;
            }
            at = node.parent;
        }
        NONE
    }

    /// Whether `id` is `ancestor` or lies below it.
    pub fn is_within(&self, id: NodeId, ancestor: NodeId) -> bool {
        let mut at = id;
        loop {
            if at == ancestor {
                return true;
            }
            match self.node(at) {
                Some(node) => at = node.parent,
                None => return false,
            }
        }
    }

    /// The place of a node in the notation of its format.
    pub fn place(&self, id: NodeId) -> String {
        let mut out = String::with_capacity(24);
        self.write_place(id, &mut out);
        out
    }

    /// Appends the place of a node to a text.
    pub fn write_place(&self, id: NodeId, out: &mut String) {
        self.write_step(id, out);
    }

    /// Writes the steps down to a node; answers how many there are.
    fn write_step(&self, id: NodeId, out: &mut String) -> usize {
        let Some(node) = self.node(id).filter(|_| id != ROOT) else { return 0 };
        let depth = self.write_step(node.parent, out);
        match self.notation {
            Notation::Er7 => er7_step(out, node, depth),
            Notation::Json => json_step(out, node),
            Notation::Xml => xml_step(out, node),
            Notation::Csv => csv_step(out, node, depth),
            Notation::Flat => flat_step(out, node, depth),
        }
        depth + 1
    }

    /// A part of this tree as a tree of its own: the node with everything below it, and its ancestors without what else
    /// they hold, so that places stay the same. The second answer is the node in the new tree.
    pub fn extract(&self, id: NodeId) -> (Tree<'a>, NodeId) {
        let mut chain = Vec::new();
        let mut at = self.node(id).map_or(NONE, |n| n.parent);
        while at != NONE && at != ROOT {
            chain.push(at);
            at = self.node(at).map_or(NONE, |n| n.parent);
        }
        let mut part = Tree::new(self.notation, 64);
        let mut parent = ROOT;
        for ancestor in chain.into_iter().rev() {
            parent = self.copy(ancestor, &mut part, parent, false, &[]);
        }
        let root = if id == ROOT {
            self.copy_below(ROOT, &mut part, ROOT, &[])
        } else {
            self.copy(id, &mut part, parent, true, &[])
        };
        (part, root)
    }

    /// This tree without some of its nodes.
    pub fn without(&self, skipped: &[NodeId]) -> Tree<'a> {
        let mut part = Tree::new(self.notation, 64);
        self.copy_below(ROOT, &mut part, ROOT, skipped);
        part
    }

    fn copy(
        &self,
        id: NodeId,
        into: &mut Tree<'a>,
        parent: NodeId,
        deep: bool,
        skipped: &[NodeId],
    ) -> NodeId {
        let Some(node) = self.node(id) else { return parent };
        let copy = into.push(parent, node.name, node.number, 0);
        if let Some(fresh) = into.node_mut(copy) {
            fresh.space = node.space;
            fresh.attribute = node.attribute;
            fresh.repeat = node.repeat;
            fresh.offset = node.offset;
            if deep {
                fresh.text.clone_from(&node.text);
            }
        }
        if deep {
            self.copy_below(id, into, copy, skipped);
        }
        copy
    }

    fn copy_below(&self, id: NodeId, into: &mut Tree<'a>, parent: NodeId, skipped: &[NodeId]) -> NodeId {
        for (child, _) in self.children(id) {
            if skipped.binary_search(&child).is_err() {
                self.copy(child, into, parent, true, skipped);
            }
        }
        parent
    }
}

fn xml_step(out: &mut String, node: &Node<'_>) {
    let _ = match (node.attribute, node.number) {
        (true, _) => write!(out, "/@{}", node.name),
        (false, 0 | 1) => write!(out, "/{}", node.name),
        (false, n) => write!(out, "/{}[{n}]", node.name),
    };
}

fn flat_step(out: &mut String, node: &Node<'_>, depth: usize) {
    if depth > 0 && !node.name.starts_with('|') {
        out.push('/');
    }
    out.push_str(node.name);
    if node.repeat != 1 {
        let _ = write!(out, ":{}", node.number);
    }
}

fn er7_step(out: &mut String, node: &Node<'_>, depth: usize) {
    if depth == 0 {
        out.push_str(node.name);
        bracketed(out, node.number);
        return;
    }
    out.push(if depth == 1 { '-' } else { '.' });
    decimal(out, node.number);
    if depth == 1 && node.repeat > 1 {
        bracketed(out, node.repeat);
    }
}

fn bracketed(out: &mut String, number: u32) {
    out.push('[');
    decimal(out, number);
    out.push(']');
}

/// Writes a number without the machinery of formats: a ledger has a place for every value.
fn decimal(out: &mut String, number: u32) {
    if number >= 10 {
        decimal(out, number / 10);
    }
    out.push(char::from_digit(number % 10, 10).unwrap_or('0'));
}

fn json_step(out: &mut String, node: &Node<'_>) {
    out.push('/');
    if node.name.is_empty() {
        decimal(out, node.number);
    } else if node.name.contains(['~', '/']) {
        out.push_str(&node.name.replace('~', "~0").replace('/', "~1"));
    } else {
        out.push_str(node.name);
    }
}

fn csv_step(out: &mut String, node: &Node<'_>, depth: usize) {
    if depth == 0 {
        out.push_str("row ");
        decimal(out, node.number);
    } else {
        out.push_str(", column \"");
        out.push_str(node.name);
        out.push('"');
    }
}

/// The children of one node, see [`Tree::children`].
pub struct Children<'t, 'a> {
    tree: &'t Tree<'a>,
    next: NodeId,
}

impl<'t, 'a> Iterator for Children<'t, 'a> {
    type Item = (NodeId, &'t Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let id = self.next;
        let node = self.tree.node(id)?;
        self.next = node.next;
        Some((id, node))
    }
}

/// The line and column, both from 1 and the column in characters, of a byte offset in a text.
pub fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let newline = |c: char| c == '\n' || c == '\r';
    let lines = before.replace("\r\n", "\n").matches(newline).count();
    let column = before.rsplit(newline).next().map_or(0, |last| last.chars().count());
    (u32::try_from(lines + 1).unwrap_or(u32::MAX), u32::try_from(column + 1).unwrap_or(u32::MAX))
}
