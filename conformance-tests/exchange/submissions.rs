//! `POST /submissions/{source}`: every status, idempotency, the story of a payload in quarantine.

use crate::gateway::{TestGateway, fixture};
use http::Method;
use serde_json::{Value, json};

pub const HL7: &str = "x-application/hl7-v2+er7";
pub const JSON: &str = "application/json";
pub const FHIR: &str = "application/fhir+json";

pub fn adt() -> Vec<u8> {
    fixture("convert/hl7v2-a08-child-protection/input.hl7")
}

pub fn alert() -> Value {
    serde_json::from_slice(&fixture("convert/json-alert/input.json")).unwrap()
}

pub fn flag() -> Value {
    serde_json::from_slice(&fixture("convert/fhir-flag/input.json")).unwrap()
}

#[tokio::test]
async fn each_format_becomes_a_flag_that_can_be_read_back() {
    let gateway = TestGateway::new().await;
    let replies = [
        ("pas", gateway.post("pas", "/submissions/pas", HL7, adt()).await),
        ("ehr", gateway.post("ehr", "/submissions/ehr", JSON, alert().to_string()).await),
        ("scr", gateway.post("scr", "/submissions/scr", FHIR, flag().to_string()).await),
    ];
    for (source, reply) in replies {
        let reply = reply.expect(201);
        assert_eq!(reply.json["type"], "transaction-response");
        assert!(reply.header("content-type").starts_with("application/fhir+json"));
        assert!(!reply.header("x-request-id").is_empty());
        let at = reply.location("Flag");
        let read = gateway.get(source, &format!("/fhir/{at}")).await.expect(200);
        assert_eq!(read.json["status"], "active");
        assert_eq!(read.json["meta"]["versionId"], "1");
        assert_eq!(read.header("etag"), "W/\"1\"");
    }
    assert_eq!(gateway.audits(Some("submission")).await.len(), 3);
}

#[tokio::test]
async fn a_repeat_has_the_same_answer_and_no_second_effect() {
    let gateway = TestGateway::new().await;
    let first = gateway.post("pas", "/submissions/pas", HL7, adt()).await.expect(201);
    let again = gateway.post("pas", "/submissions/pas", HL7, adt()).await.expect(200);
    assert_eq!(first.text, again.text);

    let send = |key: &'static str, body: String| {
        gateway
            .request(Method::POST, "/submissions/scr")
            .key("scr")
            .header("content-type", FHIR)
            .header("idempotency-key", key)
            .body(body)
            .send()
    };
    let first = send("k-1", flag().to_string()).await.expect(201);
    let again = send("k-1", flag().to_string()).await.expect(200);
    assert_eq!(first.text, again.text);
    let mut other = flag();
    other["code"]["text"] = "something else".into();
    let reused = send("k-1", other.to_string()).await.expect(422);
    assert_eq!(reused.rule(), "key-reused");
    assert!(!reused.header("x-quarantine-id").is_empty(), "what it says is not lost");
    let repeats = gateway.audits(Some("submission")).await;
    assert_eq!(repeats.len(), 4, "repeats are recorded too");
}

#[tokio::test]
async fn parallel_repeats_have_one_effect() {
    let gateway = TestGateway::new().await;
    let replies =
        futures_util::future::join_all((0..40).map(|_| gateway.post("pas", "/submissions/pas", HL7, adt())))
            .await;
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(created, 1);
    assert!(replies.iter().all(|reply| reply.status == 200 || reply.status == 201));
    let flags = gateway.store.list("Flag", None, 100).await.unwrap();
    assert_eq!(flags.len(), 1);
    assert_eq!(flags[0].version, 1);
}

#[tokio::test]
async fn the_same_fact_in_a_new_message_makes_no_new_version() {
    let gateway = TestGateway::new().await;
    let mut alert = alert();
    let first = gateway.post("ehr", "/submissions/ehr", JSON, alert.to_string()).await.expect(201);
    alert["messageId"] = "another".into();
    let again = gateway.post("ehr", "/submissions/ehr", JSON, alert.to_string()).await.expect(201);
    assert_eq!(first.location("Flag"), again.location("Flag"));
    alert["messageId"] = "a third".into();
    alert["alerts"][0]["status"] = "removed".into();
    let ended = gateway.post("ehr", "/submissions/ehr", JSON, alert.to_string()).await;
    if ended.status == 201 {
        assert!(ended.location("Flag").ends_with("/_history/2"));
    }
}

