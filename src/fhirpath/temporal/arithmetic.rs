//! Adding durations.

use super::{NANOS, Precision, Temporal, TemporalKind, days_in_month};
use crate::fhirpath::quantity::CalendarUnit;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

impl Temporal {
    /// Adds a count of calendar units; nothing when the result is outside the years 1 to 9999.
    ///
    /// A fraction of a unit is dropped. A unit smaller than the precision is first turned into the precision's
    /// unit: a year has 12 months or 365 days, a month 30 days.
    pub(in crate::fhirpath) fn add(&self, count: Decimal, unit: CalendarUnit) -> Option<Temporal> {
        let count = count.trunc().to_i64()?;
        if self.kind == TemporalKind::Time {
            return self.add_to_time(count, unit);
        }
        let (count, unit) = self.coarsened(count, unit);
        match unit {
            CalendarUnit::Year => self.add_months(count.checked_mul(12)?),
            CalendarUnit::Month => self.add_months(count),
            _ => self.add_nanos(
                i128::from(count).checked_mul(i128::from(unit.seconds_thousandth()?) * 1_000_000)?,
            ),
        }
    }

    fn coarsened(&self, count: i64, unit: CalendarUnit) -> (i64, CalendarUnit) {
        let days = || {
            let thousandths = i128::from(count) * i128::from(unit.seconds_thousandth().unwrap_or(0));
            i64::try_from(thousandths / 86_400_000).unwrap_or(0)
        };
        match self.precision {
            Precision::Year => match unit {
                CalendarUnit::Year => (count, unit),
                CalendarUnit::Month => (count / 12, CalendarUnit::Year),
                _ => (days() / 365, CalendarUnit::Year),
            },
            Precision::Month => match unit {
                CalendarUnit::Year | CalendarUnit::Month => (count, unit),
                _ => (days() / 30, CalendarUnit::Month),
            },
            Precision::Day => match unit {
                CalendarUnit::Year | CalendarUnit::Month => (count, unit),
                _ => (days(), CalendarUnit::Day),
            },
            _ => (count, unit),
        }
    }

    fn add_months(&self, months: i64) -> Option<Temporal> {
        let total = i64::from(self.year) * 12 + i64::from(self.month) - 1;
        let total = total.checked_add(months)?;
        let year = i16::try_from(total.div_euclid(12)).ok().filter(|year| (1..=9999).contains(year))?;
        let month = u8::try_from(total.rem_euclid(12) + 1).ok()?;
        Some(Temporal { year, month, day: self.day.min(days_in_month(year, month)), ..*self })
    }

    fn add_nanos(&self, nanos: i128) -> Option<Temporal> {
        let total = self.local().checked_add(nanos)?;
        if !(-62_135_596_800 * NANOS..253_402_300_800 * NANOS).contains(&total) {
            return None;
        }
        let moved = Temporal::from_local(total, self.precision, self.digits, self.offset);
        // Milliseconds that were added must be seen.
        let digits = if moved.nanos != 0 { self.digits.max(3) } else { self.digits };
        let moved = Temporal { kind: self.kind, digits, ..moved };
        Some(if self.precision < Precision::Second {
            moved.truncated(self.precision).zoned(self.offset)
        } else {
            moved
        })
    }

    fn zoned(mut self, offset: Option<i16>) -> Temporal {
        self.offset = offset;
        self
    }

    fn add_to_time(&self, count: i64, unit: CalendarUnit) -> Option<Temporal> {
        let step = match unit {
            CalendarUnit::Hour | CalendarUnit::Minute | CalendarUnit::Second | CalendarUnit::Millisecond => {
                i128::from(unit.seconds_thousandth()?) * 1_000_000
            }
            _ => return None,
        };
        let day = 86_400 * NANOS;
        // The precision's own unit is the smallest step that shows.
        let least = match self.precision {
            Precision::Hour => 3600 * NANOS,
            Precision::Minute => 60 * NANOS,
            _ => 1,
        };
        let added = (i128::from(count) * step) / least * least;
        let total = (self.local() + added).rem_euclid(day);
        let moved = Temporal::from_local(total, self.precision, self.digits, None);
        let digits = if moved.nanos != 0 { self.digits.max(3) } else { self.digits };
        Some(Temporal {
            kind: TemporalKind::Time,
            digits,
            year: self.year,
            month: self.month,
            day: self.day,
            ..moved
        })
    }

    /// How many whole units lie between two values, or how many boundaries of the unit are crossed.
    pub(in crate::fhirpath) fn until(
        &self,
        other: &Temporal,
        unit: CalendarUnit,
        boundaries: bool,
    ) -> Option<i64> {
        if (self.kind == TemporalKind::Time) != (other.kind == TemporalKind::Time) {
            return None;
        }
        let precision = self.precision.min(other.precision);
        if precision < unit.precision() {
            return None;
        }
        let zones = |value: &Temporal| value.local() - i128::from(value.offset.unwrap_or(0)) * 60 * NANOS;
        if let CalendarUnit::Year | CalendarUnit::Month = unit {
            let months = |value: &Temporal| i64::from(value.year) * 12 + i64::from(value.month) - 1;
            let size = if unit == CalendarUnit::Year { 12 } else { 1 };
            if boundaries {
                return Some(months(other).div_euclid(size) - months(self).div_euclid(size));
            }
            let mut count = months(other) - months(self);
            let moved = self.add_months(count)?;
            if count > 0 && zones(&moved) > zones(other) {
                count -= 1;
            } else if count < 0 && zones(&moved) < zones(other) {
                count += 1;
            }
            return Some(count / size);
        }
        let size = i128::from(unit.seconds_thousandth()?) * 1_000_000;
        let (from, to) = (zones(self), zones(other));
        let count = if boundaries { to.div_euclid(size) - from.div_euclid(size) } else { (to - from) / size };
        i64::try_from(count).ok()
    }
}
