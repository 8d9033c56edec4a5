//! A mapping, compiled: what a mapping file says, with its paths, tables and conditions resolved.

use super::dates::Zone;
use super::ledger::Reason;
use super::path::{Path, Wanted};
use super::table::{Codes, Concerns};
use super::tree::Notation;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The format a mapping reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// HL7 v2 in its pipe notation.
    Hl7v2,
    /// JSON with a documented contract.
    Json,
    /// FHIR R4 resources.
    Fhir,
    /// XML: CDA, census returns.
    Xml,
    /// CSV extracts.
    Csv,
    /// openEHR FLAT compositions.
    Flat,
}

impl Format {
    /// Every format with the name that mapping files and settings use.
    pub const ALL: [(&'static str, Format); 6] = [
        ("hl7v2", Format::Hl7v2),
        ("json", Format::Json),
        ("fhir", Format::Fhir),
        ("xml", Format::Xml),
        ("csv", Format::Csv),
        ("openehr-flat", Format::Flat),
    ];

    /// The format of this name.
    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.iter().find(|(n, _)| *n == name).map(|(_, f)| *f)
    }

    /// The name that mapping files and settings use.
    pub fn name(self) -> &'static str {
        Format::ALL.iter().find(|(_, f)| *f == self).map_or("", |(n, _)| n)
    }

    /// How places in this format are written.
    pub fn notation(self) -> Notation {
        match self {
            Format::Hl7v2 => Notation::Er7,
            Format::Json | Format::Fhir => Notation::Json,
            Format::Xml => Notation::Xml,
            Format::Csv => Notation::Csv,
            Format::Flat => Notation::Flat,
        }
    }
}

/// A mapping file, compiled once.
#[derive(Debug)]
pub struct Mapping {
    /// Its name, unique in the gateway.
    pub id: String,
    /// Its version; with the id it is recorded in the Provenance of everything made with it.
    pub version: String,
    /// What it is for, in one line.
    pub title: String,
    /// The format it reads.
    pub format: Format,
    /// The registered sources whose payloads it reads, unless the registry names another mapping for them.
    pub sources: Vec<String>,
    /// What a payload must satisfy; each is looked at for itself, so that a refusal can name it.
    pub accepts: Vec<Condition>,
    /// Payloads that are taken and deliberately yield nothing.
    pub ignores: Vec<Condition>,
    /// How a time without an offset is read.
    pub zone: Zone,
    /// The paths whose values together identify the message.
    pub message_id: Vec<Path>,
    /// When the message was sent.
    pub message_sent: Vec<Path>,
    /// What one record is, for sources that hold many.
    pub records: Option<Path>,
    /// What may be made.
    pub blocks: Vec<Block>,
    /// What is left out, and why.
    pub drops: Vec<Drop>,
    /// Why anything else is left out.
    pub otherwise: Reason,
    /// What may never be lost.
    pub critical: Vec<Path>,
    /// The contract a JSON payload must satisfy.
    pub schema: Option<Arc<jsonschema::Validator>>,
    /// The tables of plain codes.
    pub codes: Vec<Codes>,
    /// The tables of concerns.
    pub concerns: Vec<Arc<Concerns>>,
    /// URIs of the authorities that issue identifiers, by the name the source gives them.
    pub authorities: BTreeMap<String, String>,
    /// The segments, or the columns, that the mapping knows of; others make a warning.
    pub known: Vec<String>,
}

/// What is left out, and why.
#[derive(Debug)]
pub struct Drop {
    /// Where.
    pub paths: Vec<Path>,
    /// Why.
    pub reason: Reason,
    /// Only then.
    pub when: Option<Condition>,
}

/// One kind of resource that a mapping may make.
#[derive(Debug)]
pub struct Block {
    /// Its name in the file, to which `reference:` refers.
    pub name: String,
    /// The type of the resource.
    pub resource_type: String,
    /// Whether it is made for itself; else only when something refers to it.
    pub fact: bool,
    /// One resource for each of these; without it one for the message.
    pub each: Option<Path>,
    /// Only then.
    pub when: Option<Condition>,
    /// What makes it the same fact when it is sent again.
    pub identity: Vec<Rule>,
    /// The alert's code, for a Flag.
    pub concern: Option<Concern>,
    /// When it says that the fact has ended.
    pub ends: Option<Condition>,
    /// When it says that the fact was never true.
    pub error: Option<Condition>,
    /// A Patient who is used no more: what is held about them is about the message's patient.
    pub replaced: bool,
    /// When such a change of identity is sensitive, so that a person must decide.
    pub sensitive: Option<Condition>,
    /// The alert about an unborn child that ends when this fact begins.
    pub began_as: Option<Began>,
    /// Its elements.
    pub shape: Shape,
}

