//! Single rules of validation, each by a resource that keeps it and one that breaks it. What the reference validator
//! says of the same resources was asked when the cases were written; `differential` asks it of thousands.

use serde_json::{Value, json};
use sgw::definitions::Definitions;
use sgw::validate::{Report, Settings, Validator};

fn rules(report: &Report) -> Vec<&str> {
    report.issues.iter().filter(|issue| issue.severity.refuses()).map(|issue| issue.rule.as_ref()).collect()
}

fn flag_of(changes: &Value) -> Value {
    let mut flag = json!({"resourceType": "Flag", "status": "active", "code": {"text": "x"},
        "subject": {"reference": "Patient/1"}});
    for (key, value) in changes.as_object().unwrap() {
        flag[key] = value.clone();
    }
    flag
}

fn observation(changes: &Value) -> Value {
    let mut one = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}});
    for (key, value) in changes.as_object().unwrap() {
        one[key] = value.clone();
    }
    one
}

#[test]
fn a_literal_reference_is_a_url() {
    let validator = Validator::builtin();
    for literal in
        ["Patient/1", "urn:uuid:6f0c9a3e-8a8e-4d0f-9f5e-0d9c1d1c3a55", "https://a.example/Patient/é"]
    {
        let report = validator.validate_value(&flag_of(&json!({"subject": {"reference": literal}})), &[]);
        assert!(report.is_valid(), "{literal}: {:?}", report.issues);
    }
    for literal in
        [" ", "a b", "x\ny", "Patient/a b", "Patient/1 ", "http://a.example/Patient/1/_history/a b"]
    {
        let report = validator.validate_value(&flag_of(&json!({"subject": {"reference": literal}})), &[]);
        assert_eq!(rules(&report), ["reference-format"], "{literal}");
    }
}

#[test]
fn a_coding_of_a_known_system_has_one_of_its_codes() {
    let validator = Validator::builtin();
    let known = "http://terminology.hl7.org/CodeSystem/flag-category";
    let category =
        |coding: Value| validator.validate_value(&flag_of(&json!({"category": [{"coding": [coding]}]})), &[]);
    assert!(category(json!({"system": known, "code": "safety"})).is_valid());
    assert!(category(json!({"system": "http://snomed.info/sct", "display": "x"})).is_valid());
    assert_eq!(rules(&category(json!({"system": known}))), ["code-unknown"]);
    assert_eq!(rules(&category(json!({"system": known, "display": "Safety"}))), ["code-unknown"]);
    assert_eq!(rules(&category(json!({"system": "relative", "code": "x"}))), ["coding-system"]);
    // A tag may name its system alone.
    assert!(
        validator.validate_value(&flag_of(&json!({"meta": {"tag": [{"system": known}]}})), &[]).is_valid()
    );
}

#[test]
fn the_unit_of_a_quantity_has_an_absolute_system_and_a_code_of_it() {
    let validator = Validator::builtin();
    let quantity =
        |value: Value| validator.validate_value(&observation(&json!({"valueQuantity": value})), &[]);
    let ucum = "http://unitsofmeasure.org";
    assert!(quantity(json!({"value": 1, "system": ucum, "code": "10*3/uL"})).is_valid());
    assert!(quantity(json!({"value": 1, "unit": "tablets"})).is_valid());
    assert_eq!(rules(&quantity(json!({"value": 1, "system": "final", "code": "mg"}))), ["coding-system"]);
    for code in ["furlong", "mEq", "month"] {
        assert_eq!(
            rules(&quantity(json!({"value": 1, "system": ucum, "code": code}))),
            ["code-unknown"],
            "{code}"
        );
    }
}

#[test]
fn a_prediction_without_a_probability_breaks_no_limit() {
    let validator = Validator::builtin();
    let risk = |prediction: Value| {
        let body = json!({"resourceType": "RiskAssessment", "status": "final", "subject": {"reference": "Patient/1"},
            "prediction": [prediction]});
        rules(&validator.validate_value(&body, &[])).join(" ")
    };
    assert_eq!(risk(json!({"outcome": {"text": "x"}})), "");
    assert_eq!(risk(json!({"probabilityDecimal": 99.5})), "");
    assert_eq!(risk(json!({"probabilityDecimal": 100.5})), "ras-2");
}

