//! `sgw convert`: local formats to validated FHIR R4, with the account of every value.

use super::progress::{Counting, Progress};
use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain};
use crate::convert::shape::{Shape, in_bundle};
use crate::convert::{
    Context, Converted, Format, Mapping, Mappings, Source, Unreadable, convert_each, convert_rows,
};
use crate::fhir::{Issue, Severity, outcome};
use crate::validate::Validator;
use serde_json::Value;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Convert local formats to FHIR R4 and validate the result.
///
/// A file may hold many records (an HL7 v2 batch, the rows of a CSV file): each gives a Bundle of its own, and the
/// ledger has one line for each. Exit codes: 0 converted and valid; 1 refused, with an OperationOutcome on standard output; 2 could not run.
#[derive(clap::Args)]
pub struct Args {
    /// The mapping to use; without it the format is recognised from the content.
    #[arg(long, value_name = "ID")]
    mapping: Option<String>,
    /// A folder with further mapping files.
    #[arg(long, value_name = "FOLDER")]
    mappings: Option<PathBuf>,
    /// Write the ledger, the account of every value of the source, to this file.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Show the values themselves in the ledger.
    #[arg(long, requires = "ledger")]
    show_values: bool,
    /// How Bundles are written: `json`, indented, or `ndjson`, one a line.
    #[arg(long, value_name = "FORMAT", default_value = "json", value_parser = ["json", "ndjson"])]
    format: String,
    /// Put the Flags into a partner's shape: uk-core, patient-flag, cp-is-flag, cp-is-care-team, fgm-is, bars or
    /// interweave. One that cannot be said in it stays as it is, and standard error tells why.
    #[arg(long, value_name = "NAME", value_parser = shape_named)]
    shape: Option<Shape>,
    /// Tell on standard error how far a file has come, also when that is not a terminal.
    #[arg(long)]
    progress: bool,
    #[command(flatten)]
    sender: Sender,
    /// The files to convert.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn shape_named(name: &str) -> Result<Shape, String> {
    let names = Shape::ALL.map(|(known, _)| known).join(", ");
    Shape::named(name).ok_or_else(|| format!("the shapes are {names}"))
}

/// Who is taken to have sent the files.
#[derive(clap::Args)]
pub struct Sender {
    /// The id of the source; it is part of the ids of what is made.
    #[arg(long, value_name = "ID", default_value = "local")]
    source: String,
    /// The ODS code of the sending organisation.
    #[arg(long, value_name = "ODS", default_value = "RXX")]
    organisation: String,
    /// The name of the sending organisation.
    #[arg(long, value_name = "NAME", default_value = "Example organisation")]
    organisation_name: String,
    /// A lawful basis under which the source shares when a message names none; may be repeated.
    #[arg(long, value_name = "CODE")]
    lawful_basis: Vec<String>,
    /// The time at which the files are taken to have been received (default: now).
    #[arg(long, value_name = "INSTANT")]
    now: Option<jiff::Timestamp>,
}

impl Sender {
    /// The source for a mapping.
    pub(super) fn source(&self, mapping: &Mapping) -> Source {
        Source {
            id: self.source.clone(),
            organisation: self.organisation.clone(),
            name: self.organisation_name.clone(),
            format: mapping.format,
            mapping: mapping.id.clone(),
            lawful_basis: self.lawful_basis.clone(),
            tier: None,
        }
    }

    /// The context for a file.
    pub(super) fn context(&self, file: &Path) -> Context {
        let now = self.now.unwrap_or_else(jiff::Timestamp::now);
        Context::new(now, file.file_name().unwrap_or_default().to_string_lossy())
    }
}

/// The built-in mappings with those of a folder beside; the error has been told.
pub(super) fn mappings(folder: Option<&Path>) -> Option<Mappings> {
    match folder {
        None => Some(Mappings::builtin().clone()),
        Some(folder) => match Mappings::load(folder) {
            Ok(mappings) => Some(mappings),
            Err(error) => {
                complain(&error.to_string());
                None
            }
        },
    }
}

