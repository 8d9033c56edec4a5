//! `$decide` over HTTP: the gateway's own answer to "what would happen, and why", asked for every combination and held
//! against an evaluator that shares nothing with it; who may ask, and that nothing is disclosed by asking.

use crate::decisions::{Case, Terms, consent, expected, flag};
use crate::exchange::submissions::{FHIR, flag as alert};
use crate::gateway::{Reply, TestGateway};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use sgw::fhir::systems;

const NUMBER: &str = "9000000009";

fn patient() -> Value {
    json!({"system": systems::NHS_NUMBER, "value": NUMBER})
}

async fn ask(gateway: &TestGateway, holder: &str, parameters: Vec<Value>) -> Reply {
    let body = json!({"resourceType": "Parameters", "parameter": parameters});
    gateway.post(holder, "/fhir/$decide", FHIR, body.to_string()).await
}

/// The values of a part of one decision.
fn parts<'a>(decision: &'a Value, name: &str) -> Vec<&'a Value> {
    decision["part"].as_array().unwrap().iter().filter(|part| part["name"] == name).collect()
}

fn outcome(decision: &Value) -> &str {
    parts(decision, "outcome")[0]["valueCode"].as_str().unwrap()
}

fn decisions(reply: &Reply) -> &Vec<Value> {
    reply.json["parameter"].as_array().unwrap()
}

/// Everything that the matrix runs through, in the gateway's own words.
const TIERS: [&str; 4] = ["", "routine-coordination", "safeguarding-critical", "restricted"];
const CATEGORIES: [&str; 5] =
    ["child-protection", "child-in-need", "domestic-abuse", "housing-and-social", "honour-based-abuse"];
const LABELS: [&str; 6] = ["", "N", "R", "V", "SDV", "HIV"];
const RECIPIENTS: [(&str, &str); 4] =
    [("hub", "LZZ01"), ("ed", "RZZ02"), ("housing", "HZZ01"), ("stranger", "X26")];

#[tokio::test]
async fn the_front_door_and_an_independent_evaluator_decide_alike() {
    let gateway = TestGateway::new().await;
    let terms = Terms::read();
    let mut questions = Vec::new();
    for (recipient, organisation) in RECIPIENTS {
        for tier in TIERS {
            for category in CATEGORIES {
                for basis in ["gdpr-6-1-e", "ca1989-s47", "made-up"] {
                    for label in LABELS {
                        for given in ["", "permit", "deny", "withdrawn"] {
                            for (purpose, emergency) in [
                                ("SAFEGUARDING", false),
                                ("ETREAT", true),
                                ("HRESCH", false),
                                ("TREAT", true),
                            ] {
                                questions.push((
                                    recipient,
                                    Case {
                                        recipient: organisation,
                                        tier,
                                        category,
                                        purpose,
                                        basis,
                                        consent: given,
                                        label,
                                        emergency,
                                    },
                                ));
                            }
                        }
                    }
                }
            }
        }
    }
    // A prime stride visits every kind of combination; the whole matrix is decided without HTTP in `decisions`.
    let asked: Vec<_> = questions.into_iter().step_by(5).collect();
    let answers: Vec<(String, bool, bool)> = stream::iter(asked)
        .map(|(recipient, case)| {
            let (gateway, terms) = (&gateway, &terms);
            async move {
                let mut flag = flag(case.category, case.tier, case.basis, case.label);
                flag["subject"] = json!({"identifier": patient()});
                let mut parameters = vec![
                    json!({"name": "resource", "resource": flag}),
                    json!({"name": "source", "valueString": "RZZ01"}),
                    json!({"name": "recipient", "valueString": recipient}),
                    json!({"name": "purpose", "valueCode": case.purpose}),
                    json!({"name": "at", "valueInstant": "2026-11-21T09:00:00Z"}),
                ];
                if let Some(mut consent) = consent(case.consent, case.recipient) {
                    consent["patient"] = json!({"identifier": patient()});
                    parameters.push(json!({"name": "consent", "resource": consent}));
                }
                if case.emergency {
                    parameters.push(emergency("consultant", "BTG", "unconscious"));
                }
                let reply = ask(gateway, "auditor", parameters).await.expect(200);
                let decision = &decisions(&reply)[0];
                let permitted = outcome(decision) == "permit";
                assert_eq!(parts(decision, "reason").is_empty(), permitted, "{decision}");
                let name = format!("{case:?}: {}", parts(decision, "rationale")[0]);
                (name, permitted, expected(terms, &case))
            }
        })
        .buffer_unordered(64)
        .collect()
        .await;
    let wrong: Vec<&String> = answers.iter().filter(|(_, a, b)| a != b).map(|(name, _, _)| name).collect();
    assert!(wrong.is_empty(), "{} of {}: {:#?}", wrong.len(), answers.len(), &wrong[..wrong.len().min(5)]);
    let permits = answers.iter().filter(|(_, permitted, _)| *permitted).count();
    println!("$decide: {} combinations over HTTP, {permits} permitted, no mismatch", answers.len());
    assert!(answers.len() > 4_000 && permits > 100, "{permits} of {}", answers.len());
}

