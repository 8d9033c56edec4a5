//! `sgw store`: checks the database through and through, and copies it while the gateway runs.

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say};
use crate::config::{ConfigError, Settings};
use crate::store::{SqliteStore, Store, StoreError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check or copy the database.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Read every page and index, and check the rules between the tables; also while the gateway runs.
    Check {
        /// The settings file of the gateway.
        #[arg(long, value_name = "FILE", default_value = "sgw.toml")]
        config: PathBuf,
    },
    /// Write a copy as of now to a new file; also while the gateway runs.
    Backup {
        /// The settings file of the gateway.
        #[arg(long, value_name = "FILE", default_value = "sgw.toml")]
        config: PathBuf,
        /// The file to write; it must not exist.
        #[arg(value_name = "COPY")]
        to: PathBuf,
    },
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no runtime: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Runs `sgw store`. Exit codes: 0 sound, or copied; 1 damage was found; 2 could not run.
pub fn run(args: Args) -> ExitCode {
    match answer(&args) {
        Ok(damage) => {
            damage.iter().for_each(|one| say(one));
            if damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(ANSWER_IS_NO) }
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn answer(args: &Args) -> Result<Vec<String>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &args.command {
        Command::Check { config } => runtime.block_on(check(config)),
        Command::Backup { config, to } => runtime.block_on(backup(config, to)),
    }
}

async fn check(config: &Path) -> Result<Vec<String>, Failure> {
    let path = Settings::load(config)?.gateway.database;
    let store = SqliteStore::open_read_only(&path).await?;
    let damage = store.check().await;
    store.close().await?;
    let damage = damage?;
    if damage.is_empty() {
        say(&format!("{} is sound", path.display()));
    }
    Ok(damage)
}

async fn backup(config: &Path, to: &Path) -> Result<Vec<String>, Failure> {
    let store = SqliteStore::open_read_only(&Settings::load(config)?.gateway.database).await?;
    let copied = store.backup(to).await;
    store.close().await?;
    copied?;
    let copy = SqliteStore::open_read_only(to).await?;
    let damage = copy.check().await;
    copy.close().await?;
    let damage = damage?;
    if damage.is_empty() {
        say(&format!("{} holds the database as of now, and is sound", to.display()));
    }
    Ok(damage)
}
