//! Every hazard of the hazard log names tests that exist.

use std::path::Path;

fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_hazard_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let log = std::fs::read_to_string(root.join("docs/safety/hazard-log.md")).unwrap();
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    sources(&root.join("conformance-tests"), &mut code);
    let mut hazards = 0;
    for row in log.lines().filter(|line| line.starts_with("| H")) {
        hazards += 1;
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 6, "{row}");
        let guards: Vec<&str> = cells[5].split('`').skip(1).step_by(2).collect();
        assert!(!guards.is_empty(), "{} has no test", cells[0]);
        for guard in guards {
            assert!(code.contains(&format!("fn {guard}(")), "{}: there is no test `{guard}`", cells[0]);
        }
    }
    assert!(hazards >= 23);
}
