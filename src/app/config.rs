//! `sgw config check`: whether the settings file, and the files it names, can be used.

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say};
use crate::config::{ConfigError, Settings};
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to do with the settings.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say whether the settings file and the files it names can be used, and list what is wrong with its place.
    Check {
        /// The settings file.
        #[arg(long, default_value = "sgw.toml")]
        config: PathBuf,
    },
}

/// Runs `sgw config …`. Exit codes: 0 usable, 1 something is wrong, 2 a file cannot be read.
pub fn run(args: Args) -> ExitCode {
    let Action::Check { config } = args.action;
    match check(&config) {
        Ok(()) => {
            say(&format!("{}: all settings are known and sound", config.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error.to_string());
            match error {
                ConfigError::Unreadable { .. } => ExitCode::from(COULD_NOT_RUN),
                ConfigError::Faults(_) => ExitCode::from(ANSWER_IS_NO),
            }
        }
    }
}

fn check(path: &std::path::Path) -> Result<(), ConfigError> {
    Settings::load(path).map(|_| ())
}