/// Which alert about an unborn child a fact takes the place of, when the child is born.
#[derive(Debug)]
pub struct Began {
    /// The mother's NHS number.
    pub mother: Vec<Path>,
    /// The identity of the alert about the unborn child, as the message had it that began it.
    pub fact: Vec<Path>,
    /// Else the table and code of that alert.
    pub code: Option<(usize, String)>,
}

/// Where the code of an alert stands, and what it means.
#[derive(Debug)]
pub struct Concern {
    /// The code, first that has a value.
    pub code: Vec<Path>,
    /// The code when the kind of record itself says it.
    pub constant: Option<String>,
    /// Its text.
    pub display: Vec<Path>,
    /// The tables that know it, in order.
    pub tables: Vec<usize>,
    /// What an unknown code does.
    pub unmapped: Unmapped,
}

/// What an unknown code does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// The submission is refused: the value is safeguarding-critical.
    Refuse,
    /// It is kept as it is: as `other-safeguarding` for an alert, else as the code itself.
    Keep,
    /// This code stands for it.
    Default(String),
    /// It is no safeguarding information: nothing is made, its values are out of scope.
    Skip,
}

/// The elements of a resource, nested as they are in FHIR.
#[derive(Debug)]
pub enum Shape {
    /// An object.
    Object(Vec<(String, Shape)>),
    /// An array; each item may yield none, one or more.
    List(Vec<Shape>),
    /// One rule.
    Rule(Box<Rule>),
}

/// How one element gets its value.
#[derive(Debug)]
pub struct Rule {
    /// The element, such as `period.start`.
    pub element: Arc<str>,
    /// The line in the mapping file.
    pub line: u32,
    /// Where the value comes from.
    pub from: From,
    /// What it becomes.
    pub becomes: Becomes,
    /// Its code table and the policy for unknown codes.
    pub codes: Option<(usize, Unmapped)>,
    /// What stands there when the source has nothing.
    pub default: Option<Value>,
    /// Only then.
    pub when: Option<Condition>,
    /// Whether its loss stops the submission.
    pub critical: bool,
    /// Whether the value is carried (kept as text) rather than mapped.
    pub carried: bool,
}

/// Where a value comes from.
#[derive(Debug)]
pub enum From {
    /// A constant.
    Constant(Value),
    /// The first path that has a value.
    First(Vec<Path>),
    /// Every value of every path, as an array.
    All(Vec<Path>),
    /// Text put together from parts.
    Text(Vec<Part>, String),
    /// One item for each node of the path.
    Each(Path, Shape),
    /// A reference to what another block makes: the first that makes something.
    Reference(Vec<String>),
}

/// A part of an assembled text.
#[derive(Debug)]
pub enum Part {
    /// All values of a path.
    Values(Path),
    /// A constant, written only when a value follows it.
    Say(String),
}

/// What a text becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// A string, as it is.
    Text,
    /// A code: without spaces around.
    Code,
    /// A date.
    Date,
    /// A date and time in the precision of the source.
    DateTime,
    /// An instant.
    Instant,
    /// A boolean from `true`/`false`, `Y`/`N`, `1`/`0`.
    Boolean,
    /// A number, as it is written.
    Number,
    /// The URI of the authority that issued an identifier.
    Authority,
    /// An XHTML narrative that holds the text.
    Narrative,
}

impl Becomes {
    /// Every kind with its name in mapping files.
    pub const ALL: [(&'static str, Becomes); 9] = [
        ("text", Becomes::Text),
        ("code", Becomes::Code),
        ("date", Becomes::Date),
        ("date-time", Becomes::DateTime),
        ("instant", Becomes::Instant),
        ("boolean", Becomes::Boolean),
        ("number", Becomes::Number),
        ("authority", Becomes::Authority),
        ("narrative", Becomes::Narrative),
    ];
}

/// A condition on the source.
#[derive(Debug)]
pub enum Condition {
    /// A value of the path is one of these.
    Holds(Path, Vec<Wanted>),
    /// The path leads to a value.
    Exists(Path),
    /// The inner one is false.
    Not(Box<Condition>),
    /// All are true.
    All(Vec<Condition>),
    /// One is true.
    Any(Vec<Condition>),
}
