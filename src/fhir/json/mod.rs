//! JSON as FHIR needs it: numbers keep their text, a key may stand once in an object, depth and size are limited,
//! and an error names the place.
//!
//! Implements RFC 8259 strictly (no comments, no trailing commas, no lone surrogates) and the duplicate rule of
//! <https://hl7.org/fhir/R4/json.html>.

pub(crate) mod scan;

use scan::{Fault, Scanner, Token};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// How much input is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes a document may have; never above 2 GiB.
    pub bytes: usize,
    /// The most arrays and objects (in XML: elements) that may be open at once.
    pub depth: usize,
}

impl Limits {
    /// 64 MiB and 64 levels.
    pub const DEFAULT: Limits = Limits { bytes: 64 << 20, depth: 64 };
    /// The most bytes any limits can allow: places are kept in 31 bits.
    pub const MOST_BYTES: usize = (1 << 31) - 1;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}

/// Why a text is not acceptable JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} (line {line}, column {column})")]
pub struct JsonError {
    /// The stable name of the rule, such as `json-syntax`, `duplicate-key`, `depth`, `size`, `encoding`.
    pub rule: &'static str,
    /// What is wrong; never a value from the input.
    pub text: Cow<'static, str>,
    /// The place as a JSON pointer (RFC 6901); empty for the whole document.
    pub pointer: String,
    /// The byte offset, from 0.
    pub offset: usize,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
}

impl JsonError {
    pub(crate) fn new(source: &str, fault: &Fault) -> JsonError {
        let (line, column) = super::tree::position(source, fault.offset);
        JsonError {
            rule: fault.rule,
            text: fault.text.clone(),
            pointer: fault.pointer(),
            offset: fault.offset,
            line,
            column,
        }
    }
}

/// The text of a document given as bytes: UTF-8 without a byte order mark, not longer than `limits.bytes`.
pub fn text<'a>(bytes: &'a [u8], limits: &Limits) -> Result<&'a str, JsonError> {
    let whole = |rule, text, offset| JsonError {
        rule,
        text: Cow::Borrowed(text),
        pointer: String::new(),
        offset,
        line: 1,
        column: 1,
    };
    if bytes.len() > limits.bytes.min(Limits::MOST_BYTES) {
        return Err(whole("size", "the document is longer than accepted", limits.bytes));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let sound = bytes.get(..error.valid_up_to()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("");
        let (line, column) = super::tree::position(sound, sound.len());
        JsonError { line, column, ..whole("encoding", "the document is not UTF-8", error.valid_up_to()) }
    })
}

/// Reads one JSON document without losing anything: numbers keep their text and members their order.
///
/// Errors name the rule, the JSON pointer, the line and the column. A byte order mark is skipped.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, JsonError> {
    parse_str(text(bytes, limits)?, limits)
}

/// [`parse`] for text that is already known to be UTF-8.
pub fn parse_str(source: &str, limits: &Limits) -> Result<Value, JsonError> {
    if source.len() > limits.bytes.min(Limits::MOST_BYTES) {
        return Err(JsonError::new(source, &Fault::new(0, "size", "the document is longer than accepted")));
    }
    let mut scanner = Scanner::new(source, limits.depth);
    let value = read(&mut scanner).and_then(|value| scanner.end().map(|()| value));
    value.map_err(|fault| JsonError::new(source, &fault))
}

fn read(scanner: &mut Scanner<'_>) -> Result<Value, Box<Fault>> {
    Ok(match scanner.token()? {
        Token::Object => object(scanner)?,
        Token::Array => array(scanner)?,
        Token::String(span) => Value::String(scanner.unescaped(span)?.into_owned()),
        Token::Number(span) => Value::Number(Number::from_string_unchecked(scanner.slice(span).to_owned())),
        Token::Bool(value) => Value::Bool(value),
        Token::Null => Value::Null,
    })
}

fn object(scanner: &mut Scanner<'_>) -> Result<Value, Box<Fault>> {
    scanner.open()?;
    let mut map = Map::new();
    let mut first = true;
    while let Some(key) = scanner.member(&mut first)? {
        let at = scanner.key_offset;
        let name = scanner.unescaped(key)?.into_owned();
        let value = read(scanner).map_err(|fault| fault.under_member(&name))?;
        match map.entry(name) {
            serde_json::map::Entry::Vacant(slot) => {
                slot.insert(value);
            }
            serde_json::map::Entry::Occupied(slot) => {
                let fault = Fault::new(at, "duplicate-key", "a member stands twice in one object");
                return Err(fault.under_member(slot.key()));
            }
        }
    }
    scanner.close();
    Ok(Value::Object(map))
}

fn array(scanner: &mut Scanner<'_>) -> Result<Value, Box<Fault>> {
    scanner.open()?;
    let mut items = Vec::new();
    let mut first = true;
    while scanner.item(&mut first)? {
        let item = read(scanner).map_err(|fault| fault.under_item(items.len()))?;
        items.push(item);
    }
    scanner.close();
    Ok(Value::Array(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (&'static str, String, u32, u32) {
        let error = parse(text.as_bytes(), &Limits::DEFAULT).unwrap_err();
        (error.rule, error.pointer, error.line, error.column)
    }

    #[test]
    fn keeps_the_text_of_numbers_and_the_order_of_members() {
        let text = r#"{"b":1.00,"a":[1e5,-0,1E+400,"x\u00e9\ud83d\ude00\n"],"":{},"c":true,"d":null}"#;
        let value = parse(text.as_bytes(), &Limits::DEFAULT).unwrap();
        assert_eq!(
            value.to_string(),
            "{\"b\":1.00,\"a\":[1e5,-0,1E+400,\"xé😀\\n\"],\"\":{},\"c\":true,\"d\":null}"
        );
    }

    #[test]
    fn refuses_a_key_that_stands_twice_at_any_depth() {
        assert_eq!(
            refused("{\"a\":[{},\n {\"b~/\":1,\"b~/\":2}]}"),
            ("duplicate-key", "/a/1/b~0~1".into(), 2, 11)
        );
        assert_eq!(refused(r#"{"a":1,"\u0061":1}"#).0, "duplicate-key");
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "\"\t\"",
            "\"\\x\"",
            "nul",
            "\"\\ud800\"",
            "\"\\udc00x\"",
            "[1 2]",
            "{\"a\" 1}",
            "{} {}",
            "// x\n{}",
            "NaN",
            "\"abc",
            "-",
            "[\"\\ud800\\u0041\"]",
            "{\"a\":}",
            "[,1]",
            "tru",
            "\"\\u12\"",
        ] {
            let error = parse(text.as_bytes(), &Limits::DEFAULT).unwrap_err();
            assert_eq!(error.rule, "json-syntax", "{text}");
        }
    }

    #[test]
    fn limits_depth_size_and_encoding() {
        let deep = "[".repeat(65);
        assert_eq!(refused(&deep).0, "depth");
        let fits = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert!(parse(fits.as_bytes(), &Limits::DEFAULT).is_ok());
        let small = Limits { bytes: 3, depth: 64 };
        assert_eq!(parse(b"1234", &small).unwrap_err().rule, "size");
        assert_eq!(parse(b"\"\xff\"", &Limits::DEFAULT).unwrap_err().rule, "encoding");
        assert!(parse(b"\xEF\xBB\xBF{}", &Limits::DEFAULT).is_ok());
    }
}
