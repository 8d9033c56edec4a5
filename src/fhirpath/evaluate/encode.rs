//! `encode`, `decode`, `escape` and `unescape`.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::fmt::Write;

/// A text in another encoding; nothing when the encoding is not known.
pub(super) fn encode(text: &str, format: &str) -> Option<String> {
    match format {
        "hex" => Some(hex::encode(text)),
        "base64" => Some(STANDARD.encode(text)),
        "urlbase64" => Some(URL_SAFE.encode(text)),
        _ => None,
    }
}

/// The text that was encoded; nothing when it was not.
pub(super) fn decode(text: &str, format: &str) -> Option<String> {
    let bytes = match format {
        "hex" => hex::decode(text).ok()?,
        "base64" => STANDARD.decode(text).ok()?,
        "urlbase64" => URL_SAFE.decode(text).ok()?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

/// A text made safe for HTML or JSON.
pub(super) fn escape(text: &str, target: &str) -> Option<String> {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match (target, c) {
            ("html", '<') => escaped.push_str("&lt;"),
            ("html", '>') => escaped.push_str("&gt;"),
            ("html", '&') => escaped.push_str("&amp;"),
            ("html", '"') => escaped.push_str("&quot;"),
            ("html", '\'') => escaped.push_str("&#39;"),
            ("json", '"' | '\\') => {
                escaped.push('\\');
                escaped.push(c);
            }
            ("json", '\n') => escaped.push_str("\\n"),
            ("json", '\r') => escaped.push_str("\\r"),
            ("json", '\t') => escaped.push_str("\\t"),
            ("json", c) if c < ' ' => write!(escaped, "\\u{:04x}", c as u32).ok()?,
            ("html" | "json", c) => escaped.push(c),
            _ => return None,
        }
    }
    Some(escaped)
}

/// Reads one escape: what it means and how long it is.
type Resolve = fn(&str) -> Option<(String, usize)>;

/// The inverse of [`escape`]; what is no escape stays.
pub(super) fn unescape(text: &str, target: &str) -> Option<String> {
    let (sign, resolve): (char, Resolve) = match target {
        "html" => ('&', entity),
        "json" => ('\\', slash),
        _ => return None,
    };
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(sign) {
        let (head, tail) = rest.split_at_checked(at)?;
        plain.push_str(head);
        match resolve(tail) {
            Some((found, length)) => {
                plain.push_str(&found);
                rest = tail.get(length..)?;
            }
            None => {
                plain.push(sign);
                rest = tail.get(1..)?;
            }
        }
    }
    plain.push_str(rest);
    Some(plain)
}

fn entity(text: &str) -> Option<(String, usize)> {
    let end = text.find(';').filter(|end| *end <= 12)?;
    let name = text.get(1..end)?;
    let found = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((found.to_string(), end + 1))
}

fn slash(text: &str) -> Option<(String, usize)> {
    let found = match text.as_bytes().get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => {
            let code = u32::from_str_radix(text.get(2..6)?, 16).ok()?;
            return Some((char::from_u32(code)?.to_string(), 6));
        }
        _ => return None,
    };
    Some((found.to_string(), 2))
}
