//! Text to dates and times.

use super::{Precision, Temporal, TemporalKind, days_in_month};

const BLANK: Temporal = Temporal {
    kind: TemporalKind::Date,
    precision: Precision::Year,
    digits: 0,
    month: 1,
    day: 1,
    hour: 0,
    minute: 0,
    second: 0,
    year: 1,
    offset: None,
    nanos: 0,
};

/// What follows the `@` of a literal.
pub(in crate::fhirpath) fn literal(text: &str) -> Option<Temporal> {
    if let Some(clock) = text.strip_prefix('T') {
        return time(clock);
    }
    match text.strip_suffix('T') {
        // `@2015T` is a date with time of which the time is not known.
        Some(bare) => date(bare).map(|date| Temporal { kind: TemporalKind::DateTime, ..date }),
        None if text.contains('T') => date_time(text),
        None => date(text),
    }
}

struct Digits<'t> {
    rest: &'t [u8],
}

impl Digits<'_> {
    fn number(&mut self, count: usize) -> Option<u16> {
        let mut value = 0;
        for byte in self.rest.get(..count)? {
            if !byte.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u16::from(byte - b'0');
        }
        self.rest = self.rest.get(count..)?;
        Some(value)
    }

    fn pair(&mut self, most: u16) -> Option<u8> {
        let value = self.number(2)?;
        if value > most { None } else { u8::try_from(value).ok() }
    }

    fn sign(&mut self, sign: u8) -> bool {
        let found = self.rest.first() == Some(&sign);
        if found {
            self.rest = self.rest.get(1..).unwrap_or(&[]);
        }
        found
    }

    fn date(&mut self, value: &mut Temporal) -> Option<()> {
        value.year = i16::try_from(self.number(4)?).ok().filter(|year| *year > 0)?;
        if !self.sign(b'-') {
            return Some(());
        }
        value.month = self.pair(12).filter(|month| *month > 0)?;
        value.precision = Precision::Month;
        if !self.sign(b'-') {
            return Some(());
        }
        value.day = self.pair(31).filter(|day| *day > 0 && *day <= days_in_month(value.year, value.month))?;
        value.precision = Precision::Day;
        Some(())
    }

    fn clock(&mut self, value: &mut Temporal) -> Option<()> {
        value.hour = self.pair(23)?;
        value.precision = Precision::Hour;
        if !self.sign(b':') {
            return Some(());
        }
        value.minute = self.pair(59)?;
        value.precision = Precision::Minute;
        if !self.sign(b':') {
            return Some(());
        }
        // A leap second is a legal instant.
        value.second = self.pair(60)?;
        value.precision = Precision::Second;
        if self.sign(b'.') {
            let mut scale = 100_000_000;
            let mut count: u8 = 0;
            while let Some(digit) = self.rest.first().filter(|byte| byte.is_ascii_digit()) {
                value.nanos += u32::from(digit - b'0') * scale;
                scale /= 10;
                count = count.saturating_add(1);
                self.rest = self.rest.get(1..).unwrap_or(&[]);
            }
            if count == 0 {
                return None;
            }
            value.digits = count.min(9);
        }
        Some(())
    }

    fn zone(&mut self, value: &mut Temporal) -> Option<()> {
        if self.sign(b'Z') {
            value.offset = Some(0);
            return Some(());
        }
        let east = self.sign(b'+');
        if !east && !self.sign(b'-') {
            return Some(());
        }
        let hours = i16::from(self.pair(14)?);
        if !self.sign(b':') {
            return None;
        }
        let minutes = hours * 60 + i16::from(self.pair(59)?);
        value.offset = Some(if east { minutes } else { -minutes });
        Some(())
    }

    fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }
}

pub(super) fn date(text: &str) -> Option<Temporal> {
    let mut value = BLANK;
    let mut digits = Digits { rest: text.as_bytes() };
    digits.date(&mut value)?;
    digits.end()?;
    Some(value)
}

pub(super) fn date_time(text: &str) -> Option<Temporal> {
    let mut value = Temporal { kind: TemporalKind::DateTime, ..BLANK };
    let mut digits = Digits { rest: text.as_bytes() };
    digits.date(&mut value)?;
    if value.precision == Precision::Day && digits.sign(b'T') && !digits.rest.is_empty() {
        digits.clock(&mut value)?;
        digits.zone(&mut value)?;
    }
    digits.end()?;
    Some(value)
}

pub(super) fn time(text: &str) -> Option<Temporal> {
    let mut value = Temporal { kind: TemporalKind::Time, ..BLANK };
    let mut digits = Digits { rest: text.as_bytes() };
    digits.clock(&mut value)?;
    digits.end()?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for text in ["2015", "2015-02", "2016-02-29", "2015-02-04T14", "2015-02-04T14:34:28.123+10:00"] {
            assert_eq!(literal(text).unwrap().to_string(), text);
        }
        assert_eq!(literal("T14:34").unwrap().to_string(), "14:34");
        assert_eq!(literal("2015T").unwrap().kind, TemporalKind::DateTime);
        for text in ["2015-02-29", "2015-13", "15", "T24:00", "2015-02-04T14:34:28.", "0000", "2015-02T10:00"]
        {
            assert_eq!(literal(text), None, "{text}");
        }
    }
}
