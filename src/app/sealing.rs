//! Sealing the log: a signed checkpoint at most so many seconds after it grew, kept in the store and in the witness
//! folder.

use super::resume::{self, Resumed, Unread};
use super::witness::{Said, Witnesses};
use crate::audit::{
    self, Act, Checkpoint, Finding, Frontier, Party, Settings, SignError, Signer, StoredLeaf,
};
use crate::store::{self, SharedStore, StoreError, Work};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Why the log cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file cannot be read or written.
    #[error("the audit key `{path}` cannot be used: {reason}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A checkpoint cannot be read or written.
    #[error("the checkpoint `{path}` cannot be used: {reason}")]
    Witness {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The log is not the one that was signed before.
    #[error("the log does not agree with what was signed: {0}")]
    Disagrees(Finding),
    /// The log went back.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A private key from its file; made under this name, with the public key beside it, when there is no file yet.
pub fn key(path: &Path, name: &str) -> Result<Signer, SealError> {
    let failed = |reason: String| SealError::Key { path: path.to_owned(), reason };
    if path.is_file() {
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        return Signer::parse(&text).map_err(|error| failed(error.to_string()));
    }
    let signer = Signer::generate(name).map_err(|e| failed(e.to_string()))?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| failed(error.to_string()))?;
    let text = signer.to_secret_text();
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| failed(e.to_string()))?;
    let public = path.with_extension("pub");
    std::fs::write(&public, format!("{}\n", signer.verifier())).map_err(|e| failed(e.to_string()))?;
    Ok(signer)
}

/// Seals one log.
pub struct Sealer {
    store: SharedStore,
    signer: Signer,
    frontier: Frontier,
    place: PathBuf,
    unread: Option<Unread>,
    witness: PathBuf,
    every: Duration,
    witnesses: Option<Witnesses>,
    recorder: Option<audit::Gateway>,
    /// Witnesses whose disagreement is recorded already.
    disagreeing: BTreeSet<String>,
}

impl Sealer {
    /// Takes the log up, and holds it against every checkpoint of the store and of the witness folder; what it has not
    /// looked at, because a signed edge stands for it, is left to [`Sealer::unread`].
    ///
    /// Errors: the key or a checkpoint cannot be used, or the log does not agree with one. Then the gateway must not
    /// start: somebody changed the past.
    pub async fn open(
        store: SharedStore,
        settings: &Settings,
        organisation: &str,
    ) -> Result<Sealer, SealError> {
        let mut signer = key(&settings.key, &format!("{organisation}/sgw-audit"))?;
        let witness = settings.witness.clone();
        let failed = |reason: String| SealError::Witness { path: witness.clone(), reason };
        std::fs::create_dir_all(&witness).map_err(|error| failed(error.to_string()))?;
        let verifier = signer.verifier();
        let mut checkpoints = Vec::new();
        for path in notes(&witness).map_err(|error| failed(error.to_string()))? {
            let failed = |reason: String| SealError::Witness { path: path.clone(), reason };
            let note = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
            checkpoints.push(Checkpoint::parse(&note, &verifier).map_err(|error| failed(error.to_string()))?);
        }
        if let Some(last) = store.latest_checkpoint().await? {
            let path = PathBuf::from("the store");
            let failed = |reason: String| SealError::Witness { path, reason };
            checkpoints.push(Checkpoint::parse(&last.note, &verifier).map_err(|e| failed(e.to_string()))?);
        }
        let place = resume::place(&settings.key);
        let Resumed { edge, unread } = resume::resume(&store, &place, &checkpoints).await?;
        checkpoints.iter().for_each(|checkpoint| signer.remember(checkpoint));
        let every = Duration::from_secs(settings.checkpoint_seconds.clamp(1, LONGEST));
        Ok(Sealer {
            store,
            signer,
            frontier: edge,
            place,
            unread,
            witness,
            every,
            witnesses: None,
            recorder: None,
            disagreeing: BTreeSet::new(),
        })
    }

    /// Posts every checkpoint to these witnesses as well, and records as this gateway when one disagrees. Reads the log
    /// once more, for the proofs.
    pub async fn with_witnesses(
        mut self,
        mut witnesses: Witnesses,
        recorder: audit::Gateway,
    ) -> Result<Sealer, SealError> {
        let size = self.frontier.size();
        each_leaf(&self.store, 0, |leaf| {
            if leaf.position < size {
                witnesses.push(leaf.leaf_hash);
            }
        })
        .await?;
        (self.witnesses, self.recorder) = (Some(witnesses), Some(recorder));
        Ok(self)
    }

