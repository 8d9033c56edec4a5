//! The emergency path and the Tasks it opens, and the Tasks that disputed consents open, through the front door.

use crate::exchange::submissions::{FHIR, flag as alert};
use crate::gateway::{Reply, TestGateway};
use http::Method;
use serde_json::{Value, json};
use sgw::fhir::systems;
use sgw::store::IntentQuery;

const REVIEW: &str = "/fhir/Task?code=break-glass-review";

/// A Flag that the emergency department is not cleared for, save in an emergency.
fn closed(fact: &str, number: &str) -> Value {
    let mut flag = alert();
    flag["identifier"][0]["value"] = fact.into();
    flag["subject"]["identifier"]["value"] = number.into();
    flag["meta"] = json!({"security": [{"system": systems::ACT_CODE, "code": "HIV"}]});
    flag
}

async fn made(gateway: &TestGateway, flag: &Value) -> String {
    let reply = gateway.post("scr", "/fhir/Flag", FHIR, flag.to_string()).await.expect(201);
    reply.json["id"].as_str().unwrap().to_owned()
}

fn statement(number: &str) -> Vec<Value> {
    vec![
        json!({"name": "user", "valueString": "dr-a"}),
        json!({"name": "role", "valueString": "consultant"}),
        json!({"name": "reason", "valueCode": "BTG"}),
        json!({"name": "text", "valueString": "unconscious in resus"}),
        json!({"name": "patient", "valueIdentifier": {"system": systems::NHS_NUMBER, "value": number}}),
    ]
}

async fn state(gateway: &TestGateway, holder: &str, statement: &[Value]) -> Reply {
    let body = json!({"resourceType": "Parameters", "parameter": statement});
    gateway.post(holder, "/fhir/$break-glass", FHIR, body.to_string()).await
}

fn found(reply: &Reply) -> Vec<&Value> {
    reply.json["entry"].as_array().into_iter().flatten().map(|entry| &entry["resource"]).collect()
}

#[tokio::test]
async fn an_emergency_discloses_alerts_the_owner_and_opens_a_review() {
    let gateway = TestGateway::new().await;
    let subscription = json!({"resourceType": "Subscription", "status": "requested",
        "meta": {"profile": ["http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"]},
        "reason": "reviews", "criteria": systems::canonical("SubscriptionTopic/safeguarding-task"),
        "channel": {"type": "rest-hook", "endpoint": "http://127.0.0.1:9/hook", "payload": "application/fhir+json",
            "_payload": {"extension": [{
                "url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content",
                "valueCode": "id-only"}]}}});
    let made_subscription =
        gateway.post("desk", "/fhir/Subscription", FHIR, subscription.to_string()).await.expect(201);
    let hook = made_subscription.json["id"].as_str().unwrap().to_owned();
    let id = made(&gateway, &closed("A-1", "9000000009")).await;
    gateway.get("resus", &format!("/fhir/Flag/{id}")).await.expect(404);

    let reply = state(&gateway, "resus", &statement("9000000009")).await.expect(200);
    assert_eq!(reply.header("cache-control"), "no-store");
    let disclosed = found(&reply);
    assert_eq!((disclosed.len(), disclosed[0]["id"].as_str()), (1, Some(id.as_str())));
    gateway.get("resus", &format!("/fhir/Flag/{id}")).await.expect(404);

    let uses = gateway.audits(Some("break-glass")).await;
    assert_eq!(uses.len(), 1);
    let event = uses[0].canonical.clone().unwrap();
    for said in ["dr-a", "consultant", "BTG", "unconscious in resus", &id] {
        assert!(event.contains(said), "{said}: {event}");
    }
    let disclosures = gateway.audits(Some("disclosure")).await;
    assert!(disclosures[0].canonical.as_deref().unwrap().contains("break-glass"));

    let task = gateway.get("scr", REVIEW).await.expect(200);
    let task = found(&task)[0].clone();
    assert_eq!(task["owner"]["identifier"]["value"], "RZZ04");
    assert_eq!(task["requester"]["identifier"]["value"], "RZZ02");
    assert_eq!(task["focus"]["reference"], format!("Flag/{id}/_history/1"));
    let at = |pointer: &str| -> jiff::Timestamp {
        task.pointer(pointer).unwrap().as_str().unwrap().parse().unwrap()
    };
    assert_eq!(at("/restriction/period/end").duration_since(at("/authoredOn")).as_hours(), 72);
    let intents =
        gateway.store.intents(IntentQuery { subscription: Some(hook), limit: 10, ..IntentQuery::default() });
    let intents = intents.await.unwrap();
    assert_eq!((intents.len(), intents[0].resource_type.as_str()), (1, "Task"), "the owner is told of it");

    let path = format!("/fhir/Task/{}", task["id"].as_str().unwrap());
    for (holder, seen) in [
        ("scr", true),
        ("desk", true),
        ("operator", true),
        ("auditor", true),
        ("hub", false),
        ("resus", false),
        ("ehr", false),
    ] {
        let reply = gateway.get(holder, &path).await;
        assert_eq!(reply.status == 200, seen, "{holder}: {}", reply.text);
        assert_eq!(
            found(&gateway.get(holder, REVIEW).await.expect(200)).len(),
            usize::from(seen),
            "{holder}"
        );
    }
}

