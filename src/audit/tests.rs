//! What a recorded decision says to a machine.

use super::*;
use crate::govern::{Decision, ReasonCode};
use jiff::Timestamp;

fn now() -> Timestamp {
    "2026-11-21T09:00:00.123Z".parse().unwrap()
}

pub(super) fn gateway() -> Gateway {
    Gateway {
        organisation: "GZZ01".into(),
        name: "Northshire gateway".into(),
        device: "sgw-1".into(),
        address: "https://gateway.example".into(),
    }
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
