//! Acknowledgements: `MSH`, `MSA` and one `ERR` for each finding (HL7 v2.5.1 chapter 2, tables 0008 and 0357).

use super::header::Header;
use crate::fhir::Issue;
use jiff::Timestamp;
use std::borrow::Cow;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is committed (`AA`, or `CA` in enhanced mode).
    Accepted,
    /// Its content is wrong; sending it again unchanged will not help (`AE`, `CE`).
    Error,
    /// It cannot be taken: an unsupported kind of message, or the gateway cannot store it now (`AR`, `CR`).
    Rejected,
}

impl Verdict {
    /// The code of table 0008 for the original mode.
    pub fn application_code(self) -> &'static str {
        match self {
            Verdict::Accepted => "AA",
            Verdict::Error => "AE",
            Verdict::Rejected => "AR",
        }
    }

    /// The code of table 0008 for the enhanced mode's accept acknowledgement.
    pub fn accept_code(self) -> &'static str {
        match self {
            Verdict::Accepted => "CA",
            Verdict::Error => "CE",
            Verdict::Rejected => "CR",
        }
    }
}

/// One `ERR` segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The place in the message (ERR-2), such as `PID[1]-3`; empty for the whole.
    pub place: String,
    /// The code of table 0357 (ERR-3).
    pub code: &'static str,
    /// `E` or `W` (ERR-4).
    pub severity: char,
    /// What whoever is asked for help may look for (ERR-7).
    pub diagnostics: String,
    /// What is wrong (ERR-8), without a patient's value.
    pub text: String,
}

impl Fault {
    /// An error that concerns the whole message.
    pub fn whole(code: &'static str, text: impl Into<String>) -> Fault {
        Fault { place: String::new(), code, severity: 'E', diagnostics: String::new(), text: text.into() }
    }

    /// Whether the kind of message is what is not supported, rather than something in it.
    pub fn unsupported(&self) -> bool {
        matches!(self.code, "200" | "201" | "202" | "203")
    }
}

impl From<&Issue> for Fault {
    fn from(issue: &Issue) -> Fault {
        // A finding about the result is told at the place in the message that it came from.
        let mut places = std::iter::once(&issue.expression).chain(&issue.also);
        let place = places.find(|place| place.as_bytes().get(3) == Some(&b'[')).unwrap_or(&issue.expression);
        let code = match issue.code {
            "required" => "101",
            "structure" => "100",
            "value" | "invariant" => "102",
            "code-invalid" => "103",
            "not-supported" => unsupported(place),
            "conflict" => "206",
            "duplicate" => "205",
            _ => "207",
        };
        let severity = if issue.severity.refuses() { 'E' } else { 'W' };
        let (place, text) = (place.clone(), issue.text.clone());
        Fault { place, code, severity, diagnostics: String::new(), text }
    }
}

/// The code for what is not supported at a place: the header says what kind of message it is, and anywhere else it is a
/// value that no table of the mapping knows.
fn unsupported(place: &str) -> &'static str {
    let field = place.strip_prefix("MSH").map(|rest| rest.trim_start_matches("[1]"));
    match field {
        Some(field) if field.starts_with("-9.2") => "201",
        Some(field) if field.starts_with("-11") => "202",
        Some(field) if field.starts_with("-12") => "203",
        Some(_) => "200",
        None if place.is_empty() => "200",
        None => "103",
    }
}

/// The text of HL7 table 0357 for a code.
fn meaning(code: &str) -> &'static str {
    match code {
        "0" => "Message accepted",
        "100" => "Segment sequence error",
        "101" => "Required field missing",
        "102" => "Data type error",
        "103" => "Table value not found",
        "200" => "Unsupported message type",
        "201" => "Unsupported event code",
        "202" => "Unsupported processing id",
        "203" => "Unsupported version id",
        "204" => "Unknown key identifier",
        "205" => "Duplicate key identifier",
        "206" => "Application record locked",
        _ => "Application internal error",
    }
}

