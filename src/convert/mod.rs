//! Local formats to FHIR R4: readers, mapping files, code tables and the ledger.
//!
//! # The way
//!
//! ```text
//! bytes ─ reader ─► Tree ─ mapping ─► resources ─ assemble ─► Converted { bundle, issues, ledger }
//! ```
//!
//! Every format is read into one shape, the [`tree::Tree`]: an arena of nodes over borrowed text, in which each value
//! knows its place in the notation of its format (`PID[1]-3[2].1`, `/alerts/0/code`, `row 7, column "CPP start"`). One
//! mapping language, with paths in that notation, works on this shape alone, so a new format is a reader and a path
//! syntax, and a new site is a mapping file.
//!
//! # The mapping language
//!
//! A mapping file is YAML, checked by `profiles/schemas/mapping.schema.json` and compiled once ([`compile`]); it holds
//! no code and no string templates. Every mistake is shown with line and column.
//!
//! - `mapping`, `version`, `title`, `format`: what it is. Id and version are recorded in the Provenance.
//! - `accepts`, `ignores`: which payloads it takes, and which it takes and deliberately does nothing with.
//! - `zone`: how a time without an offset is read. `message`: what identifies the message and when it was sent.
//! - `segments` declares the fields of Z-segments by name; `namespaces` the prefixes of XML; `authorities` the URIs of
//!   those who issue identifiers; `records` what one record is in a source that holds many.
//! - `codes`: plain tables. `concerns`: what an alert's code means: concern category, SNOMED CT, action expected,
//!   red-flag indicators, tier, sensitivity labels; a row with `ends: CODE` is a removal code: it ends the Flag that
//!   CODE began. `unmapped` says what an unknown code does: `refuse`, `keep`, `skip`, or `{default: CODE}`.
//! - `produce`: the resources, by name. `each` repeats over the source; `when` is a condition; `identity` is what makes
//!   a fact itself when it is sent again; `ends` and `error` say when it has ended or was never true; `set` gives
//!   each element a rule: a path, or `from` (first that has a value), `all`, `value`, `text` (put together), `each` with
//!   a nested `set`, or `reference` (to what another block makes), with `as`, `codes`, `default`, `when`, `critical`,
//!   `carried`. Facts (Flag, Consent, Observation) are made for themselves, everything else when a fact refers to it.
//! - `drop` leaves values out with a coded reason; `otherwise` is the reason for the rest; `critical` names what may
//!   never be lost: such a value that is neither mapped nor carried refuses the submission.
//!
//! # What holds
//!
//! - Only what cannot be read is an `Err` ([`Unreadable`]). Everything else yields a [`Converted`] with issues, and
//!   [`Converted::refused`] says whether it may be used.
//! - Each value of the source has exactly one entry in the [`ledger::Ledger`].
//! - NHS numbers are checked and never repaired; dates that do not exist are never moved.
//! - The same fact sent twice has the same id ([`bundle`]).
//! - A removal yields the Flag with status `inactive` and the end of its period, without a start unless the message has
//!   one: what stores it keeps the start that it knows.
//! - No issue text holds a value of the source.
//!
//! This module never knows who may see the result.

mod account;
pub mod bundle;
pub mod charset;
pub mod compile;
mod compile_rule;
mod compile_table;
mod consequence;
pub mod csv;
pub mod dates;
pub mod er7;
mod evaluate;
mod fhir_account;
mod fhir_input;
mod fhir_reference;
mod flag;
pub mod flat;
pub mod identity;
pub mod json;
pub mod ledger;
mod mappings;
mod mistake;
pub mod model;
mod object;
pub mod path;
mod places;
pub mod path_syntax;
#[cfg(test)]
mod path_tests;
#[cfg(test)]
mod property_tests;
pub mod schema;
mod published;
pub mod shape;
mod source;
pub mod split;
pub mod stu3;
pub mod table;
#[cfg(test)]
mod tests;
pub mod translate;
pub mod tree;
mod value;
pub mod verhoeff;
pub mod vocabulary;
pub mod xml;

pub use consequence::Consequence;
pub use ledger::Ledger;
pub use mappings::{LoadError, Mappings, built_in_concerns, concept_maps, load_file};
pub use mistake::MappingError;
pub use model::{Format, Mapping};
pub use source::{Context, Limits, Source, Unreadable};

use crate::fhir::{Issue, json as fhir_json};
use evaluate::{Engine, Made};
use serde_json::Value;

/// What a submission became.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The transaction Bundle; without entries when the submission says nothing about safeguarding.
    pub bundle: Value,
    /// What was found on the way, with places in the source.
    pub issues: Vec<Issue>,
    /// The account of every value.
    pub ledger: Ledger,
    /// What identifies the message (sender and MSH-10, `Bundle.identifier`, the contract's id), if it has that.
    pub message_id: Option<String>,
    /// The key of the patient: `nhs:<number>` or `local:<system>|<value>`. Never logged.
    pub patient_key: Option<String>,
    /// What it means for facts that are held already.
    pub consequences: Vec<Consequence>,
}

