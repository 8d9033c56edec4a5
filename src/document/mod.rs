//! Files that people write (settings, registry, mappings, agreements) as trees that remember where each value stands,
//! whatever their syntax, so that every mistake can be shown at its line and column.

mod schema;
mod toml;
mod yaml;

pub use schema::{Misfit, Schema, nearest, unknown_name};

use serde_json::{Map, Number, Value};

/// A place in a file: line and column from 1; zero where the syntax gives none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
}

/// One value of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the value begins.
    pub place: Place,
    /// The value.
    pub kind: Kind,
    /// A number as it is written in YAML: the path `.1` and the code `007` are numbers to YAML, but not to their writer.
    pub written: Option<String>,
}

/// What kinds of value a file can hold.
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
    /// Named values, in the order of the file.
    Table(Vec<Entry>),
}

/// A named value of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    /// The value.
    pub value: Node,
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
    /// Reads a TOML document. The error is what the syntax does not allow, a duplicate key included.
    pub fn from_toml(text: &str) -> Result<Node, SyntaxError> {
        toml::read(text)
    }

    /// Reads a YAML document, in which only `true` and `false` are booleans: `N` is a confidentiality and `no` a code.
    /// The error is what the syntax does not allow, a duplicate key included.
    pub fn from_yaml(text: &str) -> Result<Node, SyntaxError> {
        yaml::read(text)
    }

    fn new(place: Place, kind: Kind) -> Node {
        Node { place, kind, written: None }
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
                entries
                    .iter()
                    .map(|entry| (entry.name.clone(), entry.value.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The scalar as text, a number as it is written; nothing for a list, a table or no value.
    pub fn text(&self) -> Option<String> {
        match (&self.written, &self.kind) {
            (Some(written), _) => Some(written.clone()),
            (None, Kind::Text(text)) => Some(text.clone()),
            (None, Kind::Null | Kind::List(_) | Kind::Table(_)) => None,
            (None, _) => Some(self.to_json().to_string()),
        }
    }

    /// The items of a list; a lone value counts as a list of itself, no value as an empty one.
    pub fn items(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::List(items) => items.iter().collect(),
            Kind::Null => Vec::new(),
            _ => vec![self],
        }
    }

    /// The entries of a table, none where there is no value; nothing where another kind of value stands.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Table(entries) => Some(entries),
            Kind::Null => Some(&[]),
            _ => None,
        }
    }

    /// The value of a name in a table.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// The place of the value a JSON pointer leads to; of the deepest part found, when it leads nowhere.
    pub fn place_at(&self, pointer: &str) -> Place {
        let mut node = self;
        for step in steps(pointer) {
            match node.step(&step) {
                Some(found) => node = found,
                None => break,
            }
        }
        node.place
    }

    /// The place of the name `key` in the table a JSON pointer leads to.
    pub fn place_of_key(&self, pointer: &str, key: &str) -> Option<Place> {
        let table = steps(pointer).try_fold(self, |node, step| node.step(&step))?;
        table.entry(key).map(|entry| entry.place)
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Table(entries) => entries.iter().find(|entry| entry.name == name),
            _ => None,
        }
    }

    fn step(&self, step: &str) -> Option<&Node> {
        match &self.kind {
            Kind::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => self.get(step),
        }
    }
}

/// The steps of a JSON pointer (RFC 6901), unescaped.
fn steps(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(unescaped)
}

/// A step of a JSON pointer as the name it stands for (RFC 6901, section 4).
pub(crate) fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32, column: u32) -> Place {
        Place { line, column }
    }

    #[test]
    fn every_value_of_a_yaml_file_knows_its_place() {
        let root = Node::from_yaml("a: 1\nb:\n  - x\n  - {c: \"01\", d/e: N}\n").unwrap();
        assert_eq!(root.place_at("/b/1/c"), place(4, 9));
        assert_eq!(root.place_at("/b/1/d~1e"), place(4, 20));
        assert_eq!(root.place_at("/b/1/missing/deeper"), root.place_at("/b/1"));
        assert_eq!(root.place_of_key("/b/1", "d/e"), Some(place(4, 15)));
        assert_eq!(root.to_json(), serde_json::json!({"a": 1, "b": ["x", {"c": "01", "d/e": "N"}]}));
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        let root = Node::from_yaml("[yes, no, y, n, Y, N, on, off, true, false]").unwrap();
        let json = serde_json::json!(["yes", "no", "y", "n", "Y", "N", "on", "off", true, false]);
        assert_eq!(root.to_json(), json);
    }

    #[test]
    fn a_number_keeps_the_text_it_is_written_with() {
        let root = Node::from_yaml("x: [.1, -5, .1.2, 007, -5.1, 10]\n").unwrap();
        let texts: Vec<_> = root.get("x").unwrap().items().iter().map(|node| node.text().unwrap()).collect();
        assert_eq!(texts, [".1", "-5", ".1.2", "007", "-5.1", "10"]);
    }

    #[test]
    fn a_name_given_twice_is_an_error_with_its_place() {
        assert_eq!(Node::from_yaml("a: 1\na: 2\n").unwrap_err().place.line, 2);
        assert_eq!(Node::from_toml("a = 1\na = 2").unwrap_err().place.line, 2);
    }

    #[test]
    fn every_value_of_a_toml_file_knows_its_place() {
        let root = Node::from_toml("a = 1\n[[rooms]]\nname = \"hall\"\n").unwrap();
        assert_eq!(root.place_at("/rooms/0/name"), place(3, 8));
        assert_eq!(root.to_json(), serde_json::json!({"a": 1, "rooms": [{"name": "hall"}]}));
    }
}
