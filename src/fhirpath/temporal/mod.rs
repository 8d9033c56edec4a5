//! Dates, times and dates with time, each known to a precision.
//!
//! Implements the Date, DateTime and Time types of <http://hl7.org/fhirpath/N1/>.

mod arithmetic;
mod boundary;
mod compare;
mod read;

pub(super) use compare::Relation;
pub(super) use read::literal;

use jiff::Timestamp;
use std::fmt;

/// Which of the three types a value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TemporalKind {
    /// A date: year, month, day.
    Date,
    /// A date with a time of day.
    DateTime,
    /// A time of day.
    Time,
}

/// The smallest part that is known. Seconds and their fraction are one precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// The year.
    Year,
    /// The month.
    Month,
    /// The day.
    Day,
    /// The hour.
    Hour,
    /// The minute.
    Minute,
    /// The second, with its fraction.
    Second,
}

/// A date, time, or date with time, known to a precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Temporal {
    pub(super) kind: TemporalKind,
    pub(super) precision: Precision,
    /// How many digits the fraction of the second has.
    pub(super) digits: u8,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) year: i16,
    /// Minutes east of UTC, where given.
    pub(super) offset: Option<i16>,
    pub(super) nanos: u32,
}

pub(super) const NANOS: i128 = 1_000_000_000;

impl Temporal {
    /// The date and time of an instant, in UTC, to the millisecond.
    pub fn from_timestamp(instant: Timestamp) -> Temporal {
        let seconds = instant.as_second();
        let nanos = instant.subsec_nanosecond();
        let total = i128::from(seconds) * NANOS + i128::from(nanos);
        Temporal::from_local(total / 1_000_000 * 1_000_000, Precision::Second, 3, Some(0))
    }

    /// Reads a FHIR or FHIRPath date: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    pub fn date(text: &str) -> Option<Temporal> {
        read::date(text)
    }

    /// Reads a date with an optional time and time zone.
    pub fn date_time(text: &str) -> Option<Temporal> {
        read::date_time(text)
    }

    /// Reads a time of day.
    pub fn time(text: &str) -> Option<Temporal> {
        read::time(text)
    }

    /// Which of the three types this is.
    pub fn kind(&self) -> TemporalKind {
        self.kind
    }

    /// The smallest part that is known.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The date part of this value.
    pub(super) fn date_part(mut self) -> Temporal {
        self.kind = TemporalKind::Date;
        self.offset = None;
        self.truncated(self.precision.min(Precision::Day))
    }

    /// The same with nothing below a precision.
    pub(super) fn truncated(mut self, precision: Precision) -> Temporal {
        self.precision = precision;
        if precision < Precision::Month {
            self.month = 1;
        }
        if precision < Precision::Day {
            self.day = 1;
        }
        if precision < Precision::Hour {
            self.hour = 0;
            self.offset = None;
        }
        if precision < Precision::Minute {
            self.minute = 0;
        }
        if precision < Precision::Second {
            self.second = 0;
            self.nanos = 0;
            self.digits = 0;
        }
        self
    }

    /// Nanoseconds since 1970 as the clock on the wall shows them; of a time, since midnight.
    pub(super) fn local(&self) -> i128 {
        let clock = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        let days = if self.kind == TemporalKind::Time {
            0
        } else {
            days_from_civil(i64::from(self.year), u32::from(self.month), u32::from(self.day))
        };
        i128::from(days * 86_400 + clock) * NANOS + i128::from(self.nanos)
    }

    /// The date and time that the clock on the wall shows so many nanoseconds after 1970.
    pub(super) fn from_local(nanos: i128, precision: Precision, digits: u8, offset: Option<i16>) -> Temporal {
        let day = 86_400 * NANOS;
        let days = nanos.div_euclid(day);
        let rest = nanos.rem_euclid(day);
        let (year, month, date) = civil_from_days(i64::try_from(days).unwrap_or(0));
        let seconds = u32::try_from(rest / NANOS).unwrap_or(0);
        Temporal {
            kind: TemporalKind::DateTime,
            precision,
            digits,
            month,
            day: date,
            hour: u8::try_from(seconds / 3600).unwrap_or(0),
            minute: u8::try_from(seconds / 60 % 60).unwrap_or(0),
            second: u8::try_from(seconds % 60).unwrap_or(0),
            year,
            offset,
            nanos: u32::try_from(rest % NANOS).unwrap_or(0),
        }
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
pub(super) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = i64::from((month + 9) % 12);
    let of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_from_civil`]; years beyond four digits are clamped.
fn civil_from_days(days: i64) -> (i16, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (
        i16::try_from(year.clamp(-9999, 9999)).unwrap_or(0),
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}

/// How many days a month has.
pub(super) fn days_in_month(year: i16, month: u8) -> u8 {
    match month {
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != TemporalKind::Time {
            write!(f, "{:04}", self.year)?;
            if self.precision >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.precision >= Precision::Hour {
                write!(f, "T")?;
            }
        }
        if self.precision >= Precision::Hour {
            write!(f, "{:02}", self.hour)?;
        }
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
            if self.digits > 0 {
                let digits = usize::from(self.digits.min(9));
                let fraction = format!("{:09}", self.nanos);
                write!(f, ".{}", fraction.get(..digits).unwrap_or(""))?;
            }
        }
        match self.offset {
            Some(0) => write!(f, "Z"),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            None => Ok(()),
        }
    }
}
