//! Differences with the reference validator that are accepted, each with its reason.
//!
//! The reasons are data: `fixtures/differential/accepted.json`. Each names the rules it speaks of, and where that
//! matters the kinds of mutation, the end of the place and a part of the text. Only an "invalid" of ours can be accepted, never a "valid".

use serde_json::Value;
use std::path::Path;

/// One mutant on which the two disagree.
pub struct Difference {
    /// What was done to which place of which seed.
    pub what: String,
    /// Whether ours found it valid.
    pub ours: bool,
    /// What ours found broken: the rule, the place, and the text.
    pub rules: Vec<[String; 3]>,
    /// What the reference found: the texts of its errors, or of its failure.
    pub theirs: Vec<String>,
    /// Whether the reference gave up on the content.
    pub aborted: bool,
}

/// The reasons, as they are written down.
pub struct Reasons(Vec<Value>);

impl Reasons {
    pub fn read() -> Reasons {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/differential/accepted.json");
        let text = std::fs::read_to_string(path).expect("the reasons are written down");
        let reasons: Vec<Value> = serde_json::from_str(&text).expect("a list of reasons");
        for reason in &reasons {
            assert!(reason["reason"].as_str().is_some_and(|text| text.len() > 40), "a sentence: {reason}");
            let precise = reason["aborted"] == true
                || reason["rules"].as_array().is_some_and(|rules| !rules.is_empty())
                    && reason["mutations"].as_array().is_some_and(|kinds| !kinds.is_empty());
            assert!(precise, "a reason names its rules and mutations: {reason}");
        }
        Reasons(reasons)
    }

    /// The reason why a difference is accepted, where every finding of ours is covered by that reason.
    pub fn of(&self, difference: &Difference) -> Option<&str> {
        if difference.ours {
            return None;
        }
        let holds = |reason: &&Value| {
            if reason["aborted"] == true {
                return difference.aborted;
            }
            let listed = |name: &str, fits: &dyn Fn(&str) -> bool| {
                reason[name].as_array().is_none_or(|list| list.iter().filter_map(Value::as_str).any(fits))
            };
            let kind = difference.what.split_once(": ").map_or("", |(_, kind)| kind);
            !difference.aborted
                && difference.theirs.is_empty()
                && !difference.rules.is_empty()
                && listed("mutations", &|wanted| kind.starts_with(wanted))
                && difference.rules.iter().all(|[rule, place, text]| {
                    listed("rules", &|wanted| rule == wanted)
                        && listed("within", &|part| place.contains(part))
                        && listed("places", &|end| place.ends_with(end))
                        && listed("texts", &|part| text.contains(part))
                })
        };
        self.0.iter().find(holds).and_then(|reason| reason["reason"].as_str())
    }
}
