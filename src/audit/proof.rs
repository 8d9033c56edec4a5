//! A proof that one event stands in the log: a file that needs nothing beside the log's public key.

use super::StoredLeaf;
use super::checkpoint::{Checkpoint, CheckpointError, VerifierKey};
use super::merkle::{self, Hash};
use super::tree::Tree;
use serde::{Deserialize, Serialize};

/// The format's name.
pub const FORMAT: &str = "sgw-audit-proof/1";

/// A proof file: JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Proof {
    /// [`FORMAT`].
    pub format: String,
    /// The position of the leaf.
    pub position: u64,
    /// The leaf's text.
    pub leaf: String,
    /// The salt of the commitment, in hexadecimal; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The AuditEvent's canonical text; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The audit path, in hexadecimal, lowest first.
    pub path: Vec<String>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Why a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The file is not a proof.
    #[error("the file is not a proof of the format `{FORMAT}`: {0}")]
    Format(String),
    /// The checkpoint is not accepted.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// The leaf does not stand where the proof says.
    #[error("the leaf is not at position {position} of the log of {size} leaves")]
    NotIncluded {
        /// The position claimed.
        position: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The event is not the one the leaf commits to.
    #[error("the event is not the one that the leaf commits to")]
    OtherEvent,
}

/// What a proof proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// The event's canonical text, unless it was erased.
    pub event: Option<String>,
    /// The leaf's text.
    pub leaf: String,
    /// Its position.
    pub position: u64,
    /// How many leaves the checkpoint covers.
    pub size: u64,
}

impl Proof {
    /// Makes the proof of a leaf, from the tree over the leaves that the checkpoint covers. `None` when the checkpoint
    /// does not cover the leaf, or is not of this tree.
    pub fn make(leaf: &StoredLeaf, tree: &Tree, checkpoint: &Checkpoint) -> Option<Proof> {
        let path = tree.inclusion_proof(leaf.position, checkpoint.size)?;
        let hash = merkle::leaf_hash(leaf.leaf.as_bytes());
        if !merkle::verify_inclusion(&hash, leaf.position, checkpoint.size, &path, &checkpoint.root) {
            return None;
        }
        Some(Proof {
            format: FORMAT.to_owned(),
            position: leaf.position,
            leaf: leaf.leaf.clone(),
            salt: leaf.salt.map(hex::encode),
            event: leaf.body.clone(),
            path: path.iter().map(hex::encode).collect(),
            checkpoint: checkpoint.note.clone(),
        })
    }

    /// Reads a proof file.
    pub fn parse(text: &str) -> Result<Proof, ProofError> {
        let proof: Proof =
            serde_json::from_str(text).map_err(|error| ProofError::Format(error.to_string()))?;
        if proof.format == FORMAT { Ok(proof) } else { Err(ProofError::Format(proof.format)) }
    }

    /// The proof as a file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Verifies the proof with nothing but the log's public key.
    pub fn verify(&self, key: &VerifierKey) -> Result<Proved, ProofError> {
        let checkpoint = Checkpoint::parse(&self.checkpoint, key)?;
        let not_hex = |_| ProofError::Format("a hash is not hexadecimal".to_owned());
        let mut path: Vec<Hash> = Vec::with_capacity(self.path.len());
        for step in &self.path {
            let mut hash = [0; 32];
            hex::decode_to_slice(step, &mut hash).map_err(not_hex)?;
            path.push(hash);
        }
        let hash = merkle::leaf_hash(self.leaf.as_bytes());
        if !merkle::verify_inclusion(&hash, self.position, checkpoint.size, &path, &checkpoint.root) {
            return Err(ProofError::NotIncluded { position: self.position, size: checkpoint.size });
        }
        if let Some(event) = &self.event {
            let mut salt = [0; 32];
            let given = self.salt.as_deref().ok_or(ProofError::OtherEvent)?;
            hex::decode_to_slice(given, &mut salt).map_err(not_hex)?;
            let leaf: serde_json::Value =
                serde_json::from_str(&self.leaf).map_err(|error| ProofError::Format(error.to_string()))?;
            let committed = leaf.get("commitment").and_then(serde_json::Value::as_str);
            if committed != Some(super::leaf::commitment(&salt, event.as_bytes()).as_str()) {
                return Err(ProofError::OtherEvent);
            }
        }
        Ok(Proved {
            event: self.event.clone(),
            leaf: self.leaf.clone(),
            position: self.position,
            size: checkpoint.size,
        })
    }
}
