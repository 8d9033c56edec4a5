//! AuditEvents over FHIR: searches by every parameter (ITI-81), pages, the record of who looked, and AuditEvents that
//! others send in (ITI-20).

use crate::gateway::TestGateway;
use http::Method;
use serde_json::{Value, json};

const FHIR: &str = "application/fhir+json";

fn entries(bundle: &Value) -> Vec<&Value> {
    bundle["entry"]
        .as_array()
        .map(|list| list.iter().map(|entry| &entry["resource"]).collect())
        .unwrap_or_default()
}

fn alert(name: &str, patient: &str) -> Value {
    let mut flag: Value =
        serde_json::from_str(include_str!("../../profiles/starter/examples/flag.json")).unwrap();
    flag["identifier"][0]["value"] = name.into();
    flag["subject"]["identifier"]["value"] = patient.into();
    flag
}

async fn with_records() -> (TestGateway, String) {
    let gateway = TestGateway::new().await;
    let first =
        gateway.post("scr", "/fhir/Flag", FHIR, alert("A-1", "9000000009").to_string()).await.expect(201);
    gateway.post("scr", "/fhir/Flag", FHIR, alert("A-2", "9000000017").to_string()).await.expect(201);
    let id = first.json["id"].as_str().unwrap().to_owned();
    gateway.get("scr", &format!("/fhir/Flag/{id}")).await.expect(200);
    gateway.get("hub", "/fhir/Flag/no-such-flag").await.expect(404);
    (gateway, id)
}

#[tokio::test]
async fn audit_events_are_found_by_each_parameter_and_by_nothing_else() {
    let (gateway, id) = with_records().await;
    let all = gateway.get("auditor", "/fhir/AuditEvent?_count=1000").await.expect(200);
    let total = entries(&all.json).len();
    assert!(total > 5 && all.json["total"] == total);
    let today = &jiff::Timestamp::now().to_string()[..10];
    let year = &today[..4];
    let nhs = "https://fhir.nhs.uk/Id/nhs-number";
    let ods = "https://fhir.nhs.uk/Id/ods-organization-code";
    // Each query, and a query that differs only in its value and finds nothing.
    for (query, other) in [
        (format!("date={today}"), "date=2020-01-01".to_owned()),
        (format!("date=ge{year}&date=lt{}", year.parse::<u32>().unwrap() + 1), "date=lt2020".to_owned()),
        (format!("patient.identifier={nhs}|9000000009"), format!("patient.identifier={nhs}|9000000025")),
        (format!("entity=Flag/{id}"), "entity=Flag/other".to_owned()),
        (format!("agent.identifier={ods}|RZZ04"), format!("agent.identifier={ods}|RZZ05")),
        ("altid=scr".to_owned(), "altid=nobody".to_owned()),
        (
            "type=http://terminology.hl7.org/CodeSystem/audit-event-type|rest".to_owned(),
            "type=urn:x|rest".to_owned(),
        ),
        ("subtype=create".to_owned(), "subtype=transaction".to_owned()),
        ("outcome=0".to_owned(), "outcome=12".to_owned()),
        ("action=C,U".to_owned(), "action=X".to_owned()),
        ("entity-role=1".to_owned(), "entity-role=7".to_owned()),
        ("entity-type=1".to_owned(), "entity-type=3".to_owned()),
        (format!("source.identifier={ods}|RZZ00"), format!("source.identifier={ods}|RZZ01")),
        ("site=test".to_owned(), "site=elsewhere".to_owned()),
    ] {
        let path = |query: &str| format!("/fhir/AuditEvent?_count=1000&{}", query.replace('|', "%7C"));
        let found = gateway.get("auditor", &path(&query)).await.expect(200);
        assert!(!entries(&found.json).is_empty(), "{query}");
        let none = gateway.get("auditor", &path(&other)).await.expect(200);
        assert!(entries(&none.json).is_empty() && none.json["total"] == 0, "{other}");
    }
    let one = entries(&all.json)[0]["id"].as_str().unwrap().to_owned();
    let by_id = gateway.get("auditor", &format!("/fhir/AuditEvent?_id={one}")).await.expect(200);
    assert_eq!(entries(&by_id.json).len(), 1);
    gateway.get("auditor", "/fhir/AuditEvent?date=yesterday").await.expect(400);
    let strict = gateway.request(Method::GET, "/fhir/AuditEvent?odd=1").key("auditor");
    strict.header("prefer", "handling=strict").send().await.expect(400);
    gateway.get("hub", "/fhir/AuditEvent").await.expect(403);
}

