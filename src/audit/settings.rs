//! Settings of the log: its key, and where and how often it is sealed.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The section `[audit]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The file with the log's private key. Made at the first start; its public key is written beside it as `.pub`.
    pub key: PathBuf,
    /// The witness folder: every signed checkpoint is written there too. Keep it on another machine.
    pub witness: PathBuf,
    /// The longest time between two checkpoints while the log grows.
    pub checkpoint_seconds: u64,
    /// Witnesses to which every signed checkpoint is posted as well (C2SP `tlog-witness`). Default: none.
    pub witnesses: Vec<WitnessSettings>,
}

/// A witness elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessSettings {
    /// Its address; `/add-checkpoint` is appended.
    pub address: String,
    /// Its public key (`name+hash+base64`), by which its cosignatures are checked; without one they are kept unchecked.
    #[serde(default)]
    pub key: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            key: PathBuf::from("audit.key"),
            witness: PathBuf::from("witness"),
            checkpoint_seconds: 60,
            witnesses: Vec::new(),
        }
    }
}
