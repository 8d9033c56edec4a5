use super::{Context, Format, Mappings, Source, convert};
use serde_json::Value;

pub(super) fn source(format: Format, mapping: &str) -> Source {
    Source {
        id: "test".into(),
        organisation: "RXX".into(),
        name: "Test Trust".into(),
        format,
        mapping: mapping.into(),
        lawful_basis: vec!["ca2004-s11".into()],
        tier: None,
    }
}

pub(super) fn context() -> Context {
    Context::new("2026-11-21T09:00:00Z".parse().unwrap(), "r1")
}

fn adt(tail: &str) -> super::Converted {
    let text = format!(
        "MSH|^~\\&|PAS|RXX|SGW|GW|202611210855||ADT^A08|M1|P|2.4\rEVN|A08|202611210850\rPID|1||H1^^^RXX^MR~9000000009^^^NHS^NH||DOE^ANN^^^MISS||20150304|F\r{tail}"
    );
    let mapping = Mappings::builtin().get("hl7v2-adt").unwrap();
    convert(text.as_bytes(), &source(Format::Hl7v2, "hl7v2-adt"), mapping, &context()).unwrap()
}

fn resources<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    let entries = bundle["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().map(|e| &e["resource"]).filter(|r| r["resourceType"] == kind).collect()
}

#[test]
fn the_built_in_mappings_compile() {
    for (id, text) in Mappings::builtin_texts() {
        if let Err(errors) = super::compile::compile(text, super::built_in_concerns()) {
            panic!("{id}: {errors:#?}");
        }
    }
    let maps = std::fs::read_dir("profiles/conceptmaps").unwrap().count();
    assert_eq!(super::built_in_concerns().len(), maps + 1, "each ConceptMap is read");
}

#[test]
fn the_tables_of_the_mappings_are_concept_maps_too() {
    for mapping in Mappings::builtin().all() {
        for table in &mapping.concerns {
            let published = super::built_in_concerns().iter().find(|t| t.system == table.system);
            let published = published.unwrap_or_else(|| panic!("no ConceptMap for {}", table.system));
            for (code, meaning) in &table.rows {
                assert_eq!(published.rows.get(code), Some(meaning), "{}: {code}", published.name);
            }
        }
    }
}

#[test]
fn an_alert_in_obx_becomes_a_flag_and_its_removal_ends_it() {
    let add = adt(
        "OBX|1|CE|CPALERT||CP^Child protection plan||||||F|||202611200900||1234^SMITH^JO\rNTE|1||Call the duty team\r",
    );
    assert!(!add.refused(), "{:?}", add.issues);
    let flag = resources(&add.bundle, "Flag")[0];
    assert_eq!(flag["status"], "active");
    assert_eq!(flag["category"][0]["coding"][0]["code"], "child-protection");
    assert_eq!(flag["code"]["coding"][1]["code"], "342191000000101");
    assert_eq!(flag["period"]["start"], "2026-11-20T09:00:00+00:00");
    assert_eq!(flag["subject"]["identifier"]["value"], "9000000009");
    assert!(flag["text"]["div"].as_str().unwrap().contains("duty team"));
    assert!(flag["author"]["reference"].as_str().unwrap().starts_with("Practitioner/"));
    assert_eq!(add.patient_key.as_deref(), Some("nhs:9000000009"));
    assert_eq!(add.message_id.as_deref(), Some("PAS|RXX|M1"));
    let end = adt("OBX|1|CE|CPALERT||CPX||||||F|||20261121\r");
    assert!(!end.refused(), "{:?}", end.issues);
    let ended = resources(&end.bundle, "Flag")[0];
    assert_eq!((&ended["id"], &ended["status"]), (&flag["id"], &Value::from("inactive")));
    assert_eq!(ended["period"], serde_json::json!({"end": "2026-11-21"}));
    for converted in [add, end] {
        let s = converted.ledger.summary();
        assert_eq!(s.values, s.mapped + s.carried + s.dropped);
    }
}

