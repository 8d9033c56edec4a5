//! Reading a tree from a JSON value in memory.

use super::grow::{MAIN, MAIN_ARRAY, Slot, UNDER, UNDER_ARRAY};
use super::{Arena, Format, Key, Kind, NONE, Piece, Tag, Tree, UNDERSCORE};
use serde_json::{Map, Value};

impl Tree<'static> {
    /// Makes a tree of a JSON value; there are no lines and columns. A value that is no object becomes a root
    /// without children and the problem `not-a-resource`.
    ///
    /// Nesting beyond 128 levels is not followed and recorded as the problem `depth`.
    pub fn from_value(value: &Value) -> Tree<'static> {
        Tree::from_value_in(Arena::default(), value)
    }

    /// [`Tree::from_value`] in the storage of an earlier tree.
    pub fn from_value_in(arena: Arena, value: &Value) -> Tree<'static> {
        let mut tree = Tree::start(arena, "", Format::Value);
        let root = tree.arena.push(Piece { start: 0, length: 0 }, Tag::default(), NONE, 0, Kind::Object);
        match value {
            Value::Object(map) => members(&mut tree.arena, root, map, 128),
            _ => tree.arena.problem("not-a-resource", root, "", 0, "the document is not a JSON object"),
        }
        tree
    }
}

fn members(arena: &mut Arena, node: u32, map: &Map<String, Value>, depth: usize) {
    if depth == 0 {
        arena.problem("depth", node, "", 0, "the document is nested more deeply than accepted");
        return;
    }
    if map.is_empty() {
        arena.problem("empty-object", node, "", 0, "an object must not be empty");
    }
    let describes = arena.nodes.get(node as usize).is_some_and(|node| node.tag == super::DESCRIBING);
    let first_key = arena.keys.len();
    // Most objects have neither a null nor a `_` sibling: nothing is looked up or settled for them.
    let halved = map.keys().any(|name| name.starts_with('_'));
    let unsettled = halved || map.values().any(holds_null);
    for (name, value) in map {
        match name.strip_prefix('_') {
            Some(bare) if !bare.is_empty() => {
                // The other half makes the nodes, unless there is none.
                if !map.contains_key(bare) {
                    let key = open(arena, bare, UNDER, value.is_array());
                    half(arena, node, key, name, value, UNDER, depth);
                }
            }
            _ if name == "resourceType" && !describes => match value {
                Value::String(text) => {
                    let piece = arena.keep(text);
                    if let Some(node) = arena.nodes.get_mut(node as usize) {
                        node.resource_type = piece;
                    }
                }
                _ => arena.problem("resource-type", node, name, 0, "`resourceType` must be a string"),
            },
            _ => {
                let key = open(arena, name, MAIN, value.is_array());
                half(arena, node, key, name, value, MAIN, depth);
                if !halved {
                    continue;
                }
                let under = format!("_{name}");
                if let Some(sibling) = map.get(&under) {
                    if let Some(key) = arena.keys.get_mut(key) {
                        key.written |= if sibling.is_array() { UNDER | UNDER_ARRAY } else { UNDER };
                    }
                    half(arena, node, key, &under, sibling, UNDER, depth);
                }
            }
        }
    }
    if unsettled {
        arena.close(first_key);
    } else {
        arena.keys.truncate(first_key);
    }
}

/// Whether a member is null, or an array that has one.
fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(Value::is_null),
        _ => false,
    }
}

fn open(arena: &mut Arena, name: &str, half: u8, array: bool) -> usize {
    let tag = Tag::of(name);
    let name = arena.keep(name);
    let written = match (half, array) {
        (MAIN, true) => MAIN | MAIN_ARRAY,
        (_, true) => UNDER | UNDER_ARRAY,
        _ => half,
    };
    arena.keys.push(Key { name, tag, first: NONE, last: NONE, written });
    arena.keys.len() - 1
}

fn half(arena: &mut Arena, parent: u32, key: usize, name: &str, value: &Value, half: u8, depth: usize) {
    let cursor = arena.keys.get(key).map_or(NONE, |key| key.first);
    let merging = cursor != NONE;
    let mut slot = Slot { key, parent, cursor, count: 0, array: value.is_array() };
    let Value::Array(items) = value else {
        let node = arena.slot(&mut slot, 0);
        if half == UNDER && value.is_null() {
            arena.problem("null-value", node, "", 0, "a `_` sibling must not be null");
        }
        fill(arena, node, value, half, depth);
        return;
    };
    if items.is_empty() {
        arena.problem("empty-array", parent, name, 0, "an array must not be empty");
        return;
    }
    let before = arena.keys.get(key).map_or(NONE, |key| key.last);
    for item in items {
        let node = arena.slot(&mut slot, 0);
        fill(arena, node, item, half, depth);
    }
    let after = arena.keys.get(key).map_or(NONE, |key| key.last);
    if merging && (slot.cursor != NONE || before != after) {
        let first = arena.keys.get(key).map_or(NONE, |key| key.first);
        let text = "the array and its `_` sibling must have the same length";
        arena.problem("misaligned-array", first, "", 0, text);
    }
}

fn fill(arena: &mut Arena, id: u32, value: &Value, half: u8, depth: usize) {
    if half == UNDER {
        return fill_under(arena, id, value, depth);
    }
    let (kind, text) = match value {
        Value::Object(map) => {
            set(arena, id, Kind::Object);
            return members(arena, id, map, depth - 1);
        }
        Value::Array(_) => {
            arena.problem("nested-array", id, "", 0, "an array must not stand directly in an array");
            return;
        }
        Value::Null => return set(arena, id, Kind::Null),
        Value::String(text) => (Kind::String, arena.keep(text)),
        Value::Number(number) => (Kind::Number, arena.keep(number.as_str())),
        Value::Bool(value) => (Kind::Bool, arena.keep(if *value { "true" } else { "false" })),
    };
    if text.length == 0 {
        arena.problem("empty-string", id, "", 0, "a string must not be empty");
    }
    if let Some(node) = arena.nodes.get_mut(id as usize) {
        node.kind = kind;
        node.value = text;
    }
}

fn fill_under(arena: &mut Arena, id: u32, value: &Value, depth: usize) {
    match value {
        Value::Object(map) => {
            let object = arena.nodes.get_mut(id as usize).is_some_and(|node| {
                node.flags |= UNDERSCORE;
                node.kind == Kind::Object
            });
            if object {
                let text = "only a primitive may have a `_` sibling";
                arena.problem("underscore-shape", id, "", 0, text);
            } else {
                members(arena, id, map, depth - 1);
            }
        }
        Value::Null => {
            let bare = arena.nodes.get_mut(id as usize).filter(|node| node.kind == Kind::Absent);
            if let Some(node) = bare {
                node.kind = Kind::Null;
            }
        }
        _ => arena.problem("underscore-shape", id, "", 0, "a `_` sibling must be an object"),
    }
}

fn set(arena: &mut Arena, id: u32, kind: Kind) {
    if let Some(node) = arena.nodes.get_mut(id as usize) {
        node.kind = kind;
    }
}
