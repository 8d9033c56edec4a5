//! `$convert`: the same as a submission, up to the commit.

use crate::gateway::{Reply, TestGateway, fixture};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sgw::validate::Validator;

const HL7: &str = "x-application/hl7-v2+er7";
const FHIR: &str = "application/fhir+json";

fn parameter<'v>(reply: &'v Value, name: &str) -> &'v Value {
    let list = reply["parameter"].as_array().unwrap();
    list.iter().find(|parameter| parameter["name"] == name).unwrap_or(&Value::Null)
}

fn part<'v>(parameter: &'v Value, name: &str) -> &'v Value {
    parameter["part"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap_or(&Value::Null)
}

async fn convert(gateway: &TestGateway, holder: &str, query: &str, body: Vec<u8>) -> Reply {
    gateway.post(holder, &format!("/fhir/$convert{query}"), HL7, body).await
}

#[tokio::test]
async fn a_dry_run_answers_with_bundle_outcome_and_ledger_and_stores_nothing() {
    let gateway = TestGateway::new().await;
    let input = fixture("convert/hl7v2-a08-child-protection/input.hl7");
    let before = gateway.audits(None).await.len();
    let reply = convert(&gateway, "pas", "", input.clone()).await.expect(200);
    assert_eq!(reply.json["resourceType"], "Parameters");
    assert_eq!(parameter(&reply.json, "accepted")["valueBoolean"], true);
    let bundle = &parameter(&reply.json, "bundle")["resource"];
    assert!(bundle["entry"].as_array().unwrap().iter().any(|e| e["resource"]["resourceType"] == "Flag"));
    assert_eq!(parameter(&reply.json, "outcome")["resource"]["resourceType"], "OperationOutcome");
    let ledger = parameter(&reply.json, "ledger");
    let count = |name: &str| part(ledger, name)["valueInteger"].as_u64().unwrap();
    let entries = ledger["part"].as_array().unwrap().iter().filter(|part| part["name"] == "entry").count();
    assert_eq!(count("values"), entries as u64);
    assert_eq!(count("values"), count("mapped") + count("carried") + count("dropped"));
    assert!(!ledger.to_string().contains("9000000009"), "no values unless they are asked for");
    let report = Validator::builtin().validate_value(&reply.json, &[]);
    let wrong: Vec<_> = report.issues.iter().filter(|issue| issue.severity.refuses()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");

    assert!(gateway.store.list("Flag", None, 10).await.unwrap().is_empty());
    assert_eq!(gateway.audits(None).await.len(), before);
    let shown = convert(&gateway, "pas", "?show-values=true", input.clone()).await.expect(200);
    assert!(parameter(&shown.json, "ledger").to_string().contains("9000000009"));
    // What it says is what the submission then does.
    let submitted = gateway.post("pas", "/submissions/pas", HL7, input).await.expect(201);
    let flag = submitted.location("Flag");
    let id = flag.split('/').nth(1).unwrap();
    assert!(bundle.to_string().contains(id), "the ids are those that a submission gives");
}

#[tokio::test]
async fn what_would_be_refused_is_answered_with_why_and_where() {
    let gateway = TestGateway::new().await;
    let text = String::from_utf8(fixture("convert/hl7v2-a08-child-protection/input.hl7")).unwrap();
    let wrong = text.replace("9000000009", "9000000008");
    let reply = convert(&gateway, "pas", "", wrong.into_bytes()).await.expect(200);
    assert_eq!(parameter(&reply.json, "accepted")["valueBoolean"], false);
    assert!(parameter(&reply.json, "bundle").is_null());
    let outcome = parameter(&reply.json, "outcome").to_string();
    assert!(outcome.contains("nhs-number") && outcome.contains("PID[1]"), "{outcome}");
    assert!(!outcome.contains("9000000008"));
    assert!(!parameter(&reply.json, "ledger").is_null(), "the account is given all the same");
    let broken = convert(&gateway, "pas", "", b"PID|1".to_vec()).await.expect(200);
    assert_eq!(
        parameter(&broken.json, "outcome")["resource"]["issue"][0]["details"]["coding"][0]["code"],
        "hl7-header"
    );
    // A source whose facts have no lawful basis would be refused by the decision to hold.
    let mut flag: Value = serde_json::from_slice(&fixture("convert/fhir-flag/input.json")).unwrap();
    let extensions = flag["extension"].as_array_mut().unwrap();
    extensions.retain(|one| !one["url"].as_str().unwrap().ends_with("lawful-basis"));
    let reply = gateway.post("scr", "/fhir/$convert", FHIR, flag.to_string()).await.expect(200);
    assert!(parameter(&reply.json, "outcome").to_string().contains("lawful-basis-missing"), "{}", reply.text);
    assert!(gateway.store.quarantine_list(Default::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn payloads_come_as_the_body_or_in_parameters_and_hold_one_record_or_many() {
    let gateway = TestGateway::new().await;
    let alert = fixture("convert/json-alert/input.json");
    let text = String::from_utf8(alert.clone()).unwrap();
    for payload in [
        json!({"name": "payload", "valueBase64Binary": STANDARD.encode(&alert)}),
        json!({"name": "payload", "valueString": text}),
    ] {
        let body = json!({"resourceType": "Parameters", "parameter": [
            payload, {"name": "mapping", "valueString": "json-alert"}, {"name": "source", "valueString": "ehr"}]});
        let reply = gateway.post("tester", "/fhir/$convert", FHIR, body.to_string()).await.expect(200);
        assert_eq!(parameter(&reply.json, "accepted")["valueBoolean"], true, "{}", reply.text);
    }
    let flag: Value = serde_json::from_slice(&fixture("convert/fhir-flag/input.json")).unwrap();
    let body = json!({"resourceType": "Parameters", "parameter": [{"name": "payload", "resource": flag}]});
    let reply = gateway.post("operator", "/fhir/$convert", FHIR, body.to_string()).await.expect(200);
    assert_eq!(parameter(&reply.json, "accepted")["valueBoolean"], true, "{}", reply.text);
    assert!(parameter(&reply.json, "outcome").to_string().contains("not-decided"));

    let table = super::folder::plans(&[("9000000009", "A"), ("9000000008", "B")]);
    let reply = gateway.post("tester", "/fhir/$convert", "text/csv", table).await.expect(200);
    let records: Vec<&Value> =
        reply.json["parameter"].as_array().unwrap().iter().filter(|p| p["name"] == "record").collect();
    assert_eq!(records.len(), 2);
    assert!(!part(records[0], "bundle").is_null() && part(records[1], "bundle").is_null());
    assert_eq!(parameter(&reply.json, "accepted")["valueBoolean"], false);
}

#[tokio::test]
async fn only_those_who_send_test_or_run_the_gateway_may_try_and_only_as_themselves() {
    let gateway = TestGateway::new().await;
    let input = fixture("convert/hl7v2-a08-child-protection/input.hl7");
    convert(&gateway, "hub", "", input.clone()).await.expect(403);
    convert(&gateway, "auditor", "", input.clone()).await.expect(403);
    convert(&gateway, "pas", "?source=ehr", input.clone()).await.expect(403);
    convert(&gateway, "nobody", "", input.clone()).await.expect(401);
    convert(&gateway, "tester", "", input.clone()).await.expect(200);
    convert(&gateway, "tester", "?source=pas", input.clone()).await.expect(200);
    let unknown = convert(&gateway, "tester", "?mapping=hl7v2-add", input.clone()).await.expect(400);
    assert!(unknown.text.contains("hl7v2-adt"), "{}", unknown.text);
    convert(&gateway, "tester", "?maping=x", input).await.expect(400);
    convert(&gateway, "tester", "", b"what is this".to_vec()).await.expect(400);
    let refused = gateway.audits(Some("refused")).await.len();
    assert_eq!(refused, 3, "the refusals of known callers for their roles are recorded");
    let capabilities = gateway.get("tester", "/fhir/metadata").await.expect(200);
    assert!(capabilities.text.contains("OperationDefinition/convert"));
}
