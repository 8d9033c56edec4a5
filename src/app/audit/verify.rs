//! `sgw audit verify`.

use super::super::say;
use super::super::sealing::{each_leaf, notes};
use crate::audit::{Checkpoint, LogCheck, Report, VerifierKey};
use crate::config::{ConfigError, Settings};
use crate::store::{SharedStore, SqliteStore, StoreError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the log could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key, or a checkpoint of a witness, cannot be read.
    #[error("`{path}`: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What a verification found.
pub struct Verified {
    /// The log.
    pub report: Report,
    /// How many checkpoints were given.
    pub given: usize,
    /// Checkpoints that are not this log's, or not signed by its key.
    pub refused: Vec<String>,
}

/// Verifies the log of the gateway whose settings file this is, against the checkpoints it keeps.
pub async fn verify_site(config: &Path) -> Result<Report, AuditError> {
    let settings = Settings::load(config)?;
    let store: SharedStore = Arc::new(SqliteStore::open_read_only(&settings.gateway.database).await?);
    let key = super::public_key(&settings, None).ok();
    let verified = verify(&store, key.as_ref(), &settings.audit.witness, &[]).await;
    store.close().await?;
    Ok(verified?.report)
}

/// The outcome of a verification in one line.
pub fn summary(report: &Report) -> String {
    let verdict = if report.findings.is_empty() { "holds" } else { "DOES NOT HOLD" };
    format!(
        "the log {verdict}: {} leaves, {} erased with a record of it, {} checkpoints agree, {} findings, root {}",
        report.size,
        report.erased,
        report.agreed.len(),
        report.findings.len(),
        hex::encode(report.root)
    )
}

/// Every leaf, the order, the root, against the checkpoints of the store and of every witness.
pub(super) async fn verify(
    store: &SharedStore,
    key: Option<&VerifierKey>,
    witness: &Path,
    more: &[PathBuf],
) -> Result<Verified, AuditError> {
    let mut given: Vec<(String, String)> = Vec::new();
    let mut after = None;
    loop {
        let page = store.checkpoints(after, 1000).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.size);
        given.extend(page.into_iter().map(|c| (format!("the store's over {}", c.size), c.note)));
    }
    let own = witness.is_dir().then_some(witness);
    for place in own.into_iter().chain(more.iter().map(PathBuf::as_path)) {
        let failed =
            |error: std::io::Error| AuditError::File { path: place.to_owned(), reason: error.to_string() };
        for path in notes(place).map_err(failed)? {
            given.push((path.display().to_string(), std::fs::read_to_string(&path).map_err(failed)?));
        }
    }
    let (mut checkpoints, mut refused) = (Vec::new(), Vec::new());
    for (name, note) in &given {
        match key.map(|key| Checkpoint::parse(note, key)) {
            Some(Ok(checkpoint)) => checkpoints.push(checkpoint),
            Some(Err(error)) => refused.push(format!("checkpoint-refused: {name}: {error}")),
            None => refused.push(format!("checkpoint-refused: {name}: the log's public key is not there")),
        }
    }
    let mut check = LogCheck::new(checkpoints);
    each_leaf(store, 0, |leaf| check.push(&leaf)).await?;
    Ok(Verified { report: check.finish(), given: given.len(), refused })
}

/// Prints what was found. Whether all agrees.
pub(super) fn tell(verified: &Verified) -> bool {
    verified.refused.iter().for_each(|text| say(text));
    for finding in verified.report.findings.iter().take(100) {
        say(&finding.to_string());
    }
    say(&summary(&verified.report));
    if verified.given == 0 {
        say("no checkpoint was signed yet: nothing shows that the end was not cut off");
    }
    verified.refused.is_empty() && verified.report.findings.is_empty()
}
