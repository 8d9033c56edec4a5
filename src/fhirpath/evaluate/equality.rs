//! Equality (`=`), equivalence (`~`), and order.

use super::{Machine, Outcome};
use crate::fhir::tree::NodeId;
use crate::fhirpath::expression::ExprId;
use crate::fhirpath::number;
use crate::fhirpath::quantity::Comparison;
use crate::fhirpath::temporal::{Relation, Temporal};
use crate::fhirpath::value::Item;
use std::cmp::Ordering;
use std::collections::HashSet;

impl<'t> Machine<'t> {
    /// `=` on collections: nothing when one is empty or the question is open.
    pub(super) fn equal(
        &mut self,
        left: &[Item<'t>],
        right: &[Item<'t>],
        at: ExprId,
    ) -> Outcome<Option<bool>> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut open = false;
        for (a, b) in left.iter().zip(right) {
            match self.same(a, b, at)? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => open = true,
            }
        }
        Ok(if open { None } else { Some(true) })
    }

    /// `=` on two values.
    pub(super) fn same(&mut self, a: &Item<'t>, b: &Item<'t>, at: ExprId) -> Outcome<Option<bool>> {
        self.spend(1, at)?;
        if let (Item::Node(a), Item::Node(b)) = (a, b) {
            if a == b {
                return Ok(Some(true));
            }
            if self.tree.has_children(*a) || self.tree.has_children(*b) {
                let (x, y) = (self.simple(*a), self.simple(*b));
                if let (Some(x @ Item::Quantity(_)), Some(y @ Item::Quantity(_))) = (&x, &y) {
                    return Ok(self.same_simple(x, y));
                }
                if self.tree.value(*a).is_none() || self.tree.value(*b).is_none() {
                    return self.same_structure(*a, *b, at).map(Some);
                }
            }
        }
        let (a, b) = (self.simplified(a), self.simplified(b));
        Ok(self.same_simple(&a, &b))
    }

    fn same_simple(&self, a: &Item<'t>, b: &Item<'t>) -> Option<bool> {
        match (a, b) {
            (Item::Text(a), Item::Text(b)) => Some(a == b),
            (Item::Boolean(a), Item::Boolean(b)) => Some(a == b),
            (Item::Integer(a), Item::Integer(b)) => Some(a == b),
            (Item::Temporal(a), Item::Temporal(b)) => match a.relate(b) {
                Relation::Known(order) => Some(order == Ordering::Equal),
                Relation::Unknown => None,
                Relation::Foreign => Some(false),
            },
            (Item::Temporal(a), Item::Text(b)) | (Item::Text(b), Item::Temporal(a)) => match like(a, b) {
                Some(b) => self.same_simple(&Item::Temporal(*a), &Item::Temporal(b)),
                None => Some(false),
            },
            (Item::Type(a), Item::Type(b)) => Some(a == b),
            (Item::Elsewhere(_), _) | (_, Item::Elsewhere(_)) => None,
            (Item::Node(_), _) | (_, Item::Node(_)) => Some(false),
            _ => {
                if let (Some(a), Some(b)) = (a.as_decimal(), b.as_decimal()) {
                    return Some(a == b);
                }
                match (a.as_quantity(), b.as_quantity()) {
                    (Some(a), Some(b)) => match a.relate(&b) {
                        Comparison::Known(order) => Some(order == Ordering::Equal),
                        Comparison::Unknown => None,
                    },
                    _ => Some(false),
                }
            }
        }
    }

    /// Whether two elements hold the same, all the way down; names of the elements themselves do not matter.
    fn same_structure(&mut self, a: NodeId, b: NodeId, at: ExprId) -> Outcome<bool> {
        let tree = self.tree;
        if tree.resource_type(a) != tree.resource_type(b)
            || tree.value(a).is_some() != tree.value(b).is_some()
        {
            return Ok(false);
        }
        if tree.value(a).is_some() {
            let (x, y) = (self.simplified(&Item::Node(a)), self.simplified(&Item::Node(b)));
            if self.same_simple(&x, &y) != Some(true) {
                return Ok(false);
            }
        }
        let (mut left, mut right) = (tree.children(a), tree.children(b));
        loop {
            self.spend(1, at)?;
            match (left.next(), right.next()) {
                (None, None) => return Ok(true),
                (Some(x), Some(y)) if tree.name(x) == tree.name(y) => {
                    if !self.same_structure(x, y, at)? {
                        return Ok(false);
                    }
                }
                _ => return Ok(false),
            }
        }
    }

    /// `~` on collections: the order does not matter.
    pub(super) fn equivalent(&mut self, left: &[Item<'t>], right: &[Item<'t>], at: ExprId) -> Outcome<bool> {
        if left.len() != right.len() {
            return Ok(false);
        }
        let mut free: Vec<&Item<'t>> = right.iter().collect();
        for a in left {
            let mut found = None;
            for (index, b) in free.iter().enumerate() {
                if self.alike(a, b, at)? {
                    found = Some(index);
                    break;
                }
            }
            match found {
                Some(index) => free.swap_remove(index),
                None => return Ok(false),
            };
        }
        Ok(true)
    }

