//! Reading a tree from JSON.

use super::grow::{MAIN, MAIN_ARRAY, Slot, UNDER, UNDER_ARRAY, narrow};
use super::{Arena, Format, IN_ARRAY, Key, Kind, NONE, Piece, Tag, Tree, UNDERSCORE};
use crate::fhir::json::scan::{Fault, Scanner, Span, Token};
use crate::fhir::json::{JsonError, Limits};
use std::collections::HashMap;

/// Above so many members an object's names are looked up in a table.
const MANY: usize = 48;
const RESOURCE_TYPE: Tag = Tag::of("resourceType");

type Done = Result<(), Box<Fault>>;

impl<'a> Tree<'a> {
    /// Reads one resource from JSON text.
    ///
    /// Fails only when the text is not JSON, is not an object, or goes beyond the limits; everything else is
    /// recorded in [`Tree::problems`].
    pub fn from_json(source: &'a str, limits: &Limits) -> Result<Tree<'a>, JsonError> {
        Tree::from_json_in(Arena::default(), source, limits)
    }

    /// [`Tree::from_json`] in the storage of an earlier tree.
    pub fn from_json_in(arena: Arena, source: &'a str, limits: &Limits) -> Result<Tree<'a>, JsonError> {
        let fail = |fault: Box<Fault>| JsonError::new(source, &fault);
        if source.len() > limits.bytes.min(Limits::MOST_BYTES) {
            return Err(fail(Fault::new(0, "size", "the document is longer than accepted")));
        }
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        let mut tree = Tree::start(arena, source, Format::Json);
        let mut reader = Reader {
            scanner: Scanner::new(source, limits.depth),
            source,
            arena: &mut tree.arena,
            table: HashMap::new(),
        };
        reader.document().map_err(fail)?;
        Ok(tree)
    }
}

struct Reader<'a, 't> {
    scanner: Scanner<'a>,
    source: &'a str,
    arena: &'t mut Arena,
    table: HashMap<String, usize>,
}

impl Reader<'_, '_> {
    fn document(&mut self) -> Done {
        if self.scanner.peek_value() != Some(b'{') {
            self.scanner.skip()?;
            return Err(Fault::new(0, "not-a-resource", "the document is not a JSON object"));
        }
        let offset = narrow(self.scanner.offset());
        let root = self.arena.push(Piece { start: 0, length: 0 }, Tag::default(), NONE, offset, Kind::Object);
        self.members(root)?;
        self.scanner.end()
    }

    #[inline]
    fn piece(&mut self, span: Span) -> Result<Piece, Box<Fault>> {
        if !span.escaped {
            return Ok(Piece { start: narrow(span.start), length: narrow(span.end - span.start) });
        }
        let text = self.scanner.unescaped(span)?;
        Ok(self.arena.keep(&text))
    }

    #[inline]
    fn place(&self, piece: Piece) -> (&str, usize) {
        let from = (piece.start & !super::OWNED) as usize;
        (if piece.start & super::OWNED == 0 { self.source } else { &self.arena.text }, from)
    }

    #[inline]
    fn text(&self, piece: Piece) -> &str {
        let (store, from) = self.place(piece);
        store.get(from..from + piece.length as usize).unwrap_or("")
    }

    #[inline]
    fn head(&self, piece: Piece) -> Option<u8> {
        let (store, from) = self.place(piece);
        store.as_bytes().get(from).copied()
    }

    #[inline]
    fn tag(&self, piece: Piece) -> Tag {
        let (store, from) = self.place(piece);
        Tag::at(store, from, piece.length as usize)
    }

    /// Reads an object whose members become children of `node`.
    fn members(&mut self, node: u32) -> Done {
        self.scanner.open()?;
        let first_key = self.arena.keys.len();
        let table = std::mem::take(&mut self.table);
        let mut first = true;
        let mut unsettled = false;
        while let Some(span) = self.scanner.member(&mut first)? {
            let offset = narrow(self.scanner.key_offset);
            let whole = self.piece(span)?;
            let (name, half) = match self.head(whole) {
                Some(b'_') if whole.length > 1 => {
                    (Piece { start: whole.start + 1, length: whole.length - 1 }, UNDER)
                }
                _ => (whole, MAIN),
            };
            let tag = self.tag(name);
            let key = self.key(first_key, name, tag);
            let written = self.arena.keys.get(key).map_or(0, |key| key.written);
            if written & half != 0 {
                self.repeated(node, whole, offset)?;
                continue;
            }
            unsettled |= half == UNDER;
            let unsettles =
                self.member(node, key, half, offset).map_err(|fault| fault.under_member(self.text(whole)))?;
            unsettled |= unsettles;
        }
        self.scanner.close();
        if first {
            let offset = self.arena.nodes.get(node as usize).map_or(0, |node| node.offset);
            self.arena.problem("empty-object", node, "", offset, "an object must not be empty");
        }
        if unsettled {
            self.arena.close(first_key);
        } else {
            self.arena.keys.truncate(first_key);
        }
        self.table = table;
        Ok(())
    }

    /// The key of this name among those of the open object, made when new.
    #[inline]
    fn key(&mut self, first_key: usize, name: Piece, tag: Tag) -> usize {
        let next = self.arena.keys.len();
        if next - first_key <= MANY {
            let open = self.arena.keys.get(first_key..).unwrap_or(&[]);
            let known = open
                .iter()
                .position(|key| key.tag == tag && (tag.is_whole() || self.text(key.name) == self.text(name)));
            if let Some(known) = known {
                return first_key + known;
            }
        } else if let Some(known) = self.tabled(first_key, name) {
            return known;
        }
        self.arena.keys.push(Key { name, tag, first: NONE, last: NONE, written: 0 });
        next
    }

    /// The key of this name among very many, which are held in a table.
    #[cold]
    fn tabled(&mut self, first_key: usize, name: Piece) -> Option<usize> {
        if self.table.is_empty() {
            let open = self.arena.keys.get(first_key..).unwrap_or(&[]);
            let all = open.iter().enumerate();
            self.table = all.map(|(i, key)| (self.text(key.name).to_owned(), first_key + i)).collect();
        }
        let wanted = self.text(name).to_owned();
        if let Some(known) = self.table.get(&wanted) {
            return Some(*known);
        }
        self.table.insert(wanted, self.arena.keys.len());
        None
    }

    #[cold]
    fn repeated(&mut self, node: u32, name: Piece, offset: u32) -> Done {
        let member = self.text(name).to_owned();
        let text = format!("the member `{member}` stands twice in one object");
        self.arena.problem("duplicate-key", node, &member, offset, text);
        self.scanner.skip()
    }

    /// Reads the value of one member. Answers whether the object must look at its nulls when it closes.
    #[inline]
    fn member(&mut self, parent: u32, key: usize, half: u8, offset: u32) -> Result<bool, Box<Fault>> {
        let head = self.scanner.peek_value();
        let array = head == Some(b'[');
        let mut resource_type = false;
        let mut cursor = NONE;
        if let Some(key) = self.arena.keys.get_mut(key) {
            key.written |= half;
            if array {
                key.written |= if half == MAIN { MAIN_ARRAY } else { UNDER_ARRAY };
            }
            resource_type = key.tag == RESOURCE_TYPE;
            cursor = key.first;
        }
        if half == MAIN
            && resource_type
            && self.text(self.name_of(key)) == "resourceType"
            && !self.describes(parent)
        {
            self.resource_type(parent, offset)?;
            return Ok(false);
        }
        let merging = cursor != NONE;
        let mut slot = Slot { key, parent, cursor, count: 0, array };
        if !array {
            let node = self.arena.slot(&mut slot, offset);
            if half == UNDER && head == Some(b'n') {
                self.arena.problem("null-value", node, "", offset, "a `_` sibling must not be null");
            }
            return self.fill(node, half);
        }
        self.scanner.open()?;
        let mut first = true;
        let mut unsettled = false;
        while self.scanner.item(&mut first)? {
            self.scanner.peek_value();
            let at = narrow(self.scanner.offset());
            let node = self.arena.slot(&mut slot, at);
            unsettled |= self
                .fill(node, half)
                .map_err(|fault| fault.under_item(slot.count.saturating_sub(1) as usize))?;
        }
        self.scanner.close();
        if first {
            let name = self.name_of(key);
            let member =
                if half == UNDER { format!("_{}", self.text(name)) } else { self.text(name).to_owned() };
            self.arena.problem("empty-array", parent, &member, offset, "an array must not be empty");
        } else if merging {
            self.aligned(&slot, offset);
        }
        Ok(unsettled)
    }

    fn name_of(&self, key: usize) -> Piece {
        self.arena.keys.get(key).map_or(super::MISSING, |key| key.name)
    }

    /// Both halves of a member were arrays: they must have the same length.
    fn aligned(&mut self, slot: &Slot, offset: u32) {
        let Some(key) = self.arena.keys.get(slot.key).copied() else { return };
        let last = self.arena.nodes.get(key.last as usize).map_or(0, |node| node.index);
        let grew =
            slot.count > 0 && self.arena.nodes.get(key.last as usize).is_some_and(|n| n.offset >= offset);
        if slot.cursor != NONE || grew || last + 1 != slot.count {
            let text = "the array and its `_` sibling must have the same length";
            self.arena.problem("misaligned-array", key.first, "", offset, text);
        }
        let mut at = key.first;
        while let Some(node) = self.arena.nodes.get_mut(at as usize) {
            node.flags |= IN_ARRAY;
            if at == key.last {
                break;
            }
            at = node.next;
        }
    }

    /// Whether an object has a `resourceType` that is an element of its own.
    #[cold]
    fn describes(&self, node: u32) -> bool {
        self.arena.nodes.get(node as usize).is_some_and(|node| node.tag == super::DESCRIBING)
    }

    fn resource_type(&mut self, node: u32, offset: u32) -> Done {
        match self.scanner.token()? {
            Token::String(span) => {
                let piece = self.piece(span)?;
                if let Some(node) = self.arena.nodes.get_mut(node as usize) {
                    node.resource_type = piece;
                }
            }
            token => {
                if let Token::Array | Token::Object = token {
                    self.scanner.skip()?;
                }
                let text = "`resourceType` must be a string";
                self.arena.problem("resource-type", node, "resourceType", offset, text);
            }
        }
        Ok(())
    }

    /// Reads one value into a node. Answers whether it was null.
    #[inline]
    fn fill(&mut self, id: u32, half: u8) -> Result<bool, Box<Fault>> {
        let at = narrow(self.scanner.offset());
        let token = self.scanner.token()?;
        if half == UNDER {
            return self.fill_under(id, token, at);
        }
        let (kind, span) = match token {
            Token::Object => {
                self.set_kind(id, Kind::Object);
                self.refuse_both(id, at);
                self.members(id)?;
                return Ok(false);
            }
            Token::Array => {
                self.arena.problem(
                    "nested-array",
                    id,
                    "",
                    at,
                    "an array must not stand directly in an array",
                );
                self.scanner.skip()?;
                return Ok(false);
            }
            Token::Null => {
                self.set_kind(id, Kind::Null);
                return Ok(true);
            }
            Token::String(span) => (Kind::String, span),
            Token::Number(span) => (Kind::Number, span),
            Token::Bool(value) => {
                let end = self.scanner.offset();
                let start = end - if value { 4 } else { 5 };
                (Kind::Bool, Span { start, end, escaped: false })
            }
        };
        let value = self.piece(span)?;
        if value.length == 0 {
            self.arena.problem("empty-string", id, "", at, "a string must not be empty");
        }
        if let Some(node) = self.arena.nodes.get_mut(id as usize) {
            node.kind = kind;
            node.value = value;
        }
        Ok(false)
    }

    fn set_kind(&mut self, id: u32, kind: Kind) {
        if let Some(node) = self.arena.nodes.get_mut(id as usize) {
            node.kind = kind;
        }
    }

    /// An object cannot have a `_` sibling: that is for primitives.
    fn refuse_both(&mut self, id: u32, at: u32) {
        let under = self.arena.nodes.get(id as usize).is_some_and(|node| node.flags & UNDERSCORE != 0);
        if under {
            let text = "only a primitive may have a `_` sibling";
            self.arena.problem("underscore-shape", id, "", at, text);
        }
    }

    fn fill_under(&mut self, id: u32, token: Token, at: u32) -> Result<bool, Box<Fault>> {
        match token {
            Token::Object => {
                let object = self.arena.nodes.get_mut(id as usize).is_some_and(|node| {
                    node.flags |= UNDERSCORE;
                    node.kind == Kind::Object
                });
                if object {
                    self.refuse_both(id, at);
                    self.scanner.skip()?;
                } else {
                    self.members(id)?;
                }
                return Ok(false);
            }
            Token::Null => {
                let bare = self.arena.nodes.get_mut(id as usize).filter(|node| node.kind == Kind::Absent);
                if let Some(node) = bare {
                    node.kind = Kind::Null;
                }
                return Ok(true);
            }
            Token::Array => self.scanner.skip()?,
            Token::String(_) | Token::Number(_) | Token::Bool(_) => {}
        }
        let text = "a `_` sibling must be an object";
        self.arena.problem("underscore-shape", id, "", at, text);
        Ok(false)
    }
}
