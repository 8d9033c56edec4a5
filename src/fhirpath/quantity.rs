//! Quantities: a number and a unit, a calendar duration or a UCUM code.

use super::temporal::Precision;
use super::ucum;
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// A duration on the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalendarUnit {
    /// A year: 12 months.
    Year,
    /// A month.
    Month,
    /// A week: 7 days.
    Week,
    /// A day: 24 hours.
    Day,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
    /// A second.
    Second,
    /// A millisecond.
    Millisecond,
}

impl CalendarUnit {
    /// The unit of a word, singular or plural.
    pub(super) fn from_word(word: &str) -> Option<CalendarUnit> {
        Some(match word.strip_suffix('s').unwrap_or(word) {
            "year" => CalendarUnit::Year,
            "month" => CalendarUnit::Month,
            "week" => CalendarUnit::Week,
            "day" => CalendarUnit::Day,
            "hour" => CalendarUnit::Hour,
            "minute" => CalendarUnit::Minute,
            "second" => CalendarUnit::Second,
            "millisecond" => CalendarUnit::Millisecond,
            _ => return None,
        })
    }

    /// The unit of a definite duration's UCUM code.
    pub(super) fn from_ucum(code: &str) -> Option<CalendarUnit> {
        Some(match code {
            "wk" => CalendarUnit::Week,
            "d" => CalendarUnit::Day,
            "h" => CalendarUnit::Hour,
            "min" => CalendarUnit::Minute,
            "s" => CalendarUnit::Second,
            "ms" => CalendarUnit::Millisecond,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            CalendarUnit::Year => "year",
            CalendarUnit::Month => "month",
            CalendarUnit::Week => "week",
            CalendarUnit::Day => "day",
            CalendarUnit::Hour => "hour",
            CalendarUnit::Minute => "minute",
            CalendarUnit::Second => "second",
            CalendarUnit::Millisecond => "millisecond",
        }
    }

    /// The UCUM code that is equivalent (`~`), not always equal.
    fn ucum(self) -> &'static str {
        match self {
            CalendarUnit::Year => "a",
            CalendarUnit::Month => "mo",
            CalendarUnit::Week => "wk",
            CalendarUnit::Day => "d",
            CalendarUnit::Hour => "h",
            CalendarUnit::Minute => "min",
            CalendarUnit::Second => "s",
            CalendarUnit::Millisecond => "ms",
        }
    }

    /// The length in thousandths of a second: a year counts 365 days, a month 30.
    pub(super) fn seconds_thousandth(self) -> Option<i64> {
        let seconds = match self {
            CalendarUnit::Millisecond => return Some(1),
            CalendarUnit::Second => 1,
            CalendarUnit::Minute => 60,
            CalendarUnit::Hour => 3600,
            CalendarUnit::Day => 86_400,
            CalendarUnit::Week => 604_800,
            CalendarUnit::Month => 30 * 86_400,
            CalendarUnit::Year => 365 * 86_400,
        };
        Some(seconds * 1000)
    }

    pub(super) fn precision(self) -> Precision {
        match self {
            CalendarUnit::Year => Precision::Year,
            CalendarUnit::Month => Precision::Month,
            CalendarUnit::Week | CalendarUnit::Day => Precision::Day,
            CalendarUnit::Hour => Precision::Hour,
            CalendarUnit::Minute => Precision::Minute,
            CalendarUnit::Second | CalendarUnit::Millisecond => Precision::Second,
        }
    }

    fn months(self) -> Option<i64> {
        match self {
            CalendarUnit::Year => Some(12),
            CalendarUnit::Month => Some(1),
            _ => None,
        }
    }
}

/// The unit of a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit<'t> {
    /// A calendar duration, written as a word.
    Calendar(CalendarUnit),
    /// A UCUM code; `1` when there is no unit.
    Ucum(Cow<'t, str>),
}

impl Unit<'_> {
    /// The UCUM code, or the one that is equivalent to the calendar duration.
    pub fn code(&self) -> &str {
        match self {
            Unit::Calendar(unit) => unit.ucum(),
            Unit::Ucum(code) => code,
        }
    }
}

/// A number with a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity<'t> {
    /// The number.
    pub value: Decimal,
    /// The unit.
    pub unit: Unit<'t>,
}

/// What a comparison of two quantities says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    Known(Ordering),
    /// The units measure different things, or their relation is not fixed.
    Unknown,
}