/// The acknowledgements to send for a message, in order: none, one, or (enhanced mode) the accept and the
/// application acknowledgement.
pub fn acknowledgements(
    header: Option<&Header>,
    verdict: Verdict,
    faults: &[Fault],
    now: Timestamp,
) -> Vec<String> {
    let success = verdict == Verdict::Accepted;
    let Some(header) = header.filter(|header| header.enhanced()) else {
        return vec![acknowledgement(header, verdict.application_code(), faults, now)];
    };
    let mut messages = Vec::new();
    if header.accept.is_some_and(|condition| condition.wants(success)) {
        messages.push(acknowledgement(Some(header), verdict.accept_code(), faults, now));
    }
    if header.application.is_some_and(|condition| condition.wants(success)) {
        messages.push(acknowledgement(Some(header), verdict.application_code(), faults, now));
    }
    messages
}

fn acknowledgement(header: Option<&Header>, code: &str, faults: &[Fault], now: Timestamp) -> String {
    let separator = header.map_or('|', |header| header.separator);
    let encoding = header.map_or("^~\\&", |header| header.encoding.as_str());
    let delimiters = Delimiters::new(separator, encoding);
    let part = |read: fn(&Header) -> &str| header.map_or("", read).to_owned();
    let trigger = part(|header| &header.trigger);
    let c = delimiters.component;
    let kind = if trigger.is_empty() { "ACK".to_owned() } else { format!("ACK{c}{trigger}{c}ACK") };
    let version = part(|header| &header.version);
    let time = now.strftime("%Y%m%d%H%M%S+0000").to_string();
    let msh = [
        encoding.to_owned(),
        part(|header| &header.receiving_application),
        part(|header| &header.receiving_facility),
        part(|header| &header.sending_application),
        part(|header| &header.sending_facility),
        time,
        String::new(),
        kind,
        uuid::Uuid::now_v7().simple().to_string(),
        Some(part(|header| &header.processing_id))
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| "P".to_owned()),
        if version.is_empty() { "2.5.1".to_owned() } else { version },
    ];
    let s = separator.to_string();
    let mut message = format!("MSH{s}{}\r", msh.join(&s));
    message.push_str(&format!("MSA{s}{code}{s}{}\r", part(|header| &header.control_id)));
    for fault in faults.iter().take(50) {
        let place = delimiters.place(&fault.place);
        let kind = format!("{}{c}{}{c}HL70357", fault.code, meaning(fault.code));
        let (diagnostics, text) = (delimiters.escape(&fault.diagnostics), delimiters.escape(&fault.text));
        let severity = fault.severity;
        message.push_str(&format!("ERR{s}{s}{place}{s}{kind}{s}{severity}{s}{s}{s}{diagnostics}{s}{text}\r"));
    }
    message
}

struct Delimiters {
    field: char,
    component: char,
    repetition: char,
    escape: char,
    subcomponent: char,
}

impl Delimiters {
    fn new(field: char, encoding: &str) -> Delimiters {
        let mut characters = encoding.chars();
        let mut next = |default| characters.next().unwrap_or(default);
        Delimiters {
            field,
            component: next('^'),
            repetition: next('~'),
            escape: next('\\'),
            subcomponent: next('&'),
        }
    }

    fn escape<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let special = |c: char| {
            c.is_control()
                || [self.field, self.component, self.repetition, self.escape, self.subcomponent].contains(&c)
        };
        if !text.contains(special) {
            return Cow::Borrowed(text);
        }
        let mut escaped = String::with_capacity(text.len() + 8);
        for c in text.chars() {
            let letter = match c {
                c if c == self.field => 'F',
                c if c == self.component => 'S',
                c if c == self.repetition => 'R',
                c if c == self.escape => 'E',
                c if c == self.subcomponent => 'T',
                c if c.is_control() => {
                    escaped.push(' ');
                    continue;
                }
                c => {
                    escaped.push(c);
                    continue;
                }
            };
            escaped.extend([self.escape, letter, self.escape]);
        }
        Cow::Owned(escaped)
    }

    /// ERR-2 (segment, sequence, field, repetition, component) from a place such as `PID[1]-3[2].1`.
    fn place(&self, place: &str) -> String {
        let Some((segment, mut rest)) = place.split_at_checked(3) else { return String::new() };
        if !segment.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) {
            return String::new();
        }
        // Each part is optional and stands only behind the one before it; what is left out in between is the first.
        let parts = [
            number(&mut rest, "[", "]"),
            number(&mut rest, "-", ""),
            number(&mut rest, "[", "]"),
            number(&mut rest, ".", ""),
        ];
        let last = parts.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
        let mut out = segment.to_owned();
        for part in parts.iter().take(last) {
            out.push(self.component);
            out.push_str(part.unwrap_or("1"));
        }
        out
    }
}

