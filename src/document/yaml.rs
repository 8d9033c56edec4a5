//! YAML with places.

use super::{Entry, Kind, Node, Place, SyntaxError};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// Reads a YAML document.
pub(super) fn read(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let root: Spanned<Raw> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| SyntaxError {
            place: error.location().map_or(Place::default(), |at| place(&at)),
            text: error.render_with_formatter(&serde_saphyr::UserMessageFormatter),
        })?;
    Ok(node(root, &text.lines().collect::<Vec<_>>()))
}

fn place(at: &Location) -> Place {
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Place { line: narrow(at.line()), column: narrow(at.column()) }
}

/// The word that stands at a place of the source.
fn word(lines: &[&str], at: Place) -> Option<String> {
    let line = lines.get(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
    let rest = line.chars().skip(usize::try_from(at.column).ok()?.checked_sub(1)?);
    let word: String = rest.take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ']' | '}')).collect();
    (!word.is_empty()).then_some(word)
}

fn node(raw: Spanned<Raw>, lines: &[&str]) -> Node {
    let at = place(&raw.referenced);
    let kind = match raw.value {
        Raw::Null => Kind::Null,
        Raw::Bool(value) => Kind::Bool(value),
        Raw::Integer(value) => Kind::Integer(value),
        Raw::Float(value) => Kind::Float(value),
        Raw::Text(value) => Kind::Text(value),
        Raw::List(items) => Kind::List(items.into_iter().map(|item| node(item, lines)).collect()),
        Raw::Table(entries) => Kind::Table(
            entries
                .into_iter()
                .map(|(name, value)| Entry {
                    place: place(&name.referenced),
                    name: name.value,
                    value: node(value, lines),
                })
                .collect(),
        ),
    };
    let written = matches!(kind, Kind::Integer(_) | Kind::Float(_)).then(|| word(lines, at)).flatten();
    Node { place: at, kind, written }
}

/// A YAML value whose parts remember their places.
enum Raw {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Table(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Raw, E> {
        i64::try_from(value).map(Raw::Integer).map_err(|_| E::custom("the number is out of range"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Table(entries))
    }
}