    /// `~` on two values.
    fn alike(&mut self, a: &Item<'t>, b: &Item<'t>, at: ExprId) -> Outcome<bool> {
        self.spend(1, at)?;
        let (x, y) = (self.simplified(a), self.simplified(b));
        Ok(match (&x, &y) {
            (Item::Text(a), Item::Text(b)) => normal(a).eq(normal(b)),
            (Item::Temporal(a), Item::Temporal(b)) => a.equivalent(b),
            (Item::Temporal(a), Item::Text(b)) | (Item::Text(b), Item::Temporal(a)) => {
                like(a, b).is_some_and(|b| a.equivalent(&b))
            }
            (Item::Node(a), Item::Node(b)) => return self.alike_structure(*a, *b, at),
            _ => {
                if let (Some(a), Some(b)) = (x.as_decimal(), y.as_decimal()) {
                    number::equivalent(a, b)
                } else if let (Some(a), Some(b)) = (x.as_quantity(), y.as_quantity()) {
                    a.equivalent(&b)
                } else {
                    self.same_simple(&x, &y) == Some(true)
                }
            }
        })
    }

    fn alike_structure(&mut self, a: NodeId, b: NodeId, at: ExprId) -> Outcome<bool> {
        let tree = self.tree;
        let (left, right) = (tree.children(a), tree.children(b));
        let mut free: Vec<NodeId> = right.collect();
        for x in left {
            let mut found = None;
            for (index, y) in free.iter().enumerate() {
                if tree.name(x) == tree.name(*y) && self.alike(&Item::Node(x), &Item::Node(*y), at)? {
                    found = Some(index);
                    break;
                }
            }
            match found {
                Some(index) => free.swap_remove(index),
                None => return Ok(false),
            };
        }
        Ok(free.is_empty())
    }

    /// The order of two values: nothing when the question is open, an error when they have no order.
    pub(super) fn order(&mut self, a: &Item<'t>, b: &Item<'t>, at: ExprId) -> Outcome<Option<Ordering>> {
        self.spend(1, at)?;
        let (a, b) = (self.simplified(a), self.simplified(b));
        if let (Some(a), Some(b)) = (a.as_decimal(), b.as_decimal()) {
            return Ok(Some(a.cmp(&b)));
        }
        let relation = match (&a, &b) {
            (Item::Text(a), Item::Text(b)) => return Ok(Some(a.cmp(b))),
            (Item::Temporal(a), Item::Temporal(b)) => a.relate(b),
            (Item::Temporal(a), Item::Text(b)) => like(a, b).map_or(Relation::Foreign, |b| a.relate(&b)),
            (Item::Text(a), Item::Temporal(b)) => like(b, a).map_or(Relation::Foreign, |a| a.relate(b)),
            _ => match (a.as_quantity(), b.as_quantity()) {
                (Some(a), Some(b)) => match a.relate(&b) {
                    Comparison::Known(order) => Relation::Known(order),
                    Comparison::Unknown => Relation::Unknown,
                },
                _ => Relation::Foreign,
            },
        };
        match relation {
            Relation::Known(order) => Ok(Some(order)),
            Relation::Unknown => Ok(None),
            Relation::Foreign => self.fail(at, "values of these types have no order"),
        }
    }

    /// Whether a value is among others.
    pub(super) fn contains(&mut self, items: &[Item<'t>], wanted: &Item<'t>, at: ExprId) -> Outcome<bool> {
        for item in items {
            if self.same(item, wanted, at)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The positions of the values that are not the same as an earlier one. Linear when all are texts.
    pub(super) fn distinct(&mut self, items: &[Item<'t>], at: ExprId) -> Outcome<Vec<usize>> {
        self.spend(items.len(), at)?;
        let mut kept = Vec::new();
        if items.len() > 8 {
            let mut seen = HashSet::new();
            let mut texts = true;
            for (index, item) in items.iter().enumerate() {
                match self.simplified(item) {
                    Item::Text(text) => {
                        if seen.insert(text) {
                            kept.push(index);
                        }
                    }
                    _ => {
                        texts = false;
                        break;
                    }
                }
            }
            if texts {
                return Ok(kept);
            }
            kept.clear();
        }
        'items: for (index, item) in items.iter().enumerate() {
            for earlier in &kept {
                if let Some(earlier) = items.get(*earlier)
                    && self.same(earlier, item, at)? == Some(true)
                {
                    continue 'items;
                }
            }
            kept.push(index);
        }
        Ok(kept)
    }
}

/// A text as a date or time of the same type as another.
fn like(value: &Temporal, text: &str) -> Option<Temporal> {
    match value.kind() {
        crate::fhirpath::TemporalKind::Date => Temporal::date(text),
        crate::fhirpath::TemporalKind::DateTime => Temporal::date_time(text),
        crate::fhirpath::TemporalKind::Time => Temporal::time(text),
    }
}

/// A text for equivalence: lower case, white space as one blank.
fn normal(text: &str) -> impl Iterator<Item = char> + '_ {
    let mut blank = true;
    text.trim().chars().flat_map(char::to_lowercase).filter_map(move |c| {
        let space = c.is_whitespace();
        let skip = space && blank;
        blank = space;
        if skip { None } else { Some(if space { ' ' } else { c }) }
    })
}
