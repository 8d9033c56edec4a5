//! The pull scanner under the XML reader.

use std::borrow::Cow;

/// A piece of the source, by byte offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: usize,
    pub end: usize,
}

/// A fault that ends the reading.
#[derive(Debug)]
pub(crate) struct Fault {
    pub offset: usize,
    pub rule: &'static str,
    pub text: Cow<'static, str>,
}

impl Fault {
    #[cold]
    pub fn new(offset: usize, rule: &'static str, text: impl Into<Cow<'static, str>>) -> Box<Fault> {
        Box::new(Fault { offset, rule, text: text.into() })
    }
}

/// One attribute as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute {
    pub name: Span,
    pub value: Span,
}

/// What comes next in the content of an element.
#[derive(Debug)]
pub(crate) enum Event {
    /// A start tag; its attributes are in [`Scanner::attributes`]. `empty`: `<a/>`.
    Start { name: Span, offset: usize, empty: bool },
    /// An end tag.
    End { name: Span, offset: usize },
    /// Text or a CDATA section that is more than white space.
    Text { offset: usize },
    /// The end of the document.
    Done,
}

pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    pub attributes: Vec<Attribute>,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, bytes: text.as_bytes(), at: 0, attributes: Vec::new() }
    }

    pub fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    pub fn offset(&self) -> usize {
        self.at
    }

    #[cold]
    fn syntax<T>(&self, text: &'static str) -> Result<T, Box<Fault>> {
        Err(Fault::new(self.at, "xml-syntax", text))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or(&[])
    }

    fn space(&mut self) -> bool {
        let start = self.at;
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
        self.at > start
    }

    fn past(&mut self, end: &'static str, missing: &'static str) -> Result<Span, Box<Fault>> {
        let start = self.at;
        match memchr::memmem::find(self.rest(), end.as_bytes()) {
            Some(length) => {
                self.at += length + end.len();
                Ok(Span { start, end: start + length })
            }
            None => self.syntax(missing),
        }
    }

    /// Reads the XML declaration, when there is one.
    pub fn prolog(&mut self) -> Result<(), Box<Fault>> {
        let declared = self.rest().starts_with(b"<?xml")
            && matches!(self.bytes.get(self.at + 5), Some(b' ' | b'\t' | b'\n' | b'\r'));
        if declared {
            let whole = self.past("?>", "the XML declaration does not end")?;
            let inside = self.slice(whole).get(5..).unwrap_or("");
            if !sound_declaration(inside) {
                let text = "the XML declaration is not sound: version, encoding, standalone";
                return Err(Fault::new(whole.start, "xml-syntax", text));
            }
        }
        Ok(())
    }

    /// The next event; comments and processing instructions are read over.
    pub fn next(&mut self) -> Result<Event, Box<Fault>> {
        loop {
            let start = self.at;
            if self.peek().is_none() {
                return Ok(Event::Done);
            }
            if self.peek() != Some(b'<') {
                let length = memchr::memchr(b'<', self.rest()).unwrap_or(self.rest().len());
                let span = Span { start, end: start + length };
                self.characters(span)?;
                if let Some(at) = memchr::memmem::find(self.slice(span).as_bytes(), b"]]>") {
                    return Err(Fault::new(start + at, "xml-syntax", "`]]>` is not allowed in text"));
                }
                self.at = span.end;
                if !self.slice(span).bytes().all(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')) {
                    return Ok(Event::Text { offset: start });
                }
                continue;
            }
            let rest = self.rest();
            if rest.starts_with(b"<!--") {
                self.at += 4;
                let inside = self.past("-->", "a comment does not end")?;
                if self.slice(inside).contains("--") {
                    return Err(Fault::new(start, "xml-syntax", "a comment must not contain `--`"));
                }
            } else if rest.starts_with(b"<![CDATA[") {
                self.at += 9;
                self.past("]]>", "a CDATA section does not end")?;
                return Ok(Event::Text { offset: start });
            } else if rest.starts_with(b"<!DOCTYPE") {
                return Err(Fault::new(start, "xml-dtd", "a document type declaration is not allowed"));
            } else if rest.starts_with(b"<?") {
                self.at += 2;
                let target = self.name()?;
                if self.slice(target).eq_ignore_ascii_case("xml") {
                    return Err(Fault::new(start, "xml-syntax", "the XML declaration must stand first"));
                }
                if !self.space() && !self.rest().starts_with(b"?>") {
                    return self
                        .syntax("expected white space or `?>` after the target of a processing instruction");
                }
                self.past("?>", "a processing instruction does not end")?;
            } else if rest.starts_with(b"</") {
                self.at += 2;
                let name = self.name()?;
                self.space();
                if self.peek() != Some(b'>') {
                    return self.syntax("expected `>` at the end of an end tag");
                }
                self.at += 1;
                return Ok(Event::End { name, offset: start });
            } else {
                self.at += 1;
                return self.start_tag(start);
            }
        }
    }

    fn start_tag(&mut self, offset: usize) -> Result<Event, Box<Fault>> {
        let name = self.name()?;
        self.attributes.clear();
        loop {
            let spaced = self.space();
            match self.peek() {
                Some(b'>') => {
                    self.at += 1;
                    return Ok(Event::Start { name, offset, empty: false });
                }
                Some(b'/') => {
                    self.at += 1;
                    if self.peek() != Some(b'>') {
                        return self.syntax("expected `>` after `/`");
                    }
                    self.at += 1;
                    return Ok(Event::Start { name, offset, empty: true });
                }
                Some(_) if spaced => self.attribute()?,
                Some(_) => return self.syntax("expected white space, `>` or `/>` in a start tag"),
                None => return self.syntax("the text ends inside a start tag"),
            }
        }
    }

    fn attribute(&mut self) -> Result<(), Box<Fault>> {
        let name = self.name()?;
        self.space();
        if self.peek() != Some(b'=') {
            return self.syntax("expected `=` after the name of an attribute");
        }
        self.at += 1;
        self.space();
        let Some(quote @ (b'"' | b'\'')) = self.peek() else {
            return self.syntax("expected the value of an attribute in quotes");
        };
        self.at += 1;
        let start = self.at;
        let Some(length) = memchr::memchr(quote, self.rest()) else {
            return self.syntax("the text ends inside the value of an attribute");
        };
        let value = Span { start, end: start + length };
        if let Some(at) = memchr::memchr(b'<', self.slice(value).as_bytes()) {
            self.at += at;
            return self.syntax("the value of an attribute must not contain `<`");
        }
        self.characters(value)?;
        self.at = value.end + 1;
        let text = self.slice(name);
        if self.attributes.iter().any(|known| self.slice(known.name) == text) {
            return Err(Fault::new(name.start, "xml-syntax", "an attribute stands twice in one tag"));
        }
        self.attributes.push(Attribute { name, value });
        Ok(())
    }

    fn name(&mut self) -> Result<Span, Box<Fault>> {
        let start = self.at;
        let first = self.peek();
        if !first.is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b':') || b >= 0x80) {
            return match first {
                None => self.syntax("the text ends where a name is expected"),
                Some(_) => self.syntax("expected a name"),
            };
        }
        while let Some(byte) = self.peek() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.') || byte >= 0x80 {
                self.at += 1;
            } else {
                break;
            }
        }
        let name = Span { start, end: self.at };
        // A name has at most one colon, with a name on either side (Namespaces in XML).
        let begins =
            |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii());
        if self
            .slice(name)
            .split_once(':')
            .is_some_and(|(prefix, local)| !begins(prefix) || !begins(local) || local.contains(':'))
        {
            return Err(Fault::new(start, "xml-syntax", "a name has more than a prefix and a local part"));
        }
        Ok(name)
    }

    /// Checks the characters and references of a piece of text.
    fn characters(&self, span: Span) -> Result<(), Box<Fault>> {
        let text = self.slice(span);
        if let Some(at) = text.bytes().position(|b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) {
            return Err(Fault::new(
                span.start + at,
                "xml-syntax",
                "a control character is not allowed in XML",
            ));
        }
        if memchr::memchr(b'&', text.as_bytes()).is_some() {
            self.unescape(span, &mut String::new())?;
        }
        Ok(())
    }

    /// Whether a value needs [`Scanner::unescape`] to be read.
    pub fn is_plain(&self, span: Span) -> bool {
        !self.slice(span).bytes().any(|b| matches!(b, b'&' | b'\n' | b'\r' | b'\t'))
    }

    /// Appends the text of an attribute value: references resolved, white space normalised.
    pub fn unescape(&self, span: Span, out: &mut String) -> Result<(), Box<Fault>> {
        let mut at = span.start;
        while at < span.end {
            let rest = self.text.get(at..span.end).unwrap_or("");
            let Some(first) = rest.chars().next() else { break };
            match first {
                '&' => {
                    let bad = |text| Fault::new(at, "xml-syntax", text);
                    let length = rest.find(';').ok_or_else(|| bad("a reference does not end with `;`"))?;
                    let name = rest.get(1..length).unwrap_or("");
                    let character = match name {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => numbered(name)
                            .ok_or_else(|| bad("an entity that XML does not predefine is used"))?,
                    };
                    out.push(character);
                    at += length + 1;
                }
                '\r' if rest.as_bytes().get(1) == Some(&b'\n') => at += 1,
                '\n' | '\r' | '\t' => {
                    out.push(' ');
                    at += 1;
                }
                _ => {
                    let special = rest.find(['&', '\n', '\r', '\t']).unwrap_or(rest.len());
                    out.push_str(rest.get(..special).unwrap_or(""));
                    at += special;
                }
            }
        }
        Ok(())
    }
}

