//! Fixed values, patterns, lengths, and least and greatest values.

use super::Walk;
use crate::fhir::tree::{NodeId, Tree};
use crate::validate::rules;
use crate::validate::schema::{Element, Values};
use rust_decimal::Decimal;
use serde_json::Value;
use std::cmp::Ordering;

impl Walk<'_> {
    pub(super) fn values(&mut self, node: NodeId, values: &Values, element: &Element) {
        let tree = self.tree;
        if let Some(fixed) = &values.fixed
            && !matches(tree, node, fixed, true)
        {
            self.error(rules::FIXED, node, || {
                format!("`{}` must be exactly {}", element.label(), brief(fixed))
            });
        }
        if let Some(pattern) = &values.pattern
            && !matches(tree, node, pattern, false)
        {
            self.error(rules::PATTERN, node, || {
                format!("`{}` must have all of {}", element.label(), brief(pattern))
            });
        }
        if let (Some(longest), Some(value)) = (values.max_length, tree.value(node))
            && value.chars().count() > longest
        {
            self.error(rules::MAX_LENGTH, node, || {
                format!(
                    "`{}` may have {longest} characters, found {}",
                    element.label(),
                    value.chars().count()
                )
            });
        }
        if let Some(least) = &values.min_value
            && self.compare(node, least) == Some(Ordering::Less)
        {
            let shown = self.shown(node);
            self.error(rules::MIN_VALUE, node, || {
                format!("`{}` must not be below {}{shown}", element.label(), brief(least))
            });
        }
        if let Some(most) = &values.max_value
            && self.compare(node, most) == Some(Ordering::Greater)
        {
            let shown = self.shown(node);
            self.error(rules::MAX_VALUE, node, || {
                format!("`{}` must not be above {}{shown}", element.label(), brief(most))
            });
        }
    }

    /// How the value compares with a limit; `None` when they cannot be compared.
    fn compare(&mut self, node: NodeId, limit: &Value) -> Option<Ordering> {
        let tree = self.tree;
        match limit {
            Value::Number(number) => {
                let limit = decimal(number.as_str())?;
                Some(decimal(tree.value(node)?)?.cmp(&limit))
            }
            Value::String(limit) => {
                let value = tree.value(node)?;
                match (value.parse::<jiff::Timestamp>(), limit.parse::<jiff::Timestamp>()) {
                    (Ok(value), Ok(limit)) => Some(value.cmp(&limit)),
                    _ => {
                        // Dates compare as far as both are precise.
                        let length = value.len().min(limit.len()).min(10);
                        Some(value.get(..length)?.cmp(limit.get(..length)?))
                    }
                }
            }
            Value::Object(quantity) => {
                let text = |name: &str| quantity.get(name).and_then(Value::as_str);
                let limit = decimal(quantity.get("value")?.as_number()?.as_str())?;
                let value = decimal(tree.child_value(node, "value")?)?;
                let unit = tree.child_value(node, "code");
                if unit == text("code") && tree.child_value(node, "system") == text("system") {
                    return Some(value.cmp(&limit));
                }
                super::environment::compare_units(value, unit?, limit, text("code")?)
            }
            _ => None,
        }
    }
}

/// A number by its text.
pub(in crate::validate) fn decimal(text: &str) -> Option<Decimal> {
    text.parse().ok().or_else(|| Decimal::from_scientific(text).ok())
}

/// A definition's value for a message.
fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => {
            let text = other.to_string();
            match text.char_indices().nth(200) {
                Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or("")),
                None => format!("`{text}`"),
            }
        }
    }
}

/// Whether an element is (`exact`) or contains a value given as JSON.
pub(in crate::validate) fn matches(tree: &Tree<'_>, node: NodeId, expected: &Value, exact: bool) -> bool {
    match expected {
        Value::Object(map) => {
            let all = map.iter().all(|(name, value)| {
                let bare = name.strip_prefix('_').filter(|bare| !bare.is_empty()).unwrap_or(name);
                if bare == "resourceType" {
                    return tree.resource_type(node) == value.as_str();
                }
                match value {
                    Value::Array(items) if exact => {
                        let mut children = tree.named(node, bare);
                        let same = items.iter().all(|item| {
                            children
                                .next()
                                .is_some_and(|child| item.is_null() || matches(tree, child, item, true))
                        });
                        same && children.next().is_none()
                    }
                    Value::Array(items) => items.iter().all(|item| {
                        item.is_null()
                            || tree.named(node, bare).any(|child| matches(tree, child, item, false))
                    }),
                    single => tree
                        .named(node, bare)
                        .any(|child| matches_half(tree, child, single, exact, name != bare)),
                }
            });
            all && (!exact
                || tree.children(node).all(|child| {
                    // An element's own id, which links within the resource, is no part of its value.
                    let name = tree.name(child);
                    name == "id" || map.contains_key(name) || map.contains_key(&format!("_{name}"))
                }))
        }
        Value::Array(items) => items.first().is_some_and(|item| matches(tree, node, item, exact)),
        Value::String(text) => tree.value(node) == Some(text),
        Value::Bool(value) => tree.value(node) == Some(if *value { "true" } else { "false" }),
        // The precision of a decimal is part of its value: `1.0` is not exactly `1`.
        Value::Number(number) if exact => tree.value(node) == Some(number.as_str()),
        Value::Number(number) => tree.value(node).is_some_and(|text| {
            text == number.as_str() || (decimal(text).is_some() && decimal(text) == decimal(number.as_str()))
        }),
        Value::Null => true,
    }
}

/// A member of an object; the `_` half of a primitive says nothing about its value.
fn matches_half(tree: &Tree<'_>, child: NodeId, value: &Value, exact: bool, under: bool) -> bool {
    matches(tree, child, value, exact && !under)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::Limits;
    use serde_json::json;

    #[test]
    fn a_pattern_is_contained_and_a_fixed_value_is_all() {
        let text =
            r#"{"coding":[{"system":"s","code":"a"},{"system":"s","code":"b","display":"B"}],"n":1.0}"#;
        let tree = Tree::from_json(text, &Limits::DEFAULT).unwrap();
        let root = tree.root();
        assert!(matches(&tree, root, &json!({"coding": [{"code": "b"}]}), false));
        assert!(!matches(&tree, root, &json!({"coding": [{"code": "b"}]}), true));
        assert!(!matches(&tree, root, &json!({"coding": [{"code": "c"}]}), false));
        assert!(matches(&tree, root, &json!({"n": 1}), false));
        let whole = json!({"coding": [{"system": "s", "code": "a"}, {"system": "s", "code": "b", "display": "B"}], "n": 1.0});
        assert!(matches(&tree, root, &whole, true));
        let rounded = json!({"coding": [{"system": "s", "code": "a"}, {"system": "s", "code": "b", "display": "B"}], "n": 1});
        assert!(!matches(&tree, root, &rounded, true));
    }
}
