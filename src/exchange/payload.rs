//! What comes in, and what its sender gets back.

use crate::convert::Format;
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// A payload as it came, with what its envelope says.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The content.
    pub bytes: Bytes,
    /// Its media type, in lower case and without parameters.
    pub media_type: String,
    /// The sender's own key for this submission (`Idempotency-Key`).
    pub key: Option<String>,
    /// The id of the request, for audit.
    pub request_id: String,
}

/// The media type of HL7 v2 in its pipe notation.
pub const HL7_V2: &str = "x-application/hl7-v2+er7";

impl Payload {
    /// An HL7 v2 message.
    pub fn hl7v2(bytes: Bytes, request_id: String) -> Payload {
        Payload { bytes, media_type: HL7_V2.to_owned(), key: None, request_id }
    }
}

/// A submission that is committed.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The `transaction-response` Bundle, as text.
    pub body: String,
    /// Whether it had been committed before, under the same key.
    pub repeated: bool,
}

/// The media types in which a format may come, the proper one first.
pub fn media_types(format: Format) -> &'static [&'static str] {
    match format {
        Format::Hl7v2 => &[HL7_V2, "application/hl7-v2+er7", "application/hl7-v2"],
        Format::Json | Format::Flat => &["application/json"],
        Format::Fhir => &["application/fhir+json", "application/json"],
        Format::Xml => &["application/xml", "text/xml"],
        Format::Csv => &["text/csv"],
    }
}

/// SHA-256 of the payload, by which a repeat is told from a different message under the same key.
///
/// Of an HL7 message the time (MSH-7) does not count, which engines set anew when they send the same message again, nor
/// how its segments are ended: the same file through another door or engine comes with CR, LF or both.
pub fn digest(format: Format, bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    match (format, time_field(bytes)) {
        (Format::Hl7v2, Some((before, after))) => {
            hash.update(before);
            let segments = after.split(|byte| matches!(byte, b'\r' | b'\n'));
            for segment in segments.filter(|segment| !segment.is_empty()) {
                hash.update(segment);
                hash.update(b"\r");
            }
        }
        _ => hash.update(bytes),
    }
    hash.finalize().into()
}

/// What stands before and after MSH-7.
fn time_field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let separator = *bytes.strip_prefix(b"MSH")?.first()?;
    let end = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
    let header = bytes.get(..end)?;
    // MSH-1 is the separator itself, so MSH-7 stands after the sixth separator.
    let mut at = memchr::memchr_iter(separator, header).skip(5);
    let (from, to) = (at.next()? + 1, at.next().unwrap_or(end));
    Some((bytes.get(..from)?, bytes.get(to..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_and_the_line_ends_of_an_hl7_message_do_not_count() {
        let of = |text: &str| digest(Format::Hl7v2, text.as_bytes());
        let first = of("MSH|^~\\&|A|B|C|D|20260101||ADT^A08|1\rPID|1");
        assert_eq!(first, of("MSH|^~\\&|A|B|C|D|20260202||ADT^A08|1\rPID|1"));
        assert_ne!(first, of("MSH|^~\\&|A|B|C|D|20260101||ADT^A08|1\rPID|2"));
        assert_ne!(first, of("MSH|^~\\&|A|B|C|D|20260101||ADT^A08|1PID|1"));
        for ends in ["\n", "\r\n", "\r\r"] {
            assert_eq!(first, of(&format!("MSH|^~\\&|A|B|C|D|20260101||ADT^A08|1{ends}PID|1{ends}")));
        }
        assert_ne!(first, of("MSH|^~\\&|A|B|C|E|20260101||ADT^A08|1\rPID|1"));
        assert_ne!(digest(Format::Json, b"{\"a\":1}"), digest(Format::Json, b"{\"a\":2}"));
        for odd in ["", "MSH", "MSH|", "MSH|^~\\&|A|B|C|D", "MSH|^~\\&|A|B|C|D|2026"] {
            assert_eq!(of(odd), of(odd));
        }
    }
}