fn emergency(role: &str, reason: &str, text: &str) -> Value {
    json!({"name": "emergency", "part": [
        {"name": "user", "valueString": "dr-a"},
        {"name": "role", "valueString": role},
        {"name": "reason", "valueCode": reason},
        {"name": "text", "valueString": text},
        {"name": "patient", "valueIdentifier": patient()},
        {"name": "until", "valueInstant": "2026-11-21T10:00:00Z"}]})
}

#[tokio::test]
async fn empty_absent_and_malformed_claims_and_consents_deny_at_the_front_door() {
    let gateway = TestGateway::new().await;
    let mut good = flag("child-protection", "", "gdpr-6-1-e", "");
    good["subject"] = json!({"identifier": patient()});
    let mut closed = good.clone();
    closed["meta"] = json!({"security": [{"system": systems::CONFIDENTIALITY, "code": "V"}]});
    let question = |flag: &Value, more: Vec<Value>| {
        let mut list = vec![
            json!({"name": "resource", "resource": flag}),
            json!({"name": "source", "valueString": "RZZ01"}),
            json!({"name": "recipient", "valueString": "ed"}),
            json!({"name": "at", "valueInstant": "2026-11-21T09:00:00Z"}),
        ];
        list.extend(more);
        list
    };
    let told =
        async |list| outcome(&decisions(&ask(&gateway, "auditor", list).await.expect(200))[0]).to_owned();
    assert_eq!(told(question(&good, vec![])).await, "permit");
    assert_eq!(told(question(&closed, vec![])).await, "withhold");
    assert_eq!(told(question(&closed, vec![emergency("consultant", "BTG", "collapsed")])).await, "permit");
    let expired = json!({"name": "emergency", "part": [
        {"name": "user", "valueString": "dr-a"}, {"name": "role", "valueString": "consultant"},
        {"name": "reason", "valueCode": "BTG"}, {"name": "text", "valueString": "x"},
        {"name": "patient", "valueIdentifier": patient()}, {"name": "until", "valueInstant": "2026-11-21T08:59:59Z"}]});
    let other = json!({"name": "emergency", "part": [
        {"name": "user", "valueString": "dr-a"}, {"name": "role", "valueString": "consultant"},
        {"name": "reason", "valueCode": "BTG"}, {"name": "text", "valueString": "x"},
        {"name": "patient", "valueIdentifier": {"system": systems::NHS_NUMBER, "value": "9000000017"}},
        {"name": "until", "valueInstant": "2026-11-21T10:00:00Z"}]});
    for claim in [
        json!({"name": "emergency"}),
        json!({"name": "emergency", "part": []}),
        emergency("porter", "BTG", "collapsed"),
        emergency("consultant", "CURIOUS", "collapsed"),
        emergency("consultant", "BTG", "  "),
        emergency("", "BTG", "collapsed"),
        expired,
        other,
    ] {
        assert_eq!(told(question(&closed, vec![claim.clone()])).await, "withhold", "{claim}");
    }
    for broken in
        [json!({"type": 7}), json!([]), json!("permit"), json!({"type": "permit", "period": {"end": "soon"}})]
    {
        let mut consent = consent("deny", "RZZ02").unwrap();
        consent["provision"] = broken.clone();
        let denies = told(question(&good, vec![json!({"name": "consent", "resource": consent})])).await;
        let permits = broken["type"] == "permit";
        assert_eq!(
            denies == "permit",
            permits,
            "{broken}: a permission nobody can read is none, and no dissent"
        );
    }
    let nobody = vec![
        json!({"name": "resource", "resource": good}),
        json!({"name": "source", "valueString": ""}),
        json!({"name": "recipient", "valueString": ""}),
    ];
    assert_eq!(told(nobody).await, "withhold");
    for bad in [
        vec![],
        vec![json!({"name": "resource", "valueReference": {"reference": "Flag"}})],
        vec![json!({"name": "resource", "resource": good}), json!({"name": "odd", "valueString": "x"})],
        vec![json!({"name": "resource", "resource": good}), json!({"name": "action", "valueCode": "tell"})],
        vec![json!({"name": "resource", "resource": good}), json!({"name": "at", "valueInstant": "soon"})],
        vec![
            json!({"name": "resource", "valueReference": {"reference": "Flag/x"}}),
            json!({"name": "consent", "resource": {"resourceType": "Consent"}}),
        ],
    ] {
        ask(&gateway, "auditor", bad.clone()).await.expect(400);
    }
    let missing = vec![json!({"name": "resource", "valueReference": {"reference": "Flag/none"}})];
    ask(&gateway, "auditor", missing).await.expect(404);
}

