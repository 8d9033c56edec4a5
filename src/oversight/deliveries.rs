//! What became of each notification that was permitted: received in time, late, withheld later, given up, or open.

use super::pack::{Case, Gathered};
use super::seen::Seen;
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// A permitted notification whose receipt is not known yet.
#[derive(Debug)]
struct Open {
    organisation: String,
    at: Timestamp,
    record: String,
    terms: Vec<String>,
}

/// Notifications permitted in the period, matched with what became of them in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    response_times: BTreeMap<String, u64>,
    open: BTreeMap<(String, String), VecDeque<Open>>,
    pub outcomes: Gathered,
    /// Those not received, or late: state, who, what, when permitted, when received.
    pub late: Vec<Case>,
}

impl Deliveries {
    pub fn new(response_times: BTreeMap<String, u64>) -> Deliveries {
        Deliveries { response_times, ..Deliveries::default() }
    }

    /// Takes in a leaf, of the period or after it. Whether the leaf tells what became of a notification.
    pub fn take(&mut self, seen: &Seen, within: bool) -> bool {
        let decided = seen.decided.as_ref();
        let recipient = decided.map_or("", |decided| decided.recipient.as_str());
        match (seen.act.as_str(), decided) {
            ("decision", Some(decided)) if decided.trigger == "intake" && decided.outcome == "permit" => {
                if within && decided.shares() {
                    let open = Open {
                        organisation: seen.organisation.clone(),
                        at: seen.at,
                        record: seen.id.clone(),
                        terms: decided.agreements.clone(),
                    };
                    let key = (recipient.to_owned(), seen.target.clone());
                    self.open.entry(key).or_default().push_back(open);
                }
                false
            }
            ("decision", Some(decided)) if decided.outcome != "permit" => {
                let what = if decided.moot() { "replaced or ended" } else { "withheld later" };
                matches!(decided.trigger.as_str(), "send" | "retry" | "replay")
                    && self.close(recipient, &seen.target, what).is_some()
            }
            ("disclosure", Some(_)) if !seen.detail("subscription").is_empty() => {
                self.received(seen, recipient)
            }
            ("delivery-failed", _) if seen.detail("dead") == "true" => {
                // The failure names the organisation; the partner's id stands in the decision.
                let keys: Vec<(String, String)> = self.open.keys().cloned().collect();
                let of = |key: &&(String, String)| {
                    key.1 == seen.target
                        && self
                            .open
                            .get(*key)
                            .and_then(|list| list.front())
                            .is_some_and(|open| open.organisation == seen.organisation)
                };
                let key = keys.iter().find(of).cloned();
                key.is_some_and(|(recipient, target)| self.close(&recipient, &target, "given up").is_some())
            }
            _ => false,
        }
    }

    fn close(&mut self, recipient: &str, target: &str, what: &str) -> Option<Open> {
        let open = self.next(recipient, target)?;
        self.outcomes.add(&[&open.organisation], what, &open.record);
        Some(open)
    }

    fn next(&mut self, recipient: &str, target: &str) -> Option<Open> {
        self.open.get_mut(&(recipient.to_owned(), target.to_owned()))?.pop_front()
    }

    fn received(&mut self, seen: &Seen, recipient: &str) -> bool {
        let Some(open) = self.next(recipient, &seen.target) else { return false };
        let limit = open.terms.iter().filter_map(|term| self.response_times.get(term)).min();
        let took = seen.at.duration_since(open.at).as_secs();
        let late = limit.is_some_and(|limit| took > i64::try_from(*limit).unwrap_or(i64::MAX));
        self.outcomes.add(
            &[&open.organisation],
            if late { "received late" } else { "received in time" },
            &open.record,
        );
        if late {
            let labels = vec![
                "received late".to_owned(),
                open.organisation,
                seen.target.clone(),
                open.at.to_string(),
                seen.at.to_string(),
            ];
            self.late.push((labels, vec![open.record, seen.id.clone()]));
        }
        true
    }

    /// What is still open was not received.
    pub fn finish(&mut self) {
        for ((_, target), list) in std::mem::take(&mut self.open) {
            for open in list {
                self.outcomes.add(&[&open.organisation], "not received", &open.record);
                let labels = vec![
                    "not received".to_owned(),
                    open.organisation,
                    target.clone(),
                    open.at.to_string(),
                    String::new(),
                ];
                self.late.push((labels, vec![open.record]));
            }
        }
    }
}