#[test]
fn a_null_beside_a_value_says_nothing_and_may_not_stand() {
    let text = r#"{"resourceType":"Flag","status":"active","_status":null,"code":{"text":"x"},"subject":{"display":"x"}}"#;
    assert_eq!(rules(&Validator::builtin().validate_json(text, &[])), ["null-value"]);
}

#[test]
fn the_url_of_a_conformance_resource_is_absolute() {
    let validator = Validator::builtin();
    let set = |url: &str| {
        validator.validate_value(&json!({"resourceType": "ValueSet", "url": url, "status": "draft"}), &[])
    };
    assert!(set("https://a.example/ValueSet/x").is_valid());
    assert_eq!(rules(&set("US")), ["canonical-absolute"]);
}

#[test]
fn an_entry_holds_a_resource_that_says_something() {
    let validator = Validator::builtin();
    let bundle = |resource: Value| {
        let body = json!({"resourceType": "Bundle", "type": "collection",
            "entry": [{"fullUrl": "urn:uuid:6f0c9a3e-8a8e-4d0f-9f5e-0d9c1d1c3a55", "resource": resource}]});
        rules(&validator.validate_value(&body, &[])).join(" ")
    };
    assert_eq!(bundle(json!({"resourceType": "Patient", "active": true})), "");
    assert_eq!(bundle(json!({"resourceType": "Patient"})), "bundle-resource");
}

#[test]
fn a_narrative_may_have_its_namespace_declared_further_out() {
    let validator = Validator::builtin();
    let flag = |div: &str| {
        format!(
            "<Flag xmlns='http://hl7.org/fhir' xmlns:h='http://www.w3.org/1999/xhtml'><text><status value='generated'/>{div}\
             </text><status value='active'/><code><text value='x'/></code><subject><display value='y'/></subject></Flag>"
        )
    };
    for div in [
        "<h:div>a <h:b>b</h:b></h:div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>a</div>",
        "<h:div\n id='x'>a</h:div>",
    ] {
        let report = validator.validate_xml(&flag(div), &[]);
        assert!(report.is_valid(), "{div}: {:?}", report.issues);
    }
    assert!(!validator.validate_xml(&flag("<h:div><h:script>a</h:script></h:div>"), &[]).is_valid());
    assert!(!validator.validate_xml(&flag("<div>a</div>"), &[]).is_valid());
}

/// Two extensions: one of a Patient with two parts, one of the first; and a profile that is no extension.
fn extensions() -> Validator {
    let base = |name: &str, contexts: Value, elements: Value| {
        json!({"resourceType": "StructureDefinition", "url": format!("https://a.example/{name}"), "name": "X",
            "status": "active", "kind": "complex-type", "fhirVersion": "4.0.1", "abstract": false, "type": "Extension",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension", "derivation": "constraint",
            "context": contexts, "differential": {"element": elements}})
    };
    let outer = base(
        "outer",
        json!([{"type": "element", "expression": "Patient"}]),
        json!([
            {"id": "Extension.extension:part", "path": "Extension.extension", "sliceName": "part", "min": 1, "max": "1"},
            {"id": "Extension.extension:part.url", "path": "Extension.extension.url", "fixedUri": "part"},
            {"id": "Extension.extension:part.value[x]", "path": "Extension.extension.value[x]", "min": 1,
                "type": [{"code": "string"}]},
            {"id": "Extension.url", "path": "Extension.url", "fixedUri": "https://a.example/outer"},
            {"id": "Extension.value[x]", "path": "Extension.value[x]", "max": "0"}]),
    );
    let plain = |name: &str, contexts: Value| {
        base(
            name,
            contexts,
            json!([
            {"id": "Extension.url", "path": "Extension.url", "fixedUri": format!("https://a.example/{name}")},
            {"id": "Extension.value[x]", "path": "Extension.value[x]", "min": 1, "type": [{"code": "string"}]}]),
        )
    };
    let mut profile =
        base("named", json!([]), json!([{"id": "Patient.name", "path": "Patient.name", "min": 1}]));
    profile["type"] = json!("Patient");
    profile["kind"] = json!("resource");
    profile["baseDefinition"] = json!("http://hl7.org/fhir/StructureDefinition/Patient");
    profile.as_object_mut().unwrap().remove("context");
    let all = [
        outer,
        plain("free", json!([{"type": "element", "expression": "Element"}])),
        plain("inner", json!([{"type": "extension", "expression": "https://a.example/free"}])),
        plain(
            "of-profile",
            json!([{"type": "element", "expression": "https://a.example/named#Patient.name"}]),
        ),
        profile,
    ];
    let loaded = Definitions::with_resources(all.into_iter().map(|one| ("case".to_owned(), one))).unwrap();
    Validator::with(loaded.definitions, Settings::default())
}

