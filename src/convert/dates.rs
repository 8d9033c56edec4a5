//! Dates and times of the source formats, to FHIR's `date`, `dateTime` and `instant`.
//!
//! HL7 v2 (`20260301`, `202603011405+0000`), ISO 8601 and the day-first notation of British extracts (`01/03/2026`,
//! `01-Mar-2026`) are read; the precision is the source's. A time without an offset is local to the mapping's zone. An
//! impossible date is no date: it is never moved to a possible one.

use jiff::civil;
use jiff::tz::TimeZone;

/// The zone in which times without an offset are read.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

/// Great Britain since 1996: used where the machine has no zone database.
const BRITAIN: &str = "GMT0BST,M3.5.0/1,M10.5.0";

impl Zone {
    /// The zone of an IANA name, or a fixed offset such as `+00:00`; `None` when it is not known.
    pub fn named(name: &str) -> Option<Zone> {
        if name == "Europe/London" {
            return Some(Zone(TimeZone::get(name).ok().or_else(|| TimeZone::posix(BRITAIN).ok())?));
        }
        if name == "UTC" {
            return Some(Zone(TimeZone::UTC));
        }
        if let Some((sign, rest)) =
            name.strip_prefix('+').map(|r| (1, r)).or_else(|| name.strip_prefix('-').map(|r| (-1, r)))
        {
            let (h, m) = rest.split_once(':')?;
            let minutes: i32 = h.parse::<i32>().ok()? * 60 + m.parse::<i32>().ok()?;
            return jiff::tz::Offset::from_seconds(sign * minutes * 60)
                .ok()
                .map(|o| Zone(TimeZone::fixed(o)));
        }
        TimeZone::get(name).ok().map(Zone)
    }
}

impl Default for Zone {
    fn default() -> Zone {
        Zone::named("Europe/London").unwrap_or(Zone(TimeZone::UTC))
    }
}

/// A point in time as precise as the source gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment<'a> {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    time: Option<(i8, i8, i8)>,
    fraction: &'a str,
    offset: Option<i32>,
}

/// Reads a date or time; `None` when it is not one.
pub fn read(text: &str) -> Option<Moment<'_>> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits >= 4
        && (digits == bytes.len()
            || matches!(bytes.get(digits), Some(b'.' | b'+'))
            || (digits >= 8 && bytes.get(digits) == Some(&b'-')))
    {
        return compact(text, digits);
    }
    if digits == 4 && bytes.get(4) == Some(&b'-') { iso(text) } else { day_first(text) }
}

fn number<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text.filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

fn compact(text: &str, digits: usize) -> Option<Moment<'_>> {
    if !matches!(digits, 4 | 6 | 8 | 10 | 12 | 14) {
        return None;
    }
    let part = |from: usize, to: usize| {
        if digits >= to { number::<i8>(text.get(from..to)).map(Some) } else { Some(None) }
    };
    let (month, day) = (part(4, 6)?, part(6, 8)?);
    let time = match part(8, 10)? {
        Some(h) => Some((h, part(10, 12)?.unwrap_or(0), part(12, 14)?.unwrap_or(0))),
        None => None,
    };
    let rest = text.get(digits..)?;
    let (fraction, rest) = fraction(rest)?;
    if !fraction.is_empty() && digits != 14 {
        return None;
    }
    let offset = offset(rest)?;
    Moment { year: number(text.get(..4))?, month, day, time, fraction, offset }.checked()
}

fn fraction(rest: &str) -> Option<(&str, &str)> {
    let Some(tail) = rest.strip_prefix('.') else { return Some(("", rest)) };
    let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
    if end == 0 { None } else { Some((tail.get(..end)?, tail.get(end..)?)) }
}

/// The offset in minutes: `Some(None)` when there is none, `None` when it is not one.
fn offset(text: &str) -> Option<Option<i32>> {
    if text.is_empty() {
        return Some(None);
    }
    if text == "Z" || text == "z" {
        return Some(Some(0));
    }
    let sign = if text.starts_with('+') {
        1
    } else if text.starts_with('-') {
        -1
    } else {
        return None;
    };
    let rest = text.get(1..)?;
    let (h, m) = match rest.len() {
        2 => (rest, "00"),
        4 => (rest.get(..2)?, rest.get(2..)?),
        5 => rest.split_once(':')?,
        _ => return None,
    };
    let minutes = number::<i32>(Some(h))? * 60 + number::<i32>(Some(m)).filter(|m| *m < 60)?;
    (minutes <= 14 * 60).then_some(Some(sign * minutes))
}

fn iso(text: &str) -> Option<Moment<'_>> {
    let (date, time) = match text.find(['T', ' ']) {
        Some(at) => (text.get(..at)?, Some(text.get(at + 1..)?)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = number(parts.next().filter(|y| y.len() == 4))?;
    let month: Option<i8> = Some(number(parts.next().filter(|m| m.len() == 2))?);
    let day = match parts.next() {
        Some(d) => Some(number(Some(d).filter(|d| d.len() == 2))?),
        None => None,
    };
    if parts.next().is_some() {
        return None;
    }
    clock(time, year, month, day)
}

fn clock<'a>(time: Option<&'a str>, year: i16, month: Option<i8>, day: Option<i8>) -> Option<Moment<'a>> {
    let Some(time) = time.map(str::trim).filter(|t| !t.is_empty()) else {
        return Moment { year, month, day, time: None, fraction: "", offset: None }.checked();
    };
    let end = time.find(|c: char| !(c.is_ascii_digit() || c == ':')).unwrap_or(time.len());
    let mut parts = time.get(..end)?.split(':');
    let hour = number(parts.next())?;
    let minute = number(parts.next())?;
    let second = match parts.next() {
        Some(s) => number(Some(s))?,
        None => 0,
    };
    let (fraction, rest) = fraction(time.get(end..)?)?;
    if parts.next().is_some() || day.is_none() {
        return None;
    }
    Moment { year, month, day, time: Some((hour, minute, second)), fraction, offset: offset(rest.trim())? }
        .checked()
}

