//! What an expression yields.

use super::quantity::{Quantity, Unit};
use super::temporal::{Temporal, TemporalKind};
use crate::fhir::tree::NodeId;
use rust_decimal::Decimal;
use smallvec::SmallVec;
use std::borrow::Cow;

/// One value: an element of the tree, or a value of the System types.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'t> {
    /// An element of the tree that was evaluated.
    Node(NodeId),
    /// A resource that is not at hand, of which the type is known (`resolve()`).
    Elsewhere(Cow<'t, str>),
    /// `System.Boolean`.
    Boolean(bool),
    /// `System.Integer`.
    Integer(i64),
    /// `System.Decimal`; the digits are kept.
    Decimal(Decimal),
    /// `System.String`.
    Text(Cow<'t, str>),
    /// `System.Date`, `System.DateTime` or `System.Time`.
    Temporal(Temporal),
    /// `System.Quantity`.
    Quantity(Box<Quantity<'t>>),
    /// What `type()` yields: namespace and name.
    Type(Box<(Cow<'static, str>, Cow<'t, str>)>),
}

/// What an expression yields: values in order; two fit without an allocation.
pub type Collection<'t> = SmallVec<[Item<'t>; 2]>;

impl<'t> Item<'t> {
    /// The name of the System type, without namespace; nothing for elements of the tree.
    pub fn system_type(&self) -> Option<&'static str> {
        Some(match self {
            Item::Node(_) | Item::Elsewhere(_) => return None,
            Item::Boolean(_) => "Boolean",
            Item::Integer(_) => "Integer",
            Item::Decimal(_) => "Decimal",
            Item::Text(_) => "String",
            Item::Temporal(value) => match value.kind() {
                TemporalKind::Date => "Date",
                TemporalKind::DateTime => "DateTime",
                TemporalKind::Time => "Time",
            },
            Item::Quantity(_) => "Quantity",
            Item::Type(_) => "TypeInfo",
        })
    }

    /// The value as text, as `toString()` writes it; nothing for elements of the tree.
    pub fn to_text(&self) -> Option<Cow<'t, str>> {
        Some(match self {
            Item::Node(_) | Item::Elsewhere(_) | Item::Type(_) => return None,
            Item::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Item::Integer(value) => Cow::Owned(value.to_string()),
            Item::Decimal(value) => Cow::Owned(value.to_string()),
            Item::Text(value) => value.clone(),
            Item::Temporal(value) => Cow::Owned(value.to_string()),
            Item::Quantity(value) => Cow::Owned(value.to_string()),
        })
    }

    pub(super) fn text(value: impl Into<Cow<'t, str>>) -> Item<'t> {
        Item::Text(value.into())
    }

    pub(super) fn quantity(value: Quantity<'t>) -> Item<'t> {
        Item::Quantity(Box::new(value))
    }

    /// The value as a number with a unit, where it is a number.
    pub(super) fn as_quantity(&self) -> Option<Quantity<'t>> {
        match self {
            Item::Quantity(value) => Some((**value).clone()),
            Item::Integer(value) => Some(Quantity::plain(Decimal::from(*value))),
            Item::Decimal(value) => Some(Quantity::plain(*value)),
            _ => None,
        }
    }

    /// The value as a decimal, where it is a number without a unit.
    pub(super) fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Item::Integer(value) => Some(Decimal::from(*value)),
            Item::Decimal(value) => Some(*value),
            _ => None,
        }
    }
}

/// A collection of one value.
#[inline]
pub(super) fn one(item: Item<'_>) -> Collection<'_> {
    let mut collection = Collection::new();
    collection.push(item);
    collection
}

/// A collection of one value, or none.
#[inline]
pub(super) fn maybe(item: Option<Item<'_>>) -> Collection<'_> {
    item.map_or_else(Collection::new, one)
}

/// A collection of one Boolean.
#[inline]
pub(super) fn truth<'t>(value: bool) -> Collection<'t> {
    one(Item::Boolean(value))
}

/// A UCUM unit that borrows its code.
pub(super) fn ucum(code: &str) -> Unit<'_> {
    Unit::Ucum(Cow::Borrowed(code))
}
