//! Finding the place of each element of a differential, and merging it there.

use super::ids::segments;
use super::node::Node;
use super::{Violation, check, merge};
use crate::definitions::Definitions;
use crate::definitions::read::{Unusable, list};
use serde_json::{Map, Value, json};

pub(super) struct Work<'w> {
    pub definitions: &'w Definitions,
    pub url: &'w str,
    /// The base before anything was merged: content references copy from here.
    pub pristine: &'w Node,
    pub specialises: bool,
    pub depth: usize,
    pub violations: Vec<Violation>,
}

type Done = Result<(), Unusable>;

impl Work<'_> {
    pub fn differential(&mut self, root: &mut Node, differential: &[Value]) -> Done {
        for (at, element) in differential.iter().enumerate() {
            let Some(map) = element.as_object() else { continue };
            let id = map.get("id").and_then(Value::as_str).unwrap_or_default();
            let parts = segments(id);
            let Some(((first, _), rest)) = parts.split_first() else { continue };
            if *first != root.name {
                return Err(Unusable::new(format!("the element `{id}` is not one of `{}`", root.name)));
            }
            if rest.is_empty()
                && at > 0
                && differential.first().is_some_and(|one| one.get("id") == map.get("id"))
            {
                self.violate("snapshot-repeated", id, "the element stands twice in the differential");
            }
            self.place(root, rest, id, map)?;
        }
        close_by_name(root);
        Ok(())
    }

    pub fn violate(&mut self, rule: &'static str, element: &str, text: impl Into<String>) {
        self.violations.push(Violation { rule, element: element.to_owned(), text: text.into() });
    }

    fn place(
        &mut self,
        node: &mut Node,
        parts: &[(&str, Option<&str>)],
        id: &str,
        element: &Map<String, Value>,
    ) -> Done {
        let Some(((name, slice), rest)) = parts.split_first() else {
            return self.merge(node, id, element);
        };
        self.open(node, name, id)?;
        let (name, slice, by_name) = match (self.resolve(node, name), slice) {
            (Some(choice), None) => (choice, Some((*name).to_owned()), true),
            (Some(choice), Some(slice)) => (choice, Some((*slice).to_owned()), false),
            (None, slice) => ((*name).to_owned(), slice.map(str::to_owned), false),
        };
        let slicing_here = rest.is_empty() && element.contains_key("slicing");
        let Some(child) = node.children.iter_mut().find(|child| child.name == name) else {
            if self.specialises && rest.is_empty() {
                node.children.push(self.new_element(&name, element));
                return Ok(());
            }
            return Err(Unusable::new(format!("the element `{id}` does not exist in the base definition")));
        };
        // Older profiles name an element that cannot repeat like a slice: the element itself is meant.
        let slice = slice.filter(|slice| *slice != child.slice && !cannot_repeat(child));
        let Some(slice) = slice else { return self.place(child, rest, id, element) };
        if !slicing_here || !rest.is_empty() {
            self.needs_slicing(child, &slice, id, by_name);
        }
        let made = !child.slices.iter().any(|known| known.slice == slice);
        if made {
            let new = self.new_slice(child, &slice, by_name);
            let at = place_of(child, &slice);
            child.slices.insert(at, new);
        }
        match child.slices.iter_mut().find(|known| known.slice == slice) {
            Some(target) => self.place(target, rest, id, element),
            None => Ok(()),
        }
    }

    /// The choice element that a name such as `valueQuantity` means, when it is no element itself.
    fn resolve(&self, node: &Node, name: &str) -> Option<String> {
        if node.children.iter().any(|child| child.name == name) {
            return None;
        }
        node.children.iter().find_map(|child| {
            let suffix = name.strip_prefix(child.name.strip_suffix("[x]")?)?;
            let fits = child.type_codes().iter().any(|code| {
                let mut letters = code.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                first.into_iter().chain(letters).eq(suffix.chars())
            });
            fits.then(|| child.name.clone())
        })
    }

    /// An element that only this definition has (a specialisation or logical model).
    fn new_element(&self, name: &str, element: &Map<String, Value>) -> Node {
        let mut element = element.clone();
        let own = |name: &str, other: Value| element.get(name).cloned().unwrap_or(other);
        let base = json!({
            "path": own("path", Value::Null),
            "min": own("min", 0.into()),
            "max": own("max", "1".into()),
        });
        element.entry("base").or_insert(base);
        element.entry("min").or_insert_with(|| 0.into());
        element.entry("max").or_insert_with(|| "1".into());
        Node { name: name.to_owned(), element, ..Node::default() }
    }

    /// A slice needs its element to be sliced: extensions are by URL and choices by type without saying so.
    fn needs_slicing(&mut self, child: &mut Node, slice: &str, id: &str, by_name: bool) {
        if child.element.contains_key("slicing") || slice.contains('/') {
            return;
        }
        let implied = if matches!(child.name.as_str(), "extension" | "modifierExtension") {
            json!({"discriminator": [{"type": "value", "path": "url"}], "ordered": false, "rules": "open"})
        } else if child.name.ends_with("[x]") {
            child.closed_by_name = by_name;
            let rules = if by_name { "closed" } else { "open" };
            json!({"discriminator": [{"type": "type", "path": "$this"}], "ordered": false, "rules": rules})
        } else {
            // Older profiles name single elements like slices; that changes nothing.
            if child.element.get("max").and_then(Value::as_str) != Some("1") {
                self.violate(
                    "snapshot-slicing",
                    id,
                    "the element is a slice, but nothing says how it is sliced",
                );
            }
            return;
        };
        child.element.insert("slicing".to_owned(), implied);
    }

    fn new_slice(&self, child: &Node, slice: &str, by_name: bool) -> Node {
        // A reslice begins as the slice it divides.
        let divided =
            slice.rsplit_once('/').and_then(|(outer, _)| child.slices.iter().find(|s| s.slice == outer));
        let mut new = divided.unwrap_or(child).as_slice(slice);
        if !by_name {
            new.element.insert("min".to_owned(), 0.into());
        }
        if child.name.ends_with("[x]") {
            only_type_named(&mut new, slice);
        }
        new
    }

    fn merge(&mut self, node: &mut Node, id: &str, element: &Map<String, Value>) -> Done {
        self.profiled(node, element);
        check::narrows(self, node, id, element);
        merge::into(&mut node.element, element, self.url);
        self.element_of_profile(node, element);
        if node.slice.is_empty() {
            node.element.remove("sliceName");
        }
        check::holds(self, node, id);
        Ok(())
    }

    /// An extension takes what the root of its definition says.
    fn profiled(&mut self, node: &mut Node, element: &Map<String, Value>) {
        let types = element.get("type").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let [one] = types else { return };
        let [profile] = list(one, "profile") else { return };
        let Some(profile) = profile.as_str() else { return };
        if one.get("code").and_then(Value::as_str) != Some("Extension") {
            return;
        }
        let Ok(known) = self.definitions.snapshot_within(profile, self.depth + 1) else { return };
        let Some(root) = known.elements.first().and_then(Value::as_object) else { return };
        merge::profile_root(&mut node.element, root);
    }

    /// A type whose profile points at one of its elements (`elementdefinition-profile-element`) takes what that element
    /// says, and its children.
    fn element_of_profile(&mut self, node: &mut Node, element: &Map<String, Value>) {
        const POINTER: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element";
        let types = element.get("type").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let [one] = types else { return };
        let pointed = list(one, "_profile").first().and_then(|first| {
            let named = |extension: &&Value| extension.get("url").and_then(Value::as_str) == Some(POINTER);
            list(first, "extension").iter().find(named)?.get("valueString")?.as_str()
        });
        let profile = list(one, "profile").first().and_then(Value::as_str);
        let (Some(pointed), Some(profile)) = (pointed, profile) else { return };
        let Ok(known) = self.definitions.snapshot_within(profile, self.depth + 1) else { return };
        let Some(mut tree) = Node::tree(&known.elements) else { return };
        let parts = segments(pointed);
        let Some(source) = parts.get(1..).and_then(|below| tree.find_mut(below)) else { return };
        node.children.clone_from(&source.children);
        let mut merged = source.element.clone();
        for name in ["slicing", "sliceName", "id", "path", "min", "max", "base", "type"] {
            merged.remove(name);
        }
        merge::into(&mut node.element, &merged, self.url);
        if let Some(Value::Array(types)) = node.element.get_mut("type") {
            for one in types.iter_mut().filter_map(Value::as_object_mut) {
                one.remove("profile");
                one.remove("_profile");
            }
        }
    }

    /// Makes the children of an element known: those of its content reference, its profile or its type.
    fn open(&mut self, node: &mut Node, wanted: &str, id: &str) -> Done {
        if !node.children.is_empty() {
            return Ok(());
        }
        if let Some(reference) = node.element.get("contentReference").and_then(Value::as_str) {
            let path = reference.rsplit('#').next().unwrap_or_default();
            let Some(target) = self.pristine.at_path(path) else {
                return Err(Unusable::new(format!("the content reference of `{id}` leads nowhere")));
            };
            node.children.clone_from(&target.children);
            let types = target.element.get("type").cloned();
            node.element.remove("contentReference");
            node.element.extend(types.map(|types| ("type".to_owned(), types)));
            return Ok(());
        }
        let types = node.element.get("type").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let codes = node.type_codes();
        let same = codes.windows(2).all(|pair| pair.first() == pair.last());
        let reference = match (codes.first(), types) {
            (Some(code), [only]) => match list(only, "profile") {
                [profile] => profile.as_str().unwrap_or(code).to_owned(),
                _ => (*code).to_owned(),
            },
            (Some(code), _) if same => (*code).to_owned(),
            (Some(_), _) if matches!(wanted, "id" | "extension") => "Element".to_owned(),
            (Some(_), _) => {
                return Err(Unusable::new(format!("`{id}` goes into an element that has several types")));
            }
            (None, _) if self.specialises => return Ok(()),
            (None, _) => return Err(Unusable::new(format!("`{id}` goes into an element that has no type"))),
        };
        let known = self.type_snapshot(&reference).or_else(|why| match codes.first() {
            // The elements of a profile that is not loaded are at least those of its type.
            Some(code) if reference != *code => self.type_snapshot(code),
            _ => Err(why),
        });
        let known = known.map_err(|why| Unusable::new(format!("`{id}` cannot be opened: {}", why.text)))?;
        if let Some(tree) = Node::tree(&known) {
            node.children = tree.children;
        }
        Ok(())
    }

    fn type_snapshot(&self, reference: &str) -> Result<super::Elements, Unusable> {
        let url = if reference.starts_with("http://hl7.org/fhirpath/") {
            "http://hl7.org/fhir/StructureDefinition/Element".to_owned()
        } else if reference.contains([':', '/']) {
            reference.to_owned()
        } else {
            format!("http://hl7.org/fhir/StructureDefinition/{reference}")
        };
        self.definitions.snapshot_within(&url, self.depth + 1).map(|known| known.elements)
    }
}

