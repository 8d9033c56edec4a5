//! Reading, validating on several threads, and reporting in the order of the input, in bounded memory.

use super::inputs::Input;
use crate::validate::formats::{Format, Item, Reporter, Totals, ndjson_line};
use crate::validate::{Report, Validator};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How a run goes.
pub(super) struct Plan<'p> {
    pub validator: &'p Validator,
    pub profiles: &'p [&'p str],
    pub format: Format,
    pub jobs: usize,
    pub colour: bool,
    pub several: bool,
}

/// The most bytes of lines that go to a worker at once.
const BATCH: usize = 256 * 1024;

/// Resources that are validated together.
struct Batch {
    number: u64,
    input: Arc<str>,
    content: Content,
}

enum Content {
    /// One resource.
    Whole(Vec<u8>),
    /// Lines, the number of the first, and where each ends.
    Lines(Vec<u8>, u64, Vec<usize>),
}

/// The way to the workers.
struct Sender {
    to_workers: SyncSender<Batch>,
    tickets: SyncSender<()>,
}

/// What a worker made of a batch.
struct Done {
    number: u64,
    input: Arc<str>,
    reports: Vec<(Option<u64>, Report)>,
    source: Option<String>,
    lines: Vec<u8>,
    totals: Totals,
}

/// Validates the inputs and writes the report; answers the totals. Fails when an input or the report cannot be read
/// or written.
pub(super) fn run(plan: &Plan<'_>, inputs: &[Input], out: impl Write) -> Result<Totals, String> {
    let (to_workers, work) = sync_channel::<Batch>(plan.jobs * 2);
    let work = Mutex::new(work);
    let (to_us, results) = sync_channel::<Done>(plan.jobs * 2);
    // A ticket for each batch between reading and writing, so that memory stays bounded.
    let (tickets, returned) = sync_channel::<()>(plan.jobs * 8);
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs {
            let (work, to_us) = (&work, to_us.clone());
            scope.spawn(move || labour(plan, work, &to_us));
        }
        drop(to_us);
        let reader = scope.spawn(move || read(inputs, &Sender { to_workers, tickets }));
        let written = report(plan, &results, &returned, out);
        drop(returned);
        if written.is_err() {
            // Nobody reads what is still on its way; let it run out.
            for _ in &results {}
        }
        let read = reader.join().map_err(|_| "the reader ended unexpectedly".to_owned())?;
        read?;
        written.map_err(|error| format!("cannot write the report: {error}"))
    })
}

fn read(inputs: &[Input], to_workers: &Sender) -> Result<(), String> {
    let mut number = 0;
    for input in inputs {
        match input {
            Input::Standard => standard(to_workers, &mut number)
                .map_err(|error| format!("cannot read the standard input: {error}"))?,
            Input::Resource { name, path } => {
                let content =
                    std::fs::read(path).map_err(|error| format!("cannot read `{name}`: {error}"))?;
                send(to_workers, &mut number, &Arc::from(name.as_str()), Content::Whole(content));
            }
            Input::Lines { name, path } => {
                let about = |error: io::Error| format!("cannot read `{name}`: {error}");
                let file = std::fs::File::open(path).map_err(about)?;
                lines(
                    BufReader::with_capacity(BATCH, file),
                    &Arc::from(name.as_str()),
                    to_workers,
                    &mut number,
                )
                .map_err(about)?;
            }
        }
    }
    Ok(())
}

/// The standard input: lines of resources when the first line is a whole JSON object and more follows.
fn standard(to_workers: &Sender, number: &mut u64) -> io::Result<()> {
    let mut input = BufReader::with_capacity(BATCH, io::stdin().lock());
    let name: Arc<str> = Arc::from("-");
    let mut first = Vec::new();
    input.read_until(b'\n', &mut first)?;
    let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&first).is_ok();
    let more = input.fill_buf()?.iter().any(|byte| !byte.is_ascii_whitespace());
    if whole && more && first.trim_ascii_start().starts_with(b"{") {
        return lines(io::Cursor::new(first).chain(input), &name, to_workers, number);
    }
    input.read_to_end(&mut first)?;
    send(to_workers, number, &name, Content::Whole(first));
    Ok(())
}

