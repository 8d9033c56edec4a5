//! The pages of the formats: each has a complete example, which is a fixture word for word, and says of its Bundle what
//! is so.
//!
//! `<!-- example: NAME -->` stands before a block that is the input of the fixture; `<!-- becomes: NAME -->` before JSON
//! of which each member stands somewhere in the fixture's Bundle.

use serde_json::Value;
use sgw::convert::Mappings;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The blocks after a mark, with the name in the mark.
fn blocks<'t>(page: &'t str, mark: &str) -> Vec<(&'t str, &'t str)> {
    let mark = format!("<!-- {mark}: ");
    let found = page.split(mark.as_str()).skip(1);
    found
        .map(|rest| {
            let (name, rest) = rest.split_once(" -->\n").expect("a mark ends its line");
            let block = rest.strip_prefix("```").expect("a block follows its mark");
            let block = block.split_once('\n').unwrap().1;
            (name, block.split_once("\n```").expect("a block ends").0)
        })
        .collect()
}

fn input(case: &str) -> String {
    let folder = root("fixtures/convert").join(case);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{case}: {e}")).map(|e| e.unwrap().path());
    let file = files.into_iter().find(|path| path.file_stem().unwrap() == "input").unwrap();
    fs::read_to_string(file).unwrap().replace("\r\n", "\n").replace('\r', "\n")
}

/// Whether all that `said` says is so of `found`: members by name, items in any place of their list.
fn holds(said: &Value, found: &Value) -> bool {
    match (said, found) {
        (Value::Object(said), Value::Object(found)) => {
            said.iter().all(|(name, said)| found.get(name).is_some_and(|found| holds(said, found)))
        }
        (Value::Array(said), Value::Array(found)) => {
            said.iter().all(|said| found.iter().any(|found| holds(said, found)))
        }
        _ => said == found,
    }
}

#[test]
fn every_mapping_has_a_page_whose_example_is_a_fixture() {
    let mut shown = BTreeSet::new();
    for entry in fs::read_dir(root("docs/formats")).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        for (case, block) in blocks(&page, "example") {
            let input = input(case);
            assert_eq!(block.trim_end(), input.trim_end(), "{}: `{case}`", path.display());
            shown.insert(Mappings::builtin().recognise(input.as_bytes()).unwrap().id.clone());
        }
        for (case, block) in blocks(&page, "becomes") {
            let said: Value =
                serde_json::from_str(block).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let bundle = fs::read_to_string(root("fixtures/convert").join(case).join("bundle.json")).unwrap();
            let bundle: Value = serde_json::from_str(&bundle).unwrap();
            let bundles = if let Value::Array(all) = bundle { all } else { vec![bundle] };
            let mut entries = bundles.iter().filter_map(|bundle| bundle["entry"].as_array()).flatten();
            assert!(
                entries.any(|entry| holds(&said, &entry["resource"])),
                "{}: `{case}`: {said:#}",
                path.display()
            );
        }
    }
    for mapping in Mappings::builtin().all() {
        assert!(shown.contains(&mapping.id), "no page shows an example for the mapping `{}`", mapping.id);
    }
}