impl Converted {
    /// Whether the submission must not be used: its identity is unsound, a safeguarding-critical value was lost, or
    /// it contradicts itself. The issues say why.
    pub fn refused(&self) -> bool {
        self.issues.iter().any(|i| i.severity.refuses())
    }
}

/// Converts one submission that holds one record (one patient's message).
///
/// The error is input that cannot be read as the mapping's format, or holds several records; it names the place. What
/// can be read but not used is a [`Converted`] that is [`refused`](Converted::refused).
pub fn convert(
    payload: &[u8],
    source: &Source,
    mapping: &Mapping,
    context: &Context,
) -> Result<Converted, Unreadable> {
    let (mut first, mut records) = (None, 0);
    convert_each(payload, source, mapping, context, &mut |one| {
        records += 1;
        if first.is_none() {
            first = Some(one);
        }
    })?;
    match first {
        Some(one) if records == 1 => one,
        _ => Err(Unreadable::ManyRecords { records }),
    }
}

/// Converts every record of a payload: the messages of an HL7 v2 batch, the rows of a CSV file, what `records` names in
/// JSON and XML. Each record stands for itself: one that cannot be read or is refused does not touch the others.
///
/// The error is a payload that cannot be read at all.
pub fn convert_each(
    payload: &[u8],
    source: &Source,
    mapping: &Mapping,
    context: &Context,
    each: &mut dyn FnMut(Result<Converted, Unreadable>),
) -> Result<(), Unreadable> {
    let limits = &context.limits;
    if payload.len() > limits.bytes {
        return Err(Unreadable::TooLarge { limit: limits.bytes });
    }
    match mapping.format {
        Format::Hl7v2 => batch(payload, source, mapping, context, each),
        Format::Json => {
            let value = parse_json(payload, limits)?;
            let tree = json::tree(&value, limits)?;
            let broken = mapping.schema.as_ref().map(|s| contract(s, &value)).unwrap_or_default();
            if broken.is_empty() {
                records(&tree, source, mapping, context, each);
            } else {
                each(Ok(refuse(&tree, source, mapping, context, broken)));
            }
            Ok(())
        }
        Format::Fhir => {
            each(fhir_input::convert(parse_json(payload, limits)?, source, mapping, context));
            Ok(())
        }
        Format::Xml => {
            let text = crate::fhir::xml::text(payload)
                .map_err(|e| Unreadable::Xml { line: e.line, column: e.column })?;
            let document = xml::parse(&text, limits)?;
            records(&xml::tree(&document, limits)?, source, mapping, context, each);
            Ok(())
        }
        Format::Csv => convert_rows(payload, source, mapping, context, each),
        Format::Flat => {
            let value = parse_json(payload, limits)?;
            records(&flat::tree(&value, limits)?, source, mapping, context, each);
            Ok(())
        }
    }
}

/// Converts the rows of a CSV file one by one, in the memory of one row whatever the file's size.
///
/// The error is a header that cannot be read.
pub fn convert_rows(
    input: impl std::io::Read,
    source: &Source,
    mapping: &Mapping,
    context: &Context,
    each: &mut dyn FnMut(Result<Converted, Unreadable>),
) -> Result<(), Unreadable> {
    let mut rows = csv::Rows::open(input, &context.limits)?;
    while let Some(row) = rows.next(|tree, row| apply(tree, row, source, mapping, context)) {
        each(row);
    }
    Ok(())
}

fn batch(
    payload: &[u8],
    source: &Source,
    mapping: &Mapping,
    context: &Context,
    each: &mut dyn FnMut(Result<Converted, Unreadable>),
) -> Result<(), Unreadable> {
    let text = charset::decode(payload)?;
    let (messages, envelope) = er7::messages(&text);
    if envelope.is_empty() && messages.len() <= 1 {
        each(
            er7::read(&text, &context.limits).map(|tree| apply(&tree, tree::ROOT, source, mapping, context)),
        );
        return Ok(());
    }
    let frame = envelope.join("\r");
    let mut frame = Some(er7::read(&frame, &context.limits)).filter(|_| !envelope.is_empty()).transpose()?;
    for message in messages {
        let converted = er7::read(message, &context.limits).map(|tree| {
            let mut one = apply(&tree, tree::ROOT, source, mapping, context);
            if let Some(frame) = frame.take() {
                one.ledger.append(Ledger::envelope(&frame));
            }
            one
        });
        each(converted);
    }
    Ok(())
}

