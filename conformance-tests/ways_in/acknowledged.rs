//! The acknowledgement modes of HL7 v2 (v2.5.1 section 2.9): original without MSH-15 and MSH-16, enhanced with them, in
//! every combination of their conditions (table 0155), for what is taken and what is refused.

use super::line::{Line, verdict};
use crate::gateway::{TestGateway, fixture};

const CONDITIONS: [&str; 5] = ["", "AL", "NE", "ER", "SU"];

fn message(id: &str, accept: &str, application: &str, good: bool) -> String {
    let text = String::from_utf8(fixture("convert/hl7v2-a08-child-protection/input.hl7")).unwrap();
    let text =
        text.replace("RXX-000017", id).replace("|||AL|NE|GBR", &format!("|||{accept}|{application}|GBR"));
    if good { text } else { text.replace("9000000009", "9000000008") }
}

/// Whether a condition of table 0155 asks for an acknowledgement; an empty one asks for none.
fn wanted(condition: &str, good: bool) -> bool {
    match condition {
        "AL" => true,
        "ER" => !good,
        "SU" => good,
        _ => false,
    }
}

#[tokio::test]
async fn each_mode_and_condition_gets_the_acknowledgements_that_it_asks_for() {
    let gateway = TestGateway::new().await;
    let mut line = Line::open(&gateway, "pas").await;
    let mut number = 0;
    for good in [true, false] {
        for accept in CONDITIONS {
            for application in CONDITIONS {
                number += 1;
                let id = format!("ACK-{number}");
                let mut expected = Vec::new();
                if accept.is_empty() && application.is_empty() {
                    expected.push(if good { "AA" } else { "AE" });
                } else {
                    expected.extend(wanted(accept, good).then_some(if good { "CA" } else { "CE" }));
                    expected.extend(wanted(application, good).then_some(if good { "AA" } else { "AE" }));
                }
                line.send(message(&id, accept, application, good).as_bytes()).await;
                for code in &expected {
                    let answer = line.answer().await;
                    let what = format!("MSH-15 `{accept}`, MSH-16 `{application}`, {answer}");
                    assert_eq!(verdict(&answer), (*code, id.as_str()), "{what}");
                    assert_eq!(answer.contains("\rERR|"), !good, "{what}");
                    assert!(answer.contains("|ACK^A08^ACK|"), "{what}");
                }
                // Nothing more comes than was asked for: the next answer is the next message's.
                let mark = format!("MARK-{number}");
                line.send(message(&mark, "", "", true).as_bytes()).await;
                let answer = line.answer().await;
                assert_eq!(
                    verdict(&answer),
                    ("AA", mark.as_str()),
                    "MSH-15 `{accept}`, MSH-16 `{application}`"
                );
            }
        }
    }
    assert_eq!(number, 50);
    let taken = gateway.audits(Some("submission")).await.len();
    assert_eq!(taken, 75, "what is not acknowledged is taken in all the same");
}
