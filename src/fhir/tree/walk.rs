//! Looking at a tree.

use super::{IN_ARRAY, Kind, MISSING, NONE, Node, NodeId, OWNED, Piece, REPEATS, Tag, Tree, UNDERSCORE};

impl<'a> Tree<'a> {
    #[inline]
    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.arena.nodes.get(id.0 as usize)
    }

    #[inline]
    pub(super) fn text(&self, piece: Piece) -> &str {
        let from = (piece.start & !OWNED) as usize;
        let store: &str = if piece.start & OWNED == 0 { self.source } else { &self.arena.text };
        store.get(from..from + piece.length as usize).unwrap_or("")
    }

    /// The name of the element, such as `code`; of a root, empty.
    #[inline]
    pub fn name(&self, id: NodeId) -> &str {
        self.node(id).map_or("", |node| self.text(node.name))
    }

    /// The tag of the element's name; of a root, that of the empty name.
    #[inline]
    pub fn tag(&self, id: NodeId) -> Tag {
        self.node(id).map_or(Tag::default(), |node| node.tag)
    }

    /// Whether this is the name of the element.
    #[inline]
    pub fn is_named(&self, id: NodeId, name: &str) -> bool {
        self.node(id).is_some_and(|node| self.has_name(node, Tag::of(name), name))
    }

    #[inline]
    fn has_name(&self, node: &Node, tag: Tag, name: &str) -> bool {
        node.tag == tag && (tag.is_whole() || self.text(node.name) == name)
    }

    /// The resource type, when the element is a resource: in JSON the member `resourceType`, in XML the name of the
    /// resource's own element. A JSON object of any place may claim one; whether a resource belongs there is for the
    /// validator.
    #[inline]
    pub fn resource_type(&self, id: NodeId) -> Option<&str> {
        let piece = self.node(id)?.resource_type;
        if piece == MISSING { None } else { Some(self.text(piece)) }
    }

    /// The text of a primitive: a string without its escapes, a number or Boolean as written, an XML attribute.
    #[inline]
    pub fn value(&self, id: NodeId) -> Option<&str> {
        let piece = self.node(id)?.value;
        if piece == MISSING { None } else { Some(self.text(piece)) }
    }

    /// How the element was written.
    #[inline]
    pub fn kind(&self, id: NodeId) -> Kind {
        self.node(id).map_or(Kind::Absent, |node| node.kind)
    }

    /// Whether a `_name` object was written for the element (JSON): only primitives may have one.
    #[inline]
    pub fn has_underscore(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.flags & UNDERSCORE != 0)
    }

    /// Whether the element stands in a JSON array, or beside another element of its name in XML.
    #[inline]
    pub fn was_array(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.flags & (IN_ARRAY | REPEATS) != 0)
    }

    /// The position of the element in its array, or among the XML elements of its name; 0 when it stands alone.
    #[inline]
    pub fn index(&self, id: NodeId) -> usize {
        self.node(id).map_or(0, |node| node.index as usize)
    }

    /// The element that holds this one; nothing for the root.
    #[inline]
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        match self.node(id)?.parent {
            NONE => None,
            parent => Some(NodeId(parent)),
        }
    }

    /// The byte offset in the source at which the element begins (its member name, or its item in an array).
    #[inline]
    pub fn offset(&self, id: NodeId) -> u32 {
        self.node(id).map_or(0, |node| node.offset)
    }

    /// The elements directly within this one, in the order written; elements of one name stand together in JSON.
    #[inline]
    pub fn children(&self, id: NodeId) -> Children<'_> {
        Children { tree: self, next: self.node(id).map_or(NONE, |node| node.first) }
    }

    /// The children of this name.
    #[inline]
    pub fn named<'n>(&'n self, id: NodeId, name: &'n str) -> Named<'n> {
        Named { children: self.children(id), tag: Tag::of(name), name }
    }

    /// The first child of this name.
    #[inline]
    pub fn child(&self, id: NodeId, name: &str) -> Option<NodeId> {
        let tag = Tag::of(name);
        let mut at = self.node(id)?.first;
        loop {
            let node = self.arena.nodes.get(at as usize)?;
            if self.has_name(node, tag, name) {
                return Some(NodeId(at));
            }
            at = node.next;
        }
    }

    /// The text of the first child of this name.
    #[inline]
    pub fn child_value(&self, id: NodeId, name: &str) -> Option<&str> {
        self.child(id, name).and_then(|child| self.value(child))
    }

    /// Whether the element has children.
    #[inline]
    pub fn has_children(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.first != NONE)
    }

    /// The next element of the same parent, in the order written.
    #[inline]
    pub fn next_sibling(&self, id: NodeId) -> Option<NodeId> {
        match self.node(id)?.next {
            NONE => None,
            next => Some(NodeId(next)),
        }
    }

    /// The nearest resource at or above the element.
    pub fn resource_of(&self, id: NodeId) -> NodeId {
        let mut at = id;
        while self.resource_type(at).is_none() {
            match self.parent(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at
    }

    /// Every element of the tree, a parent always before its children.
    pub fn all(&self) -> impl Iterator<Item = NodeId> + use<> {
        let count = u32::try_from(self.arena.nodes.len()).unwrap_or(u32::MAX);
        (0..count).map(NodeId)
    }
}

/// See [`Tree::children`].
#[derive(Clone, Debug)]
pub struct Children<'t> {
    tree: &'t Tree<'t>,
    next: u32,
}

impl Iterator for Children<'_> {
    type Item = NodeId;

    #[inline]
    fn next(&mut self) -> Option<NodeId> {
        let node = self.tree.arena.nodes.get(self.next as usize)?;
        let here = NodeId(self.next);
        self.next = node.next;
        Some(here)
    }
}

/// See [`Tree::named`].
#[derive(Clone, Debug)]
pub struct Named<'t> {
    children: Children<'t>,
    tag: Tag,
    name: &'t str,
}

impl Iterator for Named<'_> {
    type Item = NodeId;

    #[inline]
    fn next(&mut self) -> Option<NodeId> {
        let tree = self.children.tree;
        let (tag, name) = (self.tag, self.name);
        self.children.find(|child| tree.node(*child).is_some_and(|node| tree.has_name(node, tag, name)))
    }
}