/// The attributes of an XML declaration: the version, then perhaps the encoding, then perhaps `standalone`.
fn sound_declaration(inside: &str) -> bool {
    let mut rest = inside;
    let mut next = 0;
    let names = ["version", "encoding", "standalone"];
    while !rest.trim_start().is_empty() {
        let spaced = rest.starts_with([' ', '\t', '\n', '\r']);
        let text = rest.trim_start();
        let found =
            names.iter().enumerate().skip(next).find_map(|(at, name)| Some((at, text.strip_prefix(name)?)));
        let Some((at, after)) = found.filter(|(at, _)| spaced && (*at == 0 || next > 0)) else {
            return false;
        };
        let Some(after) = after.trim_start().strip_prefix('=') else { return false };
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else {
            return false;
        };
        let Some((value, remaining)) = after.get(1..).and_then(|after| after.split_once(quote)) else {
            return false;
        };
        let sound = match at {
            0 => value
                .strip_prefix("1.")
                .is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit())),
            1 => {
                value.starts_with(|first: char| first.is_ascii_alphabetic())
                    && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            }
            _ => matches!(value, "yes" | "no"),
        };
        if !sound {
            return false;
        }
        next = at + 1;
        rest = remaining;
    }
    next > 0
}

fn numbered(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let code = match digits.strip_prefix('x') {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok()?,
        None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    char::from_u32(code).filter(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..))
}
