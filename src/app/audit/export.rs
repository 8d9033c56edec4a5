//! `sgw audit export`.

use super::super::say;
use super::super::sealing::each_leaf;
use crate::audit::{EXPORT_FORMAT, Frontier, Manifest, export_line};
use crate::store::SharedStore;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes the log, its checkpoints and a manifest to a new folder.
pub(super) async fn run(store: &SharedStore, out: &Path) -> Result<bool, String> {
    let failed = |error: std::io::Error| format!("`{}`: {error}", out.display());
    std::fs::create_dir(out).map_err(failed)?;
    let file = std::fs::File::create(out.join("audit.ndjson")).map_err(failed)?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let (mut digest, mut frontier, mut written) = (Sha256::new(), Frontier::new(), Ok(()));
    let read = each_leaf(store, 0, |leaf| {
        let line = export_line(&leaf) + "\n";
        digest.update(line.as_bytes());
        frontier.push(leaf.leaf_hash);
        if written.is_ok() {
            written = file.write_all(line.as_bytes());
        }
    });
    read.await.map_err(|error| error.to_string())?;
    written.and_then(|()| file.flush()).map_err(failed)?;
    let mut after = None;
    loop {
        let page = store.checkpoints(after, 1000).await.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else { break };
        after = Some(last.size);
        for checkpoint in &page {
            let path = out.join(format!("checkpoint-{}.txt", checkpoint.size));
            std::fs::write(path, &checkpoint.note).map_err(failed)?;
        }
    }
    let manifest = Manifest {
        format: EXPORT_FORMAT.to_owned(),
        created: Timestamp::now().to_string(),
        size: frontier.size(),
        root: hex::encode(frontier.root()),
        sha256: hex::encode(digest.finalize()),
    };
    let text = serde_json::to_string_pretty(&manifest).map_err(|error| error.to_string())?;
    std::fs::write(out.join("manifest.json"), text).map_err(failed)?;
    say(&format!("{}: {} leaves", out.display(), manifest.size));
    Ok(true)
}
