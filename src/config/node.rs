//! A settings file as a tree that remembers where each value stands, whatever its syntax.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;
use std::fmt;

/// A place in a file: line and column from 1; zero where the syntax gives none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
}

/// One value of a settings file.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the value begins.
    pub place: Place,
    /// The value.
    pub kind: Kind,
}

/// What kinds of value a settings file can hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// No value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Named values, in the order of the file, each with the place of its name.
    Table(Vec<(String, Place, Node)>),
}

/// A file that is not even well formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SyntaxError {
    /// Where reading stopped.
    pub place: Place,
    /// What is wrong there.
    pub text: String,
}

impl Node {
    /// Reads a TOML document; a duplicate key is an error.
    pub fn from_toml(text: &str) -> Result<Node, SyntaxError> {
        let table = toml::de::DeTable::parse(text).map_err(|error| SyntaxError {
            place: error.span().map_or(Place::default(), |span| place_of(text, span.start)),
            text: error.message().to_owned(),
        })?;
        let place = Place { line: 1, column: 1 };
        toml_table(text, place, table.get_ref())
    }

    /// Reads a YAML document; a duplicate key is an error.
    pub fn from_yaml(text: &str) -> Result<Node, SyntaxError> {
        // Without this, `no` and `y` would be booleans.
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options).map(Node::from).map_err(|error| {
            SyntaxError {
                place: error
                    .location()
                    .map_or(Place::default(), |at| Place { line: at.line(), column: at.column() }),
                text: error.render_with_formatter(&serde_saphyr::UserMessageFormatter),
            }
        })
    }

    /// The same value as JSON, for checks by a JSON Schema.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Integer(value) => Value::Number((*value).into()),
            Kind::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Table(entries) => Value::Object(
                entries.iter().map(|(key, _, node)| (key.clone(), node.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The place of the value a JSON pointer leads to; of the deepest part found, when it leads nowhere.
    pub fn place_at(&self, pointer: &str) -> Place {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &node.kind {
                Kind::Table(entries) => entries.iter().find(|(key, _, _)| *key == step).map(|entry| &entry.2),
                Kind::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            match next {
                Some(found) => node = found,
                None => break,
            }
        }
        node.place
    }

    /// The place of the name `key` in the table a JSON pointer leads to.
    pub fn place_of_key(&self, pointer: &str, key: &str) -> Option<Place> {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            node = match &node.kind {
                Kind::Table(entries) => {
                    entries.iter().find(|(name, _, _)| name == step).map(|entry| &entry.2)?
                }
                Kind::List(items) => items.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        match &node.kind {
            Kind::Table(entries) => entries.iter().find(|(name, _, _)| name == key).map(|entry| entry.1),
            _ => None,
        }
    }
}

fn place_of(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Place { line: line as u64, column: column as u64 }
}

fn toml_table(text: &str, place: Place, table: &toml::de::DeTable<'_>) -> Result<Node, SyntaxError> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let key_place = place_of(text, key.span().start);
        let node = toml_value(text, place_of(text, value.span().start), value.get_ref())?;
        entries.push((key.get_ref().to_string(), key_place, node));
    }
    Ok(Node { place, kind: Kind::Table(entries) })
}

fn toml_value(text: &str, place: Place, value: &toml::de::DeValue<'_>) -> Result<Node, SyntaxError> {
    use toml::de::DeValue;
    let unreadable = |what: &str| SyntaxError { place, text: format!("the {what} is out of range") };
    let kind = match value {
        DeValue::String(value) => Kind::Text(value.to_string()),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Integer(value) => Kind::Integer(
            i64::from_str_radix(&value.as_str().replace('_', ""), value.radix())
                .map_err(|_| unreadable("number"))?,
        ),
        DeValue::Float(value) => {
            Kind::Float(value.as_str().replace('_', "").parse().map_err(|_| unreadable("number"))?)
        }
        DeValue::Datetime(value) => Kind::Text(value.to_string()),
        DeValue::Array(items) => Kind::List(
            items
                .iter()
                .map(|item| toml_value(text, place_of(text, item.span().start), item.get_ref()))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => return toml_table(text, place, table),
    };
    Ok(Node { place, kind })
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

impl From<Spanned<Raw>> for Node {
    fn from(raw: Spanned<Raw>) -> Node {
        let place = Place { line: raw.referenced.line(), column: raw.referenced.column() };
        let kind = match raw.value {
            Raw::Null => Kind::Null,
            Raw::Bool(value) => Kind::Bool(value),
            Raw::Integer(value) => Kind::Integer(value),
            Raw::Float(value) => Kind::Float(value),
            Raw::Text(value) => Kind::Text(value),
            Raw::List(items) => Kind::List(items.into_iter().map(Node::from).collect()),
            Raw::Table(entries) => Kind::Table(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let at = Place { line: key.referenced.line(), column: key.referenced.column() };
                        (key.value, at, Node::from(value))
                    })
                    .collect(),
            ),
        };
        Node { place, kind }
    }
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
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
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
