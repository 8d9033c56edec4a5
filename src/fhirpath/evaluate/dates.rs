//! Boundaries, precisions, the parts of dates, and the time.

use super::filters::first;
use super::{Machine, Outcome, Scope};
use crate::fhirpath::expression::ExprId;
use crate::fhirpath::function::Function;
use crate::fhirpath::number;
use crate::fhirpath::quantity::{CalendarUnit, Comparison, Quantity};
use crate::fhirpath::temporal::{Precision, Temporal, TemporalKind};
use crate::fhirpath::value::{Collection, Item, maybe, one};
use rust_decimal::Decimal;

impl<'t> Machine<'t> {
    pub(super) fn date_function(
        &mut self,
        focus: &[Item<'t>],
        function: Function,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let now = self.environment.instant();
        match function {
            Function::Now => return Ok(one(Item::Temporal(now))),
            Function::Today => return Ok(one(Item::Temporal(now.date_part()))),
            Function::TimeOfDay => return Ok(one(Item::Temporal(time_of(now)))),
            _ => {}
        }
        let Some(value) = self.single(focus, at)? else { return Ok(Collection::new()) };
        match function {
            Function::LowBoundary | Function::HighBoundary => {
                let digits = match args.first() {
                    Some(digits) => match self.integer(*digits, scope)? {
                        Some(digits) => Some(digits),
                        None => return Ok(Collection::new()),
                    },
                    None => None,
                };
                self.boundary(&value, function == Function::HighBoundary, digits, at)
            }
            Function::Precision => match &value {
                Item::Temporal(value) => Ok(one(Item::Integer(value.digits_known()))),
                Item::Integer(_) => Ok(one(Item::Integer(0))),
                Item::Decimal(value) => Ok(one(Item::Integer(number::precision(*value)))),
                _ => self.fail(at, "`precision` needs a number, a date or a time"),
            },
            Function::Comparable => {
                let other = self.value(first(args, at), scope)?;
                Ok(maybe(other.map(|other| Item::Boolean(comparable(&value, &other)))))
            }
            Function::Duration | Function::Difference => {
                let other = self.value(first(args, at), scope)?;
                let unit = self.string(args.get(1).copied().unwrap_or(at), scope)?;
                let (Some(Item::Temporal(other)), Some(unit), Item::Temporal(value)) = (other, unit, &value)
                else {
                    return Ok(Collection::new());
                };
                let unit = CalendarUnit::from_word(&unit).or_else(|| CalendarUnit::from_ucum(&unit));
                let count = unit.and_then(|unit| value.until(&other, unit, function == Function::Difference));
                Ok(maybe(count.map(Item::Integer)))
            }
            _ => match &value {
                Item::Temporal(value) => Ok(maybe(part(value, function))),
                Item::Text(text) => {
                    Ok(maybe(Temporal::date_time(text).and_then(|value| part(&value, function))))
                }
                _ => self.fail(at, format!("`{}` needs a date or a time", function.name())),
            },
        }
    }

    fn boundary(
        &mut self,
        value: &Item<'t>,
        high: bool,
        digits: Option<i64>,
        at: ExprId,
    ) -> Outcome<Collection<'t>> {
        let decimal = |value: Decimal| number::boundary(value, high, digits.unwrap_or(8));
        Ok(maybe(match value {
            Item::Temporal(value) => value.boundary(high, digits).map(Item::Temporal),
            Item::Integer(value) => decimal(Decimal::from(*value)).map(Item::Decimal),
            Item::Decimal(value) => decimal(*value).map(Item::Decimal),
            Item::Quantity(quantity) => decimal(quantity.value)
                .map(|value| Item::quantity(Quantity { value, unit: quantity.unit.clone() })),
            _ => return self.fail(at, "only numbers, quantities, dates and times have boundaries"),
        }))
    }
}

/// Whether two values could be compared, whatever they are.
fn comparable(a: &Item<'_>, b: &Item<'_>) -> bool {
    match (a.as_quantity(), b.as_quantity()) {
        (Some(a), Some(b)) => a.relate(&b) != Comparison::Unknown,
        _ => a.system_type() == b.system_type(),
    }
}

fn time_of(value: Temporal) -> Temporal {
    Temporal { kind: TemporalKind::Time, offset: None, year: 1, month: 1, day: 1, ..value }
}

fn part<'t>(value: &Temporal, function: Function) -> Option<Item<'t>> {
    let known = |precision: Precision| value.precision() >= precision;
    let dated = value.kind() != TemporalKind::Time;
    let number = |number: i64| Some(Item::Integer(number));
    match function {
        Function::YearOf if dated => number(i64::from(value.year)),
        Function::MonthOf if dated && known(Precision::Month) => number(i64::from(value.month)),
        Function::DayOf if dated && known(Precision::Day) => number(i64::from(value.day)),
        Function::HourOf if known(Precision::Hour) => number(i64::from(value.hour)),
        Function::MinuteOf if known(Precision::Minute) => number(i64::from(value.minute)),
        Function::SecondOf if known(Precision::Second) => number(i64::from(value.second)),
        Function::MillisecondOf if value.digits > 0 => number(i64::from(value.nanos / 1_000_000)),
        Function::TimezoneOffsetOf => {
            let offset = Decimal::from(value.offset?);
            Some(Item::Decimal(offset / Decimal::from(60)))
        }
        Function::DateOf if dated => Some(Item::Temporal(value.date_part())),
        Function::TimeOf if known(Precision::Hour) => Some(Item::Temporal(time_of(*value))),
        _ => None,
    }
}
