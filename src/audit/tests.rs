//! Every kind of act, recorded.

use super::*;
use crate::govern::{Decision, ReasonCode};
use jiff::Timestamp;
use serde_json::Value;

fn now() -> Timestamp {
    "2026-11-21T09:00:00.123Z".parse().unwrap()
}

pub(crate) fn gateway() -> Gateway {
    Gateway {
        organisation: "GZZ01".into(),
        name: "Northshire gateway".into(),
        device: "sgw-1".into(),
        address: "https://gateway.example".into(),
    }
}

/// One act of every kind, to be recorded one after the other.
pub(crate) fn every_act(visit: &mut dyn FnMut(&Act)) {
    let party = Party { id: "key-1", organisation: "RZZ01", name: "A \"quoted\" name", address: "192.0.2.1" };
    let target = Target::version("Flag", "the-flag", 2);
    let made = [target, Target::version("Patient", "p1", 1)];
    let patient = Some("nhs:9000000009");
    let mut decision = Decision::withheld(ReasonCode::Superseded, "SAFEGUARDING");
    decision.lawful_bases = vec!["gdpr-6-1-e".into()];
    decision.tier = Some(crate::govern::Tier::Restricted);
    let decision = &decision;
    let acts = [
        Act::Submission {
            caller: party,
            source: "s",
            submission: "1",
            format: "hl7v2",
            made: &made,
            repeated: true,
            patient,
        },
        Act::SubmissionRefused {
            caller: None,
            source: "s",
            submission: "1",
            rule: "r",
            text: "line\n\u{1}\\",
            quarantine: Some("q"),
            patient: None,
        },
        Act::Decision { decision, recipient: Some(party), target, patient, trigger: "send" },
        Act::Decision {
            decision,
            recipient: None,
            target,
            patient: Some("local:urn:oid:1.2|7|8"),
            trigger: "intake",
        },
        Act::Disclosure {
            decision,
            recipient: party,
            target,
            patient,
            obligations: &["masked"],
            subscription: Some("s1"),
            event_number: Some(7),
        },
        Act::DeliveryFailed {
            recipient: party,
            target,
            patient,
            subscription: "s1",
            event_number: None,
            status: Some(503),
            text: "t",
            dead: true,
        },
        Act::Refused {
            caller: None,
            operation: "read",
            rule: "unauthorized",
            text: "t",
            target: None,
            patient: None,
        },
        Act::Refused {
            caller: Some(party),
            operation: "read",
            rule: "forbidden",
            text: "t",
            target: Some(target),
            patient,
        },
        Act::Read { caller: party, target, patient, purpose: "TREAT", decision: Some(decision) },
        Act::Read {
            caller: party,
            target: Target::resource("Subscription", "s"),
            patient: None,
            purpose: "HOPERAT",
            decision: None,
        },
        Act::Search {
            caller: party,
            resource_type: "Flag",
            query: "GET /fhir/Flag?subject=é",
            purpose: "TREAT",
            found: 3,
            patient,
        },
        Act::Changed { caller: party, change: Change::Create, target, patient },
        Act::Changed { caller: party, change: Change::Update, target, patient },
        Act::Changed { caller: party, change: Change::Delete, target, patient },
        Act::Quarantine {
            caller: Some(party),
            step: QuarantineStep::Discarded,
            item: "q",
            rule: "r",
            text: "t",
            patient,
        },
        Act::Administration {
            actor: party,
            operation: "replay",
            subject: Some(target),
            details: &[("count", "3")],
        },
        Act::BreakGlass {
            caller: party,
            user: "u",
            role: "consultant",
            reason: "BTG",
            text: "unconscious",
            target,
            patient,
            review_due: now(),
        },
        Act::Erased { actor: party, event: "e1", ground: "gdpr-17" },
    ];
    acts.iter().for_each(visit);
}

/// RFC 8785 for values without fractional numbers: all that these events hold.
fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            let one =
                |name: &&String| format!("{}:{}", Value::from(name.as_str()), canonical(&members[*name]));
            format!("{{{}}}", names.iter().map(one).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[test]
fn every_event_and_leaf_is_canonical_and_committed_to() {
    every_act(&mut |act| {
        let entry = record(act, &gateway(), now());
        assert_eq!(canonical(&entry.event()), entry.canonical, "{}", act.kind());
        let leaf: Value = serde_json::from_str(&entry.leaf).unwrap();
        assert_eq!(canonical(&leaf), entry.leaf);
        assert_eq!(leaf["commitment"], commitment(&entry.salt, entry.canonical.as_bytes()));
        assert_eq!(merkle::leaf_hash(entry.leaf.as_bytes()), entry.leaf_hash);
        assert!(!entry.leaf.contains("9000000009") && !entry.leaf.contains("the-flag"), "{}", entry.leaf);
        assert_eq!(entry.event()["id"], entry.id.as_str());
        for member in ["type", "recorded", "agent", "source", "entity", "outcome"] {
            assert!(entry.event().get(member).is_some(), "{member} of {}", act.kind());
        }
    });
}

#[test]
fn a_decision_can_be_read_by_a_machine() {
    let mut decision = Decision::withheld(ReasonCode::ConsentDissent, "SAFEGUARDING");
    decision.lawful_bases = vec!["gdpr-6-1-e".into()];
    let party = Party { id: "hub", organisation: "LZZ01", name: "Hub", address: "" };
    let target = Target::version("Flag", "f1", 2);
    let act =
        Act::Decision { decision: &decision, recipient: Some(party), target, patient: None, trigger: "send" };
    let entry = record(&act, &gateway(), now());
    let event = entry.event();
    let details = event["entity"][0]["detail"].as_array().unwrap();
    let of =
        |name: &str| details.iter().find(|d| d["type"] == name).map(|d| d["valueString"].as_str().unwrap());
    assert_eq!(of("outcome"), Some("withhold"));
    assert_eq!(of("reason"), Some("consent-dissent"));
    assert_eq!(of("lawful-basis"), Some("gdpr-6-1-e"));
    assert_eq!(of("purpose"), Some("SAFEGUARDING"));
    assert_eq!(event["agent"][0]["who"]["identifier"]["value"], "LZZ01");
    assert_eq!(entry.about, ["Flag/f1"]);
    assert_eq!(entry.outcome, "withhold");
}
