//! Ten disclosures and ten refusals of the demonstration: one command each says what, to whom, why, on which ground,
//! under which versions, with what outcome, and leaves a proof that is verified offline.

use super::{demonstrated, details, sgw, sgw_verify};
use serde_json::Value;

/// What the command must say about a record, taken from the exported event.
fn told(event: &Value) -> Vec<String> {
    let mut told = Vec::new();
    let entity = event["entity"].as_array().unwrap();
    let reference = entity.iter().find_map(|entity| entity["what"]["reference"].as_str());
    told.extend(reference.map(|reference| format!("what: {reference}")));
    for name in ["lawful-basis", "agreement", "policy-version", "consent", "rationale", "reason", "outcome"] {
        told.extend(details(event, name).iter().map(|value| format!("{name}: {value}")));
    }
    for agent in event["agent"].as_array().unwrap() {
        told.extend(agent["altId"].as_str().map(str::to_owned));
    }
    told
}

#[test]
fn ten_disclosures_and_ten_refusals_of_the_demonstration_are_told_and_proved() {
    let site = demonstrated();
    let of = |wanted: &dyn Fn(&str, &Value) -> bool| -> Vec<(String, Value)> {
        let fits = site.log.iter().filter(|(leaf, event)| wanted(leaf["act"].as_str().unwrap(), event));
        fits.map(|(leaf, event)| (leaf["id"].as_str().unwrap().to_owned(), event.clone())).take(10).collect()
    };
    let disclosures = of(&|act, _| act == "disclosure");
    let refusals = of(&|act, event| {
        let outcome = details(event, "outcome");
        matches!(act, "decision" | "read") && !outcome.is_empty() && outcome != ["permit"]
            || act == "submission-refused"
    });
    assert_eq!((disclosures.len(), refusals.len()), (10, 10), "the demonstration has enough of both");
    let out = site.text("");
    for (kind, records) in [("disclosure", &disclosures), ("refusal", &refusals)] {
        for (id, event) in records {
            let (code, said) = sgw(&["audit", "prove", id, "--out", &out, "--config", &site.config()]);
            assert_eq!(code, 0, "{said}");
            let mut expected = told(event);
            assert!(expected.len() > 1, "{event}");
            if !details(event, "outcome").is_empty() {
                expected.push("purpose: SAFEGUARDING".to_owned());
            }
            if kind == "disclosure" {
                let named = |name: &str| expected.iter().any(|line| line.starts_with(name));
                for name in ["lawful-basis", "agreement", "policy-version", "rationale"] {
                    assert!(named(name), "{name} is in {event}");
                }
            }
            let file = site.text(&format!("proof-{id}.json"));
            let (code, verified) = sgw_verify(&["proof", &file, "--key", &site.key()]);
            assert_eq!(code, 0, "{verified}");
            assert!(verified.contains(": proved: leaf "), "{verified}");
            for line in &expected {
                assert!(said.contains(line) && verified.contains(line), "{kind}: {line} in {said}{verified}");
            }
        }
    }
    // A proof of a refusal cannot be made into the proof of a permit.
    let (id, _) = refusals.iter().find(|(_, event)| details(event, "outcome") == ["withhold"]).unwrap();
    let file = site.path(&format!("proof-{id}.json"));
    let forged = std::fs::read_to_string(&file).unwrap().replace("withhold", "permit");
    let other = site.text("forged.json");
    std::fs::write(&other, forged).unwrap();
    let (code, said) = sgw_verify(&["proof", &other, "--key", &site.key()]);
    assert!(code == 1 && said.contains("NOT PROVED"), "{said}");
}
