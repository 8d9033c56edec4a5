//! Merged identities and children that are born: what is held already follows, and nothing links the identities.

use super::submissions::HL7;
use crate::gateway::TestGateway;
use serde_json::Value;

fn message(event: &str, id: &str, rest: &str) -> String {
    format!(
        "MSH|^~\\&|PAS|RZZ01|SGW|GW|20261121085500||ADT^{event}|{id}|P|2.5\rEVN|{event}|202611210854\r{rest}\r"
    )
}

async fn flags(gateway: &TestGateway, key: &str) -> Vec<Value> {
    let stored = gateway.store.find_by_patient("Flag", key, 10).await.unwrap();
    stored.iter().map(|s| serde_json::from_str(&s.body).unwrap()).collect()
}

const UNKNOWN: &str = "PID|1||ED991^^^RZZ01^MR||UNKNOWN^CHILD\rOBX|1|CE|CPALERT||CSC^Child safeguarding concern||||||F|||20261120";
const MERGE: &str = "PID|1||9000000009^^^NHS^NH||SYKES^TOBY\rMRG|ED991^^^RZZ01^MR";

#[tokio::test]
async fn what_was_held_about_a_merged_identity_is_held_about_the_one_that_stays() {
    let gateway = TestGateway::new().await;
    let restricted = UNKNOWN.replace("\rOBX", "\rARV|1|A|LOC\rOBX");
    gateway.post("pas", "/submissions/pas", HL7, message("A01", "1", &restricted)).await.expect(201);
    gateway.post("pas", "/submissions/pas", HL7, message("A40", "2", MERGE)).await.expect(201);
    let held = flags(&gateway, "nhs:9000000009").await;
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["subject"]["identifier"]["value"], "9000000009");
    assert_eq!(held[0]["meta"]["versionId"], "2");
    let facts = gateway.store.facts_for("nhs:9000000009").await.unwrap();
    let patients: Vec<Value> =
        facts.patients.iter().map(|p| serde_json::from_str(&p.body).unwrap()).collect();
    // The restriction of the identity that is used no more still holds for whoever it was.
    let former = patients.iter().find(|p| p["active"] == false).unwrap();
    assert_eq!(former["meta"]["security"][0]["code"], "R");
    for patient in &patients {
        assert!(patient.get("link").is_none());
        let text = patient.to_string();
        assert!(!(text.contains("ED991") && text.contains("9000000009")), "{text}");
    }
    // The same merge again changes nothing.
    gateway.post("pas", "/submissions/pas", HL7, message("A40", "3", MERGE)).await.expect(201);
    assert_eq!(flags(&gateway, "nhs:9000000009").await[0]["meta"]["versionId"], "2");
}

#[tokio::test]
async fn a_sensitive_change_of_identity_goes_to_a_person() {
    let gateway = TestGateway::new().await;
    let old = "PID|1||9000000025^^^NHS^NH||JONES^A\rOBX|1|CE|CPALERT||CSC||||||F|||20261120";
    gateway.post("pas", "/submissions/pas", HL7, message("A08", "1", old)).await.expect(201);
    let merge = message("A40", "2", "PID|1||9000000009^^^NHS^NH||SYKES^T\rMRG|9000000025^^^NHS^NH")
        .replace("202611210854\r", "202611210854||GENDER\r");
    let refused = gateway.post("pas", "/submissions/pas", HL7, merge).await.expect(422);
    assert_eq!(refused.rule(), "identity-change-sensitive");
    assert!(!refused.header("x-quarantine-id").is_empty());
    assert!(flags(&gateway, "nhs:9000000009").await.is_empty());
    assert_eq!(flags(&gateway, "nhs:9000000025").await.len(), 1);
}

#[tokio::test]
async fn what_another_source_holds_is_never_merged_away() {
    let gateway = TestGateway::new().await;
    let consent = serde_json::json!({"contract": "sgw-alert/1", "messageId": "c1",
        "patient": {"nhsNumber": "9000000025"},
        "consents": [{"id": "C1", "decision": "deny", "recorded": "2026-11-20"}]});
    gateway.post("ehr", "/submissions/ehr", "application/json", consent.to_string()).await.expect(201);
    let merge = message("A40", "1", "PID|1||9000000009^^^NHS^NH||SYKES^T\rMRG|9000000025^^^NHS^NH");
    let refused = gateway.post("pas", "/submissions/pas", HL7, merge).await.expect(422);
    assert_eq!(refused.rule(), "merge-touches-others");
}

#[tokio::test]
async fn an_unborn_childs_alert_ends_with_an_explicit_message_at_birth() {
    let gateway = TestGateway::new().await;
    let unborn = "PID|1||9000000033^^^NHS^NH||SYKES^LENA\rOBX|1|CE|CPALERT||UCP||||||F|||20261001\rOBX|2|DT|EDD||20261120";
    gateway.post("pas", "/submissions/pas", HL7, message("A08", "1", unborn)).await.expect(201);
    let held = flags(&gateway, "nhs:9000000033").await;
    assert_eq!((held[0]["status"].as_str(), held.len()), (Some("active"), 1));
    assert!(held[0]["extension"].to_string().contains("2026-11-20"));
    // A newborn's alert alone ends nothing.
    let baby = "PID|1||9000000041^^^NHS^NH||SYKES^BABY||20261119|F\rOBX|1|CE|CPALERT||CP||||||F|||20261119";
    gateway.post("pas", "/submissions/pas", HL7, message("A28", "2", baby)).await.expect(201);
    assert_eq!(flags(&gateway, "nhs:9000000033").await[0]["status"], "active");
    let born = format!("{baby}\rOBX|2|CX|UNBORN||9000000033");
    gateway.post("pas", "/submissions/pas", HL7, message("A31", "3", &born)).await.expect(201);
    let ended = &flags(&gateway, "nhs:9000000033").await[0];
    assert_eq!((&ended["status"], &ended["period"]["end"]), (&"inactive".into(), &"2026-11-19".into()));
    let child = &flags(&gateway, "nhs:9000000041").await[0];
    assert_eq!(child["status"], "active");
    assert!(!child.to_string().contains("9000000033"), "nothing of the child's names the mother");
    let again = gateway.post("pas", "/submissions/pas", HL7, message("A31", "4", &born)).await.expect(201);
    assert!(again.text.contains("no alert about the unborn child"), "{}", again.text);
}
