//! Operators.

use super::{Machine, Outcome, Scope};
use crate::fhirpath::expression::{ExprId, Operator};
use crate::fhirpath::number;
use crate::fhirpath::quantity::{Quantity, Unit};
use crate::fhirpath::temporal::Temporal;
use crate::fhirpath::value::{Collection, Item, maybe, one, truth};
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::cmp::Ordering;

impl<'t> Machine<'t> {
    pub(super) fn binary(
        &mut self,
        operator: Operator,
        left: ExprId,
        right: ExprId,
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        match operator {
            Operator::And | Operator::Or | Operator::Xor | Operator::Implies => {
                Ok(maybe(self.truth(at, scope)?.map(Item::Boolean)))
            }
            _ => {
                let left = self.eval(left, scope)?;
                let right = self.eval(right, scope)?;
                self.apply(operator, &left, &right, at)
            }
        }
    }

    fn apply(
        &mut self,
        operator: Operator,
        left: &[Item<'t>],
        right: &[Item<'t>],
        at: ExprId,
    ) -> Outcome<Collection<'t>> {
        let boolean = |value: Option<bool>| maybe(value.map(Item::Boolean));
        match operator {
            Operator::Equal => Ok(boolean(self.equal(left, right, at)?)),
            Operator::NotEqual => Ok(boolean(self.equal(left, right, at)?.map(|same| !same))),
            Operator::Equivalent => Ok(truth(self.equivalent(left, right, at)?)),
            Operator::NotEquivalent => Ok(truth(!self.equivalent(left, right, at)?)),
            Operator::Less => self.ordered(left, right, at, Ordering::is_lt),
            Operator::LessOrEqual => self.ordered(left, right, at, Ordering::is_le),
            Operator::Greater => self.ordered(left, right, at, Ordering::is_gt),
            Operator::GreaterOrEqual => self.ordered(left, right, at, Ordering::is_ge),
            Operator::In => self.membership(left, right, at),
            Operator::Contains => self.membership(right, left, at),
            Operator::Union => self.union(left, right, at),
            Operator::Concatenate => self.concatenate(left, right, at),
            _ => self.arithmetic(operator, left, right, at),
        }
    }

    fn ordered(
        &mut self,
        left: &[Item<'t>],
        right: &[Item<'t>],
        at: ExprId,
        accept: fn(Ordering) -> bool,
    ) -> Outcome<Collection<'t>> {
        match (left, right) {
            ([], _) | (_, []) => Ok(Collection::new()),
            ([a], [b]) => Ok(maybe(self.order(a, b, at)?.map(|order| Item::Boolean(accept(order))))),
            _ => self.fail(at, "only single values can be compared"),
        }
    }

    fn membership(&mut self, item: &[Item<'t>], items: &[Item<'t>], at: ExprId) -> Outcome<Collection<'t>> {
        match item {
            [] => Ok(Collection::new()),
            [item] => Ok(truth(self.contains(items, item, at)?)),
            _ => self.fail(at, "one value is needed here, and there are several"),
        }
    }

    fn concatenate(&mut self, left: &[Item<'t>], right: &[Item<'t>], at: ExprId) -> Outcome<Collection<'t>> {
        let mut text = String::new();
        for side in [left, right] {
            match self.single(side, at)? {
                None => {}
                Some(value) => match value.to_text() {
                    Some(part) => text.push_str(&part),
                    None => return self.fail(at, "only texts can be joined"),
                },
            }
        }
        self.spend(text.len() / 16, at)?;
        Ok(one(Item::Text(Cow::Owned(text))))
    }