/// The mapping of an id, or the one for the content; the error has been told.
pub(super) fn choose<'m>(
    mappings: &'m Mappings,
    id: Option<&str>,
    payload: &[u8],
    file: &Path,
) -> Option<&'m Arc<Mapping>> {
    match id {
        Some(id) => {
            let found = mappings.get(id);
            if found.is_none() {
                let known: Vec<_> = mappings.all().iter().map(|m| m.id.clone()).collect();
                let nearest = known.iter().min_by_key(|k| strsim::damerau_levenshtein(k, id));
                let hint = nearest.map_or_else(String::new, |n| format!("; the nearest is `{n}`"));
                complain(&format!("there is no mapping `{id}`{hint}"));
            }
            found
        }
        None => {
            let found = mappings.recognise(payload);
            if found.is_none() {
                complain(&format!(
                    "`{}`: the format is not recognised; name a mapping with --mapping",
                    file.display()
                ));
            }
            found
        }
    }
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let Some(mappings) = mappings(args.mappings.as_deref()) else { return ExitCode::from(COULD_NOT_RUN) };
    let validator = Validator::builtin();
    let mut ledgers = match Ledgers::open(args.ledger.as_deref(), args.show_values) {
        Ok(ledgers) => ledgers,
        Err(text) => {
            complain(&text);
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    let mut refused = false;
    for file in &args.files {
        match one_file(file, &args, &mappings, &validator, &mut ledgers) {
            Some(all_well) => refused |= !all_well,
            None => return ExitCode::from(COULD_NOT_RUN),
        }
    }
    if let Err(error) = ledgers.close() {
        complain(&format!("the ledger cannot be written: {error}"));
        return ExitCode::from(COULD_NOT_RUN);
    }
    if refused { ExitCode::from(ANSWER_IS_NO) } else { ExitCode::SUCCESS }
}

/// How much of a file is read to recognise its format.
const HEAD: usize = 64 << 10;

/// A file to be converted: what has been read of it, and the rest. CSV is never read whole.
struct Input {
    head: Vec<u8>,
    rest: std::fs::File,
    length: u64,
}

impl Input {
    fn open(file: &Path) -> std::io::Result<Input> {
        let mut rest = std::fs::File::open(file)?;
        let length = rest.metadata()?.len();
        let mut head = Vec::with_capacity(HEAD);
        Read::by_ref(&mut rest).take(HEAD as u64).read_to_end(&mut head)?;
        Ok(Input { head, rest, length })
    }

    /// Whether its content cannot be CSV, so that it is read whole.
    fn is_document(&self) -> bool {
        let start = self.head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.head).trim_ascii_start();
        [&b"<"[..], b"{", b"[", b"MSH", b"FHS", b"BHS"].iter().any(|sign| start.starts_with(sign))
    }

    fn read_whole(&mut self) -> std::io::Result<()> {
        self.rest.read_to_end(&mut self.head).map(drop)
    }
}

