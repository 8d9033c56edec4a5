//! Files against their JSON Schema: every misfit at its line and column, and for an unknown name the nearest known one.

use super::{Node, Place};
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

/// A JSON Schema, compiled.
pub struct Schema {
    text: Value,
    validator: jsonschema::Validator,
}

/// Where and why a file does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The value that does not fit, as a JSON Pointer.
    pub pointer: String,
    /// Where it stands; for an unknown name, where the name stands.
    pub place: Place,
    /// What is wrong.
    pub text: String,
}

impl Schema {
    /// Compiles a schema; `None` when it is none.
    pub fn of(text: &str) -> Option<Schema> {
        let text = serde_json::from_str(text).ok()?;
        let validator = jsonschema::validator_for(&text).ok()?;
        Some(Schema { text, validator })
    }

    /// Everything in which a file does not fit, in the order of the schema.
    pub fn misfits(&self, node: &Node) -> Vec<Misfit> {
        let json = node.to_json();
        let mut misfits = Vec::new();
        for error in self.validator.iter_errors(&json) {
            let pointer = error.instance_path().as_str();
            let mut add = |place, text| misfits.push(Misfit { pointer: pointer.to_owned(), place, text });
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    let known = self.properties(error.schema_path().as_str());
                    for name in unexpected {
                        let place =
                            node.place_of_key(pointer, name).unwrap_or_else(|| node.place_at(pointer));
                        add(place, unknown_name("name", name, &known));
                    }
                }
                ValidationErrorKind::Enum { options } => {
                    let known: Vec<&str> =
                        options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    let given = error.instance().as_str().unwrap_or("").to_owned();
                    add(node.place_at(pointer), unknown_name("value", &given, &known));
                }
                _ => add(node.place_at(pointer), error.masked().to_string()),
            }
        }
        misfits
    }

    /// The names that an object may have which the `additionalProperties` at this place of the schema closes.
    fn properties(&self, closed_at: &str) -> Vec<&str> {
        let object = closed_at.strip_suffix("/additionalProperties").unwrap_or(closed_at);
        let properties = self.text.pointer(&format!("{object}/properties")).and_then(Value::as_object);
        properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str)).collect()
    }
}

/// The sentence for a name that is not known: with the nearest known one, or all of them if none is near.
pub fn unknown_name(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown {what} `{name}`; did you mean `{near}`?"),
        None => format!("unknown {what} `{name}`; known: {}", known.join(", ")),
    }
}

/// The known name nearest to this one, if any is near enough to be what was meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misfit_knows_its_place_and_the_nearest_name() {
        let schema = r#"{"type": "object", "properties": {"rooms": {"type": "array", "items": {
            "type": "object", "additionalProperties": false, "required": ["use"],
            "properties": {"use": {"enum": ["kitchen", "hall"]}, "doors": {"type": "integer"}}}}}}"#;
        let schema = Schema::of(schema).unwrap();
        let told = |text: &str| -> Vec<String> {
            let misfits = schema.misfits(&Node::from_yaml(text).unwrap());
            let line = |one: &Misfit| format!("{}:{}: {}", one.place.line, one.place.column, one.text);
            misfits.iter().map(line).collect()
        };
        assert_eq!(told("rooms:\n  - {use: hall, doors: 2}\n"), Vec::<String>::new());
        assert_eq!(
            told("rooms:\n  - {use: hall, door: 2}\n"),
            ["2:17: unknown name `door`; did you mean `doors`?"]
        );
        assert_eq!(
            told("rooms:\n  - {use: kitchn}\n"),
            ["2:11: unknown value `kitchn`; did you mean `kitchen`?"]
        );
        assert_eq!(told("rooms:\n  - {doors: 1}\n"), ["2:5: \"use\" is a required property"]);
        assert!(Schema::of("{").is_none());
    }
}
