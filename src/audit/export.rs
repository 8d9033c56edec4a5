//! The log as files: one leaf a line (NDJSON), and a manifest.
//!
//! A folder holds `audit.ndjson`, `manifest.json` and the signed checkpoints as `checkpoint-<size>.txt`. A line is an
//! object with `position`, `leaf` (text), `leaf-hash` (hexadecimal) and, unless erased, `salt` and `event` (the
//! event's canonical text, as a string: its hash is over exactly these characters).

use super::StoredLeaf;
use super::text::Text;
use super::verify::{Looked, look};
use serde::Deserialize;
use std::borrow::Cow;
use std::io::{self, BufRead};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'l> {
    position: u64,
    #[serde(borrow)]
    leaf: Cow<'l, str>,
    #[serde(borrow)]
    leaf_hash: Cow<'l, str>,
    #[serde(borrow, default)]
    salt: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    event: Option<Cow<'l, str>>,
}

/// One leaf as a line, without the line's end.
pub fn line(leaf: &StoredLeaf) -> String {
    let mut text = Text::with_capacity(leaf.leaf.len() + leaf.body.as_ref().map_or(0, String::len) + 512);
    text.object(|o| {
        o.raw("position", &leaf.position.to_string());
        o.pair("leaf", &leaf.leaf);
        o.pair("leaf-hash", &hex::encode(leaf.leaf_hash));
        if let (Some(salt), Some(body)) = (&leaf.salt, &leaf.body) {
            o.pair("salt", &hex::encode(salt));
            o.pair("event", body);
        }
    });
    text.finish()
}

/// The leaf of a line; `None` when the line is not one.
pub fn parse(line: &str) -> Option<StoredLeaf> {
    let line: Line = serde_json::from_str(line).ok()?;
    let mut leaf_hash = [0; 32];
    hex::decode_to_slice(line.leaf_hash.as_bytes(), &mut leaf_hash).ok()?;
    let salt = match line.salt {
        None => None,
        Some(text) => {
            let mut salt = [0; 32];
            hex::decode_to_slice(text.as_bytes(), &mut salt).ok()?;
            Some(salt)
        }
    };
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let id = serde_json::from_str::<Named>(&line.leaf).map(|named| named.id).unwrap_or_default();
    Some(StoredLeaf {
        position: line.position,
        id,
        leaf: line.leaf.into_owned(),
        leaf_hash,
        salt,
        body: line.event.map(Cow::into_owned),
    })
}

/// How many lines are looked at together.
const BATCH: usize = 8192;

/// Reads every line, looks at the leaves on all cores, and hands them over in order. `Err` names the first line, from
/// 1, that cannot be read.
pub fn read(reader: &mut dyn BufRead, mut take: impl FnMut(Looked)) -> Result<(), ReadError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut first = 1;
    loop {
        let mut lines: Vec<String> = Vec::with_capacity(BATCH);
        while lines.len() < BATCH {
            let mut text = String::new();
            if reader.read_line(&mut text)? == 0 {
                break;
            }
            if !text.trim().is_empty() {
                lines.push(text);
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        let share = lines.len().div_ceil(workers);
        let looked: Vec<Vec<Option<Looked>>> = std::thread::scope(|scope| {
            let work = |part: &[String]| -> Vec<Option<Looked>> {
                part.iter().map(|line| parse(line).map(|leaf| look(&leaf))).collect()
            };
            let threads: Vec<_> = lines.chunks(share).map(|part| scope.spawn(move || work(part))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let mut read = 0;
        for (index, leaf) in looked.into_iter().flatten().enumerate() {
            take(leaf.ok_or(ReadError::Line(first + index))?);
            read += 1;
        }
        if read < lines.len() {
            return Err(ReadError::Line(first + read));
        }
        first += lines.len();
    }
}

/// Why an export cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line is not a leaf.
    #[error("line {0} is not a leaf of a log")]
    Line(usize),
}

/// What the manifest of an export says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// `sgw-audit-export/1`.
    pub format: String,
    /// When it was written.
    pub created: String,
    /// How many leaves it holds.
    pub size: u64,
    /// The root over them, in hexadecimal.
    pub root: String,
    /// SHA-256 of `audit.ndjson`, in hexadecimal.
    pub sha256: String,
}

/// The format's name.
pub const FORMAT: &str = "sgw-audit-export/1";
