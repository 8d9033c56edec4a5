//! Which files an invocation means.

use std::path::{Path, PathBuf};

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// The standard input.
    Standard,
    /// A file with one resource.
    Resource { name: String, path: PathBuf },
    /// A file with one resource on each line.
    Lines { name: String, path: PathBuf },
}

/// What an invocation means.
#[derive(Debug)]
pub(super) struct Inputs {
    pub list: Vec<Input>,
    /// Whether there may be more than one resource.
    pub several: bool,
}

/// Finds the files; folders are walked, in order of their names. Fails when one does not exist, and when a folder holds
/// nothing to validate: a wrong path must not look like a clean result.
pub(super) fn find(given: &[String]) -> Result<Inputs, String> {
    let mut list = Vec::new();
    let mut several = given.len() > 1;
    for name in given {
        if name == "-" {
            list.push(Input::Standard);
            continue;
        }
        let path = Path::new(name);
        let about = |error: std::io::Error| format!("cannot read `{name}`: {error}");
        if std::fs::metadata(path).map_err(about)?.is_dir() {
            several = true;
            let before = list.len();
            walk(path, &mut list).map_err(about)?;
            if list.len() == before {
                return Err(format!("`{name}` holds no .json, .xml or .ndjson file"));
            }
        } else {
            let lines = path.extension().is_some_and(|extension| extension == "ndjson");
            several |= lines;
            list.push(one(name.clone(), path.to_owned()));
        }
    }
    Ok(Inputs { list, several })
}

fn one(name: String, path: PathBuf) -> Input {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("ndjson") => Input::Lines { name, path },
        _ => Input::Resource { name, path },
    }
}

fn walk(folder: &Path, list: &mut Vec<Input>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        entries.push(entry?.path());
    }
    entries.sort();
    for path in entries {
        let kind = std::fs::symlink_metadata(&path)?;
        if kind.is_dir() {
            walk(&path, list)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json" || extension == "xml" || extension == "ndjson")
        {
            list.push(one(path.to_string_lossy().into_owned(), path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_anything_to_validate_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap().to_owned();
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        assert!(
            find(std::slice::from_ref(&name)).unwrap_err().ends_with("holds no .json, .xml or .ndjson file")
        );
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        std::fs::write(folder.path().join("deep/a.json"), "{}").unwrap();
        let found = find(&[name]).unwrap();
        assert_eq!(found.list.len(), 1);
        assert!(found.several);
    }
}
