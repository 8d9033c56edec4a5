//! Taking the log up again at a start, without reading all of it.
//!
//! The edge of the tree is kept beside the key whenever the log is sealed. An edge is believed only when its root is one
//! that this gateway has signed: then it stands for every leaf below it, and only the leaves above it are read before the
//! gateway serves. Those below are looked at afterwards, while it serves; when they do not make the tree that was signed,
//! the gateway stops. `sgw audit verify` always reads everything.

use super::sealing::{SealError, each_leaf};
use crate::audit::{Checkpoint, Finding, Frontier, LogCheck, StoredLeaf, look};
use crate::store::{SharedStore, StoreError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Logs up to this size are read whole at every start: it takes a fraction of a second.
const READ_WHOLE: u64 = 20_000;
/// Leaves looked at together after the start, and how long the gateway's own work goes first in between.
const PAGE: usize = 2_000;
const PAUSE: Duration = Duration::from_millis(20);

/// The log as it was taken up.
pub(super) struct Resumed {
    /// The edge of the tree over all leaves.
    pub edge: Frontier,
    /// What is left to look at while the gateway serves.
    pub unread: Option<Unread>,
}

/// The leaves that a start has not looked at.
pub struct Unread {
    size: u64,
    checkpoints: Vec<Checkpoint>,
}

/// Where the edge is kept: beside the key.
pub(super) fn place(key: &Path) -> PathBuf {
    key.with_extension("edge")
}

/// Keeps the edge of a log that has just been sealed. Without it the next start reads everything, so a failure is only
/// logged.
pub(super) fn keep(place: &Path, edge: &Frontier) {
    let new = place.with_extension("edge.new");
    if let Err(error) = std::fs::write(&new, edge.to_bytes()).and_then(|()| std::fs::rename(&new, place)) {
        tracing::warn!(error = %error, path = %place.display(), "the edge of the audit log could not be kept");
    }
}

/// Takes the log up, and holds it against checkpoints whose signatures were verified.
///
/// Errors: it does not agree with one of them. Then the gateway must not start: somebody changed the past.
pub(super) async fn resume(
    store: &SharedStore,
    place: &Path,
    checkpoints: &[Checkpoint],
) -> Result<Resumed, SealError> {
    let size = store.audit_size().await?;
    let kept = std::fs::read(place).ok().and_then(|bytes| Frontier::from_bytes(&bytes));
    let root = kept.as_ref().map(Frontier::root);
    let signed =
        |edge: &Frontier| checkpoints.iter().any(|one| one.size == edge.size() && Some(one.root) == root);
    match kept.filter(|edge| size > READ_WHOLE && edge.size() <= size && signed(edge)) {
        Some(edge) => tail(store, edge, checkpoints).await,
        None => whole(store, checkpoints).await,
    }
}

async fn whole(store: &SharedStore, checkpoints: &[Checkpoint]) -> Result<Resumed, SealError> {
    let mut check = LogCheck::new(checkpoints.to_vec());
    let mut edge = Frontier::new();
    each_leaf(store, 0, |leaf| {
        edge.push(leaf.leaf_hash);
        check.push(&leaf);
    })
    .await?;
    match check.finish().findings.into_iter().next() {
        Some(finding) => Err(SealError::Disagrees(finding)),
        None => Ok(Resumed { edge, unread: None }),
    }
}

async fn tail(store: &SharedStore, edge: Frontier, checkpoints: &[Checkpoint]) -> Result<Resumed, SealError> {
    let from = edge.size();
    let mut walk = Walk::new(edge, checkpoints);
    each_leaf(store, from, |leaf| walk.take(&leaf)).await?;
    let (edge, finding) = walk.end();
    match finding {
        Some(finding) => Err(SealError::Disagrees(finding)),
        None => {
            let unread = Unread { size: from, checkpoints: checkpoints.to_vec() };
            Ok(Resumed { edge, unread: Some(unread) })
        }
    }
}

impl Unread {
    /// Looks at the leaves, a page at a time. The finding is the first thing that is not as it was signed.
    ///
    /// Errors: the store cannot be read.
    pub async fn look(self, store: &SharedStore) -> Result<Option<Finding>, StoreError> {
        let mut walk = Walk::new(Frontier::new(), &self.checkpoints);
        let mut next = 0;
        while next < self.size && walk.finding.is_none() {
            let page = store.audit_leaves(next, PAGE).await?;
            if page.is_empty() {
                return Ok(Some(Finding::LeafMissing(next)));
            }
            for leaf in page.into_iter().map(StoredLeaf::from).take_while(|leaf| leaf.position < self.size) {
                next = leaf.position + 1;
                walk.take(&leaf);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(walk.finding)
    }
}

/// Leaves taken in one after the other, held against checkpoints, in memory that does not grow with the log.
struct Walk<'a> {
    edge: Frontier,
    checkpoints: Vec<&'a Checkpoint>,
    finding: Option<Finding>,
    /// Up to here the log agrees with a checkpoint.
    agreed: u64,
}

impl<'a> Walk<'a> {
    fn new(edge: Frontier, checkpoints: &'a [Checkpoint]) -> Walk<'a> {
        let mut checkpoints: Vec<&Checkpoint> =
            checkpoints.iter().filter(|one| one.size > edge.size()).collect();
        checkpoints.sort_by_key(|one| std::cmp::Reverse(one.size));
        let agreed = edge.size();
        Walk { edge, checkpoints, finding: None, agreed }
    }

    fn take(&mut self, leaf: &StoredLeaf) {
        let position = self.edge.size();
        let found = if leaf.position == position {
            look(leaf).findings().first().cloned()
        } else {
            Some(Finding::LeafMissing(position))
        };
        self.edge.push(leaf.leaf_hash);
        let mut root = None;
        while let Some(checkpoint) = self.checkpoints.pop_if(|one| one.size == self.edge.size()) {
            if *root.get_or_insert_with(|| self.edge.root()) == checkpoint.root {
                self.agreed = checkpoint.size;
            } else {
                let after = self.agreed;
                self.finding.get_or_insert(Finding::TreeAltered { after, size: checkpoint.size });
            }
        }
        if let Some(found) = found {
            self.finding.get_or_insert(found);
        }
    }

    /// The edge over all that was taken in; a checkpoint over more leaves than there are is a finding.
    fn end(self) -> (Frontier, Option<Finding>) {
        let size = self.edge.size();
        let longer = self.checkpoints.first();
        let short = longer.map(|one| Finding::LogTooShort { size, signed: one.size });
        (self.edge, self.finding.or(short))
    }
}
