//! `sgw audit`: verify the log, prove records, export it, say who saw what, erase content.

mod access;
mod correct;
mod erase;
mod export;
mod prove;
mod verify;

pub use verify::{summary, verify_site};

use correct::recorder;

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain};
use crate::audit::VerifierKey;
use crate::config::Settings;
use crate::store::{SharedStore, SqliteStore};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What to do with the log.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// The settings file, which names the database, the key and the witness folder.
    #[arg(long, global = true, default_value = "sgw.toml")]
    config: PathBuf,
    /// The log's public key, or a file that holds it, instead of the one beside the private key.
    #[arg(long, global = true)]
    key: Option<String>,
}

#[derive(Subcommand)]
enum Action {
    /// Recompute every leaf and the tree, and hold them against the signed checkpoints.
    Verify {
        /// Folders or files with checkpoints, beside the witness folder of the settings.
        #[arg(long)]
        witness: Vec<PathBuf>,
    },
    /// Write proofs of records that `sgw-verify` verifies offline.
    Prove {
        /// The ids of AuditEvents.
        #[arg(required = true)]
        ids: Vec<String>,
        /// The folder to write `proof-<id>.json` to.
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
    /// Write the whole log as NDJSON with its checkpoints and a manifest.
    Export {
        /// The folder to write to; it must not exist yet.
        #[arg(long)]
        out: PathBuf,
    },
    /// Say who saw what about one patient, and under which authority.
    Access {
        /// The patient: an NHS number, or `local:SYSTEM|VALUE`.
        patient: String,
        /// Tab-separated text, JSON, or words for the person who asked.
        #[arg(long, value_enum, default_value = "text")]
        form: Form,
    },
    /// Erase the content of every event about one patient; the tree stays, and each erasure is recorded. Stop the
    /// gateway first.
    Erase {
        /// The patient: an NHS number, or `local:SYSTEM|VALUE`.
        patient: String,
        /// The ground on which it is erased.
        #[arg(long)]
        ground: String,
        /// Who erases.
        #[arg(long)]
        by: String,
    },
    /// Put a corrected event in the place of a wrong one, whose content is erased; the tree stays, and both are
    /// recorded. Stop the gateway first.
    Correct {
        /// The id of the AuditEvent that is wrong.
        id: String,
        /// A file with the corrected AuditEvent.
        #[arg(long)]
        event: PathBuf,
        /// The ground on which it is corrected.
        #[arg(long)]
        ground: String,
        /// Who corrects.
        #[arg(long)]
        by: String,
    },
}

/// How the report of accesses is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A line for each access, tab-separated.
    Text,
    /// JSON.
    Json,
    /// Words for the person who asked.
    Letter,
}

/// Runs `sgw audit …`. Exit codes: 0 done, 1 the log does not verify, 2 it could not be looked at.
pub fn run(args: Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    match runtime.block_on(act(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(ANSWER_IS_NO),
        Err(text) => {
            complain(&text);
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

async fn act(args: Args) -> Result<bool, String> {
    let settings = Settings::load(&args.config).map_err(|error| error.to_string())?;
    let key = args.key.as_deref();
    match args.action {
        Action::Verify { witness } => {
            let store = read_only(&settings).await?;
            // Until the first start there is neither a key nor a checkpoint.
            let own = if key.is_none() && !settings.audit.key.with_extension("pub").is_file() {
                None
            } else {
                Some(public_key(&settings, key)?)
            };
            let verified = verify::verify(&store, own.as_ref(), &settings.audit.witness, &witness).await;
            verified.map(|verified| verify::tell(&verified)).map_err(|error| error.to_string())
        }
        Action::Prove { ids, out } => {
            let store = read_only(&settings).await?;
            prove::run(&store, &public_key(&settings, key)?, &ids, &out).await
        }
        Action::Export { out } => {
            let store = read_only(&settings).await?;
            export::run(&store, &out).await
        }
        Action::Access { patient, form } => {
            access::run(&read_only(&settings).await?, &patient_key(&patient), form).await
        }
        Action::Correct { id, event, ground, by } => correct::run(&settings, &id, &event, &ground, &by).await,
        Action::Erase { patient, ground, by } => {
            erase::run(&settings, &patient_key(&patient), &ground, &by).await
        }
    }
}

async fn read_only(settings: &Settings) -> Result<SharedStore, String> {
    let store = SqliteStore::open_read_only(&settings.gateway.database).await;
    Ok(Arc::new(store.map_err(|error| error.to_string())?))
}

pub(super) fn public_key(settings: &Settings, given: Option<&str>) -> Result<VerifierKey, String> {
    let beside = settings.audit.key.with_extension("pub");
    let text = match given {
        Some(text) if !Path::new(text).is_file() => text.to_owned(),
        Some(path) => read(Path::new(path))?,
        None => read(&beside)?,
    };
    VerifierKey::parse(&text).map_err(|error| error.to_string())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))
}

/// The store's key of a patient: ten digits are an NHS number.
fn patient_key(given: &str) -> String {
    if given.len() == 10 && given.bytes().all(|b| b.is_ascii_digit()) {
        format!("nhs:{given}")
    } else {
        given.to_owned()
    }
}