#[test]
fn what_is_unsound_is_refused_with_its_place() {
    let unknown = adt("OBX|1|CE|CPALERT||ZZZ\r");
    assert!(unknown.refused());
    assert!(unknown.issues.iter().any(|i| i.expression == "OBX[1]-5"));
    let mapping = Mappings::builtin().get("hl7v2-adt").unwrap();
    let with_pid = |pid: &str| {
        let text = format!(
            "MSH|^~\\&|PAS|RXX|SGW|GW|2026||ADT^A08|M1|P|2.4\r{pid}\rOBX|1|CE|CPALERT||CP|||||||||20260101\r"
        );
        convert(text.as_bytes(), &source(Format::Hl7v2, "hl7v2-adt"), mapping, &context()).unwrap()
    };
    let rules = |pid: &str| with_pid(pid).issues.into_iter().map(|i| i.rule.into_owned()).collect::<Vec<_>>();
    assert_eq!(rules("PID|1||9000000008^^^NHS^NH||DOE^ANN"), ["nhs-number"]);
    assert_eq!(rules("PID|1||9000000009^^^NHS^NH~9000000017^^^NHS^NH||DOE^ANN"), ["two-patients"]);
    assert_eq!(rules("PID|1||||DOE^ANN"), ["patient-identifier-missing"]);
    assert_eq!(
        with_pid("PID|1||H1^^^RXX^MR||DOE^ANN").patient_key.unwrap(),
        "local:https://fhir.sgw.example/Id/test/RXX|H1"
    );
}

#[test]
fn how_a_word_is_laid_out_does_not_decide_whether_an_alert_is_seen() {
    let mapping = Mappings::builtin().get("cda").unwrap();
    let file = std::fs::read_to_string("fixtures/convert/cda-edischarge/input.xml").unwrap();
    for title in ["\n  Safeguarding  issues\n ", "<content styleCode=\"Bold\">Safeguarding</content>"] {
        let text = file.replace("<title>Legal Information<", &format!("<title>{title}<"));
        let found = convert(text.as_bytes(), &source(Format::Xml, "cda"), mapping, &context()).unwrap();
        assert_eq!(resources(&found.bundle, "Flag").len(), 2, "{title}");
    }
    let padded = adt("OBX|1|CE| CPALERT ||CP ||||||F|||20261120\r");
    assert_eq!(resources(&padded.bundle, "Flag")[0]["category"][0]["coding"][0]["code"], "child-protection");
}

#[test]
fn a_message_without_an_alert_makes_nothing() {
    let plain = adt("AL1|1|DA|PEN^Penicillin\rDG1|1||J45^Asthma\r");
    assert!(!plain.refused(), "{:?}", plain.issues);
    assert!(plain.bundle.get("entry").is_none());
    assert_eq!(plain.ledger.summary().mapped, 0);
    assert_eq!(plain.patient_key, None);
}

const ALERT: &str = r#"{"contract":"sgw-alert/1","messageId":"m-1","sent":"2026-11-21T08:00:00Z","sender":{"system":"ehr-1"},
 "patient":{"nhsNumber":"9000000017","nhsNumberStatus":"01","family":"Doe","given":["Sam"],"birthDate":"2014-01-02","gender":"male"},
 "alerts":[{"id":"A1","category":"domestic-abuse","code":{"system":"http://snomed.info/sct","code":"707087005"},"text":"At risk",
  "start":"2026-11-01","lawfulBasis":["ca1989-s47","gdpr-6-1-e"],"redFlags":["domestic-abuse-in-household"],"action":"urgent-review",
  "author":{"id":"P1","name":"Jo Smith","role":"Social worker","contact":"01632 960001"},"notes":["Do not call the home number."]}],
 "consents":[{"id":"C1","decision":"deny","recorded":"2026-11-20","recipients":["HXX"],"purposes":["TREAT"]}]}"#;

fn json(text: &str) -> super::Converted {
    let mapping = Mappings::builtin().get("json-alert").unwrap();
    convert(text.as_bytes(), &source(Format::Json, "json-alert"), mapping, &context()).unwrap()
}

