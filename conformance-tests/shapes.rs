//! Shapes for partners: each is valid R4, says what its guide asks for, and follows the published profile where the
//! definitions are at hand (`SGW_REFERENCE_DATA`).

use serde_json::{Value, json};
use sgw::convert::shape::{Shape, ShapeError};
use sgw::definitions::Definitions;
use sgw::validate::{Settings, Validator};
use std::path::Path;
use std::sync::OnceLock;

const OWN: &str = "https://fhir.sgw.example";

fn flag(category: &str, snomed: &str, status: &str) -> Value {
    let period = if status == "active" {
        json!({"start": "2026-11-01"})
    } else {
        json!({"start": "2026-11-01", "end": "2026-11-20"})
    };
    json!({"resourceType": "Flag", "id": "f1",
        "meta": {"profile": [format!("{OWN}/StructureDefinition/safeguarding-flag")],
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]},
        "extension": [{"url": format!("{OWN}/StructureDefinition/action-expected"),
            "valueCoding": {"system": format!("{OWN}/CodeSystem/action-expected"), "code": "urgent-review"}}],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:8b5ddd7a-3c2c-4f5c-9a33-cc9a4e3a6a10"}],
        "status": status,
        "category": [{"coding": [{"system": format!("{OWN}/CodeSystem/concern-category"), "code": category}]}],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": snomed}]},
        "subject": {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9000000009"}},
        "period": period,
        "author": {"reference": "PractitionerRole/r1"}})
}

fn nothing(_: &str) -> Option<&'static Value> {
    None
}

fn around() -> &'static [Value] {
    static AROUND: OnceLock<Vec<Value>> = OnceLock::new();
    AROUND.get_or_init(|| {
        vec![
            json!({"resourceType": "PractitionerRole", "id": "r1", "organization": {"reference": "Organization/o1"},
                "telecom": [{"system": "phone", "value": "01632 960200", "use": "work"},
                    {"system": "phone", "value": "01632 960299", "use": "mobile"}]}),
            json!({"resourceType": "Organization", "id": "o1", "name": "Northshire Council",
                "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "E0001"}]}),
        ]
    })
}

fn authority(reference: &str) -> Option<&'static Value> {
    let named = |r: &&Value| {
        format!("{}/{}", r["resourceType"].as_str().unwrap(), r["id"].as_str().unwrap()) == reference
    };
    around().iter().find(named)
}

/// A validator that knows UK Core and NHS England where they are at hand, else R4 and the gateway's own.
fn validator() -> (&'static Validator, bool) {
    static VALIDATOR: OnceLock<(Validator, bool)> = OnceLock::new();
    let (validator, published) = VALIDATOR.get_or_init(|| match std::env::var("SGW_REFERENCE_DATA") {
        Ok(data) => {
            let folders = [Path::new(&data).join("uk-core"), Path::new(&data).join("nhs-england")];
            let definitions = Definitions::load(&folders).unwrap().definitions;
            (Validator::with(definitions, Settings::default()), true)
        }
        Err(_) => {
            println!("SGW_REFERENCE_DATA is unset: published profiles are not checked");
            (Validator::builtin(), false)
        }
    });
    (validator, *published)
}

fn errors(resource: &Value, profiles: &[&str]) -> Vec<String> {
    let (validator, _) = validator();
    let report = validator.validate_value(resource, profiles);
    let wrong = report.issues.iter().filter(|i| i.severity.refuses());
    wrong.map(|i| format!("{} {}: {}", i.expression, i.rule, i.text)).collect()
}

#[test]
fn every_shape_is_valid_and_follows_its_published_profile() {
    let plan = flag("child-protection", "342191000000101", "active");
    let fgm = flag("female-genital-mutilation", "713201008", "active");
    for (name, shape) in Shape::ALL {
        let given = if shape == Shape::FgmIs { &fgm } else { &plan };
        let shaped = shape.of(given, &authority).unwrap();
        assert_eq!(errors(&shaped, &[]), Vec::<String>::new(), "{name}");
        let (_, published) = validator();
        if let Some(profile) = shape.profile().filter(|p| published && !p.contains("interweave")) {
            assert_eq!(errors(&shaped, &[profile]), Vec::<String>::new(), "{name} against {profile}");
            assert!(shaped["meta"]["profile"].as_array().unwrap().iter().any(|p| p == profile));
        }
        // Nothing that labels or identifies is lost on the way.
        assert_eq!(shaped["meta"]["security"], given["meta"]["security"], "{name}");
        assert_eq!(shaped["subject"], given["subject"], "{name}");
    }
}

#[test]
fn each_shape_says_what_its_guide_asks_for() {
    let plan = flag("child-protection", "342191000000101", "active");
    let of = |shape: Shape| shape.of(&plan, &authority).unwrap();
    let core = of(Shape::UkCore);
    assert_eq!(core["extension"][1]["valueCodeableConcept"]["coding"][0]["code"], "PH");
    let patient_flag = of(Shape::PatientFlag);
    assert_eq!(patient_flag["category"][0]["coding"][0]["code"], "child-protection-information-system-flag");
    assert_eq!(patient_flag["category"][1]["coding"][0]["code"], "child-protection");
    let cpis = of(Shape::CpisFlag);
    assert_eq!(cpis["contained"][0]["category"][0]["coding"][0]["code"], "342191000000101");
    assert_eq!(cpis["contained"][1]["name"], "Northshire Council");
    assert_eq!(cpis["contained"][1]["telecom"][1]["use"], "mobile");
    let team = of(Shape::CpisCareTeam);
    assert_eq!((&team["resourceType"], &team["name"]), (&"CareTeam".into(), &"Northshire Council".into()));
    let bars = of(Shape::Bars);
    assert_eq!(bars["category"][0]["coding"][0]["code"], "SG");
    assert_eq!(bars["code"]["coding"][0]["code"], "342191000000101");
    let interweave = of(Shape::Interweave);
    assert_eq!(interweave["category"].as_array().unwrap().len(), 1);
    assert_eq!(interweave["category"][0]["coding"][0]["code"], "SGC");
    assert_eq!(interweave["code"]["coding"][1]["code"], "child-protection");
    let fgm = flag("female-genital-mutilation", "713201008", "entered-in-error");
    let removed = Shape::FgmIs.of(&fgm, &nothing).unwrap();
    assert_eq!(removed["code"]["coding"][0]["code"], "902961000000107");
    assert!(removed["extension"].to_string().contains("England-FGMRemovalReason"));
}

#[test]
fn what_a_shape_cannot_say_is_refused_and_never_bent() {
    let plan = flag("child-protection", "342191000000101", "active");
    let ended = flag("child-protection", "342191000000101", "inactive");
    let housing = flag("housing-and-social", "1", "active");
    let refused = |shape: Shape, flag: &Value| shape.of(flag, &nothing).unwrap_err();
    assert_eq!(refused(Shape::Bars, &ended), ShapeError::Status("bars"));
    assert_eq!(refused(Shape::PatientFlag, &housing), ShapeError::NoCode("patient-flag"));
    assert_eq!(refused(Shape::FgmIs, &plan), ShapeError::NoCode("fgm-is"));
    assert!(matches!(refused(Shape::CpisFlag, &plan), ShapeError::Missing { .. }));
    assert!(matches!(refused(Shape::CpisCareTeam, &plan), ShapeError::Missing { .. }));
    assert_eq!(refused(Shape::UkCore, &json!({"resourceType": "Consent"})), ShapeError::NotAFlag);
}