#[test]
fn extensions_are_used_as_they_are_defined() {
    let validator = extensions();
    let url = |name: &str| format!("https://a.example/{name}");
    let patient = |extension: Value| {
        rules(&validator.validate_value(
            &json!({"resourceType": "Patient", "active": true, "extension": [extension]}),
            &[],
        ))
        .join(" ")
    };
    let part = |name: &str| json!({"url": name, "valueString": "x"});
    assert_eq!(patient(json!({"url": url("outer"), "extension": [part("part")]})), "");
    assert_eq!(
        patient(json!({"url": url("outer"), "extension": [part("part"), part("other")]})),
        "extension-unknown"
    );
    assert_eq!(patient(part(&url("named"))), "extension-unknown");
    assert!(patient(part(&(url("free") + "|1.0"))).contains("extension-url"));
    // The value of an extension is part of it.
    assert_eq!(
        patient(
            json!({"url": url("free"), "valueString": "x", "_valueString": {"extension": [part(&url("inner"))]}})
        ),
        ""
    );
    assert_eq!(patient(part(&url("inner"))), "extension-context");
    let name =
        json!({"resourceType": "Patient", "name": [{"text": "x", "extension": [part(&url("of-profile"))]}]});
    assert_eq!(rules(&validator.validate_value(&name, &[])), Vec::<&str>::new());
    assert_eq!(patient(part(&url("of-profile"))), "extension-context");
}

#[test]
fn a_code_system_has_what_it_says() {
    let validator = Validator::builtin();
    let system = |changes: &Value| {
        let mut one = json!({"resourceType": "CodeSystem", "url": "https://a.example/cs", "status": "draft",
            "content": "complete", "concept": [{"code": "a"}]});
        for (key, value) in changes.as_object().unwrap() {
            one[key] = value.clone();
        }
        rules(&validator.validate_value(&one, &[])).join(" ")
    };
    let flags = "http://terminology.hl7.org/CodeSystem/flag-category";
    assert_eq!(system(&json!({"count": 1})), "");
    assert_eq!(system(&json!({"count": 5})), "cs-concept");
    assert_eq!(system(&json!({"content": "supplement", "supplements": flags})), "");
    assert_eq!(system(&json!({"supplements": flags})), "cs-concept");
    assert_eq!(system(&json!({"content": "supplement"})), "cs-concept");
    assert_eq!(system(&json!({"content": "not-present"})), "cs-concept");
}

