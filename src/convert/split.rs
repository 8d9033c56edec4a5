//! Files that hold many records, cut into payloads that hold one record each: every one can be converted, kept in
//! quarantine, corrected and sent again for itself.

use super::er7;
use super::ledger::Ledger;
use super::model::{Format, Mapping};
use super::path::Path;
use super::tree::{NodeId, ROOT, Tree};
use super::{Limits, Unreadable, json, parse_json, xml};
use crate::document::unescaped;
use csv::{ByteRecord, ReaderBuilder, Writer};
use roxmltree::Document;
use serde_json::Value;
use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;

/// One record of a file, as a payload of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The payload, in the format of the file.
    pub payload: Vec<u8>,
    /// Which record of the file it is, from 1.
    pub number: u64,
    /// Where it stands in the file: `row 7`, `message 3`, `/alerts/2`; empty when the file is the record.
    pub at: String,
    /// Where it stands in its own payload, so that places in that can be told as places in the file.
    pub own: String,
}

/// Cuts a file into records and gives each to `each` until that answers `false`.
///
/// CSV is read as a stream: each payload is the header and one row. An HL7 v2 batch gives its messages, JSON and XML what
/// the mapping's `records` names, each within its surroundings; a file of JSON objects one a line gives its lines.
/// Anything else is one record. The answer is the account of what surrounds the messages of a batch, if anything does.
///
/// The error is a file that cannot be cut; a record that cannot be read is found when it is converted.
pub fn split(
    mut file: impl Read,
    mapping: &Mapping,
    limits: &Limits,
    each: &mut dyn FnMut(Record) -> bool,
) -> Result<Option<Ledger>, Unreadable> {
    if mapping.format == Format::Csv {
        return rows(file, each).map(|()| None);
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limits.bytes).unwrap_or(u64::MAX).saturating_add(1);
    file.by_ref().take(most).read_to_end(&mut bytes).map_err(|_| Unreadable::NotReadable)?;
    if bytes.len() > limits.bytes {
        return Err(Unreadable::TooLarge { limit: limits.bytes });
    }
    match (mapping.format, &mapping.records) {
        (Format::Hl7v2, _) => return batch(&bytes, limits, each),
        (Format::Json | Format::Fhir | Format::Flat, _) if is_lines(&bytes) => lines(&bytes, each),
        (Format::Json, Some(path)) => parts_of_json(&bytes, path, limits, each)?,
        (Format::Xml, Some(path)) => parts_of_xml(&bytes, path, limits, each)?,
        _ => {
            each(Record { payload: bytes, number: 1, at: String::new(), own: String::new() });
        }
    }
    Ok(None)
}

fn rows(file: impl Read, each: &mut dyn FnMut(Record) -> bool) -> Result<(), Unreadable> {
    let broken = |row| move |_| Unreadable::Csv { row, reason: "it is not CSV" };
    // A row with too few or too many cells is that row's fault: it is found when the row is converted.
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut header = ByteRecord::new();
    if !reader.read_byte_record(&mut header).map_err(broken(1))? {
        return Err(Unreadable::Csv { row: 1, reason: "there is no header" });
    }
    let mut row = ByteRecord::new();
    let mut number = 0;
    while reader.read_byte_record(&mut row).map_err(broken(number + 2))? {
        number += 1;
        let mut writer = Writer::from_writer(Vec::with_capacity(512));
        let written = writer.write_byte_record(&header).and_then(|()| {
            // Without this a row of another length could not be written as it came.
            let mut flexible = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            flexible.write_byte_record(&row)?;
            flexible.into_inner().map_err(|error| csv::Error::from(error.into_error()))
        });
        let head = writer.into_inner().map_err(|_| Unreadable::NotReadable)?;
        let payload = [head, written.map_err(broken(number + 1))?].concat();
        let at = format!("row {}", number + 1);
        if !each(Record { payload, number, at, own: "row 2".to_owned() }) {
            break;
        }
    }
    Ok(())
}

/// The messages of an HL7 v2 file, in their own bytes: each declares its own character set.
fn batch(
    bytes: &[u8],
    limits: &Limits,
    each: &mut dyn FnMut(Record) -> bool,
) -> Result<Option<Ledger>, Unreadable> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let (mut messages, mut frame): (Vec<Range<usize>>, Vec<u8>) = (Vec::new(), Vec::new());
    let (mut start, mut at): (Option<usize>, usize) = (None, 0);
    // Some systems leave the bytes around an MLLP frame in their files.
    for line in bytes.split(|byte| matches!(byte, b'\r' | b'\n' | 0x0B | 0x1C)) {
        let outer = [b"FHS", b"BHS", b"BTS", b"FTS"].iter().any(|name| line.starts_with(*name));
        if outer || line.starts_with(b"MSH") {
            messages.extend(start.take().map(|from| from..at));
            if outer {
                frame.extend_from_slice(line);
                frame.push(b'\r');
            } else {
                start = Some(at);
            }
        } else if start.is_none() && !line.trim_ascii().is_empty() {
            start = Some(at);
        }
        at += line.len() + 1;
    }
    messages.extend(start.map(|from| from..bytes.len()));
    let alone = messages.len() == 1 && frame.is_empty();
    for (number, range) in (1..).zip(messages) {
        let message = bytes.get(range).unwrap_or_default();
        let end = message.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | 0x0B | 0x1C));
        let mut payload = message.get(..end.map_or(0, |end| end + 1)).unwrap_or_default().to_vec();
        payload.push(b'\r');
        let at = if alone { String::new() } else { format!("message {number}") };
        if !each(Record { payload, number, at, own: String::new() }) {
            break;
        }
    }
    if frame.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&frame);
    er7::read(&text, limits).map(|tree| Some(Ledger::envelope(&tree)))
}

