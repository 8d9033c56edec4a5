//! One file, from its pick-up to its end.

use super::Desk;
use super::inbox::{End, Inbox, Taken};
use super::journal::Journal;
use crate::convert::split::{Record, split};
use crate::convert::{Format, Limits};
use crate::exchange::{Payload, Refusal, Registered, Submitted, media_types};
use crate::fhir::{Issue, instant, outcome};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

/// The first and the longest wait before a record is tried again that the store could not take.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How often a record is tried at which the gateway itself fails.
const TRIES: u32 = 5;

/// Why a file was left where it is.
enum Left {
    /// The gateway stops; the file is gone on with at the next start.
    Stopping,
    /// Its result cannot be written, so what becomes of its records could not be told.
    NoResult(io::Error),
}

/// Takes a picked-up file in, from where its result ends, and puts both away.
pub(super) fn take_in(desk: &Desk, inbox: &Inbox, taken: &Taken) {
    let span = tracing::info_span!("folder", source = %desk.source, pickup = %taken.pickup);
    let _inside = span.enter();
    match through(desk, taken) {
        Ok(end) => match inbox.put_away(taken, end) {
            Ok(()) => {
                let outcome = if end == End::Done { "done" } else { "failed" };
                metrics::counter!("sgw_folder_files_total", "outcome" => outcome).increment(1);
                tracing::info!(outcome, "a file was taken in");
            }
            Err(error) => tracing::error!(error = %error, "a file cannot be put away"),
        },
        Err(Left::Stopping) => tracing::info!("a file is left for the next start"),
        Err(Left::NoResult(error)) => {
            tracing::error!(error = %error, "the result of a file cannot be written; it is left for the next start");
        }
    }
}

/// A reader that takes the digest of what it reads.
struct Hashing<'h> {
    file: File,
    hash: &'h mut Sha256,
    bytes: &'h mut u64,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        *self.bytes += u64::try_from(length).unwrap_or(u64::MAX);
        Ok(length)
    }
}

/// The file as a whole: what it said, and why it could not be read to its end.
struct Whole {
    sha256: String,
    bytes: u64,
    envelope: Option<Value>,
    broken: Option<Issue>,
}

fn through(desk: &Desk, taken: &Taken) -> Result<End, Left> {
    let begun = Timestamp::now();
    let mut journal = Journal::open(&taken.result()).map_err(Left::NoResult)?;
    let Some(registered) = desk.exchange.registered(&desk.source) else { return Err(Left::Stopping) };
    if !journal.ended() {
        let whole = read(desk, taken, &registered, &mut journal)?;
        end(desk, taken, &registered, &mut journal, &whole, begun)?;
    }
    let end = if journal.totals().all_taken() && !journal.broken() { End::Done } else { End::Failed };
    Ok(end)
}

