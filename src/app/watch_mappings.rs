//! Mapping files that change while the gateway runs: seen by their length and time, put in force when they have settled.

use super::reload::Reloader;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// How often the files are looked at. A change is put in force when two looks have found it the same.
const RHYTHM: Duration = Duration::from_millis(500);

/// What the files looked like.
type Look = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Watches these files and folders, and has the configuration read again when one of them has changed. What cannot be
/// used is recorded and logged once; the last good one stays in force until the files change again.
pub async fn run(paths: Vec<PathBuf>, reloader: Arc<Reloader>, stop: CancellationToken) -> bool {
    let mut known = look(&paths);
    let mut last = known.clone();
    while tokio::time::timeout(RHYTHM, stop.cancelled()).await.is_err() {
        let now = look(&paths);
        if now == last && now != known {
            known.clone_from(&now);
            // Its error is logged and recorded where it arises.
            let _told = reloader.reload(&reloader.host("mappings-changed")).await;
        }
        last = now;
    }
    true
}

fn look(paths: &[PathBuf]) -> Look {
    let mut found = Look::new();
    for path in paths {
        match std::fs::read_dir(path) {
            Ok(entries) => entries.flatten().for_each(|entry| add(&entry.path(), &mut found)),
            Err(_) => add(path, &mut found),
        }
    }
    found
}

fn add(path: &Path, found: &mut Look) {
    let mapping = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    if let Ok(about) = std::fs::metadata(path)
        && (mapping && about.is_file())
    {
        found.insert(path.to_owned(), (about.len(), about.modified().ok()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_sees_a_new_a_changed_and_a_removed_file_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().to_owned()];
        let empty = look(&paths);
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        assert_eq!(look(&paths), empty);
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "x").unwrap();
        let first = look(&paths);
        assert_ne!(first, empty);
        std::fs::write(&file, "xy").unwrap();
        assert_ne!(look(&paths), first);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(look(&paths), empty);
        assert_eq!(look(&[file]), empty, "a file that is not there");
    }
}