#[test]
fn the_json_alert_becomes_flag_consent_and_role() {
    let converted = json(ALERT);
    assert!(!converted.refused(), "{:?}", converted.issues);
    let kinds: Vec<&str> = converted.bundle["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["resource"]["resourceType"].as_str().unwrap())
        .collect();
    for kind in
        ["Organization", "Patient", "Practitioner", "PractitionerRole", "Flag", "Consent", "Provenance"]
    {
        assert_eq!(kinds.iter().filter(|k| **k == kind).count(), 1, "{kinds:?}");
    }
    let flag = resources(&converted.bundle, "Flag")[0];
    assert_eq!(flag["category"].as_array().unwrap().len(), 1);
    assert_eq!(flag["code"]["coding"].as_array().unwrap().len(), 1);
    assert_eq!(flag["meta"]["security"][1]["code"], "SDV");
    assert_eq!(
        resources(&converted.bundle, "Consent")[0]["provision"]["actor"][0]["reference"]["identifier"]["value"],
        "HXX"
    );
    let s = converted.ledger.summary();
    assert_eq!(s.values, s.mapped + s.carried + s.dropped);
    let lost: Vec<_> = converted.ledger.entries().filter(|e| e.to.is_empty()).map(|e| e.at).collect();
    assert_eq!(lost, ["/contract", "/messageId", "/sent", "/sender/system"]);
}

#[test]
fn a_broken_contract_is_refused_without_showing_values() {
    let converted = json(&ALERT.replace("\"domestic-abuse\"", "\"secret-thing\""));
    assert!(converted.refused());
    let issue = &converted.issues[0];
    assert_eq!(issue.expression, "/alerts/0/category");
    assert!(!issue.text.contains("secret"), "{}", issue.text);
    assert!(matches!(
        super::convert(
            b"{\"a\":1,\"a\":2}",
            &source(Format::Json, "x"),
            Mappings::builtin().get("json-alert").unwrap(),
            &context()
        ),
        Err(super::Unreadable::Json(_))
    ));
}

#[test]
fn a_fhir_bundle_keeps_what_it_says_and_its_references_lead_somewhere() {
    let input = r#"{"resourceType":"Bundle","type":"transaction","identifier":{"system":"urn:x","value":"b1"},"entry":[
      {"fullUrl":"urn:uuid:11111111-1111-4111-8111-111111111111","resource":{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9000000025"}],"address":[{"text":"secret"}],"birthDate":"2010-01-01"}},
      {"fullUrl":"urn:uuid:22222222-2222-4222-8222-222222222222","resource":{"resourceType":"Practitioner","name":[{"text":"Jo"}]}},
      {"resource":{"resourceType":"Flag","id":"f1","status":"active","code":{"coding":[{"system":"http://snomed.info/sct","code":"342191000000101"}]},
        "subject":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"},"author":{"reference":"urn:uuid:22222222-2222-4222-8222-222222222222"},
        "extension":[{"url":"http://x.example/unknown","valueDecimal":1.10}]}}]}"#;
    let mapping = Mappings::builtin().get("fhir-r4").unwrap();
    let converted = convert(input.as_bytes(), &source(Format::Fhir, "fhir-r4"), mapping, &context()).unwrap();
    assert!(!converted.refused(), "{:?}", converted.issues);
    let flag = resources(&converted.bundle, "Flag")[0];
    assert_eq!(flag["extension"][0]["valueDecimal"].to_string(), "1.10");
    assert_eq!(flag["category"][0]["coding"][0]["code"], "child-protection");
    let urls: Vec<&str> = converted.bundle["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["request"]["url"].as_str().unwrap())
        .collect();
    assert!(urls.contains(&flag["subject"]["reference"].as_str().unwrap()));
    assert!(urls.contains(&flag["author"]["reference"].as_str().unwrap()));
    assert!(!converted.bundle.to_string().contains("secret"));
    assert_eq!(converted.patient_key.as_deref(), Some("nhs:9000000025"));
    let s = converted.ledger.summary();
    assert_eq!(s.values, s.mapped + s.carried + s.dropped);
}
