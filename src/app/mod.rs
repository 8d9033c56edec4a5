//! Composition and the commands.

mod agreements;
mod audit;
mod config;
mod fhirpath;
mod convert;
mod mapping;
mod decide;
#[expect(clippy::indexing_slicing, reason = "a JSON value answers null to an index it does not have")]
mod demo;
mod expiry;
mod init;
mod profiles;
mod progress;
mod receive;
mod review;
mod reload;
pub mod resume;
mod serve;
mod site;
mod snapshot;
pub mod sealing;
mod store;
mod validate;
pub mod witness;
mod watch_mappings;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// The safeguarding gateway: local safeguarding alerts to validated FHIR R4, shared only where it may be, provably.
#[derive(Parser)]
#[command(name = "sgw", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the main job, end to end, with real servers inside.
    Demo(demo::Args),
    /// Write a site to start from: settings, registry, agreements, keys, examples.
    Init(init::Args),
    /// Run the gateway.
    Serve(serve::Args),
    /// Receive notifications as a partner does, and verify their signatures.
    Receive(receive::Args),
    /// Verify, prove and export the log of what was done.
    Audit(audit::Args),
    /// Write the review pack of a month or a quarter.
    Review(review::Args),
    /// Check, show and compare sharing agreements.
    Agreements(agreements::Args),
    /// Say what would happen to a resource, and why.
    Decide(decide::Args),
    /// Check or copy the database.
    Store(store::Args),
    /// Check the settings.
    Config(config::Args),
    /// Evaluate a FHIRPath expression.
    Fhirpath(fhirpath::Args),
    /// Convert local formats to FHIR R4, with the account of every value.
    Convert(convert::Args),
    /// Check and explain mapping files.
    Mapping(mapping::Args),
    /// Validate resources against FHIR R4 and profiles.
    Validate(validate::Args),
    /// Print what a profile says in full.
    Snapshot(snapshot::Args),
    /// List the profiles that are known.
    Profiles(profiles::Args),
}

/// Exit code: the answer is no (invalid, refused, not verified).
pub const ANSWER_IS_NO: u8 = 1;
/// Exit code: the question could not be answered (a missing file, an unknown option, broken definitions).
pub const COULD_NOT_RUN: u8 = 2;

/// Reads the arguments and runs the command. Exit codes: 0 done, 1 the answer is no, 2 could not run.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Demo(args) => demo::run(args),
        Command::Init(args) => init::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Receive(args) => receive::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Review(args) => review::run(args),
        Command::Agreements(args) => agreements::run(args),
        Command::Decide(args) => decide::run(args),
        Command::Store(args) => store::run(args),
        Command::Config(args) => config::run(args),
        Command::Fhirpath(args) => fhirpath::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Mapping(args) => mapping::run(args),
        Command::Validate(args) => validate::run(args),
        Command::Snapshot(args) => snapshot::run(args),
        Command::Profiles(args) => profiles::run(args),
    }
}

/// Writes a line for people to standard output; a closed pipe is not an error of ours.
pub(crate) fn say(line: &str) {
    let _closed_pipe = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes a line about a failure to standard error.
pub(crate) fn complain(line: &str) {
    let _closed_pipe = writeln!(std::io::stderr().lock(), "sgw: {line}");
}
