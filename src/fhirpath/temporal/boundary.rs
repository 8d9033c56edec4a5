//! The earliest and the latest value that an imprecise one may mean.

use super::{Precision, Temporal, TemporalKind, days_in_month};

impl Temporal {
    /// How many digits the value has: 4 for a year, 17 for a date with milliseconds.
    pub(in crate::fhirpath) fn digits_known(&self) -> i64 {
        let date = match self.precision {
            Precision::Year => 4,
            Precision::Month => 6,
            Precision::Day => 8,
            Precision::Hour => 10,
            Precision::Minute => 12,
            Precision::Second if self.digits > 0 => 17,
            Precision::Second => 14,
        };
        if self.kind == TemporalKind::Time { date - 8 } else { date }
    }

    /// The lowest or highest value within this one, to so many digits; nothing when there is no such precision.
    ///
    /// FHIR has no hour without its minutes: an hour alone is taken as its first minute. Without a time zone, the
    /// earliest place on earth is +14:00 and the latest -12:00.
    pub(in crate::fhirpath) fn boundary(&self, high: bool, digits: Option<i64>) -> Option<Temporal> {
        let most = match self.kind {
            TemporalKind::Date => 8,
            TemporalKind::DateTime => 17,
            TemporalKind::Time => 9,
        };
        let digits = digits.unwrap_or(most);
        let wanted = if self.kind == TemporalKind::Time { digits + 8 } else { digits };
        let precision = match wanted {
            4 => Precision::Year,
            6 => Precision::Month,
            8 => Precision::Day,
            10 => Precision::Hour,
            12 => Precision::Minute,
            14 | 17 => Precision::Second,
            _ => return None,
        };
        if self.kind == TemporalKind::Time && precision < Precision::Hour {
            return None;
        }
        if self.kind == TemporalKind::Date && precision > Precision::Day {
            return None;
        }
        let mut value = *self;
        let known = if self.precision == Precision::Hour { Precision::Minute } else { self.precision };
        if high {
            if known < Precision::Month {
                value.month = 12;
            }
            if known < Precision::Day {
                value.day = days_in_month(value.year, value.month);
            }
            if known < Precision::Hour {
                value.hour = 23;
                value.minute = 59;
            }
            if known < Precision::Second {
                value.second = 59;
            }
            if known < Precision::Second || self.digits == 0 {
                value.nanos = 999_000_000;
            }
        }
        value.precision = Precision::Second;
        value.digits = if wanted == 17 { self.digits.max(3) } else { 0 };
        if self.kind == TemporalKind::DateTime && precision > Precision::Day {
            value.offset = Some(self.offset.unwrap_or(if high { -12 * 60 } else { 14 * 60 }));
        }
        let zone = value.offset;
        let mut value = value.truncated(precision);
        if precision == Precision::Second && wanted == 14 {
            value.nanos = 0;
        }
        if precision >= Precision::Hour {
            value.offset = zone;
        } else {
            value.kind = TemporalKind::Date;
            value.offset = None;
        }
        Some(value)
    }
}
