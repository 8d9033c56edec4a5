//! `$translate` over HTTP, as R4 has it.

use crate::gateway::{Reply, TestGateway};
use serde_json::{Value, json};
use sgw::validate::Validator;

const FHIR: &str = "application/fhir+json";
const PLAN: &str = "342191000000101";
const SNOMED: &str = "http%3A%2F%2Fsnomed.info%2Fsct";

fn base() -> String {
    sgw::fhir::systems::base().to_owned()
}

fn result(reply: &Reply) -> bool {
    reply.json["parameter"][0]["valueBoolean"].as_bool().unwrap()
}

fn concepts(reply: &Reply) -> Vec<(String, String, String)> {
    let list = reply.json["parameter"].as_array().unwrap();
    let matches = list.iter().filter(|parameter| parameter["name"] == "match");
    let value = |parts: &Value, name: &str| {
        parts.as_array().unwrap().iter().find(|part| part["name"] == name).cloned().unwrap_or_default()
    };
    matches
        .map(|one| {
            let concept = value(&one["part"], "concept");
            let text = |name: &str| concept["valueCoding"][name].as_str().unwrap_or("").to_owned();
            let equivalence = value(&one["part"], "equivalence")["valueCode"].as_str().unwrap().to_owned();
            (text("system"), text("code"), equivalence)
        })
        .collect()
}

#[tokio::test]
async fn codes_are_translated_by_get_and_post_over_all_maps_and_one() {
    let gateway = TestGateway::new().await;
    let category = format!("{}/CodeSystem/concern-category", base());
    let wanted = (category.clone(), "child-protection".to_owned(), "wider".to_owned());
    let get = format!("/fhir/ConceptMap/$translate?system={SNOMED}&code={PLAN}");
    let all = gateway.get("tester", &get).await.expect(200);
    assert!(result(&all) && concepts(&all).contains(&wanted), "{}", all.text);
    let report = Validator::builtin().validate_value(&all.json, &[]);
    assert!(report.is_valid(), "{:?}", report.issues);

    let one = format!(
        "/fhir/ConceptMap/snomed-safeguarding/$translate?system={SNOMED}&code={PLAN}&targetsystem={category}"
    );
    let one = gateway.get("pas", &one).await.expect(200);
    assert_eq!(concepts(&one), std::slice::from_ref(&wanted));
    let set = format!("{}/ValueSet/concern-category", base());
    let by_set = gateway.get("hub", &format!("{get}&target={set}")).await.expect(200);
    assert!(concepts(&by_set).iter().all(|(system, ..)| *system == category), "{}", by_set.text);
    assert!(concepts(&by_set).contains(&wanted));

    let coding = json!({"system": "http://snomed.info/sct", "code": PLAN});
    for value in [
        json!({"name": "coding", "valueCoding": coding}),
        json!({"name": "codeableConcept", "valueCodeableConcept": {"coding": [coding]}}),
    ] {
        let url = format!("{}/ConceptMap/snomed-safeguarding", base());
        let body =
            json!({"resourceType": "Parameters", "parameter": [{"name": "url", "valueUri": url}, value]});
        let reply =
            gateway.post("tester", "/fhir/ConceptMap/$translate", FHIR, body.to_string()).await.expect(200);
        assert!(concepts(&reply).contains(&wanted));
    }
    let back = format!("/fhir/ConceptMap/$translate?system={category}&code=child-protection&reverse=true");
    let back = gateway.get("tester", &back).await.expect(200);
    assert!(concepts(&back).iter().any(|(_, code, equivalence)| code == PLAN && equivalence == "narrower"));
}

#[tokio::test]
async fn what_has_no_translation_is_said_and_what_makes_no_sense_is_refused() {
    let gateway = TestGateway::new().await;
    let none = gateway
        .get("tester", &format!("/fhir/ConceptMap/$translate?system={SNOMED}&code=1"))
        .await
        .expect(200);
    assert!(!result(&none));
    assert_eq!(none.json["parameter"][1]["name"], "message");
    for (path, status) in [
        ("/fhir/ConceptMap/$translate?code=1", 400),
        ("/fhir/ConceptMap/$translate", 400),
        ("/fhir/ConceptMap/$translate?system=a&code=1&reverse=maybe", 400),
        ("/fhir/ConceptMap/$translate?system=a&code=1&sytem=b", 400),
        ("/fhir/ConceptMap/nothing/$translate?system=a&code=1", 404),
        ("/fhir/ConceptMap/$translate?url=nothing&system=a&code=1", 404),
        ("/fhir/ConceptMap/nothing", 404),
    ] {
        gateway.get("tester", path).await.expect(status);
    }
    let own = json!({"resourceType": "ConceptMap", "status": "active", "group": [{"source": "s", "target": "t",
        "element": [{"code": "a", "target": [{"code": "b", "equivalence": "equal"}]}]}]});
    let body = json!({"resourceType": "Parameters", "parameter": [{"name": "conceptMap", "resource": own},
        {"name": "coding", "valueCoding": {"system": "s", "code": "a"}}]});
    let reply =
        gateway.post("tester", "/fhir/ConceptMap/$translate", FHIR, body.to_string()).await.expect(200);
    assert_eq!(concepts(&reply), [("t".into(), "b".into(), "equal".into())]);
}

#[tokio::test]
async fn every_map_can_be_read_and_is_valid_and_is_in_the_capabilities() {
    let gateway = TestGateway::new().await;
    let found = gateway.get("tester", "/fhir/ConceptMap").await.expect(200);
    let entries = found.json["entry"].as_array().unwrap();
    assert!(entries.len() > 3, "those that are shipped and those of the mappings' tables");
    let validator = Validator::builtin();
    for entry in entries {
        let id = entry["resource"]["id"].as_str().unwrap();
        let read = gateway.get("pas", &format!("/fhir/ConceptMap/{id}")).await.expect(200);
        assert_eq!(read.json, entry["resource"]);
        let report = validator.validate_value(&read.json, &[]);
        let wrong: Vec<_> = report.issues.iter().filter(|issue| issue.severity.refuses()).collect();
        assert!(wrong.is_empty(), "{id}: {wrong:?}");
    }
    let url = format!("{}/ConceptMap/snomed-safeguarding", base());
    let one = gateway.get("tester", &format!("/fhir/ConceptMap?url={url}")).await.expect(200);
    assert_eq!(one.json["entry"].as_array().unwrap().len(), 1);
    let capabilities = gateway.get("tester", "/fhir/metadata").await.expect(200);
    assert!(capabilities.text.contains("ConceptMap-translate"));
    gateway
        .post("tester", "/fhir/ConceptMap/$validate", FHIR, one.json["entry"][0]["resource"].to_string())
        .await
        .expect(200);
}
