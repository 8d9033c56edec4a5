//! A snapshot as a tree.

use super::ids::segments;
use serde_json::{Map, Value};

/// One element with what is below it and the slices beside it.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The last part of the path.
    pub name: String,
    /// The name of the slice; empty for an element that is none.
    pub slice: String,
    /// The element without its id and path, which are written anew.
    pub element: Map<String, Value>,
    pub children: Vec<Node>,
    pub slices: Vec<Node>,
    /// Whether the slicing was implied by a name such as `valueQuantity`, so that no other type is left.
    pub closed_by_name: bool,
}

impl Node {
    /// Makes the tree of a snapshot whose elements have ids; nothing when it is empty.
    pub fn tree(elements: &[Value]) -> Option<Node> {
        let mut all = elements.iter().filter_map(Value::as_object);
        let first = all.next()?;
        let name = first.get("path").and_then(Value::as_str)?.to_owned();
        let mut root = Node { name, element: first.clone(), ..Node::default() };
        for element in all {
            let id = element.get("id").and_then(Value::as_str).unwrap_or_default();
            let parts = segments(id);
            let Some(((name, slice), above)) = parts.split_last() else { continue };
            let Some(parent) = above.get(1..).and_then(|above| root.find_mut(above)) else { continue };
            let node = Node {
                name: (*name).to_owned(),
                slice: slice.unwrap_or_default().to_owned(),
                element: element.clone(),
                ..Node::default()
            };
            match slice {
                None => parent.children.push(node),
                Some(_) => match parent.children.iter_mut().find(|child| child.name == *name) {
                    Some(sliced) => sliced.slices.push(node),
                    None => parent.children.push(node),
                },
            }
        }
        Some(root)
    }

    /// The node at an id below this one: names and slices.
    pub fn find_mut(&mut self, parts: &[(&str, Option<&str>)]) -> Option<&mut Node> {
        let mut at = self;
        for (name, slice) in parts {
            at = at.child_mut(name, slice.unwrap_or_default())?;
        }
        Some(at)
    }

    /// The node at a path of plain names below this one, such as the target of a content reference.
    pub fn at_path(&self, path: &str) -> Option<&Node> {
        let mut at = self;
        for name in path.split('.').skip(1) {
            at = at.children.iter().find(|child| child.name == name)?;
        }
        Some(at)
    }

    /// The child of this name, or its slice.
    pub fn child_mut(&mut self, name: &str, slice: &str) -> Option<&mut Node> {
        let child = self.children.iter_mut().find(|child| child.name == name)?;
        if slice.is_empty() || child.slice == slice {
            return Some(child);
        }
        child.slices.iter_mut().find(|known| known.slice == slice)
    }

    /// Gives the root another name: a specialisation has its own.
    pub fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// A copy to begin a slice with.
    pub fn as_slice(&self, slice: &str) -> Node {
        let mut copy = Node {
            name: self.name.clone(),
            slice: slice.to_owned(),
            element: self.element.clone(),
            children: self.children.clone(),
            slices: Vec::new(),
            closed_by_name: false,
        };
        copy.element.remove("slicing");
        copy.element.insert("sliceName".to_owned(), slice.into());
        copy
    }

    /// Writes the elements in order: the element, what is below it, its slices.
    pub fn write(&self, id: &str, path: &str, out: &mut Vec<Value>) {
        let dot = if path.is_empty() { "" } else { "." };
        let own_path = format!("{path}{dot}{}", self.name);
        let colon = if self.slice.is_empty() { "" } else { ":" };
        let own_id = format!("{id}{dot}{}{colon}{}", self.name, self.slice);
        let mut element = Map::with_capacity(self.element.len() + 2);
        element.insert("id".to_owned(), own_id.as_str().into());
        element.insert("path".to_owned(), own_path.as_str().into());
        let rest = self.element.iter().filter(|(name, _)| *name != "id" && *name != "path");
        element.extend(rest.map(|(name, value)| (name.clone(), value.clone())));
        out.push(Value::Object(element));
        for child in &self.children {
            child.write(&own_id, &own_path, out);
        }
        for slice in &self.slices {
            slice.write(id, path, out);
        }
    }

    /// The codes of the element's types.
    pub fn type_codes(&self) -> Vec<&str> {
        let types = self.element.get("type").and_then(Value::as_array).into_iter().flatten();
        types.filter_map(|one| one.get("code").and_then(Value::as_str)).collect()
    }
}