#[tokio::test]
async fn pages_of_a_search_give_every_event_once() {
    let (gateway, _) = with_records().await;
    let mut path = "/fhir/AuditEvent?subtype=decision,create,read&_count=2".to_owned();
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..50 {
        let page = gateway.get("auditor", &path).await.expect(200);
        let found = entries(&page.json);
        assert!(found.len() <= 2);
        seen.extend(found.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        let links = page.json["link"].as_array().unwrap();
        let Some(next) = links.iter().find(|link| link["relation"] == "next") else { break };
        path = next["url"].as_str().unwrap().strip_prefix("http://gateway.test").unwrap().to_owned();
    }
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), seen.len());
    let kinds: Vec<String> = gateway.audits(None).await.iter().map(|leaf| leaf.kind.clone()).collect();
    let wanted = kinds.iter().filter(|kind| ["decision", "create", "read"].contains(&kind.as_str())).count();
    assert_eq!(seen.len(), wanted);
}

#[tokio::test]
async fn who_looks_into_the_log_is_recorded_with_purpose_and_patient() {
    let (gateway, id) = with_records().await;
    let query = "/fhir/AuditEvent?patient.identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000009";
    let ask = gateway.request(Method::GET, query).key("auditor").header("x-purpose-of-use", "PATRQT");
    let found = ask.send().await.expect(200);
    let event = entries(&found.json)[0]["id"].as_str().unwrap().to_owned();
    let search = &gateway.audits(Some("search")).await[0];
    assert_eq!(search.patient_key.as_deref(), Some("nhs:9000000009"));
    let text = search.canonical.as_ref().unwrap();
    assert!(text.contains("PATRQT") && text.contains("\"altId\":\"auditor\""), "{text}");
    gateway.get("auditor", &format!("/fhir/AuditEvent/{event}")).await.expect(200);
    let read = &gateway.audits(Some("read")).await[0];
    assert!(read.canonical.as_ref().unwrap().contains(&format!("AuditEvent/{event}")));
    assert_eq!(read.patient_key.as_deref(), Some("nhs:9000000009"));
    assert!(!id.is_empty());
}

