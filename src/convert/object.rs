//! JSON objects made in one piece: a map that knows its size from the start is not built over again while it grows.

use serde_json::{Map, Value};
use uuid::Uuid;

/// An object of these members, with room for `more`.
pub(super) fn map<const N: usize>(members: [(&str, Value); N], more: usize) -> Map<String, Value> {
    let mut map = Map::with_capacity(N + more);
    for (name, value) in members {
        map.insert(name.to_owned(), value);
    }
    map
}

/// An object of these members.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(map(members, 0))
}

/// The text of a resource's reference: its type and id.
pub(super) fn reference(resource_type: &str, id: Uuid) -> String {
    [resource_type, "/", id.hyphenated().encode_lower(&mut Uuid::encode_buffer())].concat()
}

/// The text of an id.
pub(super) fn id_text(id: Uuid) -> Value {
    let mut buffer = Uuid::encode_buffer();
    let text: &str = id.hyphenated().encode_lower(&mut buffer);
    text.into()
}

/// A list of one item.
pub(super) fn list(item: Value) -> Value {
    Value::Array(vec![item])
}

/// A Coding.
pub(super) fn coding(system: impl Into<Value>, code: &str) -> Value {
    object([("system", system.into()), ("code", code.into())])
}

/// An identifier.
pub(super) fn identifier(system: impl Into<Value>, value: &str) -> Value {
    object([("system", system.into()), ("value", value.into())])
}
