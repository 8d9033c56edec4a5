//! The folder itself: which files are whole, how they are picked up, where they go.

use super::FolderError;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use uuid::Uuid;

/// Ends of names that say that a file is still being written.
const UNFINISHED: [&str; 7] = [".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", "~"];

/// What is put behind a file's name for its result.
const RESULT: &str = ".result.ndjson";

/// The most characters of a file's name that are kept behind the id of its pick-up.
const NAME: usize = 120;

/// A file as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    length: u64,
    modified: Option<SystemTime>,
}

impl State {
    fn of(path: &Path) -> io::Result<Option<State>> {
        let about = fs::symlink_metadata(path)?;
        // A link could lead anywhere, so it is not followed.
        Ok(about.is_file().then(|| State { length: about.len(), modified: about.modified().ok() }))
    }
}

/// A watched folder with the folders inside it.
pub(super) struct Inbox {
    path: PathBuf,
    seen: HashMap<OsString, (State, Instant)>,
}

/// A file that was picked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// The id of the pick-up.
    pub pickup: Uuid,
    /// The file's name as it was left.
    pub name: String,
    /// Where it is now.
    pub path: PathBuf,
}

impl Taken {
    fn of(path: PathBuf) -> Option<Taken> {
        let file = path.file_name()?.to_str()?;
        let (pickup, name) = file.split_once('_')?;
        let (pickup, name) = (pickup.parse().ok()?, name.to_owned());
        Some(Taken { pickup, name, path })
    }

    /// Where its result is written.
    pub(super) fn result(&self) -> PathBuf {
        with_result(&self.path)
    }
}

fn with_result(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(RESULT);
    PathBuf::from(name)
}

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Every record was taken.
    Done,
    /// At least one record, or the file as a whole, was not.
    Failed,
}

impl End {
    fn folder(self) -> &'static str {
        match self {
            End::Done => "done",
            End::Failed => "failed",
        }
    }
}

impl Inbox {
    /// Makes the folders, for the gateway's own account alone: they hold what patients' records say.
    pub(super) fn open(path: &Path) -> Result<Inbox, FolderError> {
        for folder in [path.to_owned(), path.join("work"), path.join("done"), path.join("failed")] {
            if !folder.is_dir() {
                private(&folder).map_err(|error| FolderError::Unusable { path: folder, error })?;
            }
        }
        Ok(Inbox { path: path.to_owned(), seen: HashMap::new() })
    }

    /// The files that have stayed as they are for the time `settle`, the oldest first.
    pub(super) fn ready(&mut self, settle: Duration, now: Instant) -> io::Result<Vec<OsString>> {
        let mut seen = HashMap::with_capacity(self.seen.len());
        let mut ready = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            if !whole(&name) {
                continue;
            }
            let Ok(Some(state)) = State::of(&self.path.join(&name)) else { continue };
            let since = match self.seen.get(&name) {
                Some((known, since)) if *known == state => *since,
                _ => now,
            };
            if now.duration_since(since) >= settle {
                ready.push((state.modified, name.clone()));
            }
            seen.insert(name, (state, since));
        }
        self.seen = seen;
        ready.sort();
        Ok(ready.into_iter().map(|(_, name)| name).collect())
    }

    /// Takes a file out of the inbox; `None` when it is not there any more.
    pub(super) fn pick_up(&mut self, name: &OsStr) -> io::Result<Option<Taken>> {
        let known = self.seen.remove(name);
        let from = self.path.join(name);
        // Written to since it was looked at: it settles anew.
        match (State::of(&from), known) {
            (Ok(Some(state)), Some((known, _))) if state == known => {}
            (Err(error), _) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(None),
        }
        let pickup = Uuid::now_v7();
        let text = name.to_string_lossy();
        let kept: String = text.chars().skip(text.chars().count().saturating_sub(NAME)).collect();
        let path = self.path.join("work").join(format!("{pickup}_{kept}"));
        match fs::rename(&from, &path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        // The id of the pick-up must outlast a loss of power, for it makes the keys of the records.
        for folder in [self.path.join("work"), self.path.clone()] {
            File::open(folder)?.sync_all()?;
        }
        Ok(Some(Taken { pickup, name: kept, path }))
    }

    /// The files that were picked up and not brought to an end, the oldest first. A result that has lost its file on
    /// the way out is brought after it.
    pub(super) fn unfinished(&self) -> Vec<Taken> {
        let entries = fs::read_dir(self.path.join("work")).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        let mut found = Vec::new();
        for path in paths {
            let text = path.to_string_lossy();
            if let Some(of) = text.strip_suffix(RESULT) {
                self.follow(Path::new(of), &path);
            } else {
                found.extend(Taken::of(path));
            }
        }
        found
    }

    fn follow(&self, file: &Path, result: &Path) {
        let Some(name) = file.file_name() else { return };
        if file.exists() {
            return;
        }
        for end in [End::Done, End::Failed] {
            let moved = self.path.join(end.folder()).join(name);
            if moved.exists()
                && let Err(error) = fs::rename(result, with_result(&moved))
            {
                tracing::error!(error = %error, "a result cannot be moved");
            }
        }
    }

    /// Moves a file and its result to where they end.
    pub(super) fn put_away(&self, taken: &Taken, end: End) -> io::Result<()> {
        let Some(name) = taken.path.file_name() else { return Ok(()) };
        let to = self.path.join(end.folder()).join(name);
        fs::rename(&taken.path, &to)?;
        fs::rename(taken.result(), with_result(&to))
    }
}

