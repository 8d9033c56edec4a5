//! YAML read together with the line and column of every value, so that a finding can say where it is.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;
use std::collections::HashMap;
use std::fmt;

/// A YAML file as JSON, and where each value of it was written.
#[derive(Debug)]
pub(crate) struct Document {
    /// The content.
    pub value: Value,
    places: HashMap<String, (u32, u32)>,
}

impl Document {
    /// Reads one YAML document. The error is the reader's own text and, where known, the line and column.
    pub fn parse(text: &str) -> Result<Document, (String, Option<(u32, u32)>)> {
        // Only `true` and `false` are booleans: `N` is a confidentiality, `no` an answer about onward sharing.
        let options = serde_saphyr::options! { strict_booleans: true };
        let root: Spanned<Node> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location().map(|at| (narrow(at.line()), narrow(at.column())));
            (error.to_string().lines().next().unwrap_or("unreadable").to_owned(), place)
        })?;
        let mut places = HashMap::new();
        let value = flatten(root, &mut String::new(), &mut places);
        Ok(Document { value, places })
    }

    /// The line and column of the value at this JSON pointer, or of the nearest value around it.
    pub fn place(&self, pointer: &str) -> Option<(u32, u32)> {
        let mut at = pointer;
        loop {
            if let Some(place) = self.places.get(at) {
                return Some(*place);
            }
            at = at.rsplit_once('/')?.0;
        }
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn flatten(node: Spanned<Node>, pointer: &mut String, places: &mut HashMap<String, (u32, u32)>) -> Value {
    places.insert(pointer.clone(), (narrow(node.referenced.line()), narrow(node.referenced.column())));
    match node.value {
        Node::Scalar(value) => value,
        Node::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                let end = pointer.len();
                pointer.push('/');
                pointer.push_str(&index.to_string());
                list.push(flatten(item, pointer, places));
                pointer.truncate(end);
            }
            Value::Array(list)
        }
        Node::Map(members) => {
            let mut map = Map::with_capacity(members.len());
            for (name, member) in members {
                let end = pointer.len();
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                let value = flatten(member, pointer, places);
                map.insert(name, value);
                pointer.truncate(end);
            }
            Value::Object(map)
        }
    }
}

enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            list.push((name, members.next_value()?));
        }
        Ok(Node::Map(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_place_of_every_value() {
        let document =
            Document::parse("id: a\nterms:\n  - tiers: [N, y]\n    open: true\n    days: 3\n").unwrap();
        assert_eq!(
            document.value,
            serde_json::json!({"id": "a", "terms": [{"tiers": ["N", "y"], "open": true, "days": 3}]})
        );
        assert_eq!(document.place("/terms/0/tiers/1"), Some((3, 16)));
        assert_eq!(document.place("/terms/0/missing"), Some((3, 5)));
    }

    #[test]
    fn says_where_it_cannot_be_read() {
        let (_, place) = Document::parse("id: a\nid: b\n").unwrap_err();
        assert_eq!(place.map(|(line, _)| line), Some(2));
    }
}
