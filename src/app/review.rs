//! `sgw review`: the review pack of a month or a quarter, as files.

use super::sealing::each_leaf;
use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say};
use crate::audit::{Checkpoint, Proof, StoredLeaf, Tree, VerifierKey};
use crate::config::{Registry, Settings};
use crate::exchange::gather_review;
use crate::govern::Policy;
use crate::oversight::{self, Links, Pack, Period};
use crate::store::{SharedStore, SqliteStore};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Writes the review pack of a period: `review.html`, `review.csv`, `records.csv`, `review.json`, and a proof of every
/// record that a number counts.
#[derive(clap::Args)]
pub struct Args {
    /// The month (`2026-10`) or quarter (`2026-Q4`), in UTC.
    #[arg(long)]
    period: Period,
    /// The folder to write to; it must not exist yet.
    #[arg(long)]
    out: PathBuf,
    /// The settings file, which names the database, the agreements and the log's key.
    #[arg(long, default_value = "sgw.toml")]
    config: PathBuf,
    /// Make it fit to leave the organisation: counts from 1 to one below N are withheld, and those from which they
    /// could be found; single cases, ids and proofs are left out.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "5",
        value_parser = clap::value_parser!(u64).range(2..))]
    for_sharing: Option<u64>,
    /// Write no proofs.
    #[arg(long)]
    no_proofs: bool,
}

/// Runs `sgw review`. Exit codes: 0 written, 1 written but some record could not be proved yet, 2 could not run.
pub fn run(args: Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    match runtime.block_on(write(&args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(ANSWER_IS_NO),
        Err(text) => {
            complain(&text);
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

async fn write(args: &Args) -> Result<bool, String> {
    let settings = Settings::load(&args.config).map_err(|error| error.to_string())?;
    let gateway = &settings.gateway;
    let partners = Registry::load(&gateway.registry).map_err(|error| error.to_string())?.partners;
    let policy = Policy::load(&gateway.agreements, partners)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let store = SqliteStore::open_read_only(&gateway.database).await.map_err(|error| error.to_string())?;
    let store: SharedStore = Arc::new(store);
    let now = Timestamp::now();
    let names = (gateway.organisation.as_str(), gateway.name.as_str());
    let pack = gather_review(&store, &policy, names, &args.period, now).await;
    let mut pack = pack.map_err(|error| error.to_string())?;
    if let Some(smallest) = args.for_sharing {
        oversight::suppress(&mut pack, smallest);
    }
    let with_proofs = args.for_sharing.is_none() && !args.no_proofs;
    std::fs::create_dir_all(args.out.parent().unwrap_or(Path::new(".")))
        .map_err(|e| failed(&args.out, &e))?;
    std::fs::create_dir(&args.out).map_err(|error| failed(&args.out, &error))?;
    let links = if with_proofs { Links::Files } else { Links::Ids };
    put(&args.out.join("review.html"), &oversight::html(&pack, &links))?;
    put(&args.out.join("review.csv"), &oversight::tables_sheet(&pack))?;
    let json = serde_json::to_string_pretty(&pack).map_err(|error| error.to_string())?;
    put(&args.out.join("review.json"), &json)?;
    let mut proved = true;
    if args.for_sharing.is_none() {
        put(&args.out.join("records.csv"), &oversight::records_sheet(&pack))?;
    }
    if with_proofs {
        let key = super::audit::public_key(&settings, None)?;
        proved = proofs(&store, &pack, &key, &args.out.join("records")).await?;
    }
    say(&format!("{}: {} records of {}", args.out.display(), pack.log.in_period, pack.period));
    Ok(proved)
}

/// Writes the proof of every record of the pack. Whether all could be proved.
async fn proofs(store: &SharedStore, pack: &Pack, key: &VerifierKey, folder: &Path) -> Result<bool, String> {
    std::fs::create_dir(folder).map_err(|error| failed(folder, &error))?;
    let latest = store.latest_checkpoint().await.map_err(|error| error.to_string())?;
    let Some(latest) = latest else {
        say("no checkpoint was signed yet: the records are not proved");
        return Ok(pack.records.is_empty());
    };
    let checkpoint = Checkpoint::parse(&latest.note, key).map_err(|error| error.to_string())?;
    let mut tree = Tree::new();
    let mut found: Vec<StoredLeaf> = Vec::new();
    let read = each_leaf(store, 0, |leaf| {
        if leaf.position < checkpoint.size {
            tree.push(leaf.leaf_hash);
        }
        if pack.records.contains_key(&leaf.id) {
            found.push(leaf);
        }
    });
    read.await.map_err(|error| error.to_string())?;
    let mut missing = 0;
    for leaf in &found {
        match Proof::make(leaf, &tree, &checkpoint) {
            Some(proof) => put(&folder.join(format!("proof-{}.json", leaf.id)), &proof.to_json())?,
            None => missing += 1,
        }
    }
    if missing > 0 {
        say(&format!("{missing} records are not covered yet by the checkpoint over {}", checkpoint.size));
    }
    Ok(missing == 0)
}

fn put(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("`{}`: {error}", path.display())
}
