//! The verifier: leaves one after the other against their hashes, their contents and signed checkpoints.

use super::StoredLeaf;
use super::checkpoint::Checkpoint;
use super::merkle::{Frontier, Hash, leaf_hash};
use super::suspicion;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// How far the time of a leaf may lie before that of an earlier one: work that overlaps commits out of order.
const OVERLAP: jiff::SignedDuration = jiff::SignedDuration::from_mins(3);

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The leaf's text no longer has the hash that was stored for it.
    #[error("leaf-altered: the leaf at {0} does not have its stored hash")]
    LeafAltered(u64),
    /// The event is not the one the leaf commits to.
    #[error("content-altered: the event of the leaf at {0} is not the one that was recorded")]
    ContentAltered(u64),
    /// The leaf cannot be read.
    #[error("leaf-unreadable: the leaf at {0} is not a leaf of this log")]
    LeafUnreadable(u64),
    /// A position is missing.
    #[error("leaf-missing: there is no leaf at {0}")]
    LeafMissing(u64),
    /// The same event stands twice.
    #[error("leaf-repeated: the event of the leaf at {0} stands at {1} as well")]
    LeafRepeated(u64, u64),
    /// A leaf claims a time long before one that was recorded earlier.
    #[error("leaf-backdated: the leaf at {0} claims a time before that of leaves recorded earlier")]
    LeafBackdated(u64),
    /// Content is gone without a record of its erasure.
    #[error("content-missing: the event of the leaf at {0} is gone, and no erasure was recorded")]
    ContentMissing(u64),
    /// Two leaves stand in each other's place.
    #[error("leaves-swapped: the leaves at {0} and {1} stand in each other's place")]
    LeavesSwapped(u64, u64),
    /// A leaf was put in afterwards.
    #[error("leaf-inserted: the leaf at {0} was put in after the checkpoint over {1} leaves was signed")]
    LeafInserted(u64, u64),
    /// A leaf was taken out and the others moved up, or one was rewritten together with its hash.
    #[error("tree-altered: leaves from {after} up to {size} are not those of the checkpoint over {size}")]
    TreeAltered {
        /// Up to here the log agrees with a checkpoint.
        after: u64,
        /// The size of the checkpoint it does not agree with.
        size: u64,
    },
    /// The log is shorter than a checkpoint: cut off at the end, or an old copy put back.
    #[error("log-too-short: the log has {size} leaves, but a checkpoint over {signed} was signed")]
    LogTooShort {
        /// Leaves now.
        size: u64,
        /// Leaves then.
        signed: u64,
    },
    /// Two checkpoints of one size with different roots: the log was forked.
    #[error("log-forked: two different checkpoints over {0} leaves were signed")]
    LogForked(u64),
}

impl Finding {
    /// The stable name of the finding: the first word of its text.
    pub fn name(&self) -> String {
        self.to_string().split(':').next().unwrap_or_default().to_owned()
    }
}

#[derive(Deserialize)]
struct LeafText<'t> {
    #[serde(borrow)]
    id: std::borrow::Cow<'t, str>,
    #[serde(borrow)]
    at: std::borrow::Cow<'t, str>,
    #[serde(borrow)]
    commitment: std::borrow::Cow<'t, str>,
    #[serde(borrow, default)]
    erases: Option<std::borrow::Cow<'t, str>>,
}

/// What looking at one leaf alone has shown. Leaves can be looked at in any order and in parallel.
#[derive(Debug)]
pub struct Looked {
    position: u64,
    hash: Hash,
    id: String,
    at: Option<jiff::Timestamp>,
    erased: bool,
    erases: Option<String>,
    findings: Vec<Finding>,
}

impl Looked {
    /// What is wrong with the leaf by itself.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// Looks at one leaf: its hash, its shape, its content.
pub fn look(leaf: &StoredLeaf) -> Looked {
    let mut findings = Vec::new();
    let hash = leaf_hash(leaf.leaf.as_bytes());
    if hash != leaf.leaf_hash {
        findings.push(Finding::LeafAltered(leaf.position));
    }
    let text: Option<LeafText> = serde_json::from_str(&leaf.leaf).ok();
    let at = text.as_ref().and_then(|text| text.at.parse().ok());
    match &text {
        Some(text) if text.id == leaf.id && at.is_some() => {}
        _ => findings.push(Finding::LeafUnreadable(leaf.position)),
    }
    let erased = leaf.body.is_none() || leaf.salt.is_none();
    if let (Some(body), Some(salt), Some(text)) = (&leaf.body, &leaf.salt, &text)
        && super::leaf::commitment(salt, body.as_bytes()) != text.commitment
    {
        findings.push(Finding::ContentAltered(leaf.position));
    }
    let erases = text.and_then(|text| text.erases.map(|id| id.into_owned()));
    Looked { position: leaf.position, hash, id: leaf.id.clone(), at, erased, erases, findings }
}

/// The outcome of a verification.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many leaves there are.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Events whose content was erased, with a record of it.
    pub erased: u64,
    /// The sizes of the checkpoints the log agrees with.
    pub agreed: Vec<u64>,
    /// What is not as it must be.
    pub findings: Vec<Finding>,
}

