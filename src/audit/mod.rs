//! AuditEvents, the Merkle log over them, and its verifier.
//!
//! [`record`] makes an [`Entry`] of an [`Act`]: a valid R4 AuditEvent as canonical JSON (RFC 8785), and a leaf of a
//! Merkle tree (RFC 6962) that commits to it. The store commits the entry in the same transaction as what it records,
//! and gives the leaf its position. The leaf holds no personal data, so that the event can be erased where law
//! demands it while the tree still verifies.

mod act;
mod checkpoint;
mod entity;
mod event;
mod export;
mod leaf;
pub mod merkle;
mod proof;
mod received;
mod record;
mod settings;
mod summary;
mod suspicion;
mod text;
mod tree;
mod verify;
mod witness;

#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod tests;

pub use act::{Act, Change, Party, QuarantineStep, Target};
pub use checkpoint::{Checkpoint, CheckpointError, SignError, Signer, VerifierKey};
pub use export::{
    FORMAT as EXPORT_FORMAT, Manifest, ReadError, line as export_line, parse as parse_export_line,
    read as read_export,
};
pub use leaf::commitment;
pub use merkle::{Frontier, Hash};
pub use proof::{FORMAT as PROOF_FORMAT, Proof, ProofError, Proved};
pub use received::{correct, receive};
pub use record::{Entry, Gateway, record, record_as};
pub use settings::{Settings, WitnessSettings};
pub use summary::summary;
pub use tree::Tree;
pub use verify::{Finding, LogCheck, Looked, Report, look};
pub use witness::{WitnessKey, add_checkpoint as witness_request};

/// A leaf as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLeaf {
    /// Its position in the tree, from 0, without gaps.
    pub position: u64,
    /// The id of the AuditEvent.
    pub id: String,
    /// The leaf's text.
    pub leaf: String,
    /// Its hash, as stored.
    pub leaf_hash: Hash,
    /// The salt of the commitment; absent once erased.
    pub salt: Option<[u8; 32]>,
    /// The event's canonical text; absent once erased.
    pub body: Option<String>,
}
