//! The gateway's own profiles: every passing fixture passes, and every failing one fails for the reason it states.

use sgw::fhir::systems;
use sgw::validate::Validator;
use std::path::{Path, PathBuf};

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/profiles");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn fixtures_pass_and_fail_as_they_say() {
    let validator = Validator::builtin();
    let mut wrong = Vec::new();
    for folder in folders() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let profile = systems::canonical(&format!("StructureDefinition/{name}"));
        validator.knows(&[&profile]).unwrap();
        let (mut passing, mut failing) = (0, 0);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let report = validator.validate_json(&text, &[&profile]);
            let errors: Vec<String> = report
                .issues
                .iter()
                .filter(|issue| issue.severity.refuses())
                .map(|issue| format!("{} at {}: {}", issue.rule, issue.expression, issue.text))
                .collect();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            if file.starts_with("pass-") {
                passing += 1;
                if !errors.is_empty() {
                    wrong.push(format!("{name}/{file} should pass: {errors:?}"));
                }
                continue;
            }
            failing += 1;
            let expected = std::fs::read_to_string(path.with_extension("expect")).unwrap();
            for rule in expected.split_whitespace() {
                let found = report.issues.iter().any(|issue| issue.severity.refuses() && issue.rule == rule);
                if !found {
                    wrong.push(format!("{name}/{file} should break `{rule}`: {errors:?}"));
                }
            }
        }
        assert!(passing > 0 && failing > 0, "{name} needs a passing and a failing fixture");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