/// Verifies a log, leaf by leaf in the order of positions, against checkpoints whose signatures were verified.
#[derive(Debug)]
pub struct LogCheck {
    frontier: Frontier,
    checkpoints: Vec<Checkpoint>,
    next: usize,
    /// Hashes since the last checkpoint that agreed, and the tree's edge there.
    since: Vec<Hash>,
    agreed_edge: Frontier,
    pending: Option<Checkpoint>,
    broken: bool,
    ids: HashMap<String, u64>,
    latest: Option<jiff::Timestamp>,
    erased: HashMap<String, u64>,
    erasures: HashSet<String>,
    agreed: Vec<u64>,
    findings: Vec<Finding>,
}

impl LogCheck {
    /// A check against these checkpoints, in any order.
    pub fn new(mut checkpoints: Vec<Checkpoint>) -> LogCheck {
        checkpoints.sort_by_key(|checkpoint| checkpoint.size);
        let mut findings = Vec::new();
        for pair in checkpoints.windows(2) {
            if let [one, other] = pair
                && one.size == other.size
                && one.root != other.root
            {
                findings.push(Finding::LogForked(one.size));
            }
        }
        findings.dedup();
        let mut check = LogCheck {
            frontier: Frontier::new(),
            checkpoints,
            next: 0,
            since: Vec::new(),
            agreed_edge: Frontier::new(),
            pending: None,
            broken: false,
            ids: HashMap::new(),
            latest: None,
            erased: HashMap::new(),
            erasures: HashSet::new(),
            agreed: Vec::new(),
            findings,
        };
        check.compare();
        check
    }

    /// Looks at the next leaf and takes it in.
    pub fn push(&mut self, leaf: &StoredLeaf) {
        self.take(look(leaf));
    }

    /// Takes in the next leaf, which was looked at.
    pub fn take(&mut self, mut leaf: Looked) {
        self.findings.append(&mut leaf.findings);
        let expected = self.frontier.size();
        if leaf.position != expected {
            // One finding for a gap; what follows is taken as it comes, and the checkpoints tell the rest.
            let known = self.findings.iter().any(|finding| matches!(finding, Finding::LeafMissing(_)));
            if leaf.position > expected && !known {
                self.findings.push(Finding::LeafMissing(expected));
            }
        }
        if let Some(pending) = self.pending.take() {
            self.explain(&pending, Some(leaf.hash));
        }
        if let Some(other) = self.ids.insert(leaf.id.clone(), leaf.position) {
            self.findings.push(Finding::LeafRepeated(leaf.position, other));
        }
        if let Some(at) = leaf.at {
            if self.latest.is_some_and(|latest| at < latest.saturating_sub(OVERLAP).unwrap_or(latest)) {
                self.findings.push(Finding::LeafBackdated(leaf.position));
            }
            self.latest = self.latest.max(Some(at));
        }
        if leaf.erased {
            self.erased.insert(leaf.id, leaf.position);
        }
        self.erasures.extend(leaf.erases);
        self.frontier.push(leaf.hash);
        if !self.broken {
            self.since.push(leaf.hash);
        }
        self.compare();
    }

    /// Compares the tree with the checkpoints over exactly as many leaves.
    fn compare(&mut self) {
        let size = self.frontier.size();
        let mut root = None;
        while let Some(checkpoint) = self.checkpoints.get(self.next).filter(|next| next.size == size) {
            self.next += 1;
            if *root.get_or_insert_with(|| self.frontier.root()) == checkpoint.root {
                self.agreed.push(size);
                self.since.clear();
                self.agreed_edge = self.frontier.clone();
            } else if !self.broken {
                self.broken = true;
                self.pending = Some(checkpoint.clone());
            }
        }
    }

    /// Says, as closely as it can be told, why the log does not agree with a checkpoint. `after` is the leaf that
    /// follows, which an insertion would have pushed out.
    fn explain(&mut self, checkpoint: &Checkpoint, after: Option<Hash>) {
        let from = self.agreed_edge.size();
        // Where a leaf's own hash tells, nothing is left to explain.
        let told = self.findings.iter().any(|finding| match finding {
            Finding::LeafAltered(at) | Finding::LeafMissing(at) => (from..checkpoint.size).contains(at),
            Finding::LogForked(size) => *size == checkpoint.size,
            _ => false,
        });
        if !told {
            let hashes = std::mem::take(&mut self.since);
            self.findings.push(suspicion::explain(&self.agreed_edge, &hashes, after, checkpoint));
        }
    }

    /// The outcome, when all leaves were taken in.
    pub fn finish(mut self) -> Report {
        let size = self.frontier.size();
        if let Some(pending) = self.pending.take() {
            self.explain(&pending, None);
        }
        if let Some(last) = self.checkpoints.last().filter(|last| last.size > size) {
            self.findings.push(Finding::LogTooShort { size, signed: last.size });
        }
        let mut missing: Vec<u64> = self
            .erased
            .iter()
            .filter(|(id, _)| !self.erasures.contains(*id))
            .map(|(_, position)| *position)
            .collect();
        missing.sort_unstable();
        let erased = (self.erased.len() - missing.len()) as u64;
        self.findings.extend(missing.into_iter().map(Finding::ContentMissing));
        Report { size, root: self.frontier.root(), erased, agreed: self.agreed, findings: self.findings }
    }
}