    fn arithmetic(
        &mut self,
        operator: Operator,
        left: &[Item<'t>],
        right: &[Item<'t>],
        at: ExprId,
    ) -> Outcome<Collection<'t>> {
        let left = self.single(left, at)?;
        let right = self.single(right, at)?;
        let (Some(left), Some(right)) = (left, right) else { return Ok(Collection::new()) };
        let result = match (&left, &right) {
            (Item::Integer(a), Item::Integer(b)) => whole(operator, *a, *b),
            (Item::Text(a), Item::Text(b)) if operator == Operator::Plus => {
                self.spend((a.len() + b.len()) / 16, at)?;
                Some(Item::Text(Cow::Owned(format!("{a}{b}"))))
            }
            (Item::Temporal(date), Item::Quantity(by)) => return self.moved(operator, date, by, at),
            _ => match (left.as_decimal(), right.as_decimal()) {
                (Some(a), Some(b)) => decimals(operator, a, b),
                _ => match (left.as_quantity(), right.as_quantity()) {
                    (Some(a), Some(b)) if !matches!(operator, Operator::Div | Operator::Mod) => {
                        quantities(operator, &a, &b)
                    }
                    _ => return self.fail(at, "the operator does not apply to values of these types"),
                },
            },
        };
        Ok(maybe(result))
    }

    fn moved(
        &mut self,
        operator: Operator,
        date: &Temporal,
        by: &Quantity<'t>,
        at: ExprId,
    ) -> Outcome<Collection<'t>> {
        let count = match operator {
            Operator::Plus => by.value,
            Operator::Minus => -by.value,
            _ => return self.fail(at, "the operator does not apply to values of these types"),
        };
        match by.duration() {
            Some(unit) => Ok(maybe(date.add(count, unit).map(Item::Temporal))),
            None => {
                self.fail(at, "a date can be moved only by a duration of definite length or a calendar word")
            }
        }
    }

    pub(super) fn negate(
        &mut self,
        inner: ExprId,
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let result = match self.value(inner, scope)? {
            None => return Ok(Collection::new()),
            Some(Item::Integer(value)) => value.checked_neg().map(Item::Integer),
            Some(Item::Decimal(value)) => Some(Item::Decimal(-value)),
            Some(Item::Quantity(mut quantity)) => {
                quantity.value = -quantity.value;
                Some(Item::Quantity(quantity))
            }
            Some(_) => return self.fail(at, "only a number can be negated"),
        };
        Ok(maybe(result))
    }

    pub(super) fn positive(
        &mut self,
        inner: ExprId,
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        match self.value(inner, scope)? {
            None => Ok(Collection::new()),
            Some(value @ (Item::Integer(_) | Item::Decimal(_) | Item::Quantity(_))) => Ok(one(value)),
            Some(_) => self.fail(at, "only a number can have a sign"),
        }
    }
}

fn whole<'t>(operator: Operator, a: i64, b: i64) -> Option<Item<'t>> {
    let result = match operator {
        Operator::Plus => a.checked_add(b),
        Operator::Minus => a.checked_sub(b),
        Operator::Times => a.checked_mul(b),
        Operator::Div => a.checked_div(b),
        Operator::Mod => a.checked_rem(b),
        _ => return number::divide(Decimal::from(a), Decimal::from(b)).map(Item::Decimal),
    };
    result.map(Item::Integer)
}

fn decimals<'t>(operator: Operator, a: Decimal, b: Decimal) -> Option<Item<'t>> {
    let result = match operator {
        Operator::Plus => a.checked_add(b),
        Operator::Minus => a.checked_sub(b),
        Operator::Times => a.checked_mul(b),
        Operator::Divide => number::divide(a, b),
        Operator::Mod => a.checked_rem(b),
        _ => {
            use rust_decimal::prelude::ToPrimitive;
            return number::divide(a, b).and_then(|value| value.trunc().to_i64()).map(Item::Integer);
        }
    };
    result.map(Item::Decimal)
}

fn quantities<'t>(operator: Operator, a: &Quantity<'t>, b: &Quantity<'t>) -> Option<Item<'t>> {
    let result = match operator {
        Operator::Plus => a.plus(b),
        Operator::Minus => a.plus(&Quantity { value: -b.value, unit: b.unit.clone() }),
        // A calendar duration times a plain number stays what it is.
        Operator::Times => match (&a.unit, &b.unit) {
            (Unit::Calendar(_), unit) if unit.code() == "1" => scaled(a, b.value),
            (unit, Unit::Calendar(_)) if unit.code() == "1" => scaled(b, a.value),
            _ => a.times(b),
        },
        Operator::Divide => match (&a.unit, &b.unit) {
            (Unit::Calendar(_), unit) if unit.code() == "1" => {
                number::divide(a.value, b.value).map(|value| Quantity { value, unit: a.unit.clone() })
            }
            _ => a.divided_by(b),
        },
        _ => None,
    };
    result.map(Item::quantity)
}

fn scaled<'t>(quantity: &Quantity<'t>, by: Decimal) -> Option<Quantity<'t>> {
    Some(Quantity { value: quantity.value.checked_mul(by)?, unit: quantity.unit.clone() })
}
