//! What cannot be used waits for a person: listed, read, corrected, resubmitted or discarded, each step recorded.

use super::folder::plans;
use crate::gateway::{TestGateway, fixture};
use serde_json::json;

const HL7: &str = "x-application/hl7-v2+er7";
const JSON: &str = "application/json";

/// The example with a number that is none, and with the right one.
fn messages() -> (String, String) {
    let right = String::from_utf8(fixture("convert/hl7v2-a08-child-protection/input.hl7")).unwrap();
    (right.replace("9000000009", "9000000008"), right)
}

#[tokio::test]
async fn a_payload_is_corrected_with_a_reason_and_what_came_first_is_kept() {
    let gateway = TestGateway::new().await;
    let (wrong, right) = messages();
    let refused = gateway.post("pas", "/submissions/pas", HL7, wrong.clone()).await.expect(422);
    let id = refused.header("x-quarantine-id").to_owned();
    let at = |what: &str| format!("/quarantine/{id}{what}");

    let list = gateway.get("operator", "/quarantine?source=pas&status=held").await.expect(200);
    assert_eq!(list.json["item"][0]["id"], id.as_str());
    assert_eq!(list.json["item"][0]["reason"], "nhs-number");
    let item = gateway.get("operator", &at("")).await.expect(200);
    assert!(item.json["outcome"].to_string().contains("PID[1]"), "the findings name the place");
    assert!(!item.text.contains("9000000008"), "and no value");
    assert_eq!(gateway.get("operator", &at("/payload")).await.expect(200).text, wrong);

    // A correction without a reason is none; one that is still wrong leaves everything as it is.
    gateway.post("operator", &at("/$resubmit"), HL7, right.clone()).await.expect(400);
    gateway.post("pas", &at("/$resubmit?reason=x"), HL7, right.clone()).await.expect(403);
    let other = right.replace("9000000009", "9000000007");
    let still = gateway.post("operator", &at("/$resubmit?reason=traced"), HL7, other).await.expect(422);
    assert_eq!(still.header("x-quarantine-id"), id);
    let reason = "/$resubmit?reason=number%20traced%20by%20the%20records%20office";
    let accepted = gateway.post("operator", &at(reason), HL7, right.clone()).await.expect(201);
    let flag = accepted.location("Flag");
    gateway.get("pas", &format!("/fhir/{flag}")).await.expect(200);

    let after = gateway.get("operator", &at("")).await.expect(200);
    assert_eq!(after.json["status"], "resubmitted");
    assert_eq!(gateway.get("operator", &at("/payload")).await.expect(200).text, wrong, "kept as it came");
    gateway.post("operator", &at(reason), HL7, right.clone()).await.expect(409);
    let again = gateway.post("pas", "/submissions/pas", HL7, right).await.expect(200);
    assert_eq!(again.text, accepted.text, "the source's own correction is recognised");

    let acts = gateway.audits(Some("administration")).await;
    let corrections: Vec<&str> = acts
        .iter()
        .filter_map(|leaf| leaf.canonical.as_deref())
        .filter(|event| event.contains("quarantine-corrected"))
        .collect();
    assert_eq!(corrections.len(), 2);
    assert!(corrections.iter().any(|event| event.contains("number traced by the records office")));
    assert!(
        corrections.iter().all(|event| event.contains("sha256-before") && event.contains("sha256-after"))
    );
    let steps = gateway.audits(Some("quarantine")).await;
    let steps: String = steps.iter().filter_map(|leaf| leaf.canonical.clone()).collect();
    assert!(steps.contains("read") && steps.contains("resubmitted"), "{steps}");
}

#[tokio::test]
async fn a_record_of_a_file_is_corrected_for_itself() {
    let gateway = TestGateway::new().await;
    let watched = super::folder::Watched::new(&gateway, "ssd-cp-plans");
    watched.leave("plans.csv", plans(&[("9000000009", "A"), ("9000000008", "B"), ("9000000025", "C")]));
    let ended = watched.ended("plans.csv").await;
    let id = ended.lines[1]["quarantine"].as_str().unwrap();
    let path = format!("/quarantine/{id}/$resubmit?reason=typed%20wrongly");
    let row = plans(&[("9000000017", "B")]);
    gateway.post("operator", &path, "text/csv", row).await.expect(201);
    let flags = gateway.store.list("Flag", None, 10).await.unwrap();
    assert_eq!(flags.len(), 3);
    assert!(flags.iter().all(|flag| flag.version == 1));
}

#[tokio::test]
async fn nothing_is_deleted_without_a_reason() {
    let gateway = TestGateway::new().await;
    let (wrong, _) = messages();
    let refused = gateway.post("pas", "/submissions/pas", HL7, wrong).await.expect(422);
    let discard = format!("/quarantine/{}/$discard", refused.header("x-quarantine-id"));
    for body in ["", "{}", "{\"reason\": \"  \"}"] {
        gateway.post("operator", &discard, JSON, body).await.expect(400);
    }
    let long = json!({"reason": "x".repeat(501)}).to_string();
    gateway.post("operator", &discard, JSON, long).await.expect(400);
    let reason = json!({"reason": "a test message of the supplier"}).to_string();
    gateway.post("operator", &discard, JSON, reason).await.expect(204);
    let steps = gateway.audits(Some("quarantine")).await;
    assert!(steps.iter().any(|leaf| {
        leaf.canonical.as_deref().is_some_and(|event| event.contains("a test message of the supplier"))
    }));
}
