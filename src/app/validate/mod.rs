//! `sgw validate`: resources against FHIR R4 and profiles, for testers and for continuous integration.

mod inputs;
mod run;
mod watch;

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain};
use crate::definitions::Definitions;
use crate::fhir::Severity;
use crate::validate::formats::Format;
use crate::validate::{Settings, Validator};
use clap::ValueEnum;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Validate resources against FHIR R4 and profiles.
///
/// Exit codes: 0 all valid, 1 some not (content that cannot be read is invalid), 2 could not run.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A profile every resource must meet, by its canonical; may be given several times
    #[arg(long = "profile", value_name = "URL")]
    profiles: Vec<String>,
    /// Definitions to use: a file, a folder, a Bundle, or a FHIR package (.tgz); may be given several times
    #[arg(long, value_name = "PATH")]
    definitions: Vec<PathBuf>,
    /// Allow extensions whose definition is not known when their URL begins so, or `any`
    #[arg(long = "allow-extensions", value_name = "PREFIX|any")]
    allow_extensions: Vec<String>,
    /// The form of the report
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    /// Write the report to a file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many resources to validate at once; by default one for each processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Validate again whenever an input changes
    #[arg(long)]
    watch: bool,
    /// Let messages hold the values found, which may be a patient's
    #[arg(long)]
    show_values: bool,
    /// What makes the answer a no
    #[arg(long = "fail-on", value_enum, default_value_t = FailOn::Error)]
    fail_on: FailOn,
    /// Files (.json, .xml, .ndjson), folders, or `-` for the standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
    Ndjson,
    Junit,
    Sarif,
    Html,
}

impl Form {
    fn format(self) -> Format {
        match self {
            Form::Text => Format::Text,
            Form::Json => Format::Json,
            Form::Ndjson => Format::Ndjson,
            Form::Junit => Format::Junit,
            Form::Sarif => Format::Sarif,
            Form::Html => Format::Html,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warning,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let outcome = if args.watch { watch::watch(&args) } else { once(&args) };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(ANSWER_IS_NO),
        Err(text) => {
            complain(&text);
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// The definitions of these paths, beside the built-in ones. Remarks on them go to standard error.
pub(in crate::app) fn definitions(paths: &[PathBuf]) -> Result<Arc<Definitions>, String> {
    if paths.is_empty() {
        return Ok(Definitions::builtin());
    }
    let loaded = Definitions::load(paths).map_err(|error| error.to_string())?;
    for issue in &loaded.issues {
        if issue.severity <= Severity::Warning {
            complain(&format!(
                "{}[{}]: {} ({})",
                issue.severity.code(),
                issue.rule,
                issue.text,
                issue.expression
            ));
        }
    }
    Ok(loaded.definitions)
}

/// Validates everything once; answers whether all is well.
fn once(args: &Args) -> Result<bool, String> {
    let settings = Settings {
        allow_extensions: args.allow_extensions.clone(),
        show_values: args.show_values,
        ..Settings::default()
    };
    let validator = Validator::with(definitions(&args.definitions)?, settings);
    let profiles: Vec<&str> = args.profiles.iter().map(String::as_str).collect();
    validator.knows(&profiles).map_err(|error| error.to_string())?;
    let inputs = inputs::find(&args.inputs)?;
    let colour =
        args.output.is_none() && std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let plan = run::Plan {
        validator: &validator,
        profiles: &profiles,
        format: args.format.format(),
        jobs: args
            .jobs
            .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from),
        colour,
        several: inputs.several,
    };
    let totals = match &args.output {
        Some(path) => {
            let file = std::fs::File::create(path)
                .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
            run::run(&plan, &inputs.list, file)
        }
        None => run::run(&plan, &inputs.list, std::io::stdout()),
    }?;
    Ok(totals.invalid == 0 && (args.fail_on == FailOn::Error || totals.warnings == 0))
}