#[tokio::test]
async fn what_is_held_is_explained_for_every_partner_recorded_and_not_disclosed() {
    let gateway = TestGateway::new().await;
    let made = gateway.post("scr", "/fhir/Flag", FHIR, alert().to_string()).await;
    let id = made.expect(201).json["id"].as_str().unwrap().to_owned();
    let before = gateway.audits(Some("disclosure")).await.len();
    let question =
        || vec![json!({"name": "resource", "valueReference": {"reference": format!("Flag/{id}")}})];
    let reply = ask(&gateway, "auditor", question()).await.expect(200);
    assert_eq!(decisions(&reply).len(), 4, "one for each partner");
    assert!(!reply.text.contains("Subject to a plan") && !reply.text.contains(NUMBER), "{}", reply.text);
    for decision in decisions(&reply) {
        assert!(!parts(decision, "rationale").is_empty());
    }
    assert!(decisions(&reply).iter().any(|decision| !parts(decision, "policy").is_empty()));
    let validated = gateway.post("tester", "/fhir/Parameters/$validate", FHIR, reply.text.clone()).await;
    assert!(!validated.text.contains("\"error\""), "{}", validated.text);
    assert_eq!(gateway.audits(Some("disclosure")).await.len(), before, "nothing was disclosed");
    let asked = gateway.audits(Some("administration")).await;
    let about = format!("Flag/{id}");
    let of_this = |text: &str| text.contains("decision-explained") && text.contains(&about);
    let count = asked.iter().filter(|leaf| leaf.canonical.as_deref().is_some_and(of_this)).count();
    assert_eq!(count, 4, "each answer is recorded with who asked");
    for holder in ["scr", "hub", "tester", "operator"] {
        ask(&gateway, holder, question()).await.expect(403);
    }
    let first = json!({"name": "resource", "valueReference": {"reference": format!("Flag/{id}/_history/1")}});
    let hold = ask(&gateway, "auditor", vec![first, json!({"name": "action", "valueCode": "hold"})]).await;
    assert_eq!(outcome(&decisions(&hold.expect(200))[0]), "permit");
}
