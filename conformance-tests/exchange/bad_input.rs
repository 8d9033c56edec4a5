//! Bad input: each has a clear error that names place and rule, a record where a party is known, and no effect.

use super::submissions::{FHIR, HL7, JSON, adt, alert, flag};
use crate::gateway::{Reply, TestGateway};
use proptest::prelude::*;
use serde_json::Value;

async fn submit(gateway: &TestGateway, source: &'static str, body: Vec<u8>) -> Reply {
    let media = match source {
        "pas" => HL7,
        "ehr" => JSON,
        _ => FHIR,
    };
    let path = format!("/submissions/{source}");
    gateway.post(source, &path, media, body).await
}

fn deep(levels: usize) -> Vec<u8> {
    format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels)).into_bytes()
}

#[tokio::test]
async fn what_cannot_be_read_is_400_with_place_and_rule_and_a_record() {
    let gateway = TestGateway::new().await;
    let text = |value: &Value| value.to_string().into_bytes();
    let truncated = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let doubled = flag().to_string().replacen(
        "\"status\":\"active\"",
        "\"status\":\"active\",\"status\":\"inactive\"",
        1,
    );
    let inner = flag().to_string().replacen("\"system\":", "\"value\":\"1\",\"system\":", 3);
    let cases: Vec<(&'static str, &str, Vec<u8>)> = vec![
        ("ehr", "", Vec::new()),
        ("ehr", "json-syntax", truncated(text(&alert()))),
        ("scr", "json-syntax", truncated(text(&flag()))),
        ("scr", "duplicate-key", doubled.into_bytes()),
        ("scr", "duplicate-key", inner.into_bytes()),
        ("ehr", "depth", deep(80)),
        ("scr", "depth", deep(100_000)),
        ("ehr", "encoding", b"{\"a\":\"\xff\xfe\"}".to_vec()),
        ("pas", "hl7-header", b"PID|1||9000000009".to_vec()),
        ("pas", "", b"\x00\x01\x02".to_vec()),
        ("scr", "not-a-fact", b"{\"resourceType\":\"Observation\"}".to_vec()),
    ];
    let mut refused = 0;
    for (source, rule, body) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let reply = submit(&gateway, source, body).await;
        assert_eq!(reply.status, 400, "{source} {shown}: {}", reply.text);
        assert!(rule.is_empty() || reply.rule() == rule, "{rule}: {}", reply.text);
        assert_eq!(reply.json["resourceType"], "OperationOutcome");
        refused += 1;
        assert_eq!(gateway.audits(Some("submission-refused")).await.len(), refused, "{shown}");
    }
    assert_eq!(gateway.store.list("Flag", None, 10).await.unwrap().len(), 0);
    assert_eq!(gateway.store.list("Patient", None, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_can_be_read_but_not_used_is_422_and_kept() {
    let gateway = TestGateway::new().await;
    let with = |pointer: &str, value: &str| {
        let mut alert = alert();
        *alert.pointer_mut(pointer).unwrap() = value.into();
        alert.to_string().into_bytes()
    };
    let adt = String::from_utf8(adt()).unwrap();
    let cases: Vec<(&'static str, Vec<u8>)> = vec![
        ("ehr", with("/patient/nhsNumber", "9000000018")),
        ("ehr", with("/alerts/0/start", "2026-02-30")),
        ("ehr", with("/contract", "sgw-alert/99")),
        ("pas", adt.replace("9000000009", "9000000008").into_bytes()),
        ("scr", flag().to_string().replace("looked-after-child", "no-such-category").into_bytes()),
        ("scr", flag().to_string().replace("\"active\"", "\"on\"").into_bytes()),
    ];
    for (number, (source, body)) in cases.into_iter().enumerate() {
        let reply = submit(&gateway, source, body).await;
        assert_eq!(reply.status, 422, "{number}: {}", reply.text);
        assert!(!reply.header("x-quarantine-id").is_empty(), "{number}");
        assert!(!reply.text.contains("9000000018") && !reply.text.contains("9000000008"), "{}", reply.text);
    }
    assert_eq!(gateway.store.list("Flag", None, 10).await.unwrap().len(), 0);
    let held = gateway.get("operator", "/quarantine?status=held").await.expect(200);
    assert_eq!(held.json["item"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn a_clock_that_has_gone_back_is_refused_for_now() {
    let gateway = TestGateway::new().await;
    gateway.post("pas", "/submissions/pas", HL7, adt()).await.expect(201);
    let caller = sgw::govern::Caller {
        credential: "scr".into(),
        organisation: "RZZ04".into(),
        roles: vec![sgw::govern::Role::Source],
        partner: None,
        source: Some("scr".into()),
        address: String::new(),
    };
    let payload = sgw::exchange::Payload {
        bytes: flag().to_string().into(),
        media_type: FHIR.into(),
        key: None,
        request_id: "r".into(),
    };
    let hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let refusal = gateway.exchange.submit(&caller, "scr", payload, hour_ago).await.unwrap_err();
    assert_eq!(refusal.code(), "unavailable");
    assert_eq!(gateway.store.list("Flag", None, 10).await.unwrap().len(), 1);
}

#[test]
fn no_bytes_from_a_source_make_an_internal_error() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = runtime.block_on(TestGateway::new());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(96));
    let seeds = [adt(), alert().to_string().into_bytes(), flag().to_string().into_bytes()];
    let strategy = (0_usize..3, prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12));
    runner
        .run(&strategy, |(which, changes)| {
            let mut body = seeds[which].clone();
            for (at, byte) in changes {
                let at = at.index(body.len());
                body[at] = byte;
            }
            let source = ["pas", "ehr", "scr"][which];
            let reply = runtime.block_on(submit(&gateway, source, body));
            prop_assert!(
                [200, 201, 400, 422].contains(&reply.status.as_u16()),
                "{} {}",
                reply.status,
                reply.text
            );
            Ok(())
        })
        .unwrap();
}
