//! From a tree, whatever it was read from, to FHIR's JSON.
//!
//! Implements <https://hl7.org/fhir/R4/json.html>: XML does not say which elements repeat and which are numbers, so
//! the types of FHIR decide.

use super::{Definitions, Member, TypeModel};
use crate::fhir::tree::{Format, Kind, NodeId, Tree};
use serde_json::{Map, Number, Value};
use std::sync::Arc;

/// The JSON of a resource. What the types do not know is kept: as an array where it repeats, as text where it has a
/// value.
pub fn resource_json(definitions: &Definitions, tree: &Tree<'_>) -> Value {
    node_json(definitions, tree, tree.root())
}

/// The JSON of one resource within a tree (`contained`, or of a Bundle entry).
pub fn node_json(definitions: &Definitions, tree: &Tree<'_>, node: NodeId) -> Value {
    Value::Object(Writer { definitions, tree }.resource(node))
}

struct Writer<'w> {
    definitions: &'w Definitions,
    tree: &'w Tree<'w>,
}

/// The definition of what stands in an element.
type Place<'w> = Option<(&'w Arc<TypeModel>, usize)>;

impl Writer<'_> {
    fn resource(&self, node: NodeId) -> Map<String, Value> {
        let mut out = Map::new();
        let place = self.tree.resource_type(node).and_then(|name| {
            out.insert("resourceType".to_owned(), name.into());
            Some((self.definitions.model(name)?, 0))
        });
        self.members(node, &place, &mut out);
        out
    }

    fn members(&self, node: NodeId, place: &Place<'_>, out: &mut Map<String, Value>) {
        let mut done: Vec<&str> = Vec::new();
        for child in self.tree.children(node) {
            let name = self.tree.name(child);
            if done.contains(&name) {
                continue;
            }
            let member = place.as_ref().and_then(|(model, element)| model.member(*element, name));
            let group: Vec<NodeId> = self.tree.named(node, name).collect();
            let repeats = group.len() > 1
                || match self.tree.format() {
                    Format::Xml => member.is_some_and(|member| member.repeats),
                    Format::Json | Format::Value => self.tree.was_array(child),
                };
            done.push(name);
            self.write(name, &group, repeats, member, place, out);
        }
    }

    fn write(
        &self,
        name: &str,
        group: &[NodeId],
        repeats: bool,
        member: Option<&Member>,
        place: &Place<'_>,
        out: &mut Map<String, Value>,
    ) {
        let both: Vec<(Value, Value)> = group.iter().map(|node| self.halves(*node, member, place)).collect();
        let (mut main, mut under): (Vec<Value>, Vec<Value>) = both.into_iter().unzip();
        let said = |list: &[Value]| list.iter().any(|value| !value.is_null());
        for (list, name) in [(&mut main, name.to_owned()), (&mut under, format!("_{name}"))] {
            if said(list) {
                let value = if repeats { Value::Array(std::mem::take(list)) } else { list.swap_remove(0) };
                out.insert(name, value);
            }
        }
    }

    /// The value of an element and its `_` sibling.
    fn halves(&self, node: NodeId, member: Option<&Member>, place: &Place<'_>) -> (Value, Value) {
        let tree = self.tree;
        if tree.resource_type(node).is_some()
            && (tree.format() == Format::Xml || tree.kind(node) == Kind::Object)
        {
            return (Value::Object(self.resource(node)), Value::Null);
        }
        let inside: Place<'_> = member.and_then(|member| match member.inside {
            Some(element) => place.as_ref().map(|(model, _)| (*model, element)),
            None => Some((self.definitions.model(&member.type_name)?, 0)),
        });
        let type_name = member.map_or("", |member| &*member.type_name);
        let primitive = tree.value(node).is_some()
            || tree.kind(node) == Kind::Absent
            || type_name.starts_with(|first: char| first.is_ascii_lowercase());
        let mut inner = Map::new();
        self.members(node, &inside, &mut inner);
        if !primitive {
            return (Value::Object(inner), Value::Null);
        }
        let value = tree.value(node).map_or(Value::Null, |text| self.primitive(node, type_name, text));
        (value, if inner.is_empty() { Value::Null } else { Value::Object(inner) })
    }

    fn primitive(&self, node: NodeId, type_name: &str, text: &str) -> Value {
        let kind = self.tree.kind(node);
        let boolean = kind == Kind::Bool || kind == Kind::Element && type_name == "boolean";
        let number = kind == Kind::Number
            || kind == Kind::Element
                && matches!(type_name, "integer" | "decimal" | "positiveInt" | "unsignedInt");
        match text {
            "true" if boolean => Value::Bool(true),
            "false" if boolean => Value::Bool(false),
            _ if number && is_number(text) => Value::Number(Number::from_string_unchecked(text.to_owned())),
            _ => text.into(),
        }
    }
}

/// Whether a text is a JSON number, so that it can be written without quotes.
fn is_number(text: &str) -> bool {
    let limits = crate::fhir::json::Limits::DEFAULT;
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && matches!(crate::fhir::json::parse_str(text, &limits), Ok(Value::Number(_)))
        && !text.ends_with(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::Limits;
    use serde_json::json;

    #[test]
    fn writes_xml_as_json_by_type() {
        let text = "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"p\"/><text><status value=\"generated\"/>\
            <div xmlns=\"http://www.w3.org/1999/xhtml\">x</div></text><contained><Flag><status value=\"active\"/></Flag>\
            </contained><active value=\"true\"/><name><given id=\"g\" value=\"A\"/><given value=\"B\"/></name>\
            <birthDate value=\"1970-01-01\"><extension url=\"urn:x\"><valueDecimal value=\"1.00\"/></extension>\
            </birthDate><multipleBirthInteger value=\"2\"/></Patient>";
        let tree = Tree::from_xml(text, &Limits::DEFAULT).unwrap();
        let value = resource_json(&Definitions::builtin(), &tree);
        let mut expected = json!({
            "resourceType": "Patient", "id": "p",
            "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},
            "contained": [{"resourceType": "Flag", "status": "active"}], "active": true,
            "name": [{"given": ["A", "B"], "_given": [{"id": "g"}, null]}],
            "birthDate": "1970-01-01", "multipleBirthInteger": 2,
        });
        let decimal = Value::Number(Number::from_string_unchecked("1.00".into()));
        expected["_birthDate"] = json!({"extension": [{"url": "urn:x", "valueDecimal": decimal}]});
        assert_eq!(value, expected);
        let again = Tree::from_value(&value);
        assert_eq!(resource_json(&Definitions::builtin(), &again), value);
    }
}
