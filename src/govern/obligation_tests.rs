//! What an agreement may ask of a copy, and what it says of Consents that disagree.

use super::tests::{facts, flag, now, starter};
use super::{Decision, Partner, Policy, Request, Say, StoredConsent, decide};
use crate::fhir::systems;
use serde_json::{Value, json};

const HOUSING: &str = include_str!("../../profiles/agreements/moorland-homes.yaml");
const ED: &str = include_str!("../../profiles/agreements/eastmoor-ed.yaml");

fn policy(text: &str) -> Result<Policy, Vec<super::PolicyError>> {
    let partners = vec![Partner::new("ed", "RZZ02", "ED"), Partner::new("housing", "HZZ01", "Housing")];
    Policy::from_documents(&[("one.yaml".to_owned(), text.to_owned())], partners)
}

fn to_ed(policy: &Policy, resource: &Value, consents: &[StoredConsent]) -> Decision {
    decide(policy, &Request::notify(policy.partner("ed").unwrap()), &facts(resource, consents), now())
}

fn with_address(postcode: &str) -> Value {
    let mut flag = flag("child-protection", &["gdpr-6-1-e"]);
    flag["contained"] = json!([{"resourceType": "Patient", "id": "p", "address": [{"use": "home",
        "line": ["1 Secret Street"], "_line": [null], "text": "1 Secret Street, Northtown", "city": "Northtown",
        "district": "Northshire", "postalCode": postcode,
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/geolocation"}]}]}]);
    flag["extension"].as_array_mut().unwrap().push(json!({"url": "https://x.example/met-at",
        "valueAddress": {"line": ["2 Other Street"], "postalCode": postcode}}));
    flag["text"] = json!({"status": "generated", "div": "<div>1 Secret Street</div>"});
    flag
}

#[test]
fn a_place_is_told_as_exactly_as_the_agreement_says() {
    let general = policy(&ED.replace(
        "minimum-datasets:\n  whole-alert:\n",
        "minimum-datasets:\n  whole-alert:\n    location: general\n",
    ))
    .unwrap();
    for (postcode, left) in [
        ("AB1 2CD", json!("AB1")),
        ("AB12CD", json!("AB1")),
        ("sw1a 1aa", json!("sw1a")),
        ("90210", Value::Null),
        ("90210-1234", Value::Null),
        ("1AA", Value::Null),
        ("ABCDE 1AA", Value::Null),
        ("AB1 234", Value::Null),
        ("AB1 CCD", Value::Null),
        ("12 3CD", Value::Null),
        ("Ä1 2CD", Value::Null),
    ] {
        let resource = with_address(postcode);
        let decision = to_ed(&general, &resource, &[]);
        let permit = decision.permit().unwrap();
        assert!(permit.obligations().contains(&"location-generalised"));
        let copy = permit.release(&facts(&resource, &[]), now()).unwrap();
        assert!(
            copy.redacted && copy.obligations.contains(&"location-generalised"),
            "{:?}",
            copy.obligations
        );
        let mut kept = json!({"use": "home", "city": "Northtown", "district": "Northshire"});
        if !left.is_null() {
            kept["postalCode"] = left.clone();
        }
        assert_eq!(copy.resource["contained"][0]["address"], json!([kept]), "{postcode}");
        let text = copy.resource.to_string();
        assert!(!text.contains("Street") && !text.contains("geolocation"), "{text}");
        if left.is_null() {
            let absent = &copy.resource["extension"].as_array().unwrap().last().unwrap()["valueAddress"];
            assert_eq!(absent["extension"][0]["valueCode"], "masked", "an address with nothing left says so");
        }
    }
    // As it is without a word of it in the agreement; and gone altogether for somebody whose place is restricted.
    let exact = policy(ED).unwrap();
    let resource = with_address("AB1 2CD");
    let decision = to_ed(&exact, &resource, &[]);
    let copy = decision.permit().unwrap().release(&facts(&resource, &[]), now()).unwrap();
    assert!(!copy.obligations.contains(&"location-generalised"));
    assert!(copy.resource.to_string().contains("1 Secret Street"));
    let hidden = json!({"resourceType": "Patient",
        "meta": {"security": [{"system": systems::CONFIDENTIALITY, "code": "R"}]}});
    let facts = super::Facts { patient: Some(&hidden), ..facts(&resource, &[]) };
    let decision = decide(&general, &Request::notify(general.partner("ed").unwrap()), &facts, now());
    let permit = decision.permit().unwrap();
    assert!(permit.obligations().contains(&"location-withheld"));
    assert!(!permit.obligations().contains(&"location-generalised"));
    assert!(!permit.release(&facts, now()).unwrap().resource.to_string().contains("AB1"));
}

#[test]
fn a_reference_to_a_place_is_withheld_with_the_place() {
    let mut resource = flag("child-protection", &["gdpr-6-1-e"]);
    let extensions = resource["extension"].as_array_mut().unwrap();
    for place in ["Location/refuge", "https://elsewhere.example/fhir/Location/refuge/_history/1"] {
        extensions.push(json!({"url": "https://x.example/at", "valueReference": {"reference": place}}));
    }
    let hidden = json!({"resourceType": "Patient",
        "meta": {"security": [{"system": systems::CONFIDENTIALITY, "code": "V"}]}});
    let policy = starter();
    let facts = super::Facts { patient: Some(&hidden), ..facts(&resource, &[]) };
    let decision = decide(&policy, &Request::notify(policy.partner("hub").unwrap()), &facts, now());
    let copy = decision.permit().unwrap().release(&facts, now()).unwrap();
    assert!(!copy.resource.to_string().contains("refuge"), "{}", copy.resource);
    assert!(copy.resource["subject"]["identifier"].is_object(), "whom it is about stays");
}

#[test]
fn what_cannot_be_masked_or_is_no_label_or_no_duration_is_refused_with_its_place() {
    let mask = |path: &str| {
        HOUSING.replacen("    elements:", &format!("    mask: {{Flag: [\"{path}\"]}}\n    elements:"), 1)
    };
    assert!(HOUSING.contains("    elements:"));
    for (text, rule) in [
        (mask("extension(alleged-party)"), "mask"),
        (mask("*"), "mask"),
        (ED.replace("retention: P1Y", "retention: a year"), "agreement-schema"),
        (ED.replace("retention: P1Y", "retention: PONE"), "duration"),
    ] {
        let errors = policy(&text).err().unwrap_or_default();
        assert!(errors.iter().any(|error| error.rule == rule && error.line.is_some()), "{rule}: {errors:?}");
    }
    assert!(policy(&mask("code.text")).is_ok());
    let labelled = |label: &str| {
        let defined = format!("\ncategories:\n  special: {{concern: [neglect], labels: [{label}]}}\n");
        assert!(ED.contains("\ncategories:\n"));
        ED.replacen("\ncategories:\n", &defined, 1)
    };
    for (label, known) in
        [("SDV", true), ("R", true), ("TIPOFF", true), ("NOPAT", true), ("MASK", true), ("SECRET", false)]
    {
        let text = labelled(label);
        let refused =
            policy(&text).err().is_some_and(|errors| errors.iter().any(|e| e.rule == "label-unknown"));
        assert_eq!(refused, !known, "{label}");
    }
}

fn said(kind: &str, date: Option<&str>) -> Value {
    let mut consent = json!({"resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/p1"}, "provision": {"type": kind}});
    if let Some(date) = date {
        consent["dateTime"] = date.into();
    }
    consent
}

#[test]
fn consents_that_disagree_are_settled_as_the_agreement_says() {
    let strict = policy(ED).unwrap();
    let newest = policy(
        &ED.replace("consent: dissent-withholds", "consent: dissent-withholds\n    consent-conflict: newest"),
    )
    .unwrap();
    let resource = flag("child-protection", &["gdpr-6-1-e"]);
    let permitted = |policy: &Policy, consents: &[Value]| {
        let stored: Vec<StoredConsent> =
            consents.iter().map(|resource| StoredConsent { id: "c", version: 1, resource }).collect();
        let decision = to_ed(policy, &resource, &stored);
        let counted: Vec<(Say, bool)> = decision.consents.iter().map(|c| (c.said, c.superseded)).collect();
        assert!(decision.consents.iter().all(|consent| !consent.overridden));
        (decision.permit().is_some(), counted)
    };
    let (old, new) = (Some("2026-01-01"), Some("2026-06-01"));
    for (one, other, by_newest) in [
        (said("deny", old), said("permit", new), true),
        (said("permit", old), said("deny", new), false),
        (said("deny", old), said("permit", old), false),
        (said("deny", None), said("permit", new), false),
        (said("deny", Some("soon")), said("permit", new), false),
        (said("permit", None), said("deny", old), false),
        (said("permit", old), said("permit", new), true),
    ] {
        for consents in [[one.clone(), other.clone()], [other.clone(), one.clone()]] {
            assert_eq!(permitted(&newest, &consents).0, by_newest, "{consents:?}");
            let denies = consents.iter().any(|consent| consent["provision"]["type"] == "deny");
            let (by_strictest, counted) = permitted(&strict, &consents);
            assert_eq!(by_strictest, !denies, "{consents:?}");
            assert!(counted.iter().all(|(_, superseded)| !superseded));
        }
    }
    let (_, counted) = permitted(&newest, &[said("deny", old), said("permit", new)]);
    assert_eq!(counted, [(Say::Deny, true), (Say::Permit, false)], "what was superseded is told");
    assert!(permitted(&newest, &[]).0);
}

#[test]
fn every_term_that_came_as_far_as_the_furthest_says_why_not() {
    let old = ED.replace("eastmoor-ed", "old").replace("until: 2031-03-31", "until: 2026-05-31");
    let old = old.replace("due: 2029-03-31", "due: 2026-05-31");
    let unreviewed =
        ED.replace("from: 2026-04-01", "from: 2026-06-01").replace("due: 2029-03-31", "due: 2026-08-01");
    let files = [("a.yaml".to_owned(), old), ("b.yaml".to_owned(), unreviewed)];
    let policy = Policy::from_documents(&files, vec![Partner::new("ed", "RZZ02", "ED")]).unwrap();
    let resource = flag("child-protection", &["gdpr-6-1-e"]);
    let decision = to_ed(&policy, &resource, &[]);
    let mut codes: Vec<&str> = decision.reasons.iter().map(|reason| reason.code.code()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["agreement-not-in-force", "agreement-review-overdue"]);
    assert_eq!(decision.contributed.len(), 2, "{:?}", decision.contributed);
    assert!(decision.rationale.contains("in force") && decision.rationale.contains("overdue"));
}