fn send(to_workers: &Sender, number: &mut u64, input: &Arc<str>, content: Content) {
    // A closed channel means that the report could not be written; that is told elsewhere.
    let _closed = to_workers.tickets.send(());
    let _closed = to_workers.to_workers.send(Batch { number: *number, input: Arc::clone(input), content });
    *number += 1;
}

fn lines(mut input: impl BufRead, name: &Arc<str>, to_workers: &Sender, number: &mut u64) -> io::Result<()> {
    let mut line = 1;
    loop {
        let (mut bytes, mut ends) = (Vec::with_capacity(BATCH + BATCH / 4), Vec::new());
        while bytes.len() < BATCH {
            if input.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            ends.push(bytes.len());
        }
        if ends.is_empty() {
            return Ok(());
        }
        let first = line;
        line += ends.len() as u64;
        send(to_workers, number, name, Content::Lines(bytes, first, ends));
    }
}

/// One worker.
fn labour(plan: &Plan<'_>, work: &Mutex<Receiver<Batch>>, to_us: &SyncSender<Done>) {
    loop {
        let batch = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return };
        if to_us.send(validate(plan, batch)).is_err() {
            return;
        }
    }
}

fn validate(plan: &Plan<'_>, batch: Batch) -> Done {
    let mut done = Done {
        number: batch.number,
        input: batch.input,
        reports: Vec::new(),
        source: None,
        lines: Vec::new(),
        totals: Totals::default(),
    };
    match batch.content {
        Content::Whole(bytes) => {
            let report = plan.validator.validate_bytes(&bytes, plan.profiles);
            if plan.format == Format::Text {
                done.source = String::from_utf8(bytes).ok();
            }
            keep(plan, &mut done, None, report);
        }
        Content::Lines(bytes, first, ends) => {
            let mut start = 0;
            for (end, number) in ends.into_iter().zip(first..) {
                let line = bytes.get(start..end).unwrap_or(&[]).trim_ascii();
                start = end;
                if !line.is_empty() {
                    let report = plan.validator.validate_bytes(line, plan.profiles);
                    keep(plan, &mut done, Some(number), report);
                }
            }
        }
    }
    done
}

/// Keeps a report for later, or writes its line at once.
fn keep(plan: &Plan<'_>, done: &mut Done, line: Option<u64>, report: Report) {
    if plan.format == Format::Ndjson {
        let item = Item { input: &done.input, line, report: &report, source: None };
        // Writing to memory does not fail.
        let _never = ndjson_line(&mut done.lines, &item);
        done.totals.add(&report);
    } else {
        done.reports.push((line, report));
    }
}

/// Writes the report in the order of the input.
fn report(
    plan: &Plan<'_>,
    results: &Receiver<Done>,
    returned: &Receiver<()>,
    out: impl Write,
) -> io::Result<Totals> {
    let mut reporter =
        Reporter::new(BufWriter::with_capacity(BATCH, out), plan.format, plan.several, plan.colour);
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    let mut progress = Progress::new();
    for done in results {
        waiting.insert(done.number, done);
        while let Some(done) = waiting.remove(&next) {
            next += 1;
            let _ticket = returned.try_recv();
            if plan.format == Format::Ndjson {
                reporter.lines(&done.lines, &done.totals)?;
            }
            for (line, report) in &done.reports {
                let source = done.source.as_deref();
                reporter.item(&Item { input: &done.input, line: *line, report, source })?;
            }
            progress.tell(reporter.totals());
        }
    }
    progress.end();
    reporter.end()
}

/// Progress on standard error, for long runs at a terminal.
struct Progress {
    last: Instant,
    shown: bool,
    terminal: bool,
}

impl Progress {
    fn new() -> Progress {
        Progress { last: Instant::now(), shown: false, terminal: io::stderr().is_terminal() }
    }

    fn tell(&mut self, totals: &Totals) {
        if self.terminal && self.last.elapsed() > Duration::from_secs(1) {
            self.last = Instant::now();
            self.shown = true;
            let mut stderr = io::stderr().lock();
            let _closed =
                write!(stderr, "\r{} resources, {} invalid", totals.valid + totals.invalid, totals.invalid);
        }
    }

    fn end(&self) {
        if self.shown {
            let mut stderr = io::stderr().lock();
            let _closed = writeln!(stderr);
        }
    }
}
