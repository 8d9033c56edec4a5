//! The message header, read just far enough to answer a message that may be otherwise unreadable.

/// What an acknowledgement needs from `MSH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The field separator (MSH-1).
    pub separator: char,
    /// The encoding characters (MSH-2).
    pub encoding: String,
    /// The sending application (MSH-3).
    pub sending_application: String,
    /// The sending facility (MSH-4).
    pub sending_facility: String,
    /// The receiving application (MSH-5).
    pub receiving_application: String,
    /// The receiving facility (MSH-6).
    pub receiving_facility: String,
    /// The trigger event (second component of MSH-9).
    pub trigger: String,
    /// The message control id (MSH-10).
    pub control_id: String,
    /// The processing id (MSH-11).
    pub processing_id: String,
    /// The version (MSH-12).
    pub version: String,
    /// When the sender wants an accept acknowledgement (MSH-15).
    pub accept: Option<Condition>,
    /// When the sender wants an application acknowledgement (MSH-16).
    pub application: Option<Condition>,
}

/// When an acknowledgement is wanted (HL7 table 0155).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `AL`: always.
    Always,
    /// `NE`: never.
    Never,
    /// `ER`: only on an error or rejection.
    OnError,
    /// `SU`: only on success.
    OnSuccess,
}

impl Condition {
    fn of(text: &str) -> Option<Condition> {
        match text {
            "AL" => Some(Condition::Always),
            "NE" => Some(Condition::Never),
            "ER" => Some(Condition::OnError),
            "SU" => Some(Condition::OnSuccess),
            _ => None,
        }
    }

    /// Whether an acknowledgement is wanted for this outcome.
    pub fn wants(self, success: bool) -> bool {
        match self {
            Condition::Always => true,
            Condition::Never => false,
            Condition::OnError => !success,
            Condition::OnSuccess => success,
        }
    }
}

impl Header {
    /// Reads the header; `None` when the message does not begin with a usable `MSH` segment.
    pub fn read(message: &[u8]) -> Option<Header> {
        let end = memchr::memchr2(b'\r', b'\n', message).unwrap_or(message.len());
        let line = String::from_utf8_lossy(message.get(..end)?).into_owned();
        let rest = line.strip_prefix("MSH")?;
        let separator = rest.chars().next()?;
        if !separator.is_ascii_punctuation() {
            return None;
        }
        let fields: Vec<&str> = rest.get(1..)?.split(separator).collect();
        // MSH-1 is the separator itself, so MSH-n stands at index n - 2.
        let field = |number: usize| fields.get(number - 2).copied().unwrap_or("");
        let encoding = field(2);
        if encoding.is_empty() || encoding.len() > 5 || !encoding.chars().all(|c| c.is_ascii_punctuation()) {
            return None;
        }
        let component = encoding.chars().next()?;
        let plain = |number: usize| -> String {
            field(number).chars().filter(|c| !c.is_control()).take(180).collect()
        };
        Some(Header {
            separator,
            encoding: encoding.to_owned(),
            sending_application: plain(3),
            sending_facility: plain(4),
            receiving_application: plain(5),
            receiving_facility: plain(6),
            trigger: field(9)
                .split(component)
                .nth(1)
                .unwrap_or("")
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(3)
                .collect(),
            control_id: plain(10),
            processing_id: plain(11),
            version: plain(12),
            accept: Condition::of(field(15)),
            application: Condition::of(field(16)),
        })
    }

    /// Whether the sender asks for the enhanced acknowledgement rules.
    pub fn enhanced(&self) -> bool {
        self.accept.is_some() || self.application.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_an_acknowledgement_needs() {
        let header =
            Header::read(b"MSH|^~\\&|PAS|RX1|SGW|X99|20261121||ADT^A08^ADT_A01|M-1|P|2.5.1|||AL|NE\rPID|1")
                .unwrap();
        assert_eq!(header.trigger, "A08");
        assert_eq!(header.control_id, "M-1");
        assert_eq!(header.version, "2.5.1");
        assert!(header.enhanced());
        assert!(header.accept.unwrap().wants(true));
        assert!(!header.application.unwrap().wants(false));
    }

    #[test]
    fn other_separators_are_followed_and_nonsense_is_not() {
        assert_eq!(Header::read(b"MSH#*~\\&#A#B#C#D###ADT*A01#7#P#2.4").unwrap().trigger, "A01");
        for bad in [&b""[..], b"MSH", b"PID|1", b"MSHx^~\\&", b"MSH||", b"MSH|ABCD|", b"\xff\xfe"] {
            assert_eq!(Header::read(bad), None);
        }
    }
}
