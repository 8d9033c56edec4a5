//! `sgw-verify`: verifies proofs and exported logs offline. It opens no database and shares only the `audit` module
//! with the gateway, so that whoever doubts the gateway need not trust it.

use clap::{Parser, Subcommand};
use sgw::audit::{Checkpoint, LogCheck, Manifest, Proof, Report, VerifierKey, read_export};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Verifies what a safeguarding gateway says it did: proofs of single records, and whole logs.
#[derive(Parser)]
#[command(name = "sgw-verify", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The log's public key, or a file that holds it (`name+hash+base64`). Get it from the owner, not from the log.
    #[arg(long, global = true, default_value = "")]
    key: String,
}

#[derive(Subcommand)]
enum Command {
    /// Verify proof files, and say what each proves.
    Proof {
        /// Files that `sgw audit prove` wrote.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Print the whole event.
        #[arg(long)]
        event: bool,
    },
    /// Verify an exported log against the checkpoints in it, and against those a witness kept.
    Log {
        /// The folder that `sgw audit export` wrote.
        folder: PathBuf,
        /// Folders or files of checkpoints kept elsewhere.
        #[arg(long)]
        witness: Vec<PathBuf>,
    },
}

/// Exit codes: 0 it holds, 1 it does not, 2 it could not be looked at.
fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(text) => {
            let _closed_pipe = writeln!(std::io::stderr().lock(), "sgw-verify: {text}");
            ExitCode::from(2)
        }
    }
}

fn say(line: &str) {
    let _closed_pipe = writeln!(std::io::stdout().lock(), "{line}");
}

fn run(arguments: Arguments) -> Result<bool, String> {
    let key = read_key(&arguments.key)?;
    match arguments.command {
        Command::Proof { files, event } => {
            let mut all = true;
            for file in files {
                all &= prove(&file, &key, event)?;
            }
            Ok(all)
        }
        Command::Log { folder, witness } => log(&folder, &witness, &key),
    }
}

fn read_key(given: &str) -> Result<VerifierKey, String> {
    if given.is_empty() {
        return Err("say which log to trust: `--key NAME+HASH+BASE64`, or a file that holds it".to_owned());
    }
    let text = if Path::new(given).is_file() { read_file(Path::new(given))? } else { given.to_owned() };
    VerifierKey::parse(&text).map_err(|error| error.to_string())
}

fn read_file(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))
}

fn prove(file: &Path, key: &VerifierKey, whole: bool) -> Result<bool, String> {
    let proof = match Proof::parse(&read_file(file)?) {
        Ok(proof) => proof,
        Err(error) => {
            say(&format!("{}: NOT PROVED: {error}", file.display()));
            return Ok(false);
        }
    };
    match proof.verify(key) {
        Err(error) => {
            say(&format!("{}: NOT PROVED: {error}", file.display()));
            Ok(false)
        }
        Ok(proved) => {
            let head = format!("leaf {} of {} in the log `{}`", proved.position, proved.size, key.name());
            say(&format!("{}: proved: {head}", file.display()));
            match &proved.event {
                None => say(&format!("  the event was erased; its leaf says {}", proved.leaf)),
                Some(event) if whole => say(event),
                Some(event) => sgw::audit::summary(event).iter().for_each(|line| say(&format!("  {line}"))),
            }
            Ok(true)
        }
    }
}

fn log(folder: &Path, witness: &[PathBuf], key: &VerifierKey) -> Result<bool, String> {
    let mut checkpoints = Vec::new();
    let mut sound = true;
    for place in std::iter::once(folder).chain(witness.iter().map(PathBuf::as_path)) {
        for file in notes(place)? {
            match Checkpoint::parse(&read_file(&file)?, key) {
                Ok(checkpoint) => checkpoints.push(checkpoint),
                Err(error) => {
                    say(&format!("checkpoint-refused: {}: {error}", file.display()));
                    sound = false;
                }
            }
        }
    }
    let given = checkpoints.len();
    let path = folder.join("audit.ndjson");
    let file = std::fs::File::open(&path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    let mut check = LogCheck::new(checkpoints);
    let read = read_export(&mut BufReader::with_capacity(1 << 20, file), |leaf| check.take(leaf));
    read.map_err(|error| error.to_string())?;
    let report = check.finish();
    sound &= matches_manifest(folder, &report)?;
    for finding in report.findings.iter().take(100) {
        say(&finding.to_string());
    }
    say(&format!(
        "{} leaves, {} erased with a record of it; {} of {given} checkpoints agree; {} findings",
        report.size,
        report.erased,
        report.agreed.len(),
        report.findings.len()
    ));
    if given == 0 {
        say("no checkpoint was given: nothing shows that this is the whole log, or the same as yesterday's");
    }
    Ok(sound && report.findings.is_empty() && given > 0)
}

/// The checkpoints of a folder (`checkpoint-*.txt`), or the one file.
fn notes(place: &Path) -> Result<Vec<PathBuf>, String> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let entries = std::fs::read_dir(place).map_err(|error| format!("`{}`: {error}", place.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("checkpoint-") && name.ends_with(".txt")
        })
        .collect();
    found.sort();
    Ok(found)
}

fn matches_manifest(folder: &Path, report: &Report) -> Result<bool, String> {
    let path = folder.join("manifest.json");
    if !path.is_file() {
        return Ok(true);
    }
    let manifest: Manifest =
        serde_json::from_str(&read_file(&path)?).map_err(|error| format!("`{}`: {error}", path.display()))?;
    let agrees = manifest.size == report.size && manifest.root == hex::encode(report.root);
    if !agrees {
        say(&format!("manifest-differs: the manifest speaks of {} leaves and another root", manifest.size));
    }
    Ok(agrees)
}
