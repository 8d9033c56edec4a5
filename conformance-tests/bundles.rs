//! Bundles of any size: each kind that a subscriber or a tester meets, with far more entries than a page shows.

use serde_json::{Value, json};
use sgw::validate::Validator;

fn bundle(kind: &str, entries: usize) -> Value {
    let entry = |n: usize| {
        let mut entry = json!({
            "fullUrl": format!("https://example.org/fhir/Basic/b{n}"),
            "resource": {"resourceType": "Basic", "id": format!("b{n}"), "code": {"text": "an entry"}}
        });
        if kind == "batch" {
            entry["request"] = json!({"method": "PUT", "url": format!("Basic/b{n}")});
        }
        entry
    };
    json!({"resourceType": "Bundle", "type": kind, "entry": (0..entries).map(entry).collect::<Vec<_>>()})
}

#[test]
fn a_bundle_of_thousands_of_entries_is_judged_as_a_small_one_is() {
    let validator = Validator::builtin();
    for kind in ["collection", "batch"] {
        let report = validator.validate_json(&bundle(kind, 3_000).to_string(), &[]);
        let errors: Vec<_> = report.issues.iter().filter(|issue| issue.severity.refuses()).take(3).collect();
        assert!(report.is_valid(), "{kind}: {errors:?}");
    }
    let mut wrong = bundle("batch", 3_000);
    wrong["entry"][2_999].as_object_mut().unwrap().remove("request");
    let report = validator.validate_json(&wrong.to_string(), &[]);
    assert!(report.issues.iter().any(|issue| issue.rule == "bdl-3" && issue.severity.refuses()));
}
