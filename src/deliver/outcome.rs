//! What came of one attempt, and what follows from it. Pure.

use jiff::Timestamp;
use std::time::Duration;

/// What a failure says about whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// No connection: nothing has left, and nothing else would arrive either.
    Connection,
    /// No answer in time: probably the receiver, perhaps this event.
    Silence,
    /// The receiver answered that it cannot, or not now.
    Receiver,
    /// The receiver does not take this event; others may be welcome.
    Event,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable code, listed at [`CODES`].
    pub code: &'static str,
    /// What it says about whom.
    pub scope: Scope,
    /// The receiver's wish when to come back.
    pub retry_after: Option<Duration>,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it: any 2xx.
    Delivered,
    /// 410: the receiver wants no more of this subscription.
    Gone,
    /// It failed and is to be tried again.
    Failed(Failure),
}

/// Every code of a failed attempt, with what it means.
pub const CODES: [(&str, &str); 12] = [
    ("egress-refused", "the endpoint's address is not one that notifications may be sent to"),
    ("no-secret", "the partner has no webhook secret, so nothing can be signed"),
    ("no-connection", "no connection could be made (name, address, TLS)"),
    ("timeout", "no answer came in time"),
    ("broken-connection", "the connection ended before the answer"),
    ("redirect", "the receiver answered with a redirect (3xx), which is never followed"),
    ("unauthorised", "the receiver refused the gateway (401, 403, 404, 405)"),
    ("rejected", "the receiver does not take this event (any other 4xx)"),
    ("busy", "the receiver asks to wait (408, 425, 429, 503)"),
    ("server-error", "the receiver failed (other 5xx)"),
    ("evaluation-error", "the decision could not be made, so nothing was sent"),
    ("not-built", "the notification could not be built"),
];

impl Outcome {
    /// A failure without a wish when to come back.
    pub fn failed(code: &'static str, scope: Scope) -> Outcome {
        Outcome::Failed(Failure { code, scope, retry_after: None })
    }

    /// What an HTTP status means. Every 2xx is a delivery and 410 an end; everything else is tried again until the
    /// schedule ends, also a 4xx: an alert about a child is not dropped because a receiver was configured wrongly.
    /// A 4xx about the event itself holds up its own patient's events only.
    pub fn of_status(status: u16, retry_after: Option<Duration>) -> Outcome {
        let (code, scope) = match status {
            200..=299 => return Outcome::Delivered,
            410 => return Outcome::Gone,
            300..=399 => ("redirect", Scope::Receiver),
            401 | 403 | 404 | 405 => ("unauthorised", Scope::Receiver),
            408 | 425 | 429 | 503 => ("busy", Scope::Receiver),
            400..=499 => ("rejected", Scope::Event),
            _ => ("server-error", Scope::Receiver),
        };
        Outcome::Failed(Failure { code, scope, retry_after })
    }

    /// Whether the notification, or a part of it, may have reached the receiver.
    pub fn exposed(&self) -> bool {
        !matches!(self, Outcome::Failed(Failure { scope: Scope::Connection, .. }))
    }

    /// The stable code of the outcome.
    pub fn code(&self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Gone => "gone",
            Outcome::Failed(failure) => failure.code,
        }
    }
}

/// Reads a `Retry-After` header (seconds, or an HTTP date; RFC 9110 section 10.2.3), bounded by `most`.
pub fn retry_after(value: &str, now: Timestamp, most: Duration) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
        Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning_and_every_code_is_documented() {
        let known = |code: &str| CODES.iter().any(|(known, _)| *known == code);
        for status in 100..=599 {
            match Outcome::of_status(status, None) {
                Outcome::Delivered => assert_eq!(status / 100, 2),
                Outcome::Gone => assert_eq!(status, 410),
                Outcome::Failed(failure) => assert!(known(failure.code), "{status}"),
            }
        }
        for (status, code) in [
            (302, "redirect"),
            (404, "unauthorised"),
            (422, "rejected"),
            (429, "busy"),
            (500, "server-error"),
            (101, "server-error"),
        ] {
            assert_eq!(Outcome::of_status(status, None).code(), code);
        }
        assert!(Outcome::of_status(500, None).exposed());
        assert!(!Outcome::failed("no-connection", Scope::Connection).exposed());
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let day = Duration::from_secs(86_400);
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("999999999999999999999999", Some(86_400)),
            ("Sat, 21 Nov 2026 08:01:00 GMT", Some(60)),
            ("Sat, 21 Nov 2020 08:01:00 GMT", Some(0)),
            ("Sat, 21 Nov 2099 08:01:00 GMT", Some(86_400)),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now, day), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
