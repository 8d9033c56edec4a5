//! What operators and suppliers meet by name stands in the documentation: every measurement and every error code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn sources(folder: PathBuf, texts: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(path, texts);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            texts.push((path, text));
        }
    }
}

/// The names of measurements in a text: `"sgw_…"`.
fn measurements(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('"').skip(1).step_by(2);
    quoted.filter(|name| {
        name.len() > 4
            && name.starts_with("sgw_")
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

/// The text of a function of a source file, from its head to its end.
fn function<'t>(text: &'t str, head: &str) -> &'t str {
    text.split(head).nth(1).and_then(|rest| rest.split("\n    }\n").next()).expect("the function is there")
}

#[test]
fn every_measurement_is_described_and_documented() {
    let mut texts = Vec::new();
    sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
    let (mut used, mut described) = (BTreeSet::new(), BTreeSet::new());
    for (path, text) in &texts {
        let code = text.split("metrics::").skip(1).filter(|rest| !rest.starts_with("describe_"));
        used.extend(code.flat_map(|rest| measurements(rest.split(')').next().unwrap_or("")).take(1)));
        if path.ends_with("telemetry/metrics.rs") {
            described.extend(measurements(text));
        }
    }
    assert!(used.len() > 20, "{used:?}");
    let documentation = read("docs/running.md");
    let missing: Vec<_> = used
        .iter()
        .filter(|name| !described.contains(*name) || !documentation.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "not described, or not in docs/running.md: {missing:?}");
    let gone: Vec<_> = described.difference(&used).collect();
    assert!(gone.is_empty(), "described, but never measured: {gone:?}");
}

#[test]
fn every_error_code_is_documented() {
    let documentation = read("docs/running.md");
    let errors = read("src/api/answer.rs");
    let refusals = read("src/exchange/refusal.rs");
    let codes = [function(&errors, "pub fn rule(&self)"), function(&refusals, "pub fn code(&self)")];
    let codes: BTreeSet<&str> = codes
        .iter()
        .flat_map(|text| text.split("=> \"").skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(codes.len() > 25, "{codes:?}");
    let missing: Vec<_> = codes.iter().filter(|code| !documentation.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "not in docs/running.md: {missing:?}");
}
