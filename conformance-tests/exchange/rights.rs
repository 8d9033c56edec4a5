//! Who may do what: every role at every address, and the limits that keep one caller from hurting the others.

use super::submissions::{FHIR, HL7, adt, flag};
use crate::gateway::{TestGateway, key_of};
use http::Method;
use serde_json::json;
use sgw::api::settings::HttpSettings;

/// Callers in the order of the columns: source, subscriber, tester, auditor, operator.
const CALLERS: [&str; 5] = ["scr", "hub", "tester", "auditor", "operator"];

/// Address and, for each caller, whether its role lets it in. Being let in is not yet being given something.
const MATRIX: [(&str, &str, [bool; 5]); 31] = [
    ("POST", "/submissions/scr", [true, false, false, false, false]),
    ("GET", "/quarantine", [false, false, false, false, true]),
    ("GET", "/quarantine/x", [false, false, false, false, true]),
    ("GET", "/quarantine/x/payload", [false, false, false, false, true]),
    ("POST", "/quarantine/x/$resubmit", [false, false, false, false, true]),
    ("POST", "/quarantine/x/$discard", [false, false, false, false, true]),
    ("GET", "/deliveries", [false, false, false, false, true]),
    ("POST", "/deliveries/$replay", [false, false, false, false, true]),
    ("POST", "/configuration/$reload", [false, false, false, false, true]),
    ("GET", "/review?period=2026-10", [false, false, false, true, false]),
    ("POST", "/access-report", [false, false, false, true, false]),
    ("POST", "/fhir/AuditEvent", [true, true, false, false, false]),
    ("POST", "/fhir/Flag", [true, false, false, false, false]),
    ("PUT", "/fhir/Flag/x", [true, false, false, false, false]),
    ("GET", "/fhir/Flag/x", [true, true, false, false, false]),
    ("GET", "/fhir/Flag/x/_history", [true, true, false, false, false]),
    ("GET", "/fhir/Flag/x/_history/1", [true, true, false, false, false]),
    ("GET", "/fhir/Flag?_id=x", [true, true, false, false, false]),
    ("GET", "/fhir/Patient/x", [true, true, false, false, false]),
    ("POST", "/fhir/Subscription", [false, true, false, false, false]),
    ("GET", "/fhir/Subscription/x", [false, true, false, false, true]),
    ("GET", "/fhir/Subscription/x/$status", [false, true, false, false, true]),
    ("GET", "/fhir/Subscription/x/$events", [false, true, false, false, false]),
    ("GET", "/fhir/AuditEvent/x", [false, false, false, true, false]),
    ("GET", "/fhir/AuditEvent", [false, false, false, true, false]),
    ("POST", "/fhir/Flag/$validate", [true, true, true, true, true]),
    ("POST", "/fhir/$decide", [false, false, false, true, false]),
    ("POST", "/fhir/$break-glass", [false, false, false, false, false]),
    ("GET", "/break-glass", [false, false, false, true, true]),
    ("GET", "/fhir/Task", [true, true, false, true, true]),
    ("PUT", "/fhir/Task/x", [true, true, false, false, true]),
];

#[tokio::test]
async fn each_role_gets_where_it_belongs_and_nowhere_else() {
    let gateway = TestGateway::new().await;
    for (method, path, allowed) in MATRIX {
        let method: Method = method.parse().unwrap();
        let bare = gateway.request(method.clone(), path).send().await;
        assert_eq!(bare.status, 401, "{method} {path} without a key");
        for (caller, allowed) in CALLERS.into_iter().zip(allowed) {
            let before = gateway.audits(Some("refused")).await.len();
            let reply = gateway.request(method.clone(), path).key(caller).send().await;
            assert_eq!(reply.status != 403, allowed, "{method} {path} by {caller}: {}", reply.text);
            if reply.status == 403 {
                let after = gateway.audits(Some("refused")).await.len();
                assert_eq!(after, before + 1, "{method} {path} by {caller} is recorded");
            }
        }
    }
}

#[tokio::test]
async fn every_address_but_three_needs_a_key() {
    let gateway = TestGateway::new().await;
    for path in ["/healthz", "/readyz", "/fhir/metadata"] {
        gateway.request(Method::GET, path).send().await.expect(200);
    }
    for wrong in ["", "Bearer", "Bearer ", "Basic a2V5", "bearer key-of-", "Bearer key-of-pas x"] {
        let ask = gateway.request(Method::GET, "/fhir/Flag/x").header("authorization", wrong);
        ask.send().await.expect(401);
    }
    let two = gateway.request(Method::GET, "/fhir/Flag/x").key("pas").header("x-api-key", &key_of("hub"));
    two.send().await.expect(401);
    let same = gateway.request(Method::GET, "/fhir/Flag/x").key("pas").header("x-api-key", &key_of("pas"));
    same.send().await.expect(404);
}

#[tokio::test]
async fn a_source_cannot_touch_what_another_sent() {
    let gateway = TestGateway::new().await;
    let created = gateway.post("scr", "/fhir/Flag", FHIR, flag().to_string()).await.expect(201);
    let id = created.json["id"].as_str().unwrap();
    let mut stolen = flag();
    stolen["id"] = id.into();
    // The same identifiers from another source are another fact.
    let bundle = gateway.post("other", "/submissions/other", FHIR, stolen.to_string()).await.expect(201);
    assert!(!bundle.location("Flag").contains(id));
    let read = gateway.get("scr", &format!("/fhir/Flag/{id}")).await.expect(200);
    assert_eq!(read.json["meta"]["versionId"], "1");
    gateway.get("other", &format!("/fhir/Flag/{id}")).await.expect(404);
}

