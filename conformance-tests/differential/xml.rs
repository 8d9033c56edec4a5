//! Mutants of XML resources, and the XML of a JSON resource.

use super::random::Random;
use serde_json::{Map, Value};
use std::fmt::Write;

const FHIR: &str = "http://hl7.org/fhir";

/// An element of a document.
#[derive(Clone, Debug)]
pub struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    /// What is written as it stands: a narrative, or text that has no place.
    raw: Option<String>,
}

impl Element {
    fn new(name: &str) -> Element {
        Element { name: name.to_owned(), attributes: Vec::new(), children: Vec::new(), raw: None }
    }

    /// The XML of a JSON resource whose members stand in the order of the specification.
    pub fn of(resource: &Value) -> Option<Element> {
        let map = resource.as_object()?;
        let mut root = Element::new(map.get("resourceType")?.as_str()?);
        root.attributes.push(("xmlns".to_owned(), FHIR.to_owned()));
        fill(&mut root, map, true);
        Some(root)
    }

    pub fn to_text(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        if self.name.is_empty() {
            out.push_str(self.raw.as_deref().unwrap_or(""));
            return;
        }
        let _ = write!(out, "<{}", self.name);
        for (name, value) in &self.attributes {
            let _ = write!(out, " {name}=\"{}\"", escaped(value));
        }
        if self.children.is_empty() {
            out.push_str("/>\n");
            return;
        }
        out.push('>');
        self.children.iter().for_each(|child| child.write(out));
        let _ = writeln!(out, "</{}>", self.name);
    }

    fn count(&self) -> usize {
        1 + self.children.iter().map(Element::count).sum::<usize>()
    }

    /// The parent of the element of this number in document order (the root is 0), and its place there.
    fn parent_of(&mut self, number: usize) -> Option<(&mut Element, usize)> {
        let mut left = number.checked_sub(1)?;
        for index in 0..self.children.len() {
            if left == 0 {
                return Some((self, index));
            }
            let size = self.children[index].count();
            if left < size {
                return self.children[index].parent_of(left);
            }
            left -= size;
        }
        None
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
    out
}

fn fill(element: &mut Element, map: &Map<String, Value>, resource: bool) {
    for (key, value) in map {
        if key == "resourceType" || key.starts_with('_') && map.contains_key(&key[1..]) {
            continue;
        }
        if !resource && key == "id" || element.name.ends_with("xtension") && key == "url" {
            element.attributes.push((key.clone(), value.as_str().unwrap_or("").to_owned()));
            continue;
        }
        let bare = key.strip_prefix('_').unwrap_or(key);
        let under = map.get(&format!("_{bare}"));
        let items: Vec<Option<&Value>> = if key.starts_with('_') {
            under
                .map_or(0, |under| under.as_array().map_or(1, Vec::len))
                .checked_sub(0)
                .map_or(Vec::new(), |n| vec![None; n])
        } else {
            value.as_array().map_or(vec![Some(value)], |items| items.iter().map(Some).collect())
        };
        for (index, item) in items.into_iter().enumerate() {
            let beside = match under {
                Some(Value::Array(list)) => list.get(index),
                other => other,
            };
            element.children.push(member(bare, item, beside));
        }
    }
}

fn member(name: &str, value: Option<&Value>, beside: Option<&Value>) -> Element {
    let mut child = Element::new(name);
    match value {
        Some(Value::Object(map)) => match map.get("resourceType").and_then(Value::as_str) {
            Some(type_name) => {
                let mut inner = Element::new(type_name);
                fill(&mut inner, map, true);
                child.children.push(inner);
            }
            None => fill(&mut child, map, false),
        },
        Some(Value::String(text)) if name == "div" && text.starts_with("<div") => {
            return Element { raw: Some(text.clone()), ..Element::new("") };
        }
        Some(Value::String(text)) => child.attributes.push(("value".to_owned(), text.clone())),
        Some(Value::Null) | None => {}
        Some(other) => child.attributes.push(("value".to_owned(), other.to_string())),
    }
    if let Some(Value::Object(map)) = beside {
        fill(&mut child, map, false);
    }
    child
}

const VALUES: [&str; 12] = [
    "",
    " ",
    "2024-02-30",
    "no-such-code",
    "-1",
    "a b",
    "true ",
    "TRUE",
    "***",
    "#nothing",
    "NoSuchType/1",
    "1.0.0",
];

/// One mutant and what was done; nothing when the choice did not apply.
pub fn mutant(seed: &Element, random: &mut Random) -> Option<(String, String)> {
    let mut copy = seed.clone();
    let number = 1 + random.below(copy.count() - 1);
    let kind = random.below(9);
    let (parent, index) = copy.parent_of(number)?;
    let name = format!("{}.{}", parent.name, parent.children[index].name);
    if parent.children[index].name.is_empty() && kind != 0 && kind != 2 {
        return None;
    }
    let what = match kind {
        0 => {
            parent.children.remove(index);
            "delete"
        }
        1 => {
            parent.children[index].name =
                random.pick(&["unknown", "extension", "Status", "valueString"]).to_string();
            "rename"
        }
        2 => {
            let twin = parent.children[index].clone();
            parent.children.insert(index, twin);
            "duplicate"
        }
        3 => {
            if parent.children.len() < 2 {
                return None;
            }
            let other = (index + 1) % parent.children.len();
            if parent.children[index].name == parent.children[other].name {
                return None;
            }
            parent.children.swap(index, other);
            "reorder"
        }
        4 | 5 => {
            let value = parent.children[index].attributes.iter_mut().find(|(name, _)| name == "value")?;
            value.1 = random.pick(&VALUES).to_string();
            "bad primitive"
        }
        6 => {
            let attribute = random.pick(&[
                ("unknown", "a"),
                ("value", "x"),
                ("id", "a b"),
                ("url", "b"),
                ("xmlns", "urn:x"),
            ]);
            if parent.children[index].attributes.iter().any(|(name, _)| name == attribute.0) {
                return None;
            }
            parent.children[index].attributes.push((attribute.0.to_owned(), attribute.1.to_owned()));
            "attribute"
        }
        7 => {
            parent.children[index].attributes.retain(|(name, _)| name != "value" && name != "url");
            "no value"
        }
        _ => {
            let text = Element { raw: Some("text".to_owned()), ..Element::new("") };
            parent.children[index].children.push(text);
            "text"
        }
    };
    Some((format!("{what} {name}"), copy.to_text()))
}
