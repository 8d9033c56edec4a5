//! `sgw audit prove`.

use super::super::say;
use super::super::sealing::each_leaf;
use crate::audit::{Checkpoint, Proof, StoredLeaf, Tree, VerifierKey};
use crate::store::SharedStore;
use std::path::Path;

/// Writes a proof file for each id. Whether all could be proved.
pub(super) async fn run(
    store: &SharedStore,
    key: &VerifierKey,
    ids: &[String],
    out: &Path,
) -> Result<bool, String> {
    let latest = store.latest_checkpoint().await.map_err(|error| error.to_string())?;
    let latest = latest.ok_or("no checkpoint was signed yet: the gateway signs one within a minute")?;
    let checkpoint = Checkpoint::parse(&latest.note, key).map_err(|error| error.to_string())?;
    let mut tree = Tree::new();
    let mut found: Vec<StoredLeaf> = Vec::new();
    let read = each_leaf(store, 0, |leaf| {
        tree.push(leaf.leaf_hash);
        if ids.contains(&leaf.id) {
            found.push(leaf);
        }
    });
    read.await.map_err(|error| error.to_string())?;
    let mut all = true;
    for id in ids {
        let Some(leaf) = found.iter().find(|leaf| leaf.id == *id) else {
            say(&format!("{id}: there is no such record"));
            all = false;
            continue;
        };
        let Some(proof) = Proof::make(leaf, &tree, &checkpoint) else {
            say(&format!(
                "{id}: not covered yet, or not as signed, by the checkpoint over {}",
                checkpoint.size
            ));
            all = false;
            continue;
        };
        let path = out.join(format!("proof-{id}.json"));
        std::fs::write(&path, proof.to_json()).map_err(|error| format!("`{}`: {error}", path.display()))?;
        say(&format!("{}: leaf {} of {}", path.display(), leaf.position, checkpoint.size));
        if let Some(event) = &leaf.body {
            crate::audit::summary(event).iter().for_each(|line| say(&format!("  {line}")));
        }
    }
    Ok(all)
}
