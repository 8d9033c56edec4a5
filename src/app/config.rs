//! `sgw config check`: whether the settings file, and the files it names, can be used.

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say};
use crate::config::{ConfigError, Deployment};
use clap::Subcommand;
use jiff::Timestamp;
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
    match Deployment::load(&config) {
        Ok(deployment) => {
            for warning in deployment.warnings(Timestamp::now()) {
                say(&format!("warning: {warning}"));
            }
            let Deployment { registry, policy, .. } = deployment;
            say(&format!(
                "{}: sound; {} sources, {} partners, {} credentials, {} agreements",
                config.display(),
                registry.sources.len(),
                registry.partners.len(),
                registry.credentials.len(),
                policy.agreements().len(),
            ));
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
