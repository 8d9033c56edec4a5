//! XML as FHIR needs it: well-formed, with namespaces, without document type declarations or external entities.
//!
//! Implements XML 1.0 (fifth edition) and Namespaces in XML 1.0 as far as <https://hl7.org/fhir/R4/xml.html> uses
//! them: elements, attributes, character references, the five predefined entities, comments, processing instructions
//! and CDATA sections.

pub(crate) mod scan;

use std::borrow::Cow;

/// The namespace of FHIR elements.
pub const FHIR: &str = "http://hl7.org/fhir";
/// The namespace of the narrative.
pub const XHTML: &str = "http://www.w3.org/1999/xhtml";
/// The namespace of `xsi:schemaLocation`.
pub const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A narrative as a document of its own: its source, cut out of an XML document, with the namespace that the document
/// declared for it further out. The source is one `div` in the namespace of XHTML.
pub fn standalone(narrative: &str) -> Cow<'_, str> {
    let tag = narrative.split('>').next().unwrap_or(narrative);
    let name =
        tag.trim_start_matches('<').split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or("");
    let declaration = match name.split_once(':') {
        Some((prefix, _)) => format!("xmlns:{prefix}"),
        None => "xmlns".to_owned(),
    };
    let declared = tag
        .split(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\''))
        .any(|word| word == declaration);
    match narrative.split_at_checked(1 + name.len()) {
        Some((start, rest)) if !declared && !name.is_empty() => {
            Cow::Owned(format!("{start} {declaration}=\"{XHTML}\"{rest}"))
        }
        _ => Cow::Borrowed(narrative),
    }
}

/// Why a text is not acceptable XML, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} (line {line}, column {column})")]
pub struct XmlError {
    /// The stable name of the rule, such as `xml-syntax`, `xml-dtd`, `depth`, `size`, `encoding`.
    pub rule: &'static str,
    /// What is wrong; never a value from the input.
    pub text: Cow<'static, str>,
    /// The byte offset, from 0.
    pub offset: usize,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
}

impl XmlError {
    pub(crate) fn new(source: &str, fault: &scan::Fault) -> XmlError {
        let (line, column) = super::tree::position(source, fault.offset);
        XmlError { rule: fault.rule, text: fault.text.clone(), offset: fault.offset, line, column }
    }
}

/// The text of an XML document given as bytes: UTF-8, UTF-16 with a byte order mark, or ISO 8859-1 and US-ASCII when
/// the declaration says so.
pub fn text(bytes: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    let refused = |offset, text| {
        Err(XmlError { rule: "encoding", text: Cow::Borrowed(text), offset, line: 1, column: 1 })
    };
    let wide = |rest: &[u8], read: fn([u8; 2]) -> u16| {
        let units = rest.chunks(2).map(|pair| match pair {
            [a, b] => read([*a, *b]),
            _ => 0xDC00,
        });
        char::decode_utf16(units).collect::<Result<String, _>>()
    };
    if let Some(rest) = bytes.strip_prefix(b"\xFF\xFE") {
        return wide(rest, u16::from_le_bytes)
            .map(Cow::Owned)
            .or_else(|_| refused(0, "the document is not UTF-16"));
    }
    if let Some(rest) = bytes.strip_prefix(b"\xFE\xFF") {
        return wide(rest, u16::from_be_bytes)
            .map(Cow::Owned)
            .or_else(|_| refused(0, "the document is not UTF-16"));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match declared(bytes).as_deref() {
        None | Some("utf-8" | "utf8") => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => {
                let sound =
                    bytes.get(..error.valid_up_to()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("");
                let (line, column) = super::tree::position(sound, sound.len());
                let text = Cow::Borrowed("the document is not UTF-8");
                Err(XmlError { rule: "encoding", text, offset: sound.len(), line, column })
            }
        },
        Some("us-ascii" | "ascii" | "iso-8859-1" | "latin1") => {
            Ok(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()))
        }
        Some(_) => refused(0, "the document is in an encoding that is not supported"),
    }
}

fn declared(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..bytes.len().min(200))?;
    if !head.starts_with(b"<?xml") {
        return None;
    }
    let end = memchr::memchr(b'>', head)?;
    let head = String::from_utf8_lossy(head.get(..end)?).into_owned();
    let (_, after) = head.split_once("encoding")?;
    let after = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    after.get(1..)?.split(quote).next().map(str::to_ascii_lowercase)
}