impl<'t> Quantity<'t> {
    /// A number without a unit.
    pub fn plain(value: Decimal) -> Quantity<'t> {
        Quantity { value, unit: Unit::Ucum(Cow::Borrowed("1")) }
    }

    /// Reads a quantity as `toQuantity()` does: `1`, `1.5 'mg'`, `4 days`.
    pub fn read(text: &'t str) -> Option<Quantity<'t>> {
        let text = text.trim();
        let split =
            text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(split)?;
        let value = super::number::read_decimal(number.strip_prefix('+').unwrap_or(number))?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Some(Quantity::plain(value));
        }
        if let Some(code) = unit.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return (!code.is_empty()).then_some(Quantity { value, unit: Unit::Ucum(Cow::Borrowed(code)) });
        }
        CalendarUnit::from_word(unit).map(|unit| Quantity { value, unit: Unit::Calendar(unit) })
    }

    /// The unit as a calendar duration, where it is one that dates can be moved by.
    pub(super) fn duration(&self) -> Option<CalendarUnit> {
        match &self.unit {
            Unit::Calendar(unit) => Some(*unit),
            Unit::Ucum(code) => CalendarUnit::from_ucum(code).or_else(|| CalendarUnit::from_word(code)),
        }
    }

    fn months(&self) -> Option<Decimal> {
        match &self.unit {
            Unit::Calendar(unit) => self.value.checked_mul(Decimal::from(unit.months()?)),
            Unit::Ucum(_) => None,
        }
    }

    /// Equality and order. Calendar years and months have no fixed relation to other durations.
    pub(super) fn relate(&self, other: &Quantity<'_>) -> Comparison {
        match (self.months(), other.months()) {
            (Some(a), Some(b)) => return Comparison::Known(a.cmp(&b)),
            (None, None) => {}
            _ => return Comparison::Unknown,
        }
        if self.unit.code() == other.unit.code() {
            return Comparison::Known(self.value.cmp(&other.value));
        }
        let measure = |q: &Quantity<'_>| Some(ucum::measure(q.unit.code())?.scaled(q.value.to_f64()?));
        match (measure(self), measure(other)) {
            (Some(a), Some(b)) => a.compare(&b).map_or(Comparison::Unknown, Comparison::Known),
            _ => Comparison::Unknown,
        }
    }

    /// How the quantity compares with another, converted by UCUM where that is needed; nothing when the units do not
    /// measure the same.
    pub fn compare(&self, other: &Quantity<'_>) -> Option<Ordering> {
        match self.relate(other) {
            Comparison::Known(order) => Some(order),
            Comparison::Unknown => None,
        }
    }

    /// Equivalence: in the larger of the two units, to the precision of the less precise.
    pub(super) fn equivalent(&self, other: &Quantity<'_>) -> bool {
        let (a, b) = (self.unit.code(), other.unit.code());
        if a == b {
            return super::number::equivalent(self.value, other.value);
        }
        let (Some(left), Some(right)) = (ucum::measure(a), ucum::measure(b)) else { return false };
        let Some(ratio) = left.ratio(&right) else {
            return self.relate(other) == Comparison::Known(Ordering::Equal);
        };
        // `ratio` of b is one a.
        let converted = |value: Decimal, factor: f64| {
            Decimal::from_f64(factor)
                .and_then(|factor| value.checked_mul(factor))
                .map(|value| value.normalize())
        };
        if ratio >= 1.0 {
            converted(other.value, 1.0 / ratio)
                .is_some_and(|value| super::number::equivalent(self.value, value))
        } else {
            converted(self.value, ratio).is_some_and(|value| super::number::equivalent(value, other.value))
        }
    }

    /// The sum, in the smaller unit; nothing when the units do not measure the same.
    pub(super) fn plus(&self, other: &Quantity<'t>) -> Option<Quantity<'t>> {
        if self.unit == other.unit {
            return Some(Quantity { value: self.value.checked_add(other.value)?, unit: self.unit.clone() });
        }
        let ratio = ucum::measure(self.unit.code())?.ratio(&ucum::measure(other.unit.code())?)?;
        let shift = |value: Decimal, ratio: f64| value.checked_mul(Decimal::from_f64(ratio)?);
        if ratio >= 1.0 {
            let value = shift(self.value, ratio)?.checked_add(other.value)?;
            Some(Quantity { value, unit: other.unit.clone() })
        } else {
            let value = self.value.checked_add(shift(other.value, 1.0 / ratio)?)?;
            Some(Quantity { value, unit: self.unit.clone() })
        }
    }

    /// The product.
    pub(super) fn times(&self, other: &Quantity<'t>) -> Option<Quantity<'t>> {
        let value = self.value.checked_mul(other.value)?;
        Some(Quantity { value, unit: joined(self.unit.code(), ".", other.unit.code()) })
    }

    /// The quotient; nothing when the divisor is 0.
    pub(super) fn divided_by(&self, other: &Quantity<'t>) -> Option<Quantity<'t>> {
        let value = super::number::divide(self.value, other.value)?;
        if self.unit.code() == other.unit.code() {
            return Some(Quantity::plain(value));
        }
        if let (Some(a), Some(b)) = (ucum::measure(self.unit.code()), ucum::measure(other.unit.code()))
            && let Some(ratio) = a.ratio(&b)
        {
            return Some(Quantity::plain(value.checked_mul(Decimal::from_f64(ratio)?)?));
        }
        Some(Quantity { value, unit: joined(self.unit.code(), "/", other.unit.code()) })
    }
}

/// Two units in one term, without the unit `1`.
fn joined<'t>(left: &str, sign: &str, right: &str) -> Unit<'t> {
    let code = match (left, right) {
        (left, "1") => left.to_owned(),
        ("1", right) if sign == "." => right.to_owned(),
        _ if right.contains(['.', '/']) && sign == "/" => format!("{left}/({right})"),
        _ => format!("{left}{sign}{right}"),
    };
    Unit::Ucum(Cow::Owned(code))
}

impl fmt::Display for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Unit::Calendar(unit) if self.value == Decimal::ONE => write!(f, "{} {}", self.value, unit.word()),
            Unit::Calendar(unit) => write!(f, "{} {}s", self.value, unit.word()),
            Unit::Ucum(code) => write!(f, "{} '{code}'", self.value),
        }
    }
}
