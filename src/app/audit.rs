//! `sgw audit`: looks after the log of what the gateway did.

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say};
use crate::audit::{LogCheck, Report, StoredLeaf};
use crate::config::Settings;
use crate::store::{Leaf, SqliteStore, Store};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How many leaves are read at once.
const PAGE: usize = 5_000;

/// Looks after the log of what the gateway did.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Recompute every leaf, their order and the root, also while the gateway runs.
    Verify {
        /// The settings file of the gateway.
        #[arg(long, value_name = "FILE", default_value = "sgw.toml")]
        config: PathBuf,
    },
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// Runs `sgw audit`. Exit codes: 0 the log holds, 1 it does not, 2 it could not be read.
pub fn run(args: Args) -> ExitCode {
    let Command::Verify { config } = args.command;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    match runtime.block_on(verify_site(&config)) {
        Ok(report) => {
            tell(&report);
            if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(ANSWER_IS_NO) }
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn tell(report: &Report) {
    say(&summary(report));
    for finding in &report.findings {
        say(&format!("  {finding}"));
    }
}

/// The outcome of a verification in one line.
pub fn summary(report: &Report) -> String {
    let verdict = if report.findings.is_empty() { "holds" } else { "DOES NOT HOLD" };
    format!(
        "the log {verdict}: {} leaves, {} erased by record, {} findings, root {}",
        report.size,
        report.erased,
        report.findings.len(),
        hex::encode(report.root)
    )
}

/// Verifies the log of the gateway whose settings file this is.
pub async fn verify_site(config: &Path) -> Result<Report, AuditError> {
    let settings = Settings::load(config)?;
    let store = SqliteStore::open_read_only(&settings.gateway.database).await?;
    let report = verify(&store).await;
    store.close().await?;
    report
}

async fn verify(store: &SqliteStore) -> Result<Report, AuditError> {
    let mut check = LogCheck::new(Vec::new());
    let mut from = 0;
    loop {
        let page = store.audit_leaves(from, PAGE).await?;
        let Some(last) = page.last() else { return Ok(check.finish()) };
        from = last.sequence + 1;
        for leaf in page {
            check.push(&stored(leaf));
        }
    }
}

fn stored(leaf: Leaf) -> StoredLeaf {
    StoredLeaf {
        position: leaf.sequence,
        id: leaf.id,
        leaf: leaf.leaf,
        leaf_hash: leaf.leaf_hash,
        salt: leaf.salt,
        body: leaf.canonical,
    }
}