    /// The leaves that are left to be looked at while the gateway serves; taken away by this call.
    pub fn unread(&mut self) -> Option<Unread> {
        self.unread.take()
    }

    /// Seals until the token is cancelled, and once more then.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), SealError> {
        loop {
            let last = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(self.every) => false,
            };
            match self.seal().await {
                Err(error @ (SealError::Sign(_) | SealError::Disagrees(_))) => return Err(error),
                Err(error) => tracing::warn!(error = %error, "the audit log could not be sealed now"),
                Ok(_) => {}
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Signs a checkpoint over the log as it is now; `None` when it has not grown since the last.
    pub async fn seal(&mut self) -> Result<Option<Checkpoint>, SealError> {
        let from = self.frontier.size();
        let frontier = &mut self.frontier;
        let witnesses = &mut self.witnesses;
        each_leaf(&self.store, from, |leaf| {
            frontier.push(leaf.leaf_hash);
            if let Some(witnesses) = witnesses {
                witnesses.push(leaf.leaf_hash);
            }
        })
        .await?;
        let size = self.frontier.size();
        let sealed = self.store.latest_checkpoint().await?.is_some_and(|last| last.size == size);
        if size == 0 || sealed {
            return Ok(None);
        }
        let checkpoint = self.signer.sign(size, &self.frontier.root())?;
        let path = self.witness.join(format!("checkpoint-{size}.txt"));
        let failed =
            |error: std::io::Error| SealError::Witness { path: path.clone(), reason: error.to_string() };
        let mut file = std::fs::File::create(&path).map_err(failed)?;
        file.write_all(checkpoint.note.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        let now = Timestamp::now();
        let stored =
            store::Checkpoint { size, root: checkpoint.root, note: checkpoint.note.clone(), created: now };
        self.store.commit(Work { checkpoint: Some(stored), ..Work::at(now) }).await?;
        resume::keep(&self.place, &self.frontier);
        self.tell_witnesses(&checkpoint).await?;
        Ok(Some(checkpoint))
    }

    /// Posts a checkpoint to the witnesses. What they answer changes nothing here, but a disagreement is recorded.
    async fn tell_witnesses(&mut self, checkpoint: &Checkpoint) -> Result<(), SealError> {
        let Some(witnesses) = &mut self.witnesses else { return Ok(()) };
        for (address, said) in witnesses.post(checkpoint).await {
            match said {
                Said::Cosigned => {
                    self.disagreeing.remove(&address);
                    tracing::debug!(witness = %address, "a checkpoint was cosigned");
                }
                Said::Nothing(why) => {
                    tracing::warn!(witness = %address, cause = %why, "a witness has not cosigned");
                }
                Said::Disagrees(why) => {
                    tracing::error!(witness = %address, cause = %why, "a witness knows another past of the log");
                    let Some(gateway) = &self.recorder else { continue };
                    if !self.disagreeing.insert(address.clone()) {
                        continue;
                    }
                    let now = Timestamp::now();
                    let details = [("witness", address.as_str()), ("said", why.as_str())];
                    let organisation = gateway.organisation.as_str();
                    let actor = Party { id: "witness", organisation, name: "", address: "" };
                    let operation = "witness-disagrees";
                    let act = Act::Administration { actor, operation, subject: None, details: &details };
                    let audits = vec![audit::record(&act, gateway, now).into()];
                    self.store.commit(Work { audits, ..Work::at(now) }).await?;
                }
            }
        }
        Ok(())
    }
}

/// The checkpoints of a folder, `checkpoint-*.txt`, in order of their names; or the one file.
pub(super) fn notes(place: &Path) -> std::io::Result<Vec<PathBuf>> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(place)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("checkpoint-") && name.ends_with(".txt") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Hands over every leaf from this position on, in order.
pub(super) async fn each_leaf(
    store: &SharedStore,
    from: u64,
    mut take: impl FnMut(StoredLeaf),
) -> Result<u64, StoreError> {
    let mut next = from;
    loop {
        let page = store.audit_leaves(next, PAGE).await?;
        let full = page.len() == PAGE;
        for leaf in page {
            next = leaf.sequence + 1;
            take(leaf.into());
        }
        if !full {
            return Ok(next);
        }
    }
}

const PAGE: usize = 2_000;
/// The longest time in seconds between two checkpoints while the log grows, whatever the settings say.
const LONGEST: u64 = 60;
