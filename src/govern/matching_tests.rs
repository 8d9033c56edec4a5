//! Each criterion of a provision by itself: matched, not matched, or not to be told.

use super::labels::{Confidentiality, Labels};
use super::matching::Match::{self, No, Unknown, Yes};
use super::matching::{Asked, matches};
use crate::fhir::systems;
use serde_json::{Value, json};

const ACTION: &str = "http://terminology.hl7.org/CodeSystem/consentaction";
const TYPES: &str = "http://hl7.org/fhir/resource-types";
const PROFILE: &str = "https://p.example/StructureDefinition/x";

fn flag() -> Value {
    json!({"resourceType": "Flag", "id": "f1", "meta": {"profile": [format!("{PROFILE}|2.0")], "lastUpdated": "2026-10-10T10:00:00Z"},
        "category": [{"coding": [{"system": "https://c.example", "code": "abuse"}]}],
        "code": {"coding": [{"system": systems::SNOMED, "code": "707087005"}]},
        "subject": {"reference": "Patient/p1/_history/4"},
        "extension": [{"url": "https://x.example", "valueReference": {"reference": "CarePlan/c9"}}],
        "author": {"reference": "Practitioner/d1"}, "performer": [{"reference": "Practitioner/d2"}]})
}

fn told(resource: &Value, provision: Value) -> Match {
    let labels = Labels {
        confidentiality: Some(Confidentiality::R),
        sensitivities: vec!["ETHUD", "CHILDSAFE"],
        ..Labels::default()
    };
    let asked = Asked {
        organisation: "LZZ01",
        references: &["Organization/hub".to_owned(), "Organization/hub2".to_owned()],
        purpose: "ETREAT",
        action: ("disclose", "access"),
        resource,
        resource_type: "Flag",
        id: "f1",
        patient: None,
        labels: &labels,
        confidentiality: labels.confidentiality,
        now: "2026-11-21T09:00:00Z".parse().unwrap(),
    };
    matches(&provision, false, &asked)
}

#[track_caller]
fn table(name: &str, cases: impl IntoIterator<Item = (Value, Match)>) {
    for (value, said) in cases {
        assert_eq!(told(&flag(), json!({name: value})), said, "{name} {value}");
    }
}

fn coding(system: &str, code: &str) -> Value {
    json!({"system": system, "code": code})
}

#[test]
fn actors_are_recipients_that_are_known_by_code_or_reference() {
    let by = |reference: Value| json!({"reference": reference});
    let ods = |value: &str| by(json!({"identifier": {"system": systems::ODS_ORGANIZATION, "value": value}}));
    let role = |code: &str| json!({"role": {"coding": [{"code": code}]}, "reference": {"reference": "Organization/hub"}});
    for (actor, said) in [
        (ods("LZZ01"), Yes),
        (ods("lzz01"), Yes),
        (ods("X26"), No),
        (by(json!({"identifier": {"system": "https://elsewhere.example", "value": "LZZ01"}})), Unknown),
        (by(json!({"identifier": {"value": "LZZ01"}})), Unknown),
        (by(json!({"identifier": {"system": systems::ODS_ORGANIZATION}})), Unknown),
        (by(json!({"reference": "Organization/hub"})), Yes),
        (by(json!({"reference": "Organization/hub2"})), Yes),
        (by(json!({"reference": "Organization/who"})), Unknown),
        (by(json!({})), Unknown),
        (json!({}), Unknown),
        (json!("LZZ01"), Unknown),
        (role("IRCP"), Yes),
        (role("PRCP"), Yes),
        (role("AUT"), Unknown),
    ] {
        table("actor", [(json!([actor.clone()]), said)]);
        // Repeats are ORed: one that matches is enough, one that cannot be told leaves it open.
        table("actor", [(json!([ods("X99"), actor]), said)]);
    }
    table("actor", [(json!([]), Unknown), (json!({}), Unknown), (json!([ods("X26"), ods("LZZ01")]), Yes)]);
}