fn cannot_repeat(child: &Node) -> bool {
    child.element.get("max").and_then(Value::as_str) == Some("1")
        && !child.name.ends_with("[x]")
        && !child.element.contains_key("slicing")
}

/// Where a new slice stands: a reslice behind the slice it divides and its other parts, any other at the end.
fn place_of(child: &Node, slice: &str) -> usize {
    let Some((outer, _)) = slice.rsplit_once('/') else { return child.slices.len() };
    let within = |known: &Node| {
        known.slice == outer || known.slice.strip_prefix(outer).is_some_and(|r| r.starts_with('/'))
    };
    child.slices.iter().rposition(within).map_or(child.slices.len(), |at| at + 1)
}

/// A slice of a choice that is named for a type has that type.
fn only_type_named(new: &mut Node, slice: &str) {
    let stem = new.name.strip_suffix("[x]").unwrap_or(&new.name).to_owned();
    let Some(Value::Array(types)) = new.element.get_mut("type") else { return };
    let fits = |one: &Value| {
        let code = one.get("code").and_then(Value::as_str).unwrap_or_default();
        let mut letters = code.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        slice.strip_prefix(&stem).is_some_and(|suffix| first.into_iter().chain(letters).eq(suffix.chars()))
    };
    if types.iter().any(fits) {
        types.retain(fits);
    }
}

/// Where a choice was sliced by names such as `valueQuantity` alone, no other type is left.
fn close_by_name(node: &mut Node) {
    if node.closed_by_name {
        let named: Vec<Value> =
            node.slices.iter().flat_map(|slice| slice.type_codes()).map(Value::from).collect();
        if let Some(Value::Array(types)) = node.element.get_mut("type") {
            types.retain(|one| one.get("code").is_some_and(|code| named.contains(code)));
        }
    }
    for inner in node.children.iter_mut().chain(&mut node.slices) {
        close_by_name(inner);
    }
}
