//! `sgw agreements`: check, show and compare sharing agreements.

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say, sealing};
use crate::config::{Registry, signed};
use crate::govern::agreement::{Agreement, Term};
use crate::govern::{Partner, Policy, PolicyError, read_folder};
use clap::Subcommand;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Checks, shows and compares sharing agreements.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say whether a folder of agreements could be in force, and what is wrong with its place.
    Check {
        /// The folder with `*.yaml` files.
        folder: PathBuf,
        /// The registry whose partners they are for.
        #[arg(long)]
        registry: Option<PathBuf>,
    },
    /// Say in words who may have what.
    Show {
        /// The folder with `*.yaml` files.
        folder: PathBuf,
    },
    /// Sign a folder: writes `agreements.sig`, which names every file with its digest. The first time, the key is made,
    /// with the public key for `gateway.agreement_keys` beside it.
    Sign {
        /// The folder with `*.yaml` files.
        folder: PathBuf,
        /// The file with the private key.
        #[arg(long)]
        key: PathBuf,
        /// The name of a new key: who signs.
        #[arg(long, default_value = "agreements")]
        name: String,
    },
    /// Say which terms a new folder adds, takes away or changes.
    Diff {
        /// The folder as it is.
        old: PathBuf,
        /// The folder as it would be.
        new: PathBuf,
    },
}

/// Runs `sgw agreements`. Exit codes: 0 sound or the same, 1 faulty or different, 2 a file cannot be read.
pub fn run(args: Args) -> ExitCode {
    let answer = match args.action {
        Action::Check { folder, registry } => check(&folder, registry.as_deref()),
        Action::Show { folder } => load(&folder, Vec::new()).map(|policy| {
            policy.agreements().iter().for_each(show);
            true
        }),
        Action::Sign { folder, key, name } => sign(&folder, &key, &name),
        Action::Diff { old, new } => diff(&old, &new),
    };
    match answer {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(ANSWER_IS_NO),
        Err(code) => ExitCode::from(code),
    }
}

fn load(folder: &Path, partners: Vec<Partner>) -> Result<Policy, u8> {
    Policy::load(folder, partners).map_err(|errors: Vec<PolicyError>| {
        errors.iter().for_each(|error| complain(&error.to_string()));
        let unreadable = errors.iter().any(|error| error.rule == "file");
        if unreadable { COULD_NOT_RUN } else { ANSWER_IS_NO }
    })
}

fn check(folder: &Path, registry: Option<&Path>) -> Result<bool, u8> {
    let partners = match registry.map(Registry::load) {
        None => Vec::new(),
        Some(Ok(registry)) => registry.partners,
        Some(Err(error)) => {
            complain(&error.to_string());
            return Err(COULD_NOT_RUN);
        }
    };
    let policy = load(folder, partners)?;
    for warning in policy.warnings(Timestamp::now()) {
        let what = if warning.review { "its review is due" } else { "it ends" };
        say(&format!(
            "warning: the agreement `{}` version {}: {what} on {}, in {} days",
            warning.agreement, warning.version, warning.last_day, warning.days_left
        ));
    }
    say(&format!("{}: sound; {} agreements", folder.display(), policy.agreements().len()));
    Ok(true)
}

/// Signs only what could be in force.
fn sign(folder: &Path, key: &Path, name: &str) -> Result<bool, u8> {
    load(folder, Vec::new())?;
    let failed = |text: String| {
        complain(&text);
        COULD_NOT_RUN
    };
    let documents = read_folder(folder).map_err(|errors| {
        errors.iter().for_each(|error| complain(&error.to_string()));
        COULD_NOT_RUN
    })?;
    let signer = sealing::key(key, name).map_err(|error| failed(error.to_string()))?;
    let path = folder.join(signed::NOTE);
    std::fs::write(&path, signed::sign(&documents, &signer))
        .map_err(|error| failed(format!("`{}`: {error}", path.display())))?;
    say(&format!("{}: {} files signed by {}", path.display(), documents.len(), signer.verifier()));
    Ok(true)
}

fn show(agreement: &Agreement) {
    say(&format!("{} version {}: {}", agreement.id, agreement.version, agreement.title));
    let until = agreement.effective.until.map_or("open".to_owned(), |day| day.to_string());
    say(&format!(
        "  {:?}, {} to {until}; review due {}; {}",
        agreement.status, agreement.effective.from, agreement.review.due, agreement.jurisdiction
    ));
    for term in &agreement.terms {
        words(term).iter().for_each(|line| say(&format!("  {line}")));
    }
}

/// A term in words; equal words mean equal effect.
fn words(term: &Term) -> Vec<String> {
    let from = if term.from.is_empty() { "every source party".to_owned() } else { term.from.join(", ") };
    vec![
        format!("term {}: {} from {from} to {}", term.id, term.resources.join(", "), term.to.join(", ")),
        format!("  tiers {}; categories {}", term.tiers.join(", "), term.categories.join(", ")),
        format!("  for {}; on {}", term.purposes.join(", "), term.lawful_bases.accept.join(", ")),
        format!(
            "  minimum dataset {}; up to label {}{}; consent: {:?}; onward sharing: {:?}",
            term.minimum_dataset,
            term.clearance.up_to.code(),
            term.clearance.sensitivities.iter().map(|code| format!(" {code}")).collect::<String>(),
            term.consent,
            term.onward_sharing
        ),
        format!("  response expected in {}", term.response_time.as_deref().unwrap_or("no given time")),
    ]
}

fn diff(old: &Path, new: &Path) -> Result<bool, u8> {
    let (old, new) = (load(old, Vec::new())?, load(new, Vec::new())?);
    let lines = |policy: &Policy| -> Vec<String> {
        let mut lines = Vec::new();
        for agreement in policy.agreements() {
            lines.push(format!("{}: {:?}", agreement.id, (agreement.status, &agreement.effective)));
            lines.push(format!("{}: {:?}", agreement.id, (&agreement.review, &agreement.parties)));
            for (name, dataset) in &agreement.minimum_datasets {
                lines.push(format!("{}: minimum dataset {name}: {:?}", agreement.id, dataset.elements));
            }
            for (name, category) in &agreement.categories {
                lines.push(format!("{}: category {name}: {:?}", agreement.id, category.concern));
            }
            for term in &agreement.terms {
                lines.push(format!("{}: {}", agreement.id, words(term).join(";")));
            }
        }
        lines
    };
    let (before, after) = (lines(&old), lines(&new));
    before.iter().filter(|line| !after.contains(line)).for_each(|line| say(&format!("- {line}")));
    after.iter().filter(|line| !before.contains(line)).for_each(|line| say(&format!("+ {line}")));
    Ok(before == after)
}
