//! The periods that are reviewed: a month (`2026-10`) or a quarter of a calendar year (`2026-Q4`), in UTC.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt;
use std::str::FromStr;

/// A month or a quarter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    name: String,
    from: Timestamp,
    until: Timestamp,
}

/// The text names no period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a period is a month such as `2026-10`, or a quarter such as `2026-Q4`")]
pub struct PeriodError;

impl Period {
    /// Its first moment.
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// The first moment after it.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether this moment lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Period, PeriodError> {
        let (year, part) = text.split_once('-').ok_or(PeriodError)?;
        let digits =
            |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) {
            return Err(PeriodError);
        }
        let year: i16 = year.parse().map_err(|_| PeriodError)?;
        let (month, months) = match part.strip_prefix('Q') {
            Some(quarter) if digits(quarter, 1) => {
                let quarter: i8 = quarter.parse().map_err(|_| PeriodError)?;
                (quarter.checked_sub(1).and_then(|n| n.checked_mul(3)).map_or(0, |n| n + 1), 3)
            }
            None if digits(part, 2) => (part.parse().map_err(|_| PeriodError)?, 1),
            _ => return Err(PeriodError),
        };
        let (next_year, next_month) =
            if month + months > 12 { (year + 1, 1) } else { (year, month + months) };
        let start = |year: i16, month: i8| {
            let day = Date::new(year, month, 1).map_err(|_| PeriodError)?;
            day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| PeriodError)
        };
        let (from, until) = (start(year, month)?, start(next_year, next_month)?);
        Ok(Period { name: text.to_owned(), from, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_quarters_have_their_first_and_last_moment() {
        let of = |text: &str| {
            let period: Period = text.parse().unwrap();
            (period.from().to_string(), period.until().to_string())
        };
        assert_eq!(of("2026-10"), ("2026-10-01T00:00:00Z".into(), "2026-11-01T00:00:00Z".into()));
        assert_eq!(of("2026-12"), ("2026-12-01T00:00:00Z".into(), "2027-01-01T00:00:00Z".into()));
        assert_eq!(of("2026-Q4"), ("2026-10-01T00:00:00Z".into(), "2027-01-01T00:00:00Z".into()));
        assert_eq!(of("2024-Q1"), ("2024-01-01T00:00:00Z".into(), "2024-04-01T00:00:00Z".into()));
        let period: Period = "2026-Q2".parse().unwrap();
        assert!(period.holds(period.from()) && !period.holds(period.until()));
    }

    #[test]
    fn nothing_else_is_a_period() {
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-Q0",
            "2026-Q5",
            "2026-Q",
            "26-10",
            "2026-1",
            "2026-10-01",
            "2026-Q+1",
        ] {
            assert_eq!(text.parse::<Period>(), Err(PeriodError), "{text}");
        }
    }
}
