//! openEHR compositions in the FLAT format: a JSON object whose keys are paths
//! (`report/precaution:0/condition|code`), read into a [`Tree`] of those paths.

use super::tree::{NONE, Node, Notation, ROOT, Tree};
use super::{Limits, Unreadable};
use serde_json::Value;
use std::borrow::Cow;

/// The tree of a FLAT composition. A value that is neither text, number nor boolean is refused: FLAT has none.
pub fn tree<'a>(value: &'a Value, limits: &Limits) -> Result<Tree<'a>, Unreadable> {
    let Some(members) = value.as_object() else { return Err(Unreadable::NotFlat) };
    let mut tree = Tree::new(Notation::Flat, 128);
    for (key, value) in members {
        let text = match value {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            Value::Number(number) => Cow::Borrowed(number.as_str()),
            Value::Bool(true) => Cow::Borrowed("true"),
            Value::Bool(false) => Cow::Borrowed("false"),
            Value::Null => continue,
            _ => return Err(Unreadable::NotFlat),
        };
        let (path, attribute) = match key.find('|') {
            Some(at) => (key.get(..at).unwrap_or_default(), key.get(at..)),
            None => (key.as_str(), None),
        };
        let mut at = ROOT;
        if path.matches('/').count() > 64 {
            return Err(Unreadable::NotFlat);
        }
        for step in path.split('/') {
            let (name, index) = match step.rsplit_once(':') {
                // Anything else behind a colon is part of the name.
                Some((name, index)) => match index.parse::<u32>() {
                    Ok(number) if number.to_string() == index => (name, Some(number)),
                    _ => (step, None),
                },
                None => (step, None),
            };
            at = child(&mut tree, at, name, index);
        }
        if let Some(attribute) = attribute {
            at = child(&mut tree, at, attribute, None);
        }
        if tree.len() > limits.values.min(20_000) {
            return Err(Unreadable::TooManyValues { limit: limits.values.min(20_000) });
        }
        if let Some(node) = tree.node_mut(at).filter(|_| !text.is_empty()) {
            node.text = Some(text);
        }
    }
    Ok(tree)
}

/// The child of this name and index, made when it is not there. A written index is noted in `repeat` (0), so that the
/// place can be written as it was.
fn child<'a>(tree: &mut Tree<'a>, parent: u32, name: &'a str, index: Option<u32>) -> u32 {
    let number = index.unwrap_or(0);
    // `a` and `a:0` are two values, should a composition have both.
    let alone = u32::from(index.is_none());
    let same = |n: &Node<'_>| n.name == name && n.number == number && n.repeat == alone;
    let known = tree.children(parent).find(|(_, n)| same(n)).map_or(NONE, |(id, _)| id);
    if known != NONE {
        return known;
    }
    let id = tree.push(parent, name, number, 0);
    if let Some(node) = tree.node_mut(id) {
        node.repeat = alone;
    }
    id
}
