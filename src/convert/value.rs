//! What a text of the source becomes in FHIR.

use super::Source;
use super::dates;
use super::model::{Becomes, Mapping, Rule, Unmapped};
use crate::fhir::systems;
use serde_json::Value;
use std::borrow::Cow;

/// A value and whether it comes from the source (a constant does not).
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) real: bool,
}

/// Converts a text by a rule: a value; nothing, when the table says that the code is of no interest; or the name of the
/// rule that was broken with its text.
pub(super) fn become_value(
    mapping: &Mapping,
    source: &Source,
    rule: &Rule,
    text: &str,
) -> Result<Option<Value>, (&'static str, String)> {
    let text: Cow<'_, str> = match &rule.codes {
        Some((index, policy)) => {
            let table = mapping.codes.get(*index);
            match table.and_then(|t| t.rows.get(text.trim())) {
                Some(code) => Cow::Owned(code.clone()),
                None => match policy {
                    Unmapped::Skip => return Ok(None),
                    Unmapped::Keep => Cow::Borrowed(text),
                    Unmapped::Default(code) => Cow::Owned(code.clone()),
                    Unmapped::Refuse => {
                        let name = table.map_or("", |t| t.name.as_str());
                        return Err(("code-not-in-table", format!("the code is not in the table `{name}`")));
                    }
                },
            }
        }
        None => Cow::Borrowed(text),
    };
    let date = |make: &dyn Fn(dates::Moment<'_>) -> Option<String>, kind: &str| match dates::read(&text)
        .and_then(make)
    {
        Some(found) => Ok(Some(Value::String(found))),
        None => Err(("not-a-date", format!("the value is not a {kind} that exists"))),
    };
    match rule.becomes {
        Becomes::Text => Ok(Some(Value::String(text.into_owned()))),
        Becomes::Code => Ok(Some(Value::String(text.split_whitespace().collect::<Vec<_>>().join(" ")))),
        Becomes::Date => date(&|m| Some(m.date()), "date"),
        Becomes::DateTime => date(&|m| m.date_time(&mapping.zone), "date or time"),
        Becomes::Instant => date(&|m| m.instant(&mapping.zone), "time"),
        Becomes::Boolean => match text.trim() {
            "true" | "TRUE" | "Y" | "y" | "1" | "Yes" | "yes" => Ok(Some(true.into())),
            "false" | "FALSE" | "N" | "n" | "0" | "No" | "no" => Ok(Some(false.into())),
            _ => Err(("not-a-boolean", "the value is neither true nor false".into())),
        },
        Becomes::Number => match serde_json::from_str::<Value>(text.trim()) {
            Ok(number @ Value::Number(_)) => Ok(Some(number)),
            _ => Err(("not-a-number", "the value is not a number".into())),
        },
        Becomes::Authority => Ok(Some(authority(mapping, source, text.trim()).into())),
        Becomes::Narrative => Ok(Some(narrative(&text).into())),
    }
}

/// The URI of the authority that issues an identifier: as the mapping says, an OID or UUID as its URN, a URI as it is,
/// else a name below the gateway's base that belongs to this source alone.
fn authority(mapping: &Mapping, source: &Source, name: &str) -> String {
    if let Some(uri) = mapping.authorities.get(name) {
        return match uri.strip_prefix("canonical:") {
            Some(path) => systems::canonical(path),
            None => uri.clone(),
        };
    }
    let oid = name.contains('.') && name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if oid {
        return format!("urn:oid:{name}");
    }
    if name.contains("://") || name.starts_with("urn:") {
        return name.to_owned();
    }
    let safe: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .collect();
    systems::canonical(&format!("Id/{}/{safe}", source.id))
}

/// Text as XHTML: escaped, one paragraph a line.
pub(super) fn narrative(text: &str) -> String {
    let mut out = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        out.push_str("<p>");
        for c in line.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                c if c.is_control() && c != '\t' => {}
                c => out.push(c),
            }
        }
        out.push_str("</p>");
    }
    out.push_str("</div>");
    out
}