fn day_first(text: &str) -> Option<Moment<'_>> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (date, time) = match text.find([' ', 'T']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)),
        None => (text, None),
    };
    let mut parts = date.split(['/', '-', '.']);
    let day: i8 = number(parts.next().filter(|d| d.len() <= 2))?;
    let month = parts.next()?;
    let month: i8 = match number(Some(month).filter(|m| m.len() <= 2)) {
        Some(m) => m,
        None => i8::try_from(MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))? + 1).ok()?,
    };
    let year = number(parts.next().filter(|y| y.len() == 4))?;
    if parts.next().is_some() {
        return None;
    }
    clock(time, year, Some(month), Some(day))
}

impl<'a> Moment<'a> {
    fn checked(self) -> Option<Moment<'a>> {
        let month = self.month.unwrap_or(1);
        let day = self.day.unwrap_or(1);
        civil::Date::new(self.year, month, day).ok()?;
        if let Some((h, m, s)) = self.time {
            civil::Time::new(h, m, s, 0).ok()?;
        }
        (self.year > 0).then_some(self)
    }

    /// As FHIR `date`: the time is left off.
    pub fn date(&self) -> String {
        match (self.month, self.day) {
            (Some(m), Some(d)) => format!("{:04}-{m:02}-{d:02}", self.year),
            (Some(m), None) => format!("{:04}-{m:02}", self.year),
            _ => format!("{:04}", self.year),
        }
    }

    /// As FHIR `dateTime`, in the precision of the source; a time without an offset is local to the zone. `None` when
    /// the zone has no such local time (the hour skipped in spring).
    pub fn date_time(&self, zone: &Zone) -> Option<String> {
        let Some((h, m, s)) = self.time else { return Some(self.date()) };
        let minutes = match self.offset {
            Some(minutes) => minutes,
            None => {
                let local = civil::Date::new(self.year, self.month?, self.day?).ok()?.at(h, m, s, 0);
                let ambiguous = zone.0.to_ambiguous_timestamp(local);
                // In autumn's repeated hour the first pass is taken: it is the earlier, so nothing seems newer than it is.
                match ambiguous.offset() {
                    jiff::tz::AmbiguousOffset::Unambiguous { offset } => offset.seconds() / 60,
                    jiff::tz::AmbiguousOffset::Fold { before, .. } => before.seconds() / 60,
                    jiff::tz::AmbiguousOffset::Gap { .. } => return None,
                }
            }
        };
        let (sign, abs) = if minutes < 0 { ('-', -minutes) } else { ('+', minutes) };
        let dot = if self.fraction.is_empty() { "" } else { "." };
        let fraction = self.fraction.get(..self.fraction.len().min(9)).unwrap_or_default();
        Some(format!(
            "{}T{h:02}:{m:02}:{s:02}{dot}{fraction}{sign}{:02}:{:02}",
            self.date(),
            abs / 60,
            abs % 60
        ))
    }

    /// As FHIR `instant`; `None` without a time.
    pub fn instant(&self, zone: &Zone) -> Option<String> {
        self.time?;
        self.date_time(zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date_time(text: &str) -> Option<String> {
        read(text)?.date_time(&Zone::default())
    }

    #[test]
    fn each_notation_keeps_its_precision() {
        assert_eq!(date_time("2026").unwrap(), "2026");
        assert_eq!(date_time("202603").unwrap(), "2026-03");
        assert_eq!(date_time("20260301").unwrap(), "2026-03-01");
        assert_eq!(date_time("202603011405").unwrap(), "2026-03-01T14:05:00+00:00");
        assert_eq!(date_time("20260701140506.123").unwrap(), "2026-07-01T14:05:06.123+01:00");
        assert_eq!(date_time("20260701140506-0500").unwrap(), "2026-07-01T14:05:06-05:00");
        assert_eq!(date_time("2026-07-01T14:05:06Z").unwrap(), "2026-07-01T14:05:06+00:00");
        assert_eq!(date_time("01/07/2026 09:30").unwrap(), "2026-07-01T09:30:00+01:00");
        assert_eq!(date_time("01-Jul-2026").unwrap(), "2026-07-01");
        assert_eq!(read("20260701140506").unwrap().date(), "2026-07-01");
    }

    #[test]
    fn what_is_impossible_is_not_repaired() {
        for text in [
            "20260230",
            "2026-02-30",
            "31/02/2026",
            "20261301",
            "2026030",
            "2026-3-1",
            "x",
            "",
            "2026-01-01T25:00",
            "20260301+99",
            "٢٠٢٦",
        ] {
            assert!(date_time(text).is_none(), "{text}");
        }
        // 01:30 on the last Sunday of March does not exist in Britain.
        assert!(date_time("202603290130").is_none());
        // 01:30 on the last Sunday of October happens twice: the first is taken.
        assert_eq!(date_time("202610250130").unwrap(), "2026-10-25T01:30:00+01:00");
    }
}
