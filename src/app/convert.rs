//! `sgw convert`: local formats to validated FHIR R4, with the account of every value.

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say};
use crate::convert::{Context, Converted, Mapping, Mappings, Source, Unreadable, convert};
use crate::fhir::{Issue, Severity, outcome};
use crate::validate::Validator;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Convert local formats to FHIR R4 and validate the result.
///
/// Exit codes: 0 converted and valid; 1 refused, with an OperationOutcome on standard output; 2 could not run.
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
    #[command(flatten)]
    sender: Sender,
    /// The files to convert.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
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
    let mut ledgers: Vec<Value> = Vec::new();
    let mut refused = false;
    for file in &args.files {
        let payload = match std::fs::read(file) {
            Ok(payload) => payload,
            Err(error) => {
                complain(&format!("`{}` cannot be read: {error}", file.display()));
                return ExitCode::from(COULD_NOT_RUN);
            }
        };
        let Some(mapping) = choose(&mappings, args.mapping.as_deref(), &payload, file) else {
            return ExitCode::from(COULD_NOT_RUN);
        };
        let source = args.sender.source(mapping);
        let converted = convert(&payload, &source, mapping, &args.sender.context(file));
        if let Ok(converted) = &converted {
            ledgers.push(converted.ledger.to_json(args.show_values));
        }
        match answer(converted, &validator) {
            Ok(bundle) => say(&written(&bundle, &args.format)),
            Err(issues) => {
                refused = true;
                say(&written(&outcome(&issues), &args.format));
            }
        }
    }
    if let Some(path) = &args.ledger
        && let Err(error) = std::fs::write(path, ledger_text(ledgers))
    {
        complain(&format!("`{}` cannot be written: {error}", path.display()));
        return ExitCode::from(COULD_NOT_RUN);
    }
    if refused { ExitCode::from(ANSWER_IS_NO) } else { ExitCode::SUCCESS }
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
    if report.is_valid() { Ok(converted.bundle) } else { Err(report.issues) }
}

fn written(value: &Value, format: &str) -> String {
    if format == "ndjson" {
        return value.to_string();
    }
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

/// One ledger as an object, several as one object a line.
fn ledger_text(mut ledgers: Vec<Value>) -> String {
    if ledgers.len() == 1 {
        return ledgers.pop().map(|l| written(&l, "json") + "\n").unwrap_or_default();
    }
    ledgers.iter().map(|l| format!("{l}\n")).collect()
}
