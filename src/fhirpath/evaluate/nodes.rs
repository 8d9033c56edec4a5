//! Walking the tree: members, children, and what an element's value is.

use super::{Machine, Outcome};
use crate::fhir::tree::{Kind, NodeId, Tag};
use crate::fhirpath::expression::ExprId;
use crate::fhirpath::number::read_decimal;
use crate::fhirpath::quantity::Quantity;
use crate::fhirpath::temporal::Temporal;
use crate::fhirpath::value::{Collection, Item, maybe, ucum};
use rust_decimal::Decimal;
use std::borrow::Cow;

impl<'t> Machine<'t> {
    /// A member of `$this` at the beginning of a path, where the name of the type may stand too.
    pub(super) fn first_member(
        &mut self,
        this: &[Item<'t>],
        name: &'t str,
        at: ExprId,
    ) -> Outcome<Collection<'t>> {
        if let [Item::Node(node)] = this
            && name.starts_with(|c: char| c.is_ascii_uppercase())
        {
            let same = self.tree.resource_type(*node) == Some(name)
                || self.type_of(*node).is_some_and(|found| self.is_kind_of(found, name));
            return Ok(if same { this.iter().cloned().collect() } else { Collection::new() });
        }
        self.members(this, name, at)
    }

    /// The members of this name of every value.
    pub(super) fn members(
        &mut self,
        focus: &[Item<'t>],
        name: &'t str,
        at: ExprId,
    ) -> Outcome<Collection<'t>> {
        let mut found = Collection::new();
        for item in focus {
            match item {
                Item::Node(node) => {
                    let mut seen = 1;
                    let tree = self.tree;
                    let tag = Tag::of(name);
                    for child in tree.children(*node) {
                        seen += 1;
                        if tree.tag(child).may_begin(tag) && self.is_member(*node, child, name) {
                            found.push(Item::Node(child));
                        }
                    }
                    self.spend(seen, at)?;
                }
                Item::Quantity(quantity) => match name {
                    "value" => found.push(Item::Decimal(quantity.value)),
                    "unit" | "code" => found.push(Item::Text(Cow::Owned(quantity.unit.code().to_owned()))),
                    _ => {}
                },
                Item::Type(info) => match name {
                    "namespace" => found.push(Item::Text(info.0.clone())),
                    "name" => found.push(Item::Text(info.1.clone())),
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(found)
    }

    /// Whether a child is the member of this name: `valueQuantity` is the member `value`.
    #[inline]
    pub(super) fn is_member(&self, parent: NodeId, child: NodeId, name: &str) -> bool {
        match self.tree.name(child).strip_prefix(name) {
            None => false,
            Some("") => true,
            Some(rest) => rest.starts_with(|c: char| c.is_ascii_uppercase()) && self.chosen(parent, name),
        }
    }

    #[cold]
    fn chosen(&self, parent: NodeId, name: &str) -> bool {
        match self.type_of(parent) {
            Some(found) => self.environment.model.is_choice(found, name),
            None => self.environment.model.is_choice("", name),
        }
    }

    /// The elements directly within every value.
    pub(super) fn children(&mut self, focus: &[Item<'t>], at: ExprId) -> Outcome<Collection<'t>> {
        let mut found = Collection::new();
        for item in focus {
            if let Item::Node(node) = item {
                found.extend(self.tree.children(*node).map(Item::Node));
            }
        }
        self.spend(found.len(), at)?;
        Ok(found)
    }

    /// The elements within every value, at any depth.
    pub(super) fn descendants(&mut self, focus: &[Item<'t>], at: ExprId) -> Outcome<Collection<'t>> {
        let mut found = Collection::new();
        for item in focus {
            let Item::Node(top) = item else { continue };
            let mut next = self.tree.children(*top).next();
            while let Some(node) = next {
                found.push(Item::Node(node));
                self.spend(1, at)?;
                next = self.tree.children(node).next().or_else(|| self.after(node, *top));
            }
        }
        Ok(found)
    }

    /// The element after this one and all it holds, within `top`.
    fn after(&self, mut node: NodeId, top: NodeId) -> Option<NodeId> {
        while node != top {
            if let Some(next) = self.tree.next_sibling(node) {
                return Some(next);
            }
            node = self.tree.parent(node)?;
        }
        None
    }

    /// The type of an element, where the model knows it.
    pub(super) fn type_of(&self, node: NodeId) -> Option<&'t str> {
        if let Some(name) = self.tree.resource_type(node) {
            return Some(name);
        }
        if Some(node) == self.context
            && let Some(name) = self.environment.context_type
        {
            return Some(name);
        }
        let parent = self.type_of(self.tree.parent(node)?)?;
        self.environment.model.child_type(parent, self.tree.name(node))
    }

    /// Whether a type is another one or specialises it.
    pub(super) fn is_kind_of(&self, name: &str, wanted: &str) -> bool {
        let mut at = Some(name);
        let mut steps = 0;
        while let Some(name) = at {
            if name == wanted {
                return true;
            }
            steps += 1;
            at = if steps > 16 { None } else { self.environment.model.base(name) };
        }
        false
    }

    /// An element as a value of the System types: a primitive with a value, or a Quantity.
    pub(super) fn simple(&self, node: NodeId) -> Option<Item<'t>> {
        let Some(text) = self.tree.value(node) else { return self.quantity_of(node) };
        let kind = self.tree.kind(node);
        let first = text.as_bytes().first().copied().unwrap_or(b' ');
        match kind {
            Kind::Bool => return Some(Item::Boolean(text == "true")),
            Kind::Number => return Some(number(text)),
            // A text that begins with no digit is no date; in XML it may also be a number or a Boolean.
            Kind::String if !first.is_ascii_digit() => return Some(Item::text(text)),
            Kind::Element
                if !(first.is_ascii_digit() || first == b'-' || text == "true" || text == "false") =>
            {
                return Some(Item::text(text));
            }
            Kind::Attribute | Kind::Xhtml => return Some(Item::text(text)),
            _ => {}
        }
        let typed = self.type_of(node).and_then(|name| self.typed(name, text));
        Some(typed.unwrap_or_else(|| Item::text(text)))
    }

    /// A primitive's text as a value of its type; nothing when the type is a text or the text breaks its rule.
    fn typed(&self, name: &str, text: &'t str) -> Option<Item<'t>> {
        match name {
            "boolean" => match text {
                "true" => Some(Item::Boolean(true)),
                "false" => Some(Item::Boolean(false)),
                _ => None,
            },
            "integer" | "positiveInt" | "unsignedInt" | "integer64" => text.parse().ok().map(Item::Integer),
            "decimal" => read_decimal(text).map(Item::Decimal),
            "date" => Temporal::date(text).map(Item::Temporal),
            "dateTime" | "instant" => Temporal::date_time(text).map(|mut value| {
                value.kind = crate::fhirpath::TemporalKind::DateTime;
                Item::Temporal(value)
            }),
            "time" => Temporal::time(text).map(Item::Temporal),
            _ => None,
        }
    }

    fn quantity_of(&self, node: NodeId) -> Option<Item<'t>> {
        let tree = self.tree;
        let value = read_decimal(tree.child_value(node, "value")?)?;
        let name = self.type_of(node)?;
        if !self.is_kind_of(name, "Quantity") {
            return None;
        }
        let unit = tree.child_value(node, "unit");
        let code = tree.child_value(node, "code");
        let system = tree.child_value(node, "system");
        let unit = match (system, code) {
            (Some("http://unitsofmeasure.org") | None, Some(code)) => ucum(code),
            _ => ucum(unit.or(code).unwrap_or("1")),
        };
        Some(Item::quantity(Quantity { value, unit }))
    }

    /// Every value as a System type where it has one.
    pub(super) fn simplified(&self, item: &Item<'t>) -> Item<'t> {
        match item {
            Item::Node(node) => self.simple(*node).unwrap_or(Item::Node(*node)),
            other => other.clone(),
        }
    }

    /// `getValue()`: a primitive's value as a System type.
    pub(super) fn get_value(&self, focus: &[Item<'t>]) -> Collection<'t> {
        match focus {
            [Item::Node(node)] if self.tree.value(*node).is_some() => maybe(self.simple(*node)),
            _ => Collection::new(),
        }
    }
}

fn number(text: &str) -> Item<'_> {
    if let Ok(whole) = text.parse() {
        return Item::Integer(whole);
    }
    match read_decimal(text) {
        Some(value) => Item::Decimal(value),
        None => Item::Decimal(Decimal::ZERO),
    }
}
