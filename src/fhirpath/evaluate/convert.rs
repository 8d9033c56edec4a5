//! Conversion functions.

use super::{Machine, Outcome, Scope};
use crate::fhirpath::expression::ExprId;
use crate::fhirpath::function::Function;
use crate::fhirpath::number::read_decimal;
use crate::fhirpath::quantity::{Comparison, Quantity, Unit};
use crate::fhirpath::temporal::{Temporal, TemporalKind};
use crate::fhirpath::value::{Collection, Item, maybe, truth};
use rust_decimal::Decimal;
use std::borrow::Cow;

impl<'t> Machine<'t> {
    pub(super) fn convert_function(
        &mut self,
        focus: &[Item<'t>],
        function: Function,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        use Function::*;
        let Some(value) = self.single(focus, at)? else { return Ok(Collection::new()) };
        let result = match function {
            ToBoolean | ConvertsToBoolean => boolean(&value).map(Item::Boolean),
            ToInteger | ConvertsToInteger => {
                integer(&value).filter(|v| i32::try_from(*v).is_ok()).map(Item::Integer)
            }
            ToLong | ConvertsToLong => integer(&value).map(Item::Integer),
            ToDecimal | ConvertsToDecimal => decimal(&value).map(Item::Decimal),
            ToDate | ConvertsToDate => date(&value).map(Item::Temporal),
            ToDateTime | ConvertsToDateTime => date_time(&value).map(Item::Temporal),
            ToTime | ConvertsToTime => time(&value).map(Item::Temporal),
            ToText | ConvertsToText => value.to_text().map(Item::Text),
            _ => {
                let unit = match args.first() {
                    Some(unit) => self.string(*unit, scope)?,
                    None => None,
                };
                quantity(&value).and_then(|found| in_unit(found, unit)).map(Item::quantity)
            }
        };
        Ok(match function {
            ToBoolean | ToInteger | ToLong | ToDecimal | ToDate | ToDateTime | ToTime | ToText
            | ToQuantity => maybe(result),
            _ => truth(result.is_some()),
        })
    }
}

fn boolean(value: &Item<'_>) -> Option<bool> {
    match value {
        Item::Boolean(value) => Some(*value),
        Item::Integer(0) => Some(false),
        Item::Integer(1) => Some(true),
        Item::Decimal(value) if value.is_zero() => Some(false),
        Item::Decimal(value) if *value == Decimal::ONE => Some(true),
        Item::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn integer(value: &Item<'_>) -> Option<i64> {
    match value {
        Item::Integer(value) => Some(*value),
        Item::Boolean(value) => Some(i64::from(*value)),
        Item::Text(text) => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if plain { text.parse().ok() } else { None }
        }
        _ => None,
    }
}

fn decimal(value: &Item<'_>) -> Option<Decimal> {
    match value {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        Item::Boolean(value) => Some(if *value { Decimal::new(10, 1) } else { Decimal::new(0, 1) }),
        Item::Text(text) if !text.contains(['e', 'E']) => {
            read_decimal(text.strip_prefix('+').unwrap_or(text))
        }
        _ => None,
    }
}

fn date(value: &Item<'_>) -> Option<Temporal> {
    match value {
        Item::Temporal(value) if value.kind() == TemporalKind::Time => None,
        Item::Temporal(value) => Some(value.date_part()),
        Item::Text(text) => Temporal::date_time(text).map(Temporal::date_part),
        _ => None,
    }
}

fn date_time(value: &Item<'_>) -> Option<Temporal> {
    let mut found = match value {
        Item::Temporal(value) if value.kind() == TemporalKind::Time => return None,
        Item::Temporal(value) => *value,
        Item::Text(text) => Temporal::date_time(text)?,
        _ => return None,
    };
    found.kind = TemporalKind::DateTime;
    Some(found)
}

fn time(value: &Item<'_>) -> Option<Temporal> {
    match value {
        Item::Temporal(value) if value.kind() == TemporalKind::Time => Some(*value),
        Item::Text(text) => Temporal::time(text.strip_prefix('T').unwrap_or(text)),
        _ => None,
    }
}

fn quantity<'t>(value: &Item<'t>) -> Option<Quantity<'t>> {
    match value {
        Item::Boolean(value) => {
            Some(Quantity::plain(if *value { Decimal::new(10, 1) } else { Decimal::new(0, 1) }))
        }
        Item::Text(text) => {
            let read = Quantity::read(text)?;
            let unit = match read.unit {
                Unit::Calendar(unit) => Unit::Calendar(unit),
                Unit::Ucum(code) => Unit::Ucum(Cow::Owned(code.into_owned())),
            };
            Some(Quantity { value: read.value, unit })
        }
        other => other.as_quantity(),
    }
}

/// The quantity in another unit: nothing when it cannot be said in that unit.
fn in_unit<'t>(found: Quantity<'t>, unit: Option<Cow<'t, str>>) -> Option<Quantity<'t>> {
    let Some(unit) = unit else { return Some(found) };
    let wanted = match crate::fhirpath::quantity::CalendarUnit::from_word(&unit) {
        Some(calendar) => Unit::Calendar(calendar),
        None => Unit::Ucum(unit),
    };
    if found.unit.code() == wanted.code() {
        return Some(Quantity { value: found.value, unit: wanted });
    }
    let one = Quantity { value: Decimal::ONE, unit: wanted.clone() };
    let value = found.divided_by(&one).filter(|ratio| ratio.unit.code() == "1")?.value;
    let converted = Quantity { value, unit: wanted };
    (found.relate(&converted) == Comparison::Known(std::cmp::Ordering::Equal)).then_some(converted)
}