#[tokio::test]
async fn subscriptions_are_their_partners_alone() {
    let gateway = TestGateway::new().await;
    let subscription = json!({
        "resourceType": "Subscription",
        "meta": {"profile": ["http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"]},
        "status": "active",
        "reason": "safeguarding hub",
        "criteria": "https://fhir.sgw.example/SubscriptionTopic/safeguarding-flag",
        "channel": {
            "type": "rest-hook",
            "endpoint": "http://127.0.0.1:9/hook",
            "payload": "application/fhir+json",
            "_payload": {"extension": [{
                "url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content",
                "valueCode": "id-only",
            }]},
        },
    });
    let created = gateway.post("hub", "/fhir/Subscription", FHIR, subscription.to_string()).await.expect(201);
    assert_eq!(created.json["status"], "requested");
    let id = created.json["id"].as_str().unwrap();
    let path = format!("/fhir/Subscription/{id}");
    gateway.get("hub", &path).await.expect(200);
    gateway.get("operator", &path).await.expect(200);
    for question in ["", "/$status", "/$events"] {
        gateway.get("ed", &format!("{path}{question}")).await.expect(404);
        gateway.get("hub", &format!("{path}{question}")).await.expect(200);
    }
    let found = gateway.get("ed", "/fhir/Subscription").await.expect(200);
    assert_eq!(found.json["total"], 0);
    let found = gateway.get("hub", "/fhir/Subscription?url=http://127.0.0.1:9/hook").await.expect(200);
    assert_eq!(found.json["total"], 1);
    let mut off = created.json.clone();
    off["status"] = "off".into();
    let put = |holder: &'static str| {
        let ask = gateway.request(Method::PUT, &path).key(holder).header("content-type", FHIR);
        ask.body(off.to_string()).send()
    };
    put("ed").await.expect(404);
    let ended = put("hub").await.expect(200);
    assert_eq!(ended.json["status"], "off");

    for (pointer, value) in [
        ("/criteria", json!("https://fhir.sgw.example/SubscriptionTopic/none")),
        ("/channel/endpoint", json!("http://169.254.169.254/latest")),
        ("/channel/type", json!("email")),
    ] {
        let mut wrong = subscription.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let reply = gateway.post("hub", "/fhir/Subscription", FHIR, wrong.to_string()).await;
        assert_eq!(reply.status, 422, "{pointer}: {}", reply.text);
    }
}

#[tokio::test]
async fn too_much_at_once_is_refused_at_once_and_for_others_in_turn() {
    let settings =
        HttpSettings { max_requests: 4, max_requests_per_credential: 2, ..HttpSettings::default() };
    let gateway = TestGateway::with(settings).await;
    let send = |holder: &'static str| gateway.post(holder, "/submissions/pas", HL7, adt());
    let replies = futures_util::future::join_all((0..32).map(|_| send("pas"))).await;
    let of = |status: u16| replies.iter().filter(|reply| reply.status == status).collect::<Vec<_>>();
    assert!(of(200).len() + of(201).len() >= 2);
    let refused = [of(429), of(503)].concat();
    assert_eq!(refused.len() + of(200).len() + of(201).len(), 32);
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|reply| reply.header("retry-after") == "1"));
    send("pas").await.expect(200);
}

/// A known party's request that is refused for its form leaves a record, whatever the address.
#[tokio::test]
async fn refusals_of_form_are_recorded_where_the_party_is_known() {
    let gateway = TestGateway::new().await;
    let json = "application/json";
    let cases: [(&str, &str, &str, &str, &str, u16); 12] = [
        ("GET", "/fhir/Flag?nonsense=1", "scr", "", "", 400),
        ("GET", "/fhir/Flag?_format=turtle", "scr", "", "", 406),
        ("GET", "/fhir/Basic/x", "hub", "", "", 404),
        ("GET", "/quarantine?colour=red", "operator", "", "", 400),
        ("GET", "/deliveries?state=lost", "operator", "", "", 400),
        ("POST", "/deliveries/$replay", "operator", json, "{}", 400),
        ("POST", "/fhir/Flag/$validate", "tester", "text/plain", "x", 415),
        ("POST", "/fhir/Flag/$validate", "tester", FHIR, "{", 400),
        ("GET", "/fhir/Subscription/x/$events?eventsSinceNumber=first", "hub", "", "", 400),
        ("POST", "/submissions/pas", "pas", "text/plain", "x", 415),
        ("POST", "/submissions/pas", "pas", HL7, "x", 400),
        ("POST", "/submissions/ehr", "scr", json, "{}", 403),
    ];
    for (method, path, holder, media_type, body, status) in cases {
        let before = gateway.audits(None).await.len();
        let ask = gateway.request(method.parse().unwrap(), path).key(holder).body(body);
        let ask = if media_type.is_empty() { ask } else { ask.header("content-type", media_type) };
        let reply = ask.send().await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path}: {}", reply.text);
        let after = gateway.audits(None).await;
        assert_eq!(after.len(), before + 1, "{method} {path} leaves one record");
        assert!(after[0].kind.ends_with("refused"), "{method} {path}: {}", after[0].kind);
        assert!(after[0].canonical.as_deref().unwrap().contains(holder), "{method} {path}");
    }
    // Nobody is known: nothing is recorded, and nobody can fill the log from outside.
    let before = gateway.audits(None).await.len();
    gateway.request(Method::GET, "/fhir/Flag/x").header("x-api-key", "wrong").send().await.expect(401);
    assert_eq!(gateway.audits(None).await.len(), before);
}
