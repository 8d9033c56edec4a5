//! The section `[folders]` of the settings file.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The section `[folders]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FolderSettings {
    /// How often each folder is looked into, in milliseconds.
    pub poll_milliseconds: u64,
    /// How long a file must have stayed as it is before it is taken, in milliseconds.
    pub settle_milliseconds: u64,
    /// The largest file, in bytes. CSV is read as a stream, so that its size needs no memory.
    pub max_file_bytes: u64,
    /// The largest file of a format that is read whole (all but CSV), in bytes.
    pub max_document_bytes: usize,
    /// One folder for each source that leaves files.
    pub watch: Vec<WatchedFolder>,
}

impl Default for FolderSettings {
    fn default() -> FolderSettings {
        FolderSettings {
            poll_milliseconds: 1000,
            settle_milliseconds: 2000,
            max_file_bytes: 2 << 30,
            max_document_bytes: 64 << 20,
            watch: Vec::new(),
        }
    }
}

impl FolderSettings {
    /// How often each folder is looked into.
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_milliseconds)
    }

    /// How long a file must have stayed as it is.
    pub fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_milliseconds)
    }
}

/// A folder in which a source leaves files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedFolder {
    /// The registered source whose files come in here.
    pub source: String,
    /// The folder; `work`, `done` and `failed` are made inside it.
    pub path: PathBuf,
}
