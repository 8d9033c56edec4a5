use super::*;
use serde_json::json;

fn ask(set: &str, system: Option<&str>, code: &str) -> Membership {
    Definitions::builtin().value_set(set).unwrap().member(system, None, code)
}

#[test]
fn value_sets_of_the_pack_answer() {
    let status = "http://hl7.org/fhir/ValueSet/flag-status|4.0.1";
    assert_eq!(ask(status, None, "active"), Membership::Yes);
    assert_eq!(ask(status, Some("http://hl7.org/fhir/flag-status"), "entered-in-error"), Membership::Yes);
    assert!(matches!(ask(status, None, "Active"), Membership::No(_)));
    assert!(matches!(ask(status, Some("urn:x"), "active"), Membership::No(_)));
    let labels = "http://hl7.org/fhir/ValueSet/security-labels";
    let confidentiality = Some("http://terminology.hl7.org/CodeSystem/v3-Confidentiality");
    assert_eq!(ask(labels, confidentiality, "R"), Membership::Yes);
    assert!(matches!(ask(labels, confidentiality, "Q"), Membership::No(_)));
    let purpose = "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse";
    assert_eq!(
        ask(purpose, Some("http://terminology.hl7.org/CodeSystem/v3-ActReason"), "TREAT"),
        Membership::Yes
    );
    let languages = "http://hl7.org/fhir/ValueSet/all-languages";
    assert_eq!(ask(languages, None, "en-GB"), Membership::Yes);
    assert!(matches!(ask(languages, None, "qq"), Membership::No(_)));
    let three = "http://hl7.org/fhir/ValueSet/iso3166-1-3";
    assert_eq!(ask(three, Some("urn:iso:std:iso:3166"), "GBR"), Membership::Yes);
    assert!(matches!(ask(three, Some("urn:iso:std:iso:3166"), "GB"), Membership::No(_)));
    let findings = "http://hl7.org/fhir/ValueSet/clinical-findings";
    let snomed = Some("http://snomed.info/sct");
    assert!(matches!(ask(findings, snomed, "73211009"), Membership::Unknown(_)));
    assert!(matches!(ask(findings, snomed, "73211008"), Membership::No(_)));
}

#[test]
fn every_value_set_of_the_pack_compiles_without_problems() {
    let definitions = Definitions::builtin();
    let mut with_problems = Vec::new();
    for listing in definitions.packed().iter().filter(|listing| {
        listing.is_core && listing.resource_type == "ValueSet" && !listing.url.contains("example")
    }) {
        let set = definitions.value_set(listing.url).unwrap();
        if !set.problems.is_empty() {
            with_problems.push((listing.url, set.problems.clone()));
        }
    }
    assert_eq!(with_problems.len(), 0, "{with_problems:#?}");
}

#[test]
fn filters_excludes_and_imports() {
    let definitions = Definitions::builtin();
    let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
    let compile =
        |compose: Value| definitions.compile_value_set(&json!({"url": "urn:vs", "compose": compose}));
    let filter = |property: &str, op: &str, value: &str| json!([{"system": system, "filter": [{"property": property, "op": op, "value": value}]}]);
    let ask = |set: &ValueSet, code: &str| set.member(Some(system), None, code).is_yes();
    let below = compile(json!({"include": filter("concept", "descendent-of", "PurposeOfUse")}));
    assert!(ask(&below, "TREAT") && ask(&below, "ETREAT") && !ask(&below, "PurposeOfUse"));
    let not = compile(json!({"include": filter("concept", "is-not-a", "PurposeOfUse")}));
    assert!(!ask(&not, "TREAT") && ask(&not, "_ActAccommodationReason"));
    let pattern = compile(json!({"include": filter("code", "regex", "E?TREAT")}));
    assert!(ask(&pattern, "TREAT") && !ask(&pattern, "HRESCH"));
    let listed = compile(json!({"include": filter("code", "in", "TREAT, HRESCH")}));
    assert!(ask(&listed, "HRESCH") && !ask(&listed, "ETREAT"));
    let exists = compile(json!({"include": filter("notSelectable", "exists", "true")}));
    assert!(!exists.problems.is_empty() || !exists.includes.is_empty());
    let unknown = compile(json!({"include": filter("colour", "=", "red")}));
    assert_eq!(unknown.problems.len(), 1);
    assert!(matches!(unknown.member(Some(system), None, "TREAT"), Membership::Unknown(_)));
    let without = compile(json!({"include": filter("concept", "is-a", "PurposeOfUse"),
        "exclude": [{"system": system, "concept": [{"code": "TREAT"}]}]}));
    assert!(!ask(&without, "TREAT") && ask(&without, "HRESCH"));
    let both = compile(json!({"include": [{"system": system, "concept": [{"code": "TREAT"}, {"code": "X"}],
        "valueSet": ["http://terminology.hl7.org/ValueSet/v3-PurposeOfUse"]}]}));
    assert!(ask(&both, "TREAT") && !ask(&both, "X"));
    let itself = compile(json!({"include": [{"valueSet": ["urn:vs"]}]}));
    assert!(matches!(itself.member(Some(system), None, "TREAT"), Membership::Unknown(_)));
}

#[test]
fn expansions_are_used_where_the_definition_does_not_lead_to_codes() {
    let definitions = Definitions::builtin();
    let outside = definitions.compile_value_set(&json!({"url": "urn:vs",
        "compose": {"include": [{"system": "urn:unknown"}]},
        "expansion": {"contains": [{"system": "urn:unknown", "code": "a", "display": "A"}]}}));
    assert!(outside.member(Some("urn:unknown"), None, "a").is_yes());
    assert!(matches!(outside.member(Some("urn:unknown"), None, "b"), Membership::No(_)));
    assert_eq!(outside.displays("urn:unknown", "a"), ["A"]);
    let part = definitions.compile_value_set(&json!({"url": "urn:vs",
        "expansion": {"total": 9, "contains": [{"system": "urn:unknown", "code": "a"}]}}));
    assert!(part.member(Some("urn:unknown"), None, "a").is_yes());
    assert!(matches!(part.member(Some("urn:unknown"), None, "b"), Membership::Unknown(_)));
}

#[test]
fn case_matters_only_where_the_system_says_so() {
    let definitions = Definitions::builtin();
    let table = definitions.code_system("http://terminology.hl7.org/CodeSystem/v2-0001").unwrap();
    if table.case_sensitive == Some(false) {
        assert_eq!(table.lookup("f").unwrap().code, "F");
    }
    assert!(matches!(definitions.has_code("http://hl7.org/fhir/flag-status", "ACTIVE"), Membership::No(_)));
}
