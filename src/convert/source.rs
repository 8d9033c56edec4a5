//! Who sends, with what context, under which limits; and what cannot be read.

use super::model::Format;
use crate::fhir::Issue;
use crate::fhir::json::JsonError;

/// A registered source of submissions.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its id, part of the ids of everything it sends.
    pub id: String,
    /// The ODS code of its organisation.
    pub organisation: String,
    /// The name of its organisation.
    pub name: String,
    /// The format it sends.
    pub format: Format,
    /// The id of the mapping that reads it.
    pub mapping: String,
    /// The lawful bases it shares under when a message names none (codes of `lawful-basis`).
    pub lawful_basis: Vec<String>,
    /// The sharing tier of what it sends when neither message nor table names one (a code of `sharing-tier`).
    pub tier: Option<String>,
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest payload in bytes.
    pub bytes: usize,
    /// The most nodes (segments, fields, members, cells) in one payload.
    pub values: usize,
    /// The most segments in one HL7 v2 message.
    pub segments: usize,
    /// The most facts (Flags, Consents) in one record.
    pub facts: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 1 << 20, values: 200_000, segments: 10_000, facts: 500 }
    }
}

/// What a conversion is given beside the payload: the time is the caller's, so that a conversion can be repeated.
#[derive(Clone, Debug)]
pub struct Context {
    /// When the submission was received.
    pub now: jiff::Timestamp,
    /// The gateway's own id of the submission.
    pub received_id: String,
    /// How much is read.
    pub limits: Limits,
}

impl Context {
    /// A context with the usual limits.
    pub fn new(now: jiff::Timestamp, received_id: impl Into<String>) -> Context {
        Context { now, received_id: received_id.into(), limits: Limits::default() }
    }
}

/// Input that cannot be read as its format. The texts name places and rules, never values.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is larger than the limit.
    #[error("the payload is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// It holds more values than the limit.
    #[error("the payload holds more than {limit} values")]
    TooManyValues {
        /// The limit.
        limit: usize,
    },
    /// A byte is not of the character set.
    #[error("byte {offset} is not {set}, the character set that MSH-18 declares or that is taken without it")]
    Encoding {
        /// The set.
        set: &'static str,
        /// The byte, from 0.
        offset: usize,
    },
    /// MSH-18 names a set that is not known.
    #[error("MSH-18 names a character set that is not known (known are ASCII, 8859/1, Windows-1252, UTF-8)")]
    UnknownCharacterSet,
    /// No MSH segment.
    #[error("the message does not begin with an `MSH` segment")]
    NotHl7,
    /// MSH-1 and MSH-2 make no sense.
    #[error("MSH-1 and MSH-2 are not up to six different punctuation characters")]
    Delimiters,
    /// A line is not a segment.
    #[error("the line at byte {offset} does not begin with a segment name")]
    NotASegment {
        /// The byte, from 0.
        offset: usize,
    },
    /// The JSON is broken.
    #[error("{}", .0.text)]
    Json(JsonError),
    /// The XML is broken.
    #[error("the XML is not well-formed (line {line}, column {column})")]
    Xml {
        /// The line, from 1.
        line: u32,
        /// The column, from 1.
        column: u32,
    },
    /// The CSV is broken.
    #[error("row {row}: {reason}")]
    Csv {
        /// The row, the header being 1.
        row: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// It is not an openEHR composition in the FLAT format.
    #[error("the payload is not an object whose keys are paths and whose values are scalars (openEHR FLAT)")]
    NotFlat,
    /// It holds several records, and one was expected.
    #[error("the payload holds {records} records where one submission holds one")]
    ManyRecords {
        /// How many.
        records: usize,
    },
    /// The file system could not give it.
    #[error("the file cannot be read to its end")]
    NotReadable,
    /// The format has no reader.
    #[error("the format `{format}` cannot be read")]
    NotSupported {
        /// The format.
        format: &'static str,
    },
    /// The resource type is not one that is taken.
    #[error("the resource is neither a Flag, a Consent nor a Bundle of them")]
    NotAFact,
}

impl From<JsonError> for Unreadable {
    fn from(error: JsonError) -> Unreadable {
        Unreadable::Json(error)
    }
}

impl Unreadable {
    /// The stable name of the rule that was broken.
    pub fn rule(&self) -> &'static str {
        match self {
            Unreadable::TooLarge { .. } => "too-large",
            Unreadable::TooManyValues { .. } => "too-many-values",
            Unreadable::Encoding { .. } => "encoding",
            Unreadable::UnknownCharacterSet => "unknown-character-set",
            Unreadable::NotHl7 => "hl7-header",
            Unreadable::Delimiters => "hl7-delimiters",
            Unreadable::NotASegment { .. } => "hl7-segment",
            Unreadable::Json(error) => error.rule,
            Unreadable::Xml { .. } => "xml",
            Unreadable::Csv { .. } => "csv",
            Unreadable::NotFlat => "openehr-flat",
            Unreadable::ManyRecords { .. } => "many-records",
            Unreadable::NotReadable => "not-readable",
            Unreadable::NotSupported { .. } => "format",
            Unreadable::NotAFact => "not-a-fact",
        }
    }

    /// The finding for an OperationOutcome.
    pub fn issue(&self) -> Issue {
        let code = match self {
            Unreadable::TooLarge { .. } | Unreadable::TooManyValues { .. } => "too-long",
            Unreadable::NotSupported { .. } | Unreadable::ManyRecords { .. } | Unreadable::NotAFact => {
                "not-supported"
            }
            _ => "structure",
        };
        let place = match self {
            Unreadable::Json(error) => error.pointer.clone(),
            Unreadable::UnknownCharacterSet => "MSH[1]-18".to_owned(),
            Unreadable::Delimiters => "MSH[1]-2".to_owned(),
            Unreadable::Csv { row, .. } => format!("row {row}"),
            _ => String::new(),
        };
        let issue = Issue::new(crate::fhir::Severity::Fatal, code, self.rule(), place, self.to_string());
        match self {
            Unreadable::Json(error) => issue.at(error.line, error.column),
            Unreadable::Xml { line, column } => issue.at(*line, *column),
            _ => issue,
        }
    }
}