fn read(
    desk: &Desk,
    taken: &Taken,
    registered: &Arc<Registered>,
    journal: &mut Journal,
) -> Result<Whole, Left> {
    let mut whole = Whole { sha256: String::new(), bytes: 0, envelope: None, broken: None };
    let refused = |rule: &'static str, text: String| Some(Issue::error("processing", rule, "", text));
    let file = File::open(&taken.path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = match file {
        Ok(opened) => opened,
        Err(error) => {
            whole.broken = refused("not-readable", format!("the file cannot be read: {}", error.kind()));
            return Ok(whole);
        }
    };
    let most = desk.settings.max_file_bytes;
    if length > most {
        whole.broken = refused("too-large", format!("the file is larger than {most} bytes"));
        return Ok(whole);
    }
    let limits = Limits { bytes: desk.settings.max_document_bytes, values: 20_000_000, ..Limits::default() };
    let known = journal.totals().records;
    let mut hash = Sha256::new();
    let mut left = None;
    let reader = Hashing { file, hash: &mut hash, bytes: &mut whole.bytes };
    let reading = split(reader, &registered.mapping, &limits, &mut |record| {
        if record.number <= known {
            return true;
        }
        let line = submit(desk, taken, registered.mapping.format, &record);
        match line.and_then(|line| journal.record(&line).map_err(Left::NoResult)) {
            Ok(()) => true,
            Err(why) => {
                left = Some(why);
                false
            }
        }
    });
    if let Some(left) = left {
        return Err(left);
    }
    whole.sha256 = hex::encode(hash.finalize());
    match reading {
        Ok(envelope) => {
            let values = envelope.map(|ledger| ledger.summary().values);
            whole.envelope = values.map(|values| json!({"values": values, "dropped": values}));
            if journal.totals().records == 0 {
                whole.broken = refused("empty", "the file holds no record".to_owned());
            }
        }
        Err(unreadable) => whole.broken = Some(unreadable.issue()),
    }
    Ok(whole)
}

/// Submits a record until its fate is known; the line that tells it.
fn submit(desk: &Desk, taken: &Taken, format: Format, record: &Record) -> Result<Value, Left> {
    let mut line = json!({"record": record.number});
    if !record.at.is_empty() {
        put(&mut line, "at", record.at.as_str().into());
    }
    let mut wait = WAITS.0;
    let mut tries = 0;
    let result = loop {
        if desk.shutdown.is_cancelled() {
            return Err(Left::Stopping);
        }
        let payload = Payload {
            bytes: record.payload.clone().into(),
            media_type: media_types(format).first().copied().unwrap_or_default().to_owned(),
            key: Some(format!("{}/{}", taken.pickup, record.number)),
            request_id: uuid::Uuid::now_v7().to_string(),
        };
        let submitting = desk.exchange.submit(&desk.caller, &desk.source, payload, Timestamp::now());
        match desk.runtime.block_on(submitting) {
            Err(Refusal::Unavailable(_) | Refusal::Contention) => {}
            Err(Refusal::Internal { .. }) if tries < TRIES => tries += 1,
            result => break result,
        }
        desk.pause(wait);
        wait = WAITS.1.min(wait * 2);
    };
    match result {
        Ok(submitted) => {
            let outcome = if submitted.repeated { "repeated" } else { "accepted" };
            put(&mut line, "outcome", outcome.into());
            put(&mut line, "made", made(&submitted));
        }
        Err(Refusal::Quarantined { issues, quarantine }) => {
            put(&mut line, "outcome", "quarantined".into());
            put(&mut line, "quarantine", quarantine.into());
            put(&mut line, "issues", outcome(&placed(issues, record)));
        }
        Err(Refusal::Unreadable { issues } | Refusal::Invalid { issues }) => {
            put(&mut line, "outcome", "refused".into());
            put(&mut line, "issues", outcome(&placed(issues, record)));
        }
        Err(refusal) => {
            put(&mut line, "outcome", "refused".into());
            let issue = Issue::error("processing", refusal.code(), record.at.clone(), refusal.to_string());
            put(&mut line, "issues", outcome(&[issue]));
        }
    }
    Ok(line)
}

fn put(line: &mut Value, name: &str, value: Value) {
    if let Some(members) = line.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// The resource versions that a submission made.
fn made(submitted: &Submitted) -> Value {
    let body: Value = serde_json::from_str(&submitted.body).unwrap_or_default();
    let entries = body.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| entry.pointer("/response/location").cloned()).collect()
}

/// The findings with their places in the file instead of those in the record's own payload.
fn placed(mut issues: Vec<Issue>, record: &Record) -> Vec<Issue> {
    for issue in &mut issues {
        let rest = issue.expression.strip_prefix(&record.own).filter(|_| !record.own.is_empty());
        if let Some(rest) = rest.filter(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())) {
            issue.expression = format!("{}{rest}", record.at);
        }
        if let Some(rest) = issue.text.strip_prefix("row 2: ").filter(|_| record.own == "row 2") {
            issue.text = format!("{}: {rest}", record.at);
        }
    }
    issues
}

/// Records the end of a file and writes the last line of its result.
fn end(
    desk: &Desk,
    taken: &Taken,
    registered: &Registered,
    journal: &mut Journal,
    whole: &Whole,
    begun: Timestamp,
) -> Result<(), Left> {
    let totals = journal.totals();
    let now = Timestamp::now();
    let mut total = json!({
        "file": taken.name,
        "pickup": taken.pickup.to_string(),
        "source": desk.source,
        "mapping": format!("{}|{}", registered.mapping.id, registered.mapping.version),
        "sha256": whole.sha256,
        "bytes": whole.bytes,
        "begun": instant(begun),
        "ended": instant(now),
    });
    if let (Value::Object(total), Value::Object(counts)) = (&mut total, totals.to_json()) {
        total.extend(counts);
    }
    if let Some(envelope) = &whole.envelope {
        put(&mut total, "envelope", envelope.clone());
    }
    // A file's name may name a patient, so the log has the pick-up and the digest.
    let pickup = taken.pickup.to_string();
    let numbers = [
        totals.records.to_string(),
        (totals.accepted + totals.repeated).to_string(),
        totals.quarantined.to_string(),
        totals.refused.to_string(),
    ];
    let [records, taken_in, quarantined, refused] = &numbers;
    let mut details = vec![
        ("source", desk.source.as_str()),
        ("pickup", &pickup),
        ("sha256", &whole.sha256),
        ("records", records),
        ("taken", taken_in),
        ("quarantined", quarantined),
        ("refused", refused),
    ];
    if let Some(issue) = &whole.broken {
        put(&mut total, "issues", outcome(std::slice::from_ref(issue)));
        details.push(("rule", &issue.rule));
    }
    let mut wait = WAITS.0;
    loop {
        let operation = if whole.broken.is_some() { "file-refused" } else { "file-taken" };
        let recording = desk.exchange.record_administration(&desk.caller, operation, &details, now);
        match desk.runtime.block_on(recording) {
            Ok(()) => break,
            Err(_) if desk.shutdown.is_cancelled() => return Err(Left::Stopping),
            Err(error) => tracing::error!(error = %error, "the record of a file cannot be written yet"),
        }
        desk.pause(wait);
        wait = WAITS.1.min(wait * 2);
    }
    journal.end(&total, whole.broken.is_some()).map_err(Left::NoResult)
}
