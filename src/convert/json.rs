//! JSON read into a [`Tree`]: members and items are nodes, and each scalar that says something is a value.

use super::tree::{Notation, ROOT, Tree};
use super::{Limits, Unreadable};
use serde_json::Value;
use std::borrow::Cow;

/// The tree of a JSON value. `null` and empty strings say nothing and are no values.
pub fn tree<'a>(value: &'a Value, limits: &Limits) -> Result<Tree<'a>, Unreadable> {
    let mut tree = Tree::new(Notation::Json, 128);
    fill(&mut tree, ROOT, value, limits)?;
    Ok(tree)
}

fn fill<'a>(tree: &mut Tree<'a>, at: u32, value: &'a Value, limits: &Limits) -> Result<(), Unreadable> {
    if tree.len() > limits.values {
        return Err(Unreadable::TooManyValues { limit: limits.values });
    }
    let text = match value {
        Value::Null => None,
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Number(number) => Some(Cow::Borrowed(number.as_str())),
        Value::String(text) => Some(Cow::Borrowed(text.as_str())).filter(|t| !t.is_empty()),
        Value::Array(items) => {
            for (index, item) in (0u32..).zip(items) {
                let id = tree.push(at, "", index, 0);
                fill(tree, id, item, limits)?;
            }
            None
        }
        Value::Object(members) => {
            for (name, member) in members {
                let id = tree.push(at, name, 1, 0);
                fill(tree, id, member, limits)?;
            }
            None
        }
    };
    if let Some(node) = tree.node_mut(at) {
        node.text = text;
    }
    Ok(())
}