#[tokio::test]
async fn what_is_no_statement_of_an_emergency_discloses_nothing() {
    let gateway = TestGateway::new().await;
    let id = made(&gateway, &closed("A-1", "9000000009")).await;
    let whole = statement("9000000009");
    for left_out in 0..whole.len() {
        let mut less = whole.clone();
        less.remove(left_out);
        state(&gateway, "resus", &less).await.expect(400);
        let mut blank = whole.clone();
        let name = whole[left_out]["name"].clone();
        blank[left_out] = json!({"name": name, "valueString": "  "});
        state(&gateway, "resus", &blank).await.expect(400);
    }
    let mut odd = whole.clone();
    odd.push(json!({"name": "bulk", "valueBoolean": true}));
    state(&gateway, "resus", &odd).await.expect(400);
    for (at, value) in [(1, "porter"), (2, "CURIOUS")] {
        let mut wrong = whole.clone();
        wrong[at] = json!({"name": whole[at]["name"], "valueString": value});
        let refused = state(&gateway, "resus", &wrong).await.expect(404);
        let nobody = state(&gateway, "resus", &statement("9000000017")).await.expect(404);
        assert_eq!(refused.text, nobody.text, "not permitted and not there are one answer");
    }
    let mut other = statement("9000000017");
    other.push(json!({"name": "resource", "valueReference": {"reference": format!("Flag/{id}")}}));
    state(&gateway, "resus", &other).await.expect(404);
    for holder in ["ed", "hub", "scr", "auditor", "operator", "tester"] {
        state(&gateway, holder, &whole).await.expect(403);
    }
    assert!(gateway.audits(Some("break-glass")).await.is_empty());
    assert!(gateway.audits(Some("disclosure")).await.is_empty());
    assert!(found(&gateway.get("operator", "/fhir/Task").await.expect(200)).is_empty());

    let mut one = whole.clone();
    one.push(json!({"name": "resource", "valueReference": {"reference": format!("Flag/{id}")}}));
    state(&gateway, "resus", &one).await.expect(200);
}

#[tokio::test]
async fn the_emergency_path_is_not_for_bulk() {
    let gateway = TestGateway::new().await;
    let numbers = [
        "9000000009",
        "9000000017",
        "9000000025",
        "9000000033",
        "9000000041",
        "9000000068",
        "9000000076",
        "9000000084",
        "9000000092",
        "9000000106",
        "9000000114",
    ];
    for number in numbers {
        made(&gateway, &closed(number, number)).await;
    }
    let (last, first) = numbers.split_last().unwrap();
    assert_eq!(first.len(), sgw::exchange::PATIENTS_AN_HOUR);
    for number in first {
        state(&gateway, "resus", &statement(number)).await.expect(200);
    }
    let refused = state(&gateway, "resus", &statement(last)).await.expect(403);
    assert!(refused.text.contains("bulk"), "{}", refused.text);
    state(&gateway, "resus", &statement(first[0])).await.expect(200);
    let mut colleague = statement(last);
    colleague[0] = json!({"name": "user", "valueString": "dr-b"});
    state(&gateway, "resus", &colleague).await.expect(200);
}

#[tokio::test]
async fn the_owner_reviews_it_and_the_figures_say_what_came_of_it() {
    let gateway = TestGateway::new().await;
    made(&gateway, &closed("A-1", "9000000009")).await;
    made(&gateway, &closed("A-2", "9000000009")).await;
    made(&gateway, &closed("A-3", "9000000017")).await;
    for number in ["9000000009", "9000000017"] {
        state(&gateway, "resus", &statement(number)).await.expect(200);
    }
    let figures = async || {
        let all = gateway.get("auditor", "/break-glass").await.expect(200).json["organisations"].clone();
        assert_eq!(all.as_array().unwrap().len(), 1);
        all[0].clone()
    };
    let before = figures().await;
    assert_eq!(before["organisation"], "RZZ02");
    assert_eq!((&before["uses"], &before["people"], &before["records"]), (&json!(2), &json!(1), &json!(3)));
    assert_eq!((&before["reviews-open"], &before["reviews-overdue"]), (&json!(2), &json!(0)));
    let tasks = gateway.get("scr", &format!("{REVIEW}&overdue=false")).await.expect(200);
    let mut task = found(&tasks)[0].clone();
    let path = format!("/fhir/Task/{}", task["id"].as_str().unwrap());
    let put = async |holder: &str, task: &Value| {
        let ask = gateway.request(Method::PUT, &path).key(holder).header("content-type", FHIR);
        ask.body(task.to_string()).send().await
    };
    task["status"] = "completed".into();
    put("scr", &task).await.expect(409);
    let system = systems::canonical("CodeSystem/review-outcome");
    task["businessStatus"] = json!({"coding": [{"system": system, "code": "not-justified"}]});
    task["owner"]["identifier"]["value"] = "RZZ02".into();
    for holder in ["resus", "hub", "ehr"] {
        put(holder, &task).await.expect(404);
    }
    put("auditor", &task).await.expect(403);
    let settled = put("scr", &task).await.expect(200);
    assert_eq!(settled.json["owner"]["identifier"]["value"], "RZZ04", "the owner stays");
    assert_eq!(settled.json["meta"]["versionId"], "2");
    put("scr", &task).await.expect(409);
    let after = figures().await;
    assert_eq!((&after["reviews-open"], &after["not-justified"]), (&json!(1), &json!(1)));
    gateway.get("hub", "/break-glass").await.expect(403);
    let csv = gateway.request(Method::GET, "/break-glass").key("operator").header("accept", "text/csv");
    assert!(csv.send().await.expect(200).text.contains("RZZ02,2,1,3,1,0,0,1,0"));
    let none =
        gateway.get("operator", "/break-glass?from=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z").await;
    assert_eq!(none.expect(200).json["organisations"], json!([]));
}

