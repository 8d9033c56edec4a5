//! Validating again whenever an input changes.

use super::inputs::{self, Input};
use super::{Args, once};
use crate::app::{complain, say};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

type State = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// Never returns but with an error before the first run.
pub(super) fn watch(args: &Args) -> Result<bool, String> {
    if args.inputs.iter().any(|input| input == "-") {
        return Err("the standard input cannot be watched".to_owned());
    }
    loop {
        let before = state(args);
        if let Err(text) = once(args) {
            complain(&text);
        }
        say("watching for changes; stop with Ctrl-C");
        while state(args) == before {
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// What there is, and when it was last changed.
fn state(args: &Args) -> State {
    let mut state = Vec::new();
    if let Ok(found) = inputs::find(&args.inputs) {
        for input in found.list {
            if let Input::Resource { path, .. } | Input::Lines { path, .. } = input {
                note(&path, &mut state);
            }
        }
    }
    for path in &args.definitions {
        deep(path, &mut state);
    }
    state
}

fn note(path: &Path, state: &mut State) {
    let metadata = std::fs::metadata(path).ok();
    let changed = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    state.push((path.to_owned(), changed, metadata.map_or(0, |metadata| metadata.len())));
}

fn deep(path: &Path, state: &mut State) {
    note(path, state);
    if let Ok(entries) = std::fs::read_dir(path) {
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            deep(&path, state);
        }
    }
}