#[tokio::test]
async fn refusals_have_their_statuses() {
    let gateway = TestGateway::new().await;
    let status = |reply: crate::gateway::Reply| (reply.status.as_u16(), reply.rule().to_owned());
    let post = |holder: &'static str, path: &'static str, media: &'static str, body: Vec<u8>| {
        gateway.post(holder, path, media, body)
    };
    let anonymous = gateway.request(Method::POST, "/submissions/pas").header("content-type", HL7).body(adt());
    let anonymous = anonymous.send().await;
    assert_eq!(anonymous.header("www-authenticate"), "Bearer realm=\"sgw\"");
    assert_eq!(status(anonymous), (401, "credential-missing".into()));
    assert_eq!(
        status(post("nobody", "/submissions/pas", HL7, adt()).await),
        (401, "credential-unknown".into())
    );
    assert_eq!(status(post("hub", "/submissions/pas", HL7, adt()).await), (403, "role-missing".into()));
    assert_eq!(status(post("ehr", "/submissions/pas", HL7, adt()).await), (403, "forbidden".into()));
    assert_eq!(status(post("pas", "/submissions/unknown", HL7, adt()).await), (403, "forbidden".into()));
    assert_eq!(
        status(post("pas", "/submissions/pas", "text/plain", adt()).await),
        (415, "media-type".into())
    );
    let big = vec![b'x'; gateway.settings.max_body_bytes + 1];
    assert_eq!(status(post("pas", "/submissions/pas", HL7, big).await), (413, "body-too-large".into()));
    assert_eq!(post("pas", "/submissions/pas", HL7, b"PID|1".to_vec()).await.status, 400);
    assert_eq!(gateway.get("pas", "/submissions/pas").await.status, 405);
    assert_eq!(gateway.get("pas", "/nowhere").await.status, 404);
    assert_eq!(gateway.audits(Some("submission")).await.len(), 0);
    assert!(gateway.audits(Some("refused")).await.len() >= 5, "every refusal of a known party is recorded");
    assert_eq!(gateway.audits(Some("submission-refused")).await.len(), 1);
}

#[tokio::test]
async fn a_payload_without_a_lawful_basis_waits_in_quarantine_for_an_operator() {
    let gateway = TestGateway::new().await;
    let mut flag = flag();
    flag["extension"]
        .as_array_mut()
        .unwrap()
        .retain(|one| !one["url"].as_str().unwrap().ends_with("lawful-basis"));
    let refused = gateway.post("scr", "/submissions/scr", FHIR, flag.to_string()).await.expect(422);
    assert!(refused.text.contains("lawful-basis-missing"), "{}", refused.text);
    let id = refused.header("x-quarantine-id").to_owned();
    assert!(refused.json["extension"][0]["valueString"] == id.as_str());
    let again = gateway.post("scr", "/submissions/scr", FHIR, flag.to_string()).await.expect(422);
    assert_eq!(again.header("x-quarantine-id"), id, "the same payload is kept once");

    gateway.get("scr", "/quarantine").await.expect(403);
    let list = gateway.get("operator", "/quarantine?status=held").await.expect(200);
    assert_eq!(list.json["item"].as_array().unwrap().len(), 1);
    let item = gateway.get("operator", &format!("/quarantine/{id}")).await.expect(200);
    assert_eq!(item.json["outcome"]["resourceType"], "OperationOutcome");
    let payload = gateway.get("operator", &format!("/quarantine/{id}/payload")).await.expect(200);
    assert_eq!(payload.text, flag.to_string());

    let still = gateway.post("operator", &format!("/quarantine/{id}/$resubmit"), JSON, "").await.expect(422);
    assert_eq!(still.header("x-quarantine-id"), id);
    let bare = gateway.post("operator", &format!("/quarantine/{id}/$discard"), JSON, "{}").await;
    assert_eq!(bare.status, 400);
    let reason = json!({"reason": "sent again with its basis"}).to_string();
    gateway.post("operator", &format!("/quarantine/{id}/$discard"), JSON, reason.clone()).await.expect(204);
    gateway.post("operator", &format!("/quarantine/{id}/$discard"), JSON, reason).await.expect(409);
    gateway.get("operator", &format!("/quarantine/{id}/payload")).await.expect(410);
    gateway.get("operator", "/quarantine/none").await.expect(404);
    assert!(gateway.audits(Some("quarantine")).await.len() >= 2);
    assert_eq!(gateway.store.list("Flag", None, 10).await.unwrap().len(), 0);
}
