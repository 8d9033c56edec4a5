//! FHIR create, read, update, versions, conditions, search and `$validate`.

use super::submissions::{FHIR, HL7, adt, flag};
use crate::gateway::{Ask, TestGateway};
use http::Method;
use serde_json::{Value, json};

const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";

fn put(gateway: &TestGateway, holder: &str, path: &str, body: &Value) -> Ask {
    let ask = gateway.request(Method::PUT, path).key(holder).header("content-type", FHIR);
    ask.body(body.to_string())
}

#[tokio::test]
async fn a_flag_lives_through_its_versions() {
    let gateway = TestGateway::new().await;
    let mut flag = flag();
    flag["id"] = "chosen-by-client".into();
    flag["meta"] = json!({"versionId": "7", "source": "urn:sgw:source:RZZ01:pas"});
    let created = gateway.post("scr", "/fhir/Flag", FHIR, flag.to_string()).await.expect(201);
    let id = created.json["id"].as_str().unwrap().to_owned();
    assert_ne!(id, "chosen-by-client");
    assert_eq!(created.json["meta"]["versionId"], "1");
    assert_eq!(created.json["meta"]["source"], "urn:sgw:source:RZZ04:scr", "a sender cannot say whose it is");
    assert_eq!(created.header("location"), format!("http://gateway.test/fhir/Flag/{id}/_history/1"));
    assert!(created.header("last-modified").ends_with("GMT"));

    let mut next = created.json.clone();
    next["status"] = "inactive".into();
    next["period"]["end"] = "2026-11-20".into();
    let path = format!("/fhir/Flag/{id}");
    put(&gateway, "scr", &path, &next).header("if-match", "W/\"9\"").send().await.expect(412);
    let updated = put(&gateway, "scr", &path, &next).header("if-match", "W/\"1\"").send().await.expect(200);
    assert_eq!(updated.header("etag"), "W/\"2\"");
    let same = put(&gateway, "scr", &path, &next).send().await.expect(200);
    assert_eq!(same.header("etag"), "W/\"2\"", "nothing changed, so there is no new version");
    put(&gateway, "scr", &path, &flag).send().await.expect(400);
    put(&gateway, "other", &path, &next).send().await.expect(404);
    put(&gateway, "scr", "/fhir/Flag/none", &{
        let mut none = next.clone();
        none["id"] = "none".into();
        none
    })
    .send()
    .await
    .expect(404);

    let first = gateway.get("scr", &format!("{path}/_history/1")).await.expect(200);
    assert_eq!(first.json["status"], "active");
    gateway.get("scr", &format!("{path}/_history/3")).await.expect(404);
    gateway.get("scr", &format!("{path}/_history/x")).await.expect(404);
    let history = gateway.get("scr", &format!("{path}/_history")).await.expect(200);
    assert_eq!(history.json["entry"].as_array().unwrap().len(), 2);
    let minimal = put(&gateway, "scr", &path, &next).header("prefer", "return=minimal").send().await;
    assert_eq!(minimal.expect(200).text, "");
}

#[tokio::test]
async fn a_conditional_create_finds_what_is_there() {
    let gateway = TestGateway::new().await;
    let create = |condition: &'static str| {
        let ask = gateway.request(Method::POST, "/fhir/Flag").key("scr").header("content-type", FHIR);
        ask.header("if-none-exist", condition).body(flag().to_string()).send()
    };
    let condition = "identifier=https%3A%2F%2Fcouncil.example%2FId%2Falert|LAC-2231";
    let first = create(condition).await.expect(201);
    let second = create(condition).await.expect(200);
    assert_eq!(first.json["id"], second.json["id"]);
    gateway.post("scr", "/fhir/Flag", FHIR, flag().to_string()).await.expect(201);
    create(condition).await.expect(412);
    create("status=active").await.expect(400);
}

