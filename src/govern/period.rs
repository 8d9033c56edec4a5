//! FHIR dates as intervals: `2026-10` is the whole month. Dates without a zone are read as UTC.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

/// The first moment of a FHIR `date`, `dateTime` or `instant`, and the first moment after it.
pub(crate) fn interval(text: &str) -> Option<(Timestamp, Timestamp)> {
    if text.len() > 10 {
        // FHIR allows `T10:00:00Z` and offsets, with seconds required.
        if text.as_bytes().get(10) != Some(&b'T') {
            return None;
        }
        let start: Timestamp = text.parse().ok()?;
        return Some((start, start.checked_add(1.second()).ok()?));
    }
    let number = |from: usize, to: usize| -> Option<i16> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let part = |from: usize, to: usize| number(from, to).and_then(|n| i8::try_from(n).ok());
    let dashes = |at: &[usize]| at.iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    let (first, next) = match text.len() {
        4 => {
            let first = Date::new(number(0, 4)?, 1, 1).ok()?;
            (first, first.checked_add(1.year()).ok()?)
        }
        7 if dashes(&[4]) => {
            let first = Date::new(number(0, 4)?, part(5, 7)?, 1).ok()?;
            (first, first.checked_add(1.month()).ok()?)
        }
        10 if dashes(&[4, 7]) => {
            let first = Date::new(number(0, 4)?, part(5, 7)?, part(8, 10)?).ok()?;
            (first, first.checked_add(1.day()).ok()?)
        }
        _ => return None,
    };
    let moment = |day: Date| TimeZone::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok();
    Some((moment(first)?, moment(next)?))
}

/// The bounds of a FHIR `Period`: first moment and first moment after it, each open when absent. `None` when a
/// bound cannot be read, or the period ends before it starts.
pub(crate) fn bounds(period: &Value) -> Option<(Option<Timestamp>, Option<Timestamp>)> {
    if !period.is_object() {
        return None;
    }
    let side = |name: &str| match period.get(name) {
        None => Some(None),
        Some(text) => text.as_str().and_then(interval).map(Some),
    };
    let (start, end) = (side("start")?, side("end")?);
    match (start, end) {
        (Some((start, _)), Some((_, end))) if end <= start => None,
        (start, end) => Some((start.map(|(first, _)| first), end.map(|(_, after)| after))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_partial_date_is_the_whole_of_it() {
        let of = |text| interval(text).map(|(a, b)| format!("{a} {b}"));
        assert_eq!(of("2026").as_deref(), Some("2026-01-01T00:00:00Z 2027-01-01T00:00:00Z"));
        assert_eq!(of("2026-12").as_deref(), Some("2026-12-01T00:00:00Z 2027-01-01T00:00:00Z"));
        assert_eq!(of("2024-02-29").as_deref(), Some("2024-02-29T00:00:00Z 2024-03-01T00:00:00Z"));
        assert_eq!(
            of("2026-10-01T10:00:00+01:00").as_deref(),
            Some("2026-10-01T09:00:00Z 2026-10-01T09:00:01Z")
        );
        for wrong in [
            "",
            "20266",
            "2026-13",
            "2023-02-29",
            "2026/10",
            "2026/10/01",
            "2026-10-01 10:00:00Z",
            "2026-10-01T10",
        ] {
            assert_eq!(interval(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_period_that_ends_before_it_starts_has_no_bounds() {
        assert_eq!(bounds(&json!({"start": "2026-02", "end": "2026-01"})), None);
        assert!(bounds(&json!({"start": "2026-01-01", "end": "2026-01-01"})).is_some());
        assert_eq!(bounds(&json!({})), Some((None, None)));
        assert_eq!(bounds(&json!({"start": 7})), None);
    }
}