#[test]
fn actions_purposes_classes_and_codes() {
    let action = |system: &str, code: &str| json!([{"coding": [coding(system, code)]}]);
    table(
        "action",
        [
            (action(ACTION, "disclose"), Yes),
            (action(ACTION, "access"), Unknown),
            (action(ACTION, "correct"), No),
            (action(ACTION, "collect"), No),
            (action(ACTION, "sing"), Unknown),
            (action("https://elsewhere.example", "disclose"), Unknown),
            (json!([{"coding": [coding(ACTION, "use"), coding(ACTION, "disclose")]}]), Yes),
            (json!([{"coding": []}]), Unknown),
        ],
    );
    let purpose = |system: &str, code: &str| json!([coding(system, code)]);
    table(
        "purpose",
        [
            (purpose(systems::ACT_REASON, "ETREAT"), Yes),
            (purpose(systems::ACT_REASON, "TREAT"), Yes),
            (purpose(systems::ACT_REASON, "BTG"), No),
            (purpose(systems::ACT_REASON, "HRESCH"), No),
            (purpose(systems::ACT_REASON, "CURIOSITY"), Unknown),
            (purpose("https://elsewhere.example", "TREAT"), Unknown),
            (json!([{"code": "TREAT"}]), Unknown),
        ],
    );
    let class = |system: &str, code: &str| json!([coding(system, code)]);
    table(
        "class",
        [
            (class(TYPES, "Flag"), Yes),
            (class(TYPES, "Resource"), Yes),
            (class(TYPES, "DomainResource"), Yes),
            (class("http://hl7.org/fhir/fhir-types", "Flag"), Yes),
            (class(TYPES, "Consent"), No),
            (class("urn:ietf:rfc:3986", PROFILE), Yes),
            (class("http://hl7.org/fhir/ValueSet/consent-content-class", PROFILE), Yes),
            (class("urn:ietf:rfc:3986", "https://p.example/StructureDefinition/y"), No),
            (class("urn:ietf:rfc:3986", "https://p.example/somewhere"), Unknown),
            (class("https://elsewhere.example", "Flag"), Unknown),
        ],
    );
    let code = |codings: Value| json!([{"coding": codings}]);
    table(
        "code",
        [
            (code(json!([coding(systems::SNOMED, "707087005")])), Yes),
            (code(json!([coding("https://c.example", "abuse")])), Yes),
            (code(json!([coding(systems::SNOMED, "abuse")])), No),
            (code(json!([coding("https://c.example", "707087005")])), No),
            (code(json!([coding(systems::SNOMED, "1"), coding(systems::SNOMED, "707087005")])), Yes),
            (code(json!([{"display": "x"}])), Unknown),
            (json!([{"text": "x"}]), Unknown),
        ],
    );
}

#[test]
fn labels_and_data() {
    let local = systems::canonical("CodeSystem/sensitivity");
    let label = |system: &str, code: &str| json!([coding(system, code)]);
    table(
        "securityLabel",
        [
            (label(systems::CONFIDENTIALITY, "R"), Yes),
            (label(systems::CONFIDENTIALITY, "V"), Yes),
            (label(systems::CONFIDENTIALITY, "N"), No),
            (label(systems::CONFIDENTIALITY, "Z"), Unknown),
            (label(systems::ACT_CODE, "ETHUD"), Yes),
            (label(systems::ACT_CODE, "SUD"), Yes),
            (label(systems::ACT_CODE, "OPIOIDUD"), No),
            (label(systems::ACT_CODE, "SECRET"), Unknown),
            (label(&local, "CHILDSAFE"), Yes),
            (label(&local, "ADULTSAFE"), No),
            (label("https://elsewhere.example", "CHILDSAFE"), Unknown),
        ],
    );
    let unknown = Labels { unknown: true, ..Labels::default() };
    let flag = flag();
    let asked = Asked {
        organisation: "LZZ01",
        references: &[],
        purpose: "TREAT",
        action: ("disclose", "access"),
        resource: &flag,
        resource_type: "Flag",
        id: "f1",
        patient: None,
        labels: &unknown,
        confidentiality: None,
        now: "2026-11-21T09:00:00Z".parse().unwrap(),
    };
    for (system, code) in [(systems::ACT_CODE, "HIV"), (systems::CONFIDENTIALITY, "N")] {
        assert_eq!(matches(&json!({"securityLabel": label(system, code)}), false, &asked), Unknown, "{code}");
    }
    let data =
        |meaning: &str, reference: &str| json!([{"meaning": meaning, "reference": {"reference": reference}}]);
    table(
        "data",
        [
            (data("instance", "Flag/f1"), Yes),
            (data("instance", "Flag/f1/_history/2"), Yes),
            (data("instance", "Flag/f2"), No),
            (data("instance", "Consent/f1"), No),
            (data("related", "Flag/f1"), Yes),
            (data("related", "CarePlan/c9"), Unknown),
            (data("dependents", "Flag/f1"), Yes),
            (data("dependents", "Patient/p1"), Yes),
            (data("dependents", "CarePlan/c9"), Yes),
            (data("dependents", "Patient/p2"), No),
            (data("authoredby", "Practitioner/d1"), Yes),
            (data("authoredby", "Practitioner/d1/_history/7"), Yes),
            (data("authoredby", "Practitioner/d2"), Yes),
            (data("authoredby", "Patient/p1"), No),
            (data("mentioned", "Flag/f1"), Unknown),
            (json!([{"meaning": "instance"}]), Unknown),
        ],
    );
}

