//! Writing instants.

use jiff::{Timestamp, Unit};

/// A FHIR `instant` in UTC with milliseconds: `2026-11-21T08:00:00.000Z`.
pub fn instant(at: Timestamp) -> String {
    let rounded = at.round(Unit::Millisecond).unwrap_or(at);
    rounded.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn writes_milliseconds_and_utc() {
        let at: jiff::Timestamp = "2026-02-28T23:59:59.1239+01:00".parse().unwrap();
        assert_eq!(super::instant(at), "2026-02-28T22:59:59.124Z");
    }
}
