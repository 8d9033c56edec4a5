//! The resources that mutants are made of, in groups of which each gives as many mutants as any other.

use super::paths;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Resources longer than this are left out: the reference takes long over them, and their mutants say no more.
const LONGEST: usize = 20_000;

/// A resource to make mutants of.
pub struct Seed {
    pub name: String,
    pub group: String,
    pub value: Value,
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "json") {
            found.push(path);
        }
    }
}

fn read(path: &Path, group: &str) -> Option<Seed> {
    let text = std::fs::read_to_string(path).ok().filter(|text| text.len() < LONGEST)?;
    let value: Value = serde_json::from_str(&text).ok()?;
    let type_name = value.get("resourceType")?.as_str()?;
    // The resources that safeguarding is about are a group of their own among the published examples.
    let group = match type_name {
        "Flag" | "Consent" | "AuditEvent" if group == "examples" => "published Flag, Consent, AuditEvent",
        _ => group,
    };
    Some(Seed { name: path.file_stem()?.to_string_lossy().into_owned(), group: group.to_owned(), value })
}

/// Our passing fixtures, UK Core resources, and the JSON files of the folders in `SGW_DIFFERENTIAL_SEEDS`, in a fixed
/// order.
pub fn all() -> Vec<Seed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    let mut add = |folder: &Path, group: &str, wanted: fn(&str) -> bool| {
        let mut files = Vec::new();
        walk(folder, &mut files);
        files.retain(|path| path.file_name().is_some_and(|name| wanted(&name.to_string_lossy())));
        files.sort();
        seeds.extend(files.iter().filter_map(|path| read(path, group)));
    };
    add(&root.join("fixtures/profiles"), "our profiles", |name| name.starts_with("pass-"));
    add(&root.join("fixtures/differential/seeds/uk-core"), "UK Core", |_| true);
    paths("SGW_DIFFERENTIAL_SEEDS").iter().for_each(|folder| add(folder, "examples", |_| true));
    seeds
}
