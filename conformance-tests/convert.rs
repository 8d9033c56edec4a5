//! Every fixture of `fixtures/convert`: the input converts to the expected Bundle and ledger, or is refused as expected.
//!
//! A case is a folder with `input.*`, optionally `case.yaml` (`mapping: ID`), and what is expected: `bundle.json` and
//! `ledger.json`, or `outcome.json`; a payload of several records has one of each for each, in arrays. With `SGW_WRITE_FIXTURES=1` the expected files are written anew, to be reviewed.

use serde_json::{Value, json};
use sgw::convert::{Context, Converted, Mappings, Source, Unreadable, convert_each};
use sgw::fhir::outcome;
use sgw::validate::Validator;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/convert")
}

fn context() -> Context {
    Context::new("2026-11-21T09:00:00Z".parse().unwrap(), "submission-1")
}

fn run(case: &Path) -> Vec<Result<Converted, Value>> {
    let input = fs::read_dir(case)
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.file_stem().is_some_and(|s| s == "input"));
    let payload = fs::read(input.unwrap_or_else(|| panic!("{} has no input", case.display()))).unwrap();
    let named = fs::read_to_string(case.join("case.yaml")).ok();
    let named = named.and_then(|t| t.lines().find_map(|l| l.strip_prefix("mapping: ").map(str::to_owned)));
    let mappings = Mappings::builtin();
    let mapping = match &named {
        Some(id) => mappings.get(id),
        None => mappings.recognise(&payload),
    };
    let mapping = mapping.unwrap_or_else(|| panic!("{}: no mapping", case.display()));
    let source = Source {
        id: "fixture".into(),
        organisation: "RXX".into(),
        name: "Example organisation".into(),
        format: mapping.format,
        mapping: mapping.id.clone(),
        lawful_basis: vec!["ca2004-s11".into()],
        tier: None,
    };
    let mut all = Vec::new();
    let mut each = |one: Result<Converted, Unreadable>| all.push(one.map_err(|e| outcome(&[e.issue()])));
    if let Err(unreadable) = convert_each(&payload, &source, mapping, &context(), &mut each) {
        all.push(Err(outcome(&[unreadable.issue()])));
    }
    all
}

fn compare(path: &Path, found: &Value, wrong: &mut Vec<String>) {
    let text = serde_json::to_string_pretty(found).unwrap() + "\n";
    if std::env::var_os("SGW_WRITE_FIXTURES").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    match fs::read_to_string(path) {
        Ok(expected) if expected == text => {}
        Ok(_) => wrong.push(format!("{} differs", path.display())),
        Err(_) => wrong.push(format!("{} is missing", path.display())),
    }
}

#[test]
fn every_fixture_converts_as_expected_and_is_valid() {
    let validator = Validator::builtin();
    let mut wrong = Vec::new();
    let mut totals: BTreeMap<String, usize> = BTreeMap::new();
    let mut cases: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    for case in cases.iter().filter(|c| c.is_dir()) {
        let results = run(case);
        let several = results.len() > 1;
        let mut found: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for result in results {
            let converted = match result {
                Err(outcome) => {
                    found.entry("outcome.json").or_default().push(outcome);
                    continue;
                }
                Ok(converted) => converted,
            };
            {
                let ledger = converted.ledger.to_json(false);
                let summary = converted.ledger.summary();
                assert_eq!(
                    summary.values,
                    summary.mapped + summary.carried + summary.dropped,
                    "{}",
                    case.display()
                );
                for entry in ledger["entries"].as_array().unwrap() {
                    let key = entry["reason"].as_str().unwrap_or_else(|| entry["outcome"].as_str().unwrap());
                    *totals.entry(key.to_owned()).or_default() += 1;
                }
                if converted.refused() {
                    found.entry("outcome.json").or_default().push(outcome(&converted.issues));
                    continue;
                }
                found.entry("bundle.json").or_default().push(converted.bundle.clone());
                found.entry("ledger.json").or_default().push(ledger);
                let report = validator.validate_value(&converted.bundle, &[]);
                for issue in report.issues.iter().filter(|i| i.severity.refuses()) {
                    wrong.push(format!(
                        "{}: {} {}: {}",
                        case.display(),
                        issue.expression,
                        issue.rule,
                        issue.text
                    ));
                }
            }
        }
        for (name, mut values) in found {
            let value = if several { Value::Array(values) } else { values.remove(0) };
            compare(&case.join(name), &value, &mut wrong);
        }
    }
    println!("values by outcome over all fixtures: {}", json!(totals));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_reference_in_a_bundle_leads_to_an_entry() {
    for case in fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).filter(|c| c.is_dir()) {
        for converted in run(&case).into_iter().flatten() {
            let entries = converted.bundle["entry"].as_array().cloned().unwrap_or_default();
            let urls: Vec<&str> = entries.iter().map(|e| e["request"]["url"].as_str().unwrap()).collect();
            let mut references = Vec::new();
            collect(&converted.bundle, &mut references);
            for reference in references.iter().filter(|r| !r.starts_with('#') && !r.contains("://")) {
                assert!(urls.contains(&reference.as_str()), "{}: {reference}", case.display());
            }
        }
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("reference").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|m| collect(m, found));
        }
        Value::Array(items) => items.iter().for_each(|i| collect(i, found)),
        _ => {}
    }
}