fn consent(dispute: Option<&str>) -> Value {
    let mut consent: Value =
        serde_json::from_slice(&crate::gateway::fixture("convert/fhir-consent-restricts-partner/input.json"))
            .unwrap();
    consent["organization"] =
        json!([{"identifier": {"system": systems::ODS_ORGANIZATION, "value": "RZZ04"}}]);
    if let Some(code) = dispute {
        let extension = json!({"url": systems::canonical("StructureDefinition/consent-dispute"),
            "valueCoding": {"system": systems::canonical("CodeSystem/consent-dispute"), "code": code}});
        consent["extension"] = match consent["extension"].take() {
            Value::Array(mut list) => {
                list.push(extension);
                list.into()
            }
            _ => json!([extension]),
        };
    }
    consent
}

#[tokio::test]
async fn a_disputed_or_uncertain_consent_goes_to_the_governance_lead() {
    let gateway = TestGateway::new().await;
    let disputes = "/fhir/Task?code=consent-dispute";
    gateway.post("scr", "/fhir/Consent", FHIR, consent(None).to_string()).await.expect(201);
    assert!(found(&gateway.get("operator", disputes).await.expect(200)).is_empty());
    for (number, kind) in ["disputed", "uncertain"].into_iter().enumerate() {
        let made =
            gateway.post("scr", "/fhir/Consent", FHIR, consent(Some(kind)).to_string()).await.expect(201);
        let id = made.json["id"].as_str().unwrap();
        let tasks = gateway.get("operator", disputes).await.expect(200);
        assert_eq!(found(&tasks).len(), number + 1);
        let focus = format!("Consent/{id}/_history/1");
        let task =
            found(&tasks).into_iter().find(|task| task["focus"]["reference"] == focus).unwrap().clone();
        assert_eq!(task["owner"]["identifier"]["value"], "RZZ00", "the governance lead of the gateway");
        assert_eq!(task["reasonCode"]["coding"][0]["code"], kind);
        assert!(task["restriction"]["period"]["end"].is_string());
        // The same again is the same dispute.
        let mut again = made.json.clone();
        again["dateTime"] = "2026-11-02".into();
        let put = gateway
            .request(Method::PUT, &format!("/fhir/Consent/{id}"))
            .key("scr")
            .header("content-type", FHIR);
        put.body(again.to_string()).send().await.expect(200);
        assert_eq!(found(&gateway.get("operator", disputes).await.expect(200)).len(), number + 1);
    }
    let unknown = consent(Some("quarrel"));
    gateway.post("scr", "/fhir/Consent", FHIR, unknown.to_string()).await.expect(422);
    let mut authority = consent(None);
    let part = |name: &str, kind: &str, value: Value| json!({"url": name, kind: value});
    let own =
        |code: &str| json!({"system": systems::canonical("CodeSystem/consent-authority"), "code": code});
    let said = |code: &str| {
        json!({"url": systems::canonical("StructureDefinition/consent-authority"), "extension": [
        part("kind", "valueCoding", own(code)),
        part("person", "valueReference", json!({"display": "Dr Adeyemi"})),
        part("date", "valueDate", json!("2026-10-30")),
        part("reason", "valueString", json!("understands what is shared, with whom and why"))]})
    };
    authority["extension"] =
        json!([said("competent-child"), said("parental-responsibility"), said("best-interests")]);
    let kept = gateway.post("scr", "/fhir/Consent", FHIR, authority.to_string()).await.expect(201);
    assert_eq!(
        kept.json["extension"], authority["extension"],
        "the assessments are kept as they were recorded"
    );
    authority["extension"] = json!([said("because-i-say-so")]);
    gateway.post("scr", "/fhir/Consent", FHIR, authority.to_string()).await.expect(422);
}
