//! YAML with the line and column of every node, so that a mistake in a mapping file can be shown where it stands.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;
use std::fmt;

/// One node and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What it is.
    pub content: Content,
    /// A number as it is written: the path `.1` and the code `007` are numbers to YAML, but not to a mapping.
    pub raw: Option<String>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing.
    Null,
    /// A scalar, as JSON.
    Scalar(Value),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in its written order.
    Map(Vec<(Key, Node)>),
}

/// The key of an entry and where it stands.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub text: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// One mistake in a mapping file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct MappingError {
    /// The line, from 1; 0 when it concerns the whole file.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What is wrong.
    pub reason: String,
}

/// Reads a YAML document. The errors are those of YAML itself, duplicate keys among them.
pub fn parse(text: &str) -> Result<Node, MappingError> {
    let read: Result<Spanned<Raw>, _> = serde_saphyr::from_str(text);
    match read {
        Ok(spanned) => Ok(node(spanned, &text.lines().collect::<Vec<_>>())),
        Err(error) => {
            let (line, column) = error.location().map_or((0, 0), |l| (narrow(l.line()), narrow(l.column())));
            let text = error.without_snippet().to_string();
            Err(MappingError { line, column, reason: text.lines().next().unwrap_or_default().to_owned() })
        }
    }
}

impl Node {
    /// A mistake at this node.
    pub fn error(&self, reason: impl Into<String>) -> MappingError {
        MappingError { line: self.line, column: self.column, reason: reason.into() }
    }

    /// The scalar as text (numbers and booleans as they are written in JSON).
    pub fn text(&self) -> Option<String> {
        if let Some(raw) = &self.raw {
            return Some(raw.clone());
        }
        match &self.content {
            Content::Scalar(Value::String(s)) => Some(s.clone()),
            Content::Scalar(other) => Some(other.to_string()),
            _ => None,
        }
    }

    /// The items of a sequence; a lone node counts as a sequence of itself.
    pub fn items(&self) -> Vec<&Node> {
        match &self.content {
            Content::List(items) => items.iter().collect(),
            Content::Null => Vec::new(),
            _ => vec![self],
        }
    }

    /// The entries of a mapping.
    pub fn entries(&self) -> Result<&[(Key, Node)], MappingError> {
        match &self.content {
            Content::Map(entries) => Ok(entries),
            Content::Null => Ok(&[]),
            _ => Err(self.error("a mapping (`key: value`) is expected here")),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Refuses keys that are not among `known`, naming the nearest.
    pub fn only(&self, known: &[&str], errors: &mut Vec<MappingError>) {
        let Content::Map(entries) = &self.content else { return };
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                let nearest = known.iter().min_by_key(|k| strsim::damerau_levenshtein(k, &key.text));
                let hint = nearest.map_or_else(String::new, |n| format!("; the nearest is `{n}`"));
                errors.push(MappingError {
                    line: key.line,
                    column: key.column,
                    reason: format!("`{}` is not known here{hint}", key.text),
                });
            }
        }
    }

    /// The node as JSON.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.text.clone(), v.to_json())).collect())
            }
        }
    }
}

fn narrow(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The word that stands at a place in the source.
fn written(lines: &[&str], line: u32, column: u32) -> Option<String> {
    let line = lines.get(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let rest = line.chars().skip(usize::try_from(column).ok()?.checked_sub(1)?);
    let word: String = rest.take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ']' | '}')).collect();
    (!word.is_empty()).then_some(word)
}

fn node(spanned: Spanned<Raw>, lines: &[&str]) -> Node {
    let (line, column) = (narrow(spanned.referenced.line()), narrow(spanned.referenced.column()));
    let raw = match &spanned.value {
        Raw::Scalar(Value::Number(_) | Value::Null) => written(lines, line, column),
        _ => None,
    };
    let content = match spanned.value {
        Raw::Null => Content::Null,
        Raw::Scalar(value) => Content::Scalar(value),
        Raw::List(items) => Content::List(items.into_iter().map(|i| node(i, lines)).collect()),
        Raw::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(k, v)| {
                    let key = Key {
                        line: narrow(k.referenced.line()),
                        column: narrow(k.referenced.column()),
                        text: k.value,
                    };
                    (key, node(v, lines))
                })
                .collect(),
        ),
    };
    Node { line, column, content, raw }
}

enum Raw {
    Null,
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
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

    fn visit_bool<E>(self, b: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(b.into()))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(n.into()))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(n.into()))
    }

    fn visit_f64<E>(self, n: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(serde_json::Number::from_f64(n).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, s: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(s.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_its_line_and_column() {
        let root = parse("a: 1\nb:\n  - x\n  - {c: \"01\"}\n").unwrap();
        let b = root.get("b").unwrap();
        let c = b.items()[1].get("c").unwrap();
        assert_eq!((c.line, c.column), (4, 9));
        assert_eq!(c.text().unwrap(), "01");
        assert_eq!(root.get("a").unwrap().text().unwrap(), "1");
        let odd = parse("x: [.1, -5, .1.2, 007, -5.1]\n").unwrap();
        let texts: Vec<_> = odd.get("x").unwrap().items().iter().map(|n| n.text().unwrap()).collect();
        assert_eq!(texts, [".1", "-5", ".1.2", "007", "-5.1"]);
        assert_eq!(root.to_json(), serde_json::json!({"a": 1, "b": ["x", {"c": "01"}]}));
        let error = parse("a: 1\na: 2\n").unwrap_err();
        assert_eq!(error.line, 2);
    }
}