/// Converts each record of a tree; what stands outside of them is accounted for with the first.
fn records(
    tree: &tree::Tree<'_>,
    source: &Source,
    mapping: &Mapping,
    context: &Context,
    each: &mut dyn FnMut(Result<Converted, Unreadable>),
) {
    let Some(path) = &mapping.records else {
        each(Ok(apply(tree, tree::ROOT, source, mapping, context)));
        return;
    };
    let found = split::records(tree, path);
    let envelope = tree.without(&found);
    let mut frame = Some(Ledger::envelope(&envelope));
    for id in &found {
        let (part, root) = tree.extract(*id);
        let mut one = apply(&part, root, source, mapping, context);
        if let Some(frame) = frame.take() {
            one.ledger.append(frame);
        }
        each(Ok(one));
    }
    if found.is_empty() {
        each(Ok(apply(tree, tree::ROOT, source, mapping, context)));
    }
}

fn parse_json(payload: &[u8], limits: &Limits) -> Result<Value, Unreadable> {
    let json_limits = fhir_json::Limits { bytes: limits.bytes, ..fhir_json::Limits::default() };
    Ok(fhir_json::parse(payload, &json_limits)?)
}

/// What breaks the contract of a JSON payload: the places and the rules, never the values.
fn contract(schema: &jsonschema::Validator, value: &Value) -> Vec<Issue> {
    schema
        .iter_errors(value)
        .take(50)
        .map(|e| {
            let rule = e.schema_path().to_string().rsplit('/').next().unwrap_or_default().to_owned();
            let text = e.masked_with("the value").to_string();
            Issue::error("structure", format!("contract-{rule}"), e.instance_path().to_string(), text)
        })
        .collect()
}

/// Applies a mapping to what was read.
fn apply(
    tree: &tree::Tree<'_>,
    scope: tree::NodeId,
    source: &Source,
    mapping: &Mapping,
    context: &Context,
) -> Converted {
    let mut engine = Engine::new(mapping, tree, source, context);
    engine.scope = scope;
    let ignored = mapping.ignores.iter().any(|c| engine.test(c, scope));
    let refused = mapping.accepts.iter().position(|c| !engine.test(c, scope)).filter(|_| !ignored);
    if let Some(index) = refused {
        let (place, wanted) = match mapping.accepts.get(index) {
            Some(model::Condition::Holds(path, _)) => (path.text.clone(), "has a value that"),
            _ => (String::new(), "is a payload that"),
        };
        let text = format!("`{place}` {wanted} the mapping `{}` does not accept", mapping.id);
        engine.issues.push(Issue::error("not-supported", "not-accepted", place, text));
    } else if !ignored {
        engine.run();
    }
    if ignored || refused.is_some() {
        engine.drops();
    }
    close(engine)
}

fn refuse(
    tree: &tree::Tree<'_>,
    source: &Source,
    mapping: &Mapping,
    context: &Context,
    issues: Vec<Issue>,
) -> Converted {
    let mut engine = Engine::new(mapping, tree, source, context);
    engine.issues = issues;
    close(engine)
}

fn close(engine: Engine<'_, '_>) -> Converted {
    let Engine {
        mapping, tree, source, context, mut marks, issues, made, patient, scope, consequences, ..
    } = engine;
    let any_fact = made.iter().flatten().any(|m| m.fact);
    if !any_fact {
        marks.retract(|_| false);
    }
    let record = if scope == tree::ROOT { String::new() } else { tree.place(scope) };
    let message_id = message_id(mapping, tree, scope);
    let patient_key = patient
        .and_then(|p| made.get(p))
        .and_then(Option::as_ref)
        .and_then(|m| identity::patient_key(&m.resource));
    let references = made.iter().map(|m| m.as_ref().map_or_else(String::new, Made::reference));
    let references = references.chain(consequences.iter().map(Consequence::reference)).collect();
    let mut ledger = Ledger::close(tree, marks, mapping.otherwise, references);
    ledger.source.clone_from(&source.id);
    ledger.mapping = format!("{}|{}", mapping.id, mapping.version);
    let origin = bundle::Origin {
        message_id: message_id.as_deref(),
        record: &record,
        mapping: &mapping.id,
        version: &mapping.version,
    };
    let made: Vec<Made> = if any_fact { made.into_iter().flatten().collect() } else { Vec::new() };
    let bundle = bundle::assemble(source, context, &origin, made);
    let patient_key = patient_key.filter(|_| any_fact);
    let mut converted =
        Converted { bundle, issues: Vec::new(), ledger, message_id, patient_key, consequences };
    let mut issues = issues;
    converted.place(&mut issues);
    converted.issues = issues;
    converted
}

/// The values that identify a message, joined; `None` when the last and decisive one is missing.
fn message_id(mapping: &Mapping, tree: &tree::Tree<'_>, scope: tree::NodeId) -> Option<String> {
    let (last, senders) = mapping.message_id.split_last()?;
    let (_, decisive) = last.value(tree, scope)?;
    let mut id = String::new();
    for path in senders {
        id.push_str(path.value(tree, scope).map_or("", |(_, text)| text));
        id.push('|');
    }
    id.push_str(decisive);
    Some(id)
}