/// Whether a name is that of a file that its writer has finished.
fn whole(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_lowercase();
    !name.starts_with('.') && !UNFINISHED.iter().any(|end| name.ends_with(end))
}

fn private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_ready_when_it_has_stayed_as_it_is_and_its_name_says_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut inbox = Inbox::open(folder.path()).unwrap();
        for name in ["b.csv", "a.csv.part", ".hidden", "c.tmp", "d.CSV.FilePart"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.csv")).unwrap();
        let settle = Duration::from_secs(2);
        let begun = Instant::now();
        assert!(inbox.ready(settle, begun).unwrap().is_empty());
        fs::write(folder.path().join("b.csv"), "xy").unwrap();
        assert!(inbox.ready(settle, begun + settle).unwrap().is_empty(), "it has grown");
        assert_eq!(inbox.ready(settle, begun + 2 * settle).unwrap(), ["b.csv"]);
        fs::write(folder.path().join("b.csv"), "xyz").unwrap();
        assert_eq!(inbox.pick_up(OsStr::new("b.csv")).unwrap(), None, "it has grown again");
        inbox.ready(Duration::ZERO, begun).unwrap();
        let taken = inbox.pick_up(OsStr::new("b.csv")).unwrap().unwrap();
        assert_eq!(
            (taken.name.as_str(), fs::read_to_string(&taken.path).unwrap().as_str()),
            ("b.csv", "xyz")
        );
        assert_eq!(inbox.unfinished(), std::slice::from_ref(&taken));
        fs::write(taken.result(), "{}").unwrap();
        inbox.put_away(&taken, End::Done).unwrap();
        assert!(inbox.unfinished().is_empty());
        assert_eq!(fs::read_dir(folder.path().join("done")).unwrap().count(), 2);
    }

    #[test]
    fn a_result_that_was_left_behind_follows_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut inbox = Inbox::open(folder.path()).unwrap();
        fs::write(folder.path().join("a.csv"), "x").unwrap();
        inbox.ready(Duration::ZERO, Instant::now()).unwrap();
        let taken = inbox.pick_up(OsStr::new("a.csv")).unwrap().unwrap();
        fs::write(taken.result(), "{}").unwrap();
        fs::rename(&taken.path, folder.path().join("failed").join(taken.path.file_name().unwrap())).unwrap();
        assert!(inbox.unfinished().is_empty());
        assert_eq!(fs::read_dir(folder.path().join("failed")).unwrap().count(), 2);
        assert_eq!(fs::read_dir(folder.path().join("work")).unwrap().count(), 0);
    }
}
