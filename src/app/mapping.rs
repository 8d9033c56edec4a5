//! `sgw mapping`: for those who write mapping files.

use super::convert::{Sender, choose, mappings};
use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say};
use crate::convert::ledger::Outcome;
use crate::convert::{LoadError, convert, load_file};
use std::path::PathBuf;
use std::process::ExitCode;

/// Check a mapping file, or explain what a mapping makes of a file.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Check mapping files; every mistake is shown with its line and column.
    Check {
        /// The mapping files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show, for each produced element, the source value's place and the rule, and for each value what became of it.
    Explain {
        /// The mapping to use; without it the format is recognised from the content.
        #[arg(long, value_name = "ID")]
        mapping: Option<String>,
        /// A folder with further mapping files.
        #[arg(long, value_name = "FOLDER")]
        mappings: Option<PathBuf>,
        /// Show the values themselves.
        #[arg(long)]
        show_values: bool,
        #[command(flatten)]
        sender: Sender,
        /// The file to convert.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List the mappings the gateway ships with.
    List,
}

/// Runs the command. Exit codes: 0 fine, 1 a mapping is wrong or the file is refused, 2 could not run.
pub fn run(args: Args) -> ExitCode {
    match args.command {
        Command::Check { files } => check(&files),
        Command::Explain { mapping, mappings: folder, show_values, sender, file } => {
            let Some(known) = mappings(folder.as_deref()) else { return ExitCode::from(COULD_NOT_RUN) };
            let payload = match std::fs::read(&file) {
                Ok(payload) => payload,
                Err(error) => {
                    complain(&format!("`{}` cannot be read: {error}", file.display()));
                    return ExitCode::from(COULD_NOT_RUN);
                }
            };
            let Some(mapping) = choose(&known, mapping.as_deref(), &payload, &file) else {
                return ExitCode::from(COULD_NOT_RUN);
            };
            match convert(&payload, &sender.source(mapping), mapping, &sender.context(&file)) {
                Ok(converted) => explain(&converted, show_values),
                Err(error) => {
                    say(&format!("unreadable: {error}"));
                    ExitCode::from(ANSWER_IS_NO)
                }
            }
        }
        Command::List => {
            if let Some(known) = mappings(None) {
                for mapping in known.all() {
                    say(&format!(
                        "{} {} ({}): {}",
                        mapping.id,
                        mapping.version,
                        mapping.format.name(),
                        mapping.title
                    ));
                }
            }
            ExitCode::SUCCESS
        }
    }
}

fn check(files: &[PathBuf]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match load_file(file) {
            Ok(mapping) => say(&format!("{}: `{}` {} is sound", file.display(), mapping.id, mapping.version)),
            Err(LoadError::Wrong { errors, .. }) => {
                for error in errors {
                    say(&format!(
                        "{}:{}:{}: {}",
                        file.display(),
                        error.place.line,
                        error.place.column,
                        error.reason
                    ));
                }
                code = ExitCode::from(ANSWER_IS_NO);
            }
            Err(error) => {
                complain(&error.to_string());
                return ExitCode::from(COULD_NOT_RUN);
            }
        }
    }
    code
}

fn explain(converted: &crate::convert::Converted, show_values: bool) -> ExitCode {
    say(&format!("mapping {}", converted.ledger.mapping));
    say("\nfrom each element to its source");
    let mut uses: Vec<(String, String, u32)> =
        converted.ledger.uses().map(|(at, to, line)| (to, at.to_owned(), line)).collect();
    uses.sort();
    for (to, at, line) in uses {
        let rule = if line == 0 {
            "the gateway's own rule".to_owned()
        } else {
            format!("line {line} of the mapping")
        };
        say(&format!("  {to}  <-  {at}  ({rule})"));
    }
    say("\nfrom each value to what became of it");
    for entry in converted.ledger.entries() {
        let fate = match entry.outcome {
            Outcome::Mapped => format!("mapped to {}", entry.to.join(", ")),
            Outcome::Carried => format!("carried in {}", entry.to.join(", ")),
            Outcome::Dropped(reason) => format!("dropped: {}", reason.code()),
        };
        let value = if show_values { format!(" `{}`", entry.value) } else { String::new() };
        say(&format!("  {}{value}  {fate}", entry.at));
    }
    let s = converted.ledger.summary();
    say(&format!("\n{} values: {} mapped, {} carried, {} dropped", s.values, s.mapped, s.carried, s.dropped));
    for issue in &converted.issues {
        say(&format!("{} at {}: {}", issue.severity.code(), issue.expression, issue.text));
    }
    if converted.refused() { ExitCode::from(ANSWER_IS_NO) } else { ExitCode::SUCCESS }
}
