//! The canonical text of a JSON value (RFC 8785, JSON Canonicalization Scheme), for hashes and signatures.
//!
//! Members are sorted by the UTF-16 units of their names and there is no white space. One deviation, on purpose:
//! numbers keep their text, because a FHIR decimal's `1.0` is not `1.00` and neither may be changed by hashing.

use serde_json::Value;

/// The canonical text of a value.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut members: Vec<(&String, &Value)> = map.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (i, (name, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                string(name, out);
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
    }
}

fn string(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use crate::fhir::json::{Limits, parse_str};

    #[test]
    fn sorts_by_utf16_units_escapes_little_and_keeps_numbers() {
        let text = "{\"\\u20ac\":\"\\u20ac$\\u000f\\nA'B\\\"\\\\\\u0007/\",\"\\ud83d\\ude02\":[ 1.00 ],\"\\ufb33\":{},\"1\":null, \"\\r\":true}";
        let value = parse_str(text, &Limits::DEFAULT).unwrap();
        assert_eq!(
            super::to_string(&value),
            "{\"\\r\":true,\"1\":null,\"€\":\"€$\\u000f\\nA'B\\\"\\\\\\u0007/\",\"😂\":[1.00],\"\u{fb33}\":{}}"
        );
    }
}