#[tokio::test]
async fn what_is_not_valid_or_may_not_be_held_is_refused() {
    let gateway = TestGateway::new().await;
    let post = |body: String| gateway.post("scr", "/fhir/Flag", FHIR, body);
    let mut broken = flag();
    broken["status"] = "on".into();
    let reply = post(broken.to_string()).await.expect(422);
    assert!(reply.text.contains("Flag.status"), "{}", reply.text);
    let mut nobody = flag();
    nobody["subject"] = json!({"display": "somebody"});
    assert!(post(nobody.to_string()).await.expect(422).text.contains("sgf-2"));
    let mut wrong = flag();
    wrong["subject"]["identifier"]["value"] = "9000000008".into();
    assert_eq!(post(wrong.to_string()).await.expect(422).rule(), "nhs-number");
    let mut baseless = flag();
    baseless.as_object_mut().unwrap().remove("extension");
    assert!(post(baseless.to_string()).await.expect(422).text.contains("lawful-basis"));
    post("{".into()).await.expect(400);
    post(json!({"resourceType": "Consent"}).to_string()).await.expect(400);
    gateway
        .post("scr", "/fhir/Observation", FHIR, json!({"resourceType": "Observation"}).to_string())
        .await
        .expect(404);
    gateway.post("scr", "/fhir/Flag", "application/fhir+xml", "<Flag/>").await.expect(415);
    gateway
        .post("scr", "/fhir/Flag", "application/fhir+json; fhirVersion=5.0", flag().to_string())
        .await
        .expect(415);
    let ask =
        gateway.request(Method::GET, "/fhir/Flag/x").key("scr").header("accept", "application/fhir+xml");
    ask.send().await.expect(406);
    assert_eq!(gateway.store.list("Flag", None, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_partner_reads_only_what_an_agreement_permits_and_cannot_tell_the_rest_from_nothing() {
    let gateway = TestGateway::new().await;
    let sent = gateway.post("pas", "/submissions/pas", HL7, adt()).await.expect(201);
    let at = sent.location("Flag");
    let path = format!("/fhir/{}", at.split("/_history").next().unwrap());
    let whole = gateway.get("pas", &path).await.expect(200);
    let hub = gateway.get("hub", &path).await.expect(200);
    assert_eq!(hub.json["code"], whole.json["code"]);
    let housing = gateway.get("housing", &path).await;
    if housing.status == 200 {
        assert!(
            housing.json.get("code").is_none_or(|code| code != &whole.json["code"]),
            "only the minimum dataset"
        );
    }
    let withheld = gateway.get("ehr", &path).await.expect(404);
    let nothing = gateway.get("ehr", "/fhir/Flag/00000000-0000-0000-0000-000000000000").await.expect(404);
    assert_eq!(withheld.text, nothing.text);
    let names = |reply: &crate::gateway::Reply| {
        let mut names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(names(&withheld), names(&nothing));
    let search = format!("/fhir/Flag?patient.identifier={NHS}%7C9000000009");
    assert_eq!(gateway.get("hub", &search).await.expect(200).json["total"], 1);
    let none = gateway.get("ehr", &search).await.expect(200);
    assert_eq!(none.json["total"], 0);
    assert!(!gateway.audits(Some("disclosure")).await.is_empty());
    assert!(gateway.audits(Some("read")).await.len() >= 5);
    assert!(gateway.audits(Some("search")).await.len() >= 2);
}

#[tokio::test]
async fn an_auditor_reads_audit_events_and_leaves_a_trace() {
    let gateway = TestGateway::new().await;
    gateway.post("pas", "/submissions/pas", HL7, adt()).await.expect(201);
    let leaf = gateway.audits(Some("submission")).await.remove(0);
    let path = format!("/fhir/AuditEvent/{}", leaf.id);
    let event = gateway.get("auditor", &path).await.expect(200);
    assert_eq!(event.json["resourceType"], "AuditEvent");
    gateway.get("operator", &path).await.expect(403);
    gateway.get("hub", &path).await.expect(403);
    gateway.get("auditor", "/fhir/AuditEvent/none").await.expect(404);
    let found = gateway.get("auditor", "/fhir/AuditEvent?subtype=decision").await.expect(200);
    assert!(found.json["total"].as_u64().unwrap() >= 1);
    gateway.get("auditor", "/fhir/AuditEvent?date=yesterday").await.expect(400);
    let reads = gateway.audits(Some("read")).await;
    assert!(reads.len() >= 2, "the audit of the audit");
}

#[tokio::test]
async fn every_audit_event_is_valid() {
    let gateway = TestGateway::new().await;
    gateway.post("pas", "/submissions/pas", HL7, adt()).await.expect(201);
    gateway.post("pas", "/submissions/pas", HL7, adt()).await.expect(200);
    gateway.post("scr", "/submissions/scr", FHIR, json!({"resourceType": "Flag"}).to_string()).await;
    gateway.post("scr", "/fhir/Flag", FHIR, flag().to_string()).await.expect(201);
    gateway.get("hub", &format!("/fhir/Flag?patient.identifier={NHS}%7C9000000009")).await.expect(200);
    gateway.get("operator", "/quarantine").await.expect(200);
    gateway.get("hub", "/quarantine").await.expect(403);
    for leaf in gateway.audits(None).await {
        let event: Value = serde_json::from_str(leaf.canonical.as_deref().unwrap()).unwrap();
        let report = gateway.exchange.validator().validate_value(&event, &[]);
        assert!(report.is_valid(), "{}: {:?}", leaf.kind, report.issues);
    }
}

#[tokio::test]
async fn validate_answers_200_also_for_what_is_not_valid() {
    let gateway = TestGateway::new().await;
    let post = |path: &'static str, body: String| gateway.post("tester", path, FHIR, body);
    let good =
        post("/fhir/Patient/$validate", json!({"resourceType": "Patient"}).to_string()).await.expect(200);
    assert_eq!(good.json["resourceType"], "OperationOutcome");
    let bad = json!({"resourceType": "Patient", "gender": "x"});
    let wrapped = json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": bad}]});
    for body in [&bad, &wrapped] {
        let reply = post("/fhir/Patient/$validate", body.to_string()).await.expect(200);
        assert!(reply.json["issue"].as_array().unwrap().iter().any(|issue| issue["severity"] == "error"));
    }
    post("/fhir/Patient/$validate?profile=http://nowhere.example/P", bad.to_string()).await.expect(400);
    post("/fhir/Flag/$validate", bad.to_string()).await.expect(400);
    post("/fhir/Patient/$validate?mode=update", bad.to_string()).await.expect(400);
    post("/fhir/Patient/a/$validate?mode=update", bad.to_string()).await.expect(200);
    post("/fhir/Patient/$validate", "{\"a\":1,\"a\":2}".into()).await.expect(400);
    let xml = "<Patient xmlns=\"http://hl7.org/fhir\"><gender value=\"x\"/></Patient>";
    let reply =
        gateway.post("tester", "/fhir/Patient/$validate", "application/fhir+xml", xml).await.expect(200);
    assert!(reply.text.contains("error"));
    gateway.request(Method::POST, "/fhir/Patient/$validate").body("{}").send().await.expect(401);
}

#[tokio::test]
async fn the_capability_statement_is_valid_and_open() {
    let gateway = TestGateway::new().await;
    let reply = gateway.request(Method::GET, "/fhir/metadata").send().await.expect(200);
    let report = gateway.exchange.validator().validate_value(&reply.json, &[]);
    assert!(report.is_valid(), "{:?}", report.issues);
    for path in ["/healthz", "/readyz"] {
        gateway.request(Method::GET, path).send().await.expect(200);
    }
    gateway.request(Method::GET, "/metrics").send().await.expect(401);
    gateway.get("operator", "/metrics").await.expect(200);
    gateway.get("hub", "/metrics").await.expect(403);
}