/// Takes a number between `open` and `close` off the beginning of a text.
fn number<'a>(rest: &mut &'a str, open: &str, close: &str) -> Option<&'a str> {
    let inner = rest.strip_prefix(open)?;
    let end = inner.find(|c: char| !c.is_ascii_digit()).unwrap_or(inner.len());
    let (digits, after) = inner.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
    *rest = after.strip_prefix(close)?;
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(tail: &str) -> Header {
        Header::read(format!("MSH|^~\\&|PAS|RX1|SGW|X99|20261121||ADT^A08|M-1|T|2.4{tail}").as_bytes())
            .unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-21T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn an_error_names_its_place_and_code() {
        let fault = Fault {
            place: "PID[1]-3.2".into(),
            diagnostics: "kept".into(),
            ..Fault::whole("102", "a|b^c\\d")
        };
        let messages = acknowledgements(Some(&header("")), Verdict::Error, &[fault], now());
        let lines: Vec<&str> = messages[0].split('\r').collect();
        assert!(lines[0].starts_with("MSH|^~\\&|SGW|X99|PAS|RX1|20261121090000+0000||ACK^A08^ACK|"));
        assert!(lines[0].ends_with("|T|2.4"));
        assert_eq!(lines[1], "MSA|AE|M-1");
        assert_eq!(lines[2], "ERR||PID^1^3^1^2|102^Data type error^HL70357|E|||kept|a\\F\\b\\S\\c\\E\\d");
    }

    #[test]
    fn what_is_not_supported_is_told_by_its_place() {
        for (place, code) in [
            ("", "200"),
            ("MSH-9.1", "200"),
            ("MSH[1]-9.2", "201"),
            ("MSH-11", "202"),
            ("MSH[1]-12", "203"),
            ("OBX[1]-5.1", "103"),
        ] {
            let fault = Fault::from(&Issue::error("not-supported", "rule", place, "text"));
            assert_eq!((fault.code, fault.unsupported()), (code, code != "103"), "{place}");
        }
    }

    #[test]
    fn places_are_written_as_err_2() {
        let delimiters = Delimiters::new('|', "^~\\&");
        for (place, written) in [
            ("PID[1]-3[2].1", "PID^1^3^2^1"),
            ("PID-3", "PID^1^3"),
            ("OBX[2]", "OBX^2"),
            ("ZSG", "ZSG"),
            ("MSH-9.2", "MSH^1^9^1^2"),
            ("Flag.code", ""),
            ("", ""),
        ] {
            assert_eq!(delimiters.place(place), written, "{place}");
        }
    }

    #[test]
    fn enhanced_mode_answers_what_was_asked_for() {
        let codes = |tail: &str, verdict| -> Vec<String> {
            acknowledgements(Some(&header(tail)), verdict, &[], now())
                .iter()
                .map(|message| message.split('\r').nth(1).unwrap()[4..6].to_owned())
                .collect()
        };
        assert_eq!(codes("", Verdict::Accepted), ["AA"]);
        assert_eq!(codes("|||AL|NE", Verdict::Accepted), ["CA"]);
        assert_eq!(codes("|||AL|AL", Verdict::Error), ["CE", "AE"]);
        assert_eq!(codes("|||ER|NE", Verdict::Accepted), Vec::<String>::new());
        assert_eq!(codes("|||ER|NE", Verdict::Rejected), ["CR"]);
        assert_eq!(codes("||||SU", Verdict::Accepted), ["AA"]);
    }

    #[test]
    fn a_message_without_a_header_is_still_answered() {
        let messages =
            acknowledgements(None, Verdict::Rejected, &[Fault::whole("100", "no `MSH` segment")], now());
        assert!(
            messages[0]
                .contains("\rMSA|AR|\rERR|||100^Segment sequence error^HL70357|E||||no `MSH` segment\r")
        );
    }
}