fn theirs() -> Value {
    json!({"resourceType": "AuditEvent", "id": "theirs",
        "meta": {"profile": ["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Recipient"]},
        "type": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110107"},
        "subtype": [{"system": "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "code": "receive"}],
        "action": "C", "recorded": "2026-11-21T09:00:00.123Z", "outcome": "0",
        "agent": [{"requestor": true, "altId": "social-worker-7",
            "who": {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "LZZ01"}}}],
        "source": {"observer": {"display": "The hub's case system"}},
        "entity": [
            {"what": {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9000000009"}},
             "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1"},
             "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"}},
            {"what": {"reference": "Flag/f1"},
             "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "2"},
             "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "4"}}]})
}

#[tokio::test]
async fn an_audit_event_of_stu3_is_taken_as_one_of_r4() {
    let gateway = TestGateway::new().await;
    let older = json!({"resourceType": "AuditEvent",
        "type": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110107"},
        "action": "C", "recorded": "2026-11-21T09:00:00Z", "outcome": "0",
        "agent": [{"requestor": true, "userId": {"value": "nurse-3"}, "role": [{"text": "Nurse"}],
            "reference": {"display": "A nurse"}}],
        "source": {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "LZZ01"}},
        "entity": [{"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9000000009"},
            "type": {"system": "http://hl7.org/fhir/audit-entity-type", "code": "1"},
            "role": {"system": "http://hl7.org/fhir/object-role", "code": "1"}}]});
    let ask = || gateway.request(http::Method::POST, "/fhir/AuditEvent").key("hub").body(older.to_string());
    let stu3 = "application/fhir+json; fhirVersion=3.0";
    let created = ask().header("content-type", stu3).send().await.expect(201).json;
    assert_eq!(created["agent"][0]["who"]["identifier"]["value"], "nurse-3");
    assert_eq!(created["source"]["observer"]["identifier"]["value"], "LZZ01");
    assert_eq!(created["entity"][0]["what"]["identifier"]["value"], "9000000009");
    let leaf = &gateway.audits(Some("received")).await[0];
    assert_eq!(leaf.patient_key.as_deref(), Some("nhs:9000000009"));
    // Other resources of STU3 go where there is a mapping and a ledger.
    let flag = gateway.request(http::Method::POST, "/fhir/Flag").key("scr").header("content-type", stu3);
    flag.body("{}").send().await.expect(415);
}

#[tokio::test]
async fn an_audit_event_of_a_registered_party_becomes_a_leaf_with_its_sender() {
    let gateway = TestGateway::new().await;
    let created = gateway.post("hub", "/fhir/AuditEvent", FHIR, theirs().to_string()).await.expect(201);
    let id = created.json["id"].as_str().unwrap();
    assert_ne!(id, "theirs");
    assert_eq!(created.json["meta"]["source"], "urn:sgw:source:LZZ01:hub");
    assert!(created.header("location").ends_with(&format!("/fhir/AuditEvent/{id}/_history/1")));
    let leaf = &gateway.audits(Some("received")).await[0];
    assert_eq!((leaf.id.as_str(), leaf.patient_key.as_deref()), (id, Some("nhs:9000000009")));
    let record = &gateway.audits(Some("create")).await[0];
    assert!(record.canonical.as_ref().unwrap().contains(&format!("AuditEvent/{id}/_history/1")));
    assert!(record.canonical.as_ref().unwrap().contains("\"altId\":\"hub\""));
    let read = gateway.get("auditor", &format!("/fhir/AuditEvent/{id}")).await.expect(200);
    assert_eq!(read.json["agent"][0]["altId"], "social-worker-7");
    let found = gateway.get("auditor", "/fhir/AuditEvent?altid=social-worker-7").await.expect(200);
    assert_eq!(entries(&found.json).len(), 1);
    let by_flag = gateway.get("auditor", "/fhir/AuditEvent?entity=Flag/f1").await.expect(200);
    assert_eq!(entries(&by_flag.json)[0]["id"], id);
}

#[tokio::test]
async fn what_is_no_audit_event_does_not_enter_the_log() {
    let gateway = TestGateway::new().await;
    let mut without_agent = theirs();
    without_agent.as_object_mut().unwrap().remove("agent");
    let mut named_twice = theirs();
    named_twice["entity"][0]["name"] = "x".into();
    named_twice["entity"][0]["query"] = "eA==".into();
    for wrong in [without_agent, named_twice] {
        gateway.post("hub", "/fhir/AuditEvent", FHIR, wrong.to_string()).await.expect(422);
    }
    gateway.post("hub", "/fhir/AuditEvent", FHIR, "{\"resourceType\":\"Flag\"}").await.expect(400);
    gateway.post("auditor", "/fhir/AuditEvent", FHIR, theirs().to_string()).await.expect(403);
    assert!(gateway.audits(Some("received")).await.is_empty());
    assert_eq!(gateway.audits(Some("refused")).await.len(), 4);
}