#[test]
fn a_profile_keeps_to_its_base() {
    let validator = Validator::builtin();
    let profile = |elements: Value, changes: &Value| {
        let mut one = json!({"resourceType": "StructureDefinition", "url": "https://a.example/sd", "name": "X",
            "status": "draft", "kind": "resource", "fhirVersion": "4.0.1", "abstract": false, "type": "Patient",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "derivation": "constraint",
            "differential": {"element": elements}});
        for (key, value) in changes.as_object().unwrap() {
            one[key] = value.clone();
        }
        rules(&validator.validate_value(&one, &[])).join(" ")
    };
    let element = |id: &str, changes: Value| {
        let mut one = json!({"id": id, "path": id});
        for (key, value) in changes.as_object().unwrap() {
            one[key] = value.clone();
        }
        one
    };
    let none = json!({});
    assert_eq!(profile(json!([element("Patient.name", json!({"min": 1}))]), &none), "");
    let gender = |changes: Value| profile(json!([element("Patient.gender", changes)]), &none);
    assert_eq!(gender(json!({"max": "*"})), "sd-snapshot");
    assert_eq!(gender(json!({"type": [{"code": "string"}]})), "sd-snapshot");
    assert_eq!(gender(json!({"fixedString": "male"})), "sd-value");
    assert_eq!(gender(json!({"patternCode": "male"})), "");
    let bound =
        |strength: &str, set: &str| gender(json!({"binding": {"strength": strength, "valueSet": set}}));
    assert_eq!(bound("required", "http://hl7.org/fhir/ValueSet/administrative-gender"), "");
    assert_eq!(bound("preferred", "http://hl7.org/fhir/ValueSet/administrative-gender"), "sd-snapshot");
    assert_eq!(bound("required", "http://terminology.hl7.org/CodeSystem/flag-category"), "sd-binding");
    let other = json!([element(
        "Patient.managingOrganization",
        json!({"type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}]})
    )]);
    assert_eq!(profile(other, &none), "sd-snapshot");
    let reversed =
        json!([element("Patient.gender", json!({"min": 1})), element("Patient.name", json!({"min": 1}))]);
    assert_eq!(profile(reversed, &none), "sd-snapshot");
    let slice = json!([{"id": "Patient.identifier:a", "path": "Patient.identifier", "sliceName": "a"}]);
    assert_eq!(profile(slice, &none), "sd-snapshot");
    let named = json!([element("Patient.name", json!({"min": 1}))]);
    assert_eq!(profile(named.clone(), &json!({"kind": "complex-type"})), "sd-kind");
    assert_eq!(
        profile(named, &json!({"context": [{"type": "element", "expression": "Patient"}]})),
        "sd-kind"
    );
}

#[test]
fn several_conditions_say_how_they_combine() {
    let validator = Validator::builtin();
    let condition = json!({"question": "1", "operator": "=", "answerBoolean": true});
    let form = |conditions: Value, behaviour: Option<&str>| {
        let mut item = json!({"linkId": "2", "type": "string", "enableWhen": conditions});
        if let Some(behaviour) = behaviour {
            item["enableBehavior"] = json!(behaviour);
        }
        let body = json!({"resourceType": "Questionnaire", "status": "draft",
            "item": [{"linkId": "1", "type": "boolean"}, item]});
        rules(&validator.validate_value(&body, &[])).join(" ")
    };
    assert_eq!(form(json!([condition]), None), "");
    assert_eq!(form(json!([condition, condition]), Some("any")), "");
    assert_eq!(form(json!([condition, condition]), None), "que-12");
}

#[test]
fn what_refers_to_the_content_of_another_element_is_an_object_as_that_is() {
    let validator = Validator::builtin();
    let consent = |inner: Value| {
        let coding = |system: &str, code: &str| json!({"coding": [{"system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code}]});
        let body = json!({"resourceType": "Consent", "status": "active", "scope": coding("consentscope", "patient-privacy"),
            "category": [coding("consentcategorycodes", "npp")], "patient": {"reference": "Patient/1"},
            "policyRule": coding("v3-ActCode", "OPTIN"), "provision": {"type": "permit", "provision": [inner]}});
        rules(&validator.validate_value(&body, &[])).join(" ")
    };
    assert_eq!(consent(json!({"type": "deny"})), "");
    assert_eq!(consent(json!("text")), "primitive-shape");
    assert_eq!(consent(json!(true)), "primitive-shape");
}

#[test]
fn ids_of_elements_are_attributes_and_stand_once() {
    let validator = Validator::builtin();
    let flag = |code: &str, subject: &str| {
        let text = format!(
            "<Flag xmlns='http://hl7.org/fhir'><status value='active'/>{code}<text value='x'/></code>{subject}<display value='y'/>\
             </subject></Flag>"
        );
        rules(&validator.validate_xml(&text, &[])).join(" ")
    };
    assert_eq!(flag("<code id='a'>", "<subject id='b'>"), "");
    assert_eq!(flag("<code id='a'>", "<subject id='a'>"), "element-id");
    assert_eq!(flag("<code><id value='a'/>", "<subject>"), "unknown-element");
    let json = json!({"code": {"id": "a", "text": "x"}, "subject": {"id": "a", "display": "y"}});
    assert_eq!(rules(&validator.validate_value(&flag_of(&json), &[])), ["element-id"]);
}

#[test]
fn links_in_a_narrative_do_not_nest() {
    let validator = Validator::builtin();
    let narrative = |inner: &str| {
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>");
        rules(&validator.validate_value(&flag_of(&json!({"text": {"status": "generated", "div": div}})), &[]))
            .join(" ")
    };
    assert_eq!(narrative("<a href='ftp://a.example/x'>x</a>"), "");
    assert_eq!(narrative("<a><b><a>x</a></b></a>"), "narrative-element");
}
