//! Reading a tree from XML.

use super::grow::narrow;
use super::{Arena, Format, Key, Kind, MISSING, NONE, Piece, REPEATS, Tag, Tree};
use crate::fhir::json::Limits;
use crate::fhir::xml::scan::{Event, Fault, Scanner, Span};
use crate::fhir::xml::{FHIR, SCHEMA_INSTANCE, XHTML, XmlError};

/// How deeply the narrative may be nested in itself.
const NARRATIVE_DEPTH: usize = 256;
/// So many of the last distinct names are compared to number the repetitions of an element.
const NAMES: usize = 64;

type Done = Result<(), Box<Fault>>;

impl<'a> Tree<'a> {
    /// Reads one resource from XML text.
    ///
    /// Fails when the text is not well-formed, has a document type declaration, or goes beyond the limits; what else
    /// breaks the rules of FHIR's XML (namespaces, text between elements, unknown attributes) is recorded in
    /// [`Tree::problems`]. The order of the elements is kept, for the validator.
    pub fn from_xml(source: &'a str, limits: &Limits) -> Result<Tree<'a>, XmlError> {
        Tree::from_xml_in(Arena::default(), source, limits)
    }

    /// [`Tree::from_xml`] in the storage of an earlier tree.
    pub fn from_xml_in(arena: Arena, source: &'a str, limits: &Limits) -> Result<Tree<'a>, XmlError> {
        let fail = |fault: Box<Fault>| XmlError::new(source, &fault);
        if source.len() > limits.bytes.min(Limits::MOST_BYTES) {
            return Err(fail(Fault::new(0, "size", "the document is longer than accepted")));
        }
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        let mut tree = Tree::start(arena, source, Format::Xml);
        let mut reader = Reader {
            scanner: Scanner::new(source),
            arena: &mut tree.arena,
            source,
            scopes: Vec::new(),
            depth: limits.depth,
        };
        reader.document().map_err(fail)?;
        Ok(tree)
    }
}

struct Reader<'a, 't> {
    scanner: Scanner<'a>,
    arena: &'t mut Arena,
    source: &'a str,
    /// The namespaces in scope: prefix and name.
    scopes: Vec<(&'a str, String)>,
    depth: usize,
}

struct Start<'a> {
    whole: Span,
    prefix: &'a str,
    local: Span,
    offset: usize,
    empty: bool,
    scope: usize,
}

impl<'a> Reader<'a, '_> {
    fn document(&mut self) -> Done {
        self.scanner.prolog()?;
        let tag = match self.scanner.next()? {
            Event::Start { name, offset, empty } => self.tag(name, offset, empty)?,
            Event::Text { offset } => {
                return Err(Fault::new(offset, "xml-syntax", "text stands before the first element"));
            }
            Event::End { offset, .. } => {
                return Err(Fault::new(offset, "xml-syntax", "an end tag stands where the document begins"));
            }
            Event::Done => return Err(Fault::new(0, "xml-syntax", "the document has no element")),
        };
        let root = self.arena.push(
            Piece { start: 0, length: 0 },
            Tag::default(),
            NONE,
            narrow(tag.offset),
            Kind::Element,
        );
        self.resource(root, &tag)?;
        match self.scanner.next()? {
            Event::Done => Ok(()),
            Event::Start { offset, .. } | Event::End { offset, .. } | Event::Text { offset } => {
                Err(Fault::new(offset, "xml-syntax", "content follows the end of the document"))
            }
        }
    }

    fn piece(span: Span) -> Piece {
        Piece { start: narrow(span.start), length: narrow(span.end - span.start) }
    }

    /// Enters a tag: its namespace declarations come into scope.
    fn tag(&mut self, whole: Span, offset: usize, empty: bool) -> Result<Start<'a>, Box<Fault>> {
        let scope = self.scopes.len();
        for i in 0..self.scanner.attributes.len() {
            let Some(attribute) = self.scanner.attributes.get(i).copied() else { break };
            let name = self.scanner.slice(attribute.name);
            let prefix = match name.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) => match rest.strip_prefix(':') {
                    Some(prefix) => prefix,
                    None => continue,
                },
                None => continue,
            };
            let mut value = String::new();
            self.scanner.unescape(attribute.value, &mut value)?;
            if value.is_empty() && !prefix.is_empty() {
                let text = "a namespace prefix must not be bound to nothing";
                return Err(Fault::new(attribute.name.start, "xml-syntax", text));
            }
            self.scopes.push((prefix, value));
        }
        let (prefix, local) = split(self.scanner.slice(whole), whole);
        let tag = Start { whole, prefix, local, offset, empty, scope };
        if self.namespace(prefix).is_none() {
            return Err(Fault::new(offset, "xml-syntax", "a namespace prefix is not declared"));
        }
        Ok(tag)
    }

    fn namespace(&self, prefix: &str) -> Option<&str> {
        let bound =
            self.scopes.iter().rev().find(|(known, _)| *known == prefix).map(|(_, name)| name.as_str());
        match prefix {
            "" => Some(bound.unwrap_or("")),
            "xml" => Some("http://www.w3.org/XML/1998/namespace"),
            _ => bound,
        }
    }

    /// Reads a resource element into `node`, which is the root or the element that holds the resource.
    fn resource(&mut self, node: u32, tag: &Start<'a>) -> Done {
        let known = self.scanner.slice(tag.local);
        if let Some(node) = self.arena.nodes.get_mut(node as usize) {
            node.resource_type = Self::piece(tag.local);
        }
        if self.namespace(tag.prefix) != Some(FHIR) {
            let text = format!("the element `{known}` is not in the namespace `{FHIR}`");
            self.arena.problem("xml-namespace", node, "", narrow(tag.offset), text);
        }
        self.attributes(node, true)?;
        self.content(node, tag)
    }

    /// Reads what stands between the tags of an element.
    fn content(&mut self, node: u32, tag: &Start<'a>) -> Done {
        if !tag.empty {
            if self.depth == 0 {
                return Err(Fault::new(
                    tag.offset,
                    "depth",
                    "the document is nested more deeply than accepted",
                ));
            }
            self.depth -= 1;
            let first_key = self.arena.keys.len();
            self.inside(node, tag, first_key)?;
            self.arena.keys.truncate(first_key);
            self.depth += 1;
        }
        self.scopes.truncate(tag.scope);
        Ok(())
    }

    fn inside(&mut self, node: u32, tag: &Start<'a>, first_key: usize) -> Done {
        loop {
            match self.scanner.next()? {
                Event::Start { name, offset, empty } => {
                    let child = self.tag(name, offset, empty)?;
                    self.element(node, &child, first_key)?;
                }
                Event::End { name, offset } => return self.ends(tag, name, offset),
                Event::Text { offset } => {
                    let text = "text stands between the elements";
                    self.arena.problem("xml-text", node, "", narrow(offset), text);
                }
                Event::Done => return Err(self.unclosed(tag)),
            }
        }
    }

    fn ends(&self, tag: &Start<'a>, name: Span, offset: usize) -> Done {
        if self.scanner.slice(name) == self.scanner.slice(tag.whole) {
            return Ok(());
        }
        let expected = self.scanner.slice(tag.whole);
        Err(Fault::new(offset, "xml-syntax", format!("expected the end tag of `{expected}`")))
    }

    fn unclosed(&self, tag: &Start<'a>) -> Box<Fault> {
        let name = self.scanner.slice(tag.whole);
        Fault::new(self.scanner.offset(), "xml-syntax", format!("the text ends inside the element `{name}`"))
    }

    fn element(&mut self, parent: u32, tag: &Start<'a>, first_key: usize) -> Done {
        let name = self.scanner.slice(tag.local);
        let xhtml = self.namespace(tag.prefix) == Some(XHTML);
        let fhir = self.namespace(tag.prefix) == Some(FHIR);
        if name.starts_with(|first: char| first.is_ascii_uppercase()) {
            let holder = self.arena.nodes.get(parent as usize);
            if holder.is_some_and(|holder| holder.resource_type == MISSING && holder.parent != NONE) {
                return self.resource(parent, tag);
            }
            let text = format!("the resource `{name}` must not stand here");
            self.arena.problem("xml-resource", parent, name, narrow(tag.offset), text);
        }
        let id =
            self.arena.push(Self::piece(tag.local), Tag::of(name), parent, narrow(tag.offset), Kind::Element);
        self.arena.hang(id, parent, NONE);
        self.number(id, first_key);
        if xhtml || name == "div" {
            if !xhtml {
                let text = format!("the element `div` is not in the namespace `{XHTML}`");
                self.arena.problem("xml-namespace", id, "", narrow(tag.offset), text);
            }
            return self.narrative(id, tag);
        }
        if !fhir {
            let text = format!("the element `{name}` is not in the namespace `{FHIR}`");
            self.arena.problem("xml-namespace", id, "", narrow(tag.offset), text);
        }
        self.attributes(id, false)?;
        self.content(id, tag)
    }

    /// Numbers the elements of one name below one parent.
    fn number(&mut self, id: u32, first_key: usize) {
        let Some((name, tag)) = self.arena.nodes.get(id as usize).map(|node| (node.name, node.tag)) else {
            return;
        };
        let text = |piece: Piece| {
            self.source.get(piece.start as usize..(piece.start + piece.length) as usize).unwrap_or("")
        };
        let from = first_key.max(self.arena.keys.len().saturating_sub(NAMES));
        let open = self.arena.keys.get(from..).unwrap_or(&[]);
        let known =
            open.iter().rposition(|key| key.tag == tag && (tag.is_whole() || text(key.name) == text(name)));
        match known.and_then(|i| self.arena.keys.get_mut(from + i)) {
            Some(key) => {
                let last = std::mem::replace(&mut key.last, id);
                let first = key.first;
                let index = self.arena.nodes.get(last as usize).map_or(0, |node| node.index + 1);
                if let Some(node) = self.arena.nodes.get_mut(first as usize) {
                    node.flags |= REPEATS;
                }
                if let Some(node) = self.arena.nodes.get_mut(id as usize) {
                    node.flags |= REPEATS;
                    node.index = index;
                }
            }
            None => self.arena.keys.push(Key { name, tag, first: id, last: id, written: 0 }),
        }
    }

    fn attributes(&mut self, node: u32, resource: bool) -> Done {
        for i in 0..self.scanner.attributes.len() {
            let Some(attribute) = self.scanner.attributes.get(i).copied() else { break };
            let name = self.scanner.slice(attribute.name);
            let offset = narrow(attribute.name.start);
            match name {
                "xmlns" => continue,
                "value" if !resource => {
                    let value = self.value(attribute.value)?;
                    if value.length == 0 {
                        self.arena.problem(
                            "empty-string",
                            node,
                            "",
                            offset,
                            "an attribute must not be empty",
                        );
                    }
                    if let Some(node) = self.arena.nodes.get_mut(node as usize) {
                        node.value = value;
                    }
                }
                "id" | "url" if !resource => {
                    let value = self.value(attribute.value)?;
                    let id = self.arena.push(
                        Self::piece(attribute.name),
                        Tag::of(name),
                        node,
                        offset,
                        Kind::Attribute,
                    );
                    self.arena.hang(id, node, NONE);
                    if value.length == 0 {
                        self.arena.problem("empty-string", id, "", offset, "an attribute must not be empty");
                    }
                    if let Some(node) = self.arena.nodes.get_mut(id as usize) {
                        node.value = value;
                    }
                }
                _ => self.foreign(node, name, offset)?,
            }
        }
        Ok(())
    }

    fn foreign(&mut self, node: u32, name: &'a str, offset: u32) -> Done {
        if let Some((prefix, local)) = name.split_once(':') {
            if prefix == "xmlns" {
                return Ok(());
            }
            match self.namespace(prefix) {
                Some(SCHEMA_INSTANCE) if matches!(local, "schemaLocation" | "noNamespaceSchemaLocation") => {
                    return Ok(());
                }
                Some(_) => {}
                None => {
                    let text = "a namespace prefix is not declared";
                    return Err(Fault::new(offset as usize, "xml-syntax", text));
                }
            }
        }
        self.arena.problem(
            "xml-attribute",
            node,
            name,
            offset,
            format!("the attribute `{name}` is not known here"),
        );
        Ok(())
    }

    fn value(&mut self, span: Span) -> Result<Piece, Box<Fault>> {
        if self.scanner.is_plain(span) {
            return Ok(Self::piece(span));
        }
        let mut text = String::new();
        self.scanner.unescape(span, &mut text)?;
        Ok(self.arena.keep(&text))
    }

    /// Reads over the narrative, which must be well-formed, and keeps it as written.
    fn narrative(&mut self, node: u32, tag: &Start<'a>) -> Done {
        let mut open = Vec::new();
        if !tag.empty {
            open.push(tag.whole);
        }
        while let Some(last) = open.last().copied() {
            match self.scanner.next()? {
                Event::Start { name, empty, offset } => {
                    if open.len() >= NARRATIVE_DEPTH {
                        let text = "the narrative is nested more deeply than accepted";
                        return Err(Fault::new(offset, "depth", text));
                    }
                    if !empty {
                        open.push(name);
                    }
                }
                Event::End { name, offset } => {
                    if self.scanner.slice(name) != self.scanner.slice(last) {
                        let expected = self.scanner.slice(last);
                        let text = format!("expected the end tag of `{expected}`");
                        return Err(Fault::new(offset, "xml-syntax", text));
                    }
                    open.pop();
                }
                Event::Text { .. } => {}
                Event::Done => return Err(self.unclosed(tag)),
            }
        }
        let end = self.scanner.offset();
        if let Some(node) = self.arena.nodes.get_mut(node as usize) {
            node.kind = Kind::Xhtml;
            node.value = Self::piece(Span { start: tag.offset, end });
        }
        self.scopes.truncate(tag.scope);
        Ok(())
    }
}

fn split(name: &str, span: Span) -> (&str, Span) {
    match name.split_once(':') {
        Some((prefix, local)) => (prefix, Span { start: span.end - local.len(), end: span.end }),
        None => ("", span),
    }
}