#[test]
fn periods_of_the_provision_and_of_the_data() {
    let period = |start: &str, end: &str| json!({"start": start, "end": end});
    table(
        "period",
        [
            (period("2026-11-21T09:00:00Z", "2026-12-01"), Yes),
            (period("2026-11-21T09:00:01Z", "2026-12-01"), No),
            (period("2026-01-01", "2026-11-21T08:59:58Z"), No),
            (period("2026-01-01", "2026-11-21T08:59:59Z"), No),
            (period("2026-01-01", "2026-11-21T09:00:00Z"), Yes),
            (period("2026-12-01", "2026-01-01"), Unknown),
            (json!({}), Yes),
            (json!("2026"), Unknown),
        ],
    );
    let mut october = flag();
    october["period"] = json!({"start": "2026-10-05", "end": "2026-10-20"});
    let mut open = flag();
    open["period"] = json!({"start": "2026-10-05"});
    let mut until = flag();
    until["period"] = json!({"end": "2026-10-20"});
    let mut timeless = flag();
    timeless["period"] = json!({});
    let mut undated = flag();
    undated["meta"] = json!({});
    for (resource, of_data, said) in [
        (&october, period("2026-10-05", "2026-10-20"), Yes),
        (&october, period("2026-10", "2026-10"), Yes),
        (&october, json!({"start": "2026-10-05"}), Yes),
        (&october, json!({"start": "2026-10-06"}), Unknown),
        (&october, json!({"end": "2026-10-19"}), Unknown),
        (&october, json!({"end": "2026-10-04"}), No),
        (&october, json!({"start": "2026-10-21"}), No),
        (&october, json!({"end": "2026-10-05"}), Unknown),
        (&october, json!({"start": "2026-10-20"}), Unknown),
        (&october, json!({"start": "soon"}), Unknown),
        (&open, period("2026-10-01", "2026-10-31"), Unknown),
        (&open, json!({"start": "2026-10"}), Yes),
        (&open, json!({"end": "2026-10-04"}), No),
        (&until, json!({"end": "2026-10"}), Yes),
        (&until, json!({"start": "2026-10-21"}), No),
        (&until, json!({"start": "2026-10-01"}), Unknown),
        (&timeless, json!({"start": "2026-10-01"}), Unknown),
        (&undated, json!({"start": "2026-10-01"}), Unknown),
        (&flag(), period("2026-10-10", "2026-10-10"), Yes),
        (&flag(), period("2026-10-11", "2026-10-12"), No),
    ] {
        let found = told(resource, json!({"dataPeriod": of_data}));
        assert_eq!(found, said, "{of_data} of {}", resource["period"]);
    }
}

#[test]
fn all_criteria_hold_together_and_what_nobody_knows_is_not_told() {
    let yes = json!([coding(TYPES, "Flag")]);
    let no = json!([coding(TYPES, "Consent")]);
    let unknown = json!([{"text": "x"}]);
    for (provision, said) in [
        (json!({}), Yes),
        (json!({"id": "1", "_type": {}, "extension": [], "type": "deny"}), Yes),
        (json!({"class": yes, "invented": 1}), Unknown),
        (json!({"class": no, "invented": 1}), No),
        (json!({"invented": 1, "class": no}), No),
        (json!({"class": yes, "code": unknown}), Unknown),
        (json!({"code": unknown, "class": yes}), Unknown),
        (json!({"code": unknown, "class": no}), No),
        (json!("deny"), Unknown),
    ] {
        assert_eq!(told(&flag(), provision.clone()), said, "{provision}");
    }
}
