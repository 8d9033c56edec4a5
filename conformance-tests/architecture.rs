//! The rules of the house, read from its own sources: arrows point one way, files stay short, the map is whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    rust_files(&root().join(folder), &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    paths.into_iter().map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// The modules of the crate in layer order, lowest first, as `src/lib.rs` declares them.
fn layers() -> Vec<String> {
    let library = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

/// The modules that a line of code names: `crate::a::…`, and every member of `crate::{a::…, b}`.
fn modules_named(text: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let line = text[..at].matches('\n').count() + 1;
        let start_of_line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        if text[start_of_line..at].trim_start().starts_with("//") || text[..at].ends_with('$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => named.push((line, identifier(rest))),
            Some(group) => named.extend(members(group).into_iter().map(|member| (line, member))),
        }
    }
    named
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first names of the members of a `use` group, up to its closing brace.
fn members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut found = vec![identifier(group.trim_start())];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => found.push(identifier(group[at + 1..].trim_start())),
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn arrows_back(layers: &[String], files: &[(String, String)]) -> Vec<String> {
    let rank: BTreeMap<&str, usize> = layers.iter().enumerate().map(|(n, name)| (name.as_str(), n)).collect();
    let mut wrong = Vec::new();
    for (file, text) in files {
        let Some(own) =
            file.strip_prefix("src/").map(identifier).and_then(|name| rank.get(name.as_str()).copied())
        else {
            continue;
        };
        for (line, name) in modules_named(text) {
            if rank.get(name.as_str()).is_some_and(|other| *other > own) {
                wrong.push(format!("{file}:{line} imports `{name}`, which stands above `{}`", layers[own]));
            }
        }
    }
    wrong
}

#[test]
fn arrows_point_from_higher_modules_to_lower_ones() {
    let wrong = arrows_back(&layers(), &sources("src"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_arrow_test_sees_each_way_of_importing() {
    let layers = ["fhir".to_owned(), "store".to_owned(), "api".to_owned()];
    let seen = |text: &str| arrows_back(&layers, &[("src/fhir/a.rs".into(), text.into())]).len();
    assert_eq!(seen("use crate::store::Store;"), 1);
    assert_eq!(seen("use crate::{fhir::Issue, store::{A, B}, api};"), 2);
    assert_eq!(seen("fn f() -> crate::api::Answer { loop {} }"), 1);
    assert_eq!(seen("// crate::api is far away\nuse crate::fhir::Issue;"), 0);
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long: Vec<String> = ["src", "conformance-tests", "benches"]
        .iter()
        .flat_map(|folder| sources(folder))
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(file, lines)| format!("{file} has {lines} lines"))
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn every_module_is_on_the_map_and_in_the_code() {
    let layers = layers();
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let code_map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for module in &layers {
        assert!(map.contains(&format!("`{module}`")), "`{module}` is missing from ARCHITECTURE.md");
        assert!(
            code_map.contains(&format!("[`{module}`]")),
            "`{module}` is missing from the map in src/lib.rs"
        );
    }
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let module = name.trim_end_matches(".rs").to_owned();
        let is_root = ["lib", "main", "bin"].contains(&module.as_str());
        assert!(is_root || layers.contains(&module), "`src/{name}` is not declared in src/lib.rs");
    }
}

#[test]
fn names_that_say_nothing_are_not_used() {
    let empty = ["utils", "util", "common", "helpers", "helper", "manager", "service", "misc"];
    for (file, _) in sources("src") {
        for part in file.trim_end_matches(".rs").split('/') {
            assert!(!empty.contains(&part), "`{file}`: name the idea instead");
        }
    }
}