/// Converts one file, record by record; whether all was well, or `None` when it could not run (the error was told).
fn one_file(
    file: &Path,
    args: &Args,
    mappings: &Mappings,
    validator: &Validator,
    ledgers: &mut Ledgers,
) -> Option<bool> {
    let unreadable =
        |error: std::io::Error| complain(&format!("`{}` cannot be read: {error}", file.display()));
    let mut input = Input::open(file).map_err(unreadable).ok()?;
    let named = args.mapping.as_deref().and_then(|id| mappings.get(id));
    let streamed = named.map_or(!input.is_document(), |mapping| mapping.format == Format::Csv);
    if !streamed {
        input.read_whole().map_err(unreadable).ok()?;
    }
    let mapping = choose(mappings, args.mapping.as_deref(), &input.head, file)?;
    let source = args.sender.source(mapping);
    let mut context = args.sender.context(file);
    // Files are the operator's own: the limits of a submission over the network are not theirs.
    context.limits.bytes = 256 << 20;
    context.limits.values = 20_000_000;
    let mut output = BufWriter::with_capacity(256 << 10, std::io::stdout().lock());
    let mut progress = Progress::new(file, input.length, args.progress);
    let read = progress.read.clone();
    if !streamed {
        read.store(input.length, std::sync::atomic::Ordering::Relaxed);
    }
    let (mut well, mut written) = (true, Ok(()));
    let mut each = |converted: Result<Converted, Unreadable>| {
        if let (Ok(converted), Ok(())) = (&converted, &written) {
            written = ledgers.add(converted);
        }
        let (answer, refused) = match answer(converted, validator) {
            Ok(mut bundle) => {
                for (flag, outcome) in
                    args.shape.into_iter().flat_map(|s| in_bundle(s, &mut bundle, validator))
                {
                    if let Err(error) = outcome {
                        complain(&format!("{flag}: {error}"));
                    }
                }
                (bundle, false)
            }
            Err(issues) => (outcome(&issues), true),
        };
        well &= !refused;
        // A closed pipe is not an error of ours.
        let _closed = writeln!(output, "{}", text(&answer, &args.format));
        progress.record(refused);
    };
    let done = if streamed {
        let whole = Counting { inner: input.head.as_slice().chain(input.rest), read };
        convert_rows(whole, &source, mapping, &context, &mut each)
    } else {
        convert_each(&input.head, &source, mapping, &context, &mut each)
    };
    if let Err(error) = done {
        well = false;
        let _closed = writeln!(output, "{}", text(&outcome(&[error.issue()]), &args.format));
    }
    let _closed = output.flush();
    progress.end();
    if let Err(error) = written {
        complain(&format!("the ledger cannot be written: {error}"));
        return None;
    }
    Some(well)
}

/// The file of ledgers: one as an object, several as one object a line, written as they come.
struct Ledgers {
    file: Option<BufWriter<std::fs::File>>,
    show_values: bool,
    first: Option<Value>,
    several: bool,
}

impl Ledgers {
    fn open(path: Option<&Path>, show_values: bool) -> Result<Ledgers, String> {
        let file = match path {
            Some(path) => Some(
                std::fs::File::create(path)
                    .map_err(|e| format!("`{}` cannot be written: {e}", path.display()))?,
            ),
            None => None,
        };
        Ok(Ledgers { file: file.map(BufWriter::new), show_values, first: None, several: false })
    }

    fn add(&mut self, converted: &Converted) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let ledger = converted.ledger.to_json(self.show_values);
        if !self.several && self.first.is_none() {
            self.first = Some(ledger);
            return Ok(());
        }
        if let Some(first) = self.first.take() {
            writeln!(file, "{first}")?;
        }
        self.several = true;
        writeln!(file, "{ledger}")
    }

    fn close(mut self) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Some(first) = &self.first {
            writeln!(file, "{}", text(first, "json"))?;
        }
        file.flush()
    }
}

/// The Bundle, if it may be used and is valid; else why not.
fn answer(converted: Result<Converted, Unreadable>, validator: &Validator) -> Result<Value, Vec<Issue>> {
    let converted = converted.map_err(|e| vec![e.issue()])?;
    for issue in converted.issues.iter().filter(|i| i.severity == Severity::Warning) {
        complain(&format!("{}: {}", issue.expression, issue.text));
    }
    if converted.refused() {
        return Err(converted.issues);
    }
    let report = validator.validate_value(&converted.bundle, &[]);
    if report.is_valid() {
        return Ok(converted.bundle);
    }
    let mut issues = report.issues;
    converted.place(&mut issues);
    Err(issues)
}

fn text(value: &Value, format: &str) -> String {
    if format == "ndjson" {
        return value.to_string();
    }
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}