/// Whether these are JSON objects, one a line.
fn is_lines(bytes: &[u8]) -> bool {
    let mut count = 0;
    let mut lines =
        bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines.all(|line| {
        count += 1;
        line.starts_with(b"{") && line.ends_with(b"}")
    }) && count > 1
}

fn lines(bytes: &[u8], each: &mut dyn FnMut(Record) -> bool) {
    let mut number = 0;
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        number += 1;
        let payload = text.trim_ascii().to_vec();
        if !each(Record { payload, number, at: format!("line {line}"), own: String::new() }) {
            break;
        }
    }
}

/// The records of a tree, the outer ones only, in the order of the source.
pub(super) fn records(tree: &Tree<'_>, path: &Path) -> Vec<NodeId> {
    let mut found = Vec::new();
    path.visit(tree, ROOT, &mut |id| {
        found.push(id);
        true
    });
    found.sort_unstable();
    let mut outer: Vec<NodeId> = Vec::new();
    for id in found {
        if outer.last().is_none_or(|last| !tree.is_within(id, *last)) {
            outer.push(id);
        }
    }
    outer
}

fn parts_of_json(
    bytes: &[u8],
    path: &Path,
    limits: &Limits,
    each: &mut dyn FnMut(Record) -> bool,
) -> Result<(), Unreadable> {
    let mut frame = parse_json(bytes, limits)?;
    let places: Vec<String> = {
        let tree = json::tree(&frame, limits)?;
        records(&tree, path).into_iter().map(|id| tree.place(id)).collect()
    };
    let mut taken = Vec::with_capacity(places.len());
    // From the last to the first, so that the indices before stay what they were.
    for place in places.iter().rev() {
        if let Some((parent, last)) = place.rsplit_once('/') {
            taken.push((parent.to_owned(), last.to_owned(), take(&mut frame, parent, last)));
        }
    }
    if taken.is_empty() || taken.iter().any(|(_, _, part)| part.is_none()) {
        each(Record { payload: bytes.to_vec(), number: 1, at: String::new(), own: String::new() });
        return Ok(());
    }
    for ((number, (parent, last, part)), at) in (1..).zip(taken.into_iter().rev()).zip(places) {
        let mut whole = frame.clone();
        let mut own = at.clone();
        match (whole.pointer_mut(&parent), part) {
            (Some(Value::Array(items)), Some(part)) => {
                own = format!("{parent}/0");
                items.insert(0, part);
            }
            (Some(Value::Object(members)), Some(part)) => {
                members.insert(unescaped(&last), part);
            }
            _ => {}
        }
        if !each(Record { payload: whole.to_string().into_bytes(), number, at, own }) {
            break;
        }
    }
    Ok(())
}

fn take(value: &mut Value, parent: &str, last: &str) -> Option<Value> {
    match value.pointer_mut(parent)? {
        Value::Array(items) => {
            let index = last.parse().ok().filter(|index| *index < items.len())?;
            Some(items.remove(index))
        }
        Value::Object(members) => members.shift_remove(&unescaped(last)),
        _ => None,
    }
}

fn parts_of_xml(
    bytes: &[u8],
    path: &Path,
    limits: &Limits,
    each: &mut dyn FnMut(Record) -> bool,
) -> Result<(), Unreadable> {
    let decoded =
        crate::fhir::xml::text(bytes).map_err(|e| Unreadable::Xml { line: e.line, column: e.column })?;
    let document = xml::parse(&decoded, limits)?;
    let tree = xml::tree(&document, limits)?;
    let found = records(&tree, path);
    if found.len() < 2 {
        each(Record { payload: bytes.to_vec(), number: 1, at: String::new(), own: String::new() });
        return Ok(());
    }
    let ranges = ranges(&document, &tree, &found);
    // What surrounds the records; space between them is not worth repeating.
    let mut around: Vec<&str> = Vec::with_capacity(ranges.len() + 1);
    let mut from = declaration(&decoded);
    for range in &ranges {
        around.push(decoded.get(from..range.start).unwrap_or_default());
        from = range.end;
    }
    let end = decoded.get(from..).unwrap_or_default();
    for (index, (id, range)) in found.iter().zip(&ranges).enumerate() {
        let record = decoded.get(range.clone()).unwrap_or_default();
        let (before, after) = around.split_at(index + 1);
        let kept =
            |parts: &[&str]| parts.iter().filter(|p| !p.trim().is_empty()).copied().collect::<String>();
        let payload = [kept(before).as_str(), record, &kept(after), end].concat().into_bytes();
        let at = tree.place(*id);
        let own = match at.rfind('[').filter(|_| at.ends_with(']')) {
            Some(open) => at.get(..open).unwrap_or_default().to_owned(),
            None => at.clone(),
        };
        let number = u64::try_from(index + 1).unwrap_or(u64::MAX);
        if !each(Record { payload, number, at, own }) {
            break;
        }
    }
    Ok(())
}

/// Where each record stands in the text.
fn ranges(document: &Document<'_>, tree: &Tree<'_>, found: &[NodeId]) -> Vec<Range<usize>> {
    let ends: HashMap<usize, usize> = document
        .descendants()
        .filter(roxmltree::Node::is_element)
        .map(|node| (node.range().start, node.range().end))
        .collect();
    let start = |id: &NodeId| tree.node(*id).map_or(0, |node| node.offset as usize);
    found.iter().map(start).map(|start| start..ends.get(&start).copied().unwrap_or(start)).collect()
}

/// Where the text goes on behind the XML declaration, whose encoding is that of the bytes as they came.
fn declaration(text: &str) -> usize {
    if text.starts_with("<?xml ") { text.find("?>").map_or(0, |end| end + 2) } else { 0 }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
