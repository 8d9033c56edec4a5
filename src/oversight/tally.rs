//! Taking in what the log says about a period, and what the store holds beside it.

use super::deliveries::Deliveries;
use super::pack::{Case, FORMAT, Gathered, LogState, Pack, RecordLine, Section};
use super::period::Period;
use super::sections;
use super::seen::{Decided, Seen};
use std::collections::BTreeMap;

/// A Consent whose review was due and has not been made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentOverdue {
    /// The Consent, with its version.
    pub reference: String,
    /// Its status.
    pub status: String,
    /// The day on which the review was due.
    pub due: String,
}

/// A Task that waits for somebody: an escalation, or the review of an emergency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTask {
    /// The Task.
    pub reference: String,
    /// What is to be done.
    pub code: String,
    /// What it is about.
    pub focus: String,
    /// Who is to do it.
    pub owner: String,
    /// Its status.
    pub status: String,
    /// When it is due; empty when it says nothing.
    pub due: String,
    /// Whether that has passed.
    pub overdue: bool,
}

/// An agreement that is about to stop permitting, or has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementNear {
    /// The agreement and its version.
    pub agreement: String,
    /// Whether its review is due, or it ends.
    pub what: &'static str,
    /// The last day on which it permits.
    pub last_day: String,
    /// Days from the end of the period; negative when that day has gone.
    pub days_left: i64,
}

/// What stands beside the log at the end of the period.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Consents whose review is overdue.
    pub consents_overdue: Vec<ConsentOverdue>,
    /// Tasks that are open.
    pub tasks: Vec<OpenTask>,
    /// Tasks that arose in the period: what is to be done, for which organisation, and how it stands (`open`,
    /// `overdue`, or its outcome).
    pub arisen: Vec<(String, String, String)>,
    /// Agreements near their end or review.
    pub agreements: Vec<AgreementNear>,
    /// The response that each term expects, in seconds, by `id|version#term`.
    pub response_times: BTreeMap<String, u64>,
}

/// A period's records, gathered.
#[derive(Debug)]
pub struct Tally {
    period: Period,
    pub(super) standing: Standing,
    pub(super) figures: BTreeMap<&'static str, Vec<String>>,
    pub(super) by: BTreeMap<&'static str, Gathered>,
    pub(super) same_facts: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
    pub(super) like_cases: BTreeMap<Vec<String>, LikeCases>,
    pub(super) cases: BTreeMap<&'static str, Vec<Case>>,
    pub(super) consent_records: BTreeMap<String, Vec<String>>,
    pub(super) deliveries: Deliveries,
    records: BTreeMap<String, RecordLine>,
    log: LogState,
}

/// Decisions on cases that are alike.
#[derive(Clone, Debug, Default)]
pub(super) struct LikeCases {
    pub outcomes: BTreeMap<String, Vec<String>>,
    pub reasons: std::collections::BTreeSet<String>,
}

impl Tally {
    /// Nothing gathered yet.
    pub fn new(period: Period, standing: Standing) -> Tally {
        let deliveries = Deliveries::new(standing.response_times.clone());
        Tally {
            period,
            standing,
            figures: BTreeMap::new(),
            by: BTreeMap::new(),
            same_facts: BTreeMap::new(),
            like_cases: BTreeMap::new(),
            cases: BTreeMap::new(),
            consent_records: BTreeMap::new(),
            deliveries,
            records: BTreeMap::new(),
            log: LogState::default(),
        }
    }

    /// Takes in one leaf, in the order of the log. Leaves before the period are passed over; those after it only tell
    /// what became of notifications that were permitted in it.
    pub fn take(&mut self, seen: &Seen) {
        let within = self.period.holds(seen.at);
        if within {
            self.log.in_period += 1;
            self.log.erased += u64::from(seen.erased);
            let act = seen.act.clone();
            let line = RecordLine { position: seen.position, recorded: seen.at.to_string(), act };
            self.records.insert(seen.id.clone(), line);
            self.count(seen);
        }
        if seen.at >= self.period.from() && self.deliveries.take(seen, within) {
            let act = seen.act.clone();
            let line = RecordLine { position: seen.position, recorded: seen.at.to_string(), act };
            self.records.insert(seen.id.clone(), line);
        }
    }

    fn figure(&mut self, name: &'static str, seen: &Seen) {
        self.figures.entry(name).or_default().push(seen.id.clone());
    }

    fn gather(&mut self, table: &'static str, labels: &[&str], column: &str, seen: &Seen) {
        self.by.entry(table).or_default().add(labels, column, &seen.id);
    }

    fn gather_each(&mut self, table: &'static str, labels: &[String], column: &str, seen: &Seen) {
        self.by.entry(table).or_default().add_each(labels, column, &seen.id);
    }

    fn case(&mut self, table: &'static str, labels: &[&str], seen: &Seen) {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        self.cases.entry(table).or_default().push((labels, vec![seen.id.clone()]));
    }

    fn count(&mut self, seen: &Seen) {
        self.gather("acts", &[&seen.act], "records", seen);
        let organisation = seen.organisation.as_str();
        match seen.act.as_str() {
            "decision" | "read" => self.count_decision(seen),
            "disclosure" => self.count_disclosure(seen),
            "submission" => self.gather("intake", &[seen.detail("source")], "taken in", seen),
            "submission-refused" => {
                self.gather("intake", &[seen.detail("source")], "refused", seen);
                self.gather("refusals", &[seen.detail("reason")], "refused", seen);
            }
            "delivery-failed" => {
                let how = if seen.detail("dead") == "true" { "given up" } else { "tried again" };
                self.gather("failures", &[organisation, &seen.remark], how, seen);
                if how == "given up" {
                    let at = seen.at.to_string();
                    self.case("given-up", &[&at, organisation, &seen.target, &seen.remark], seen);
                }
            }
            "refused" => {
                self.gather("turned-away", &[seen.detail("operation"), organisation], "refused", seen);
            }
            "break-glass" => {
                self.gather("break-glass", &[organisation, seen.detail("reason")], "uses", seen);
                let at = seen.at.to_string();
                let labels = [&at, organisation, seen.detail("role"), seen.detail("reason"), &seen.target];
                self.case("break-glass", &[&labels[..], &[seen.detail("review-due")]].concat(), seen);
            }
            "quarantine" => {
                self.gather("quarantine", &[seen.detail("reason")], seen.detail("step"), seen);
            }
            "administration" => {
                self.gather("administration", &[seen.detail("operation"), organisation], "acts", seen);
            }
            "erased" => self.gather("erased", &[seen.detail("ground")], "erased", seen),
            _ => {}
        }
        if matches!(seen.act.as_str(), "read" | "search") {
            let of_the_log = seen.target.starts_with("AuditEvent/");
            let what = match seen.act.as_str() {
                "search" => "searches",
                _ if of_the_log => "of the log",
                _ => "of records",
            };
            self.gather("accesses", &[organisation], what, seen);
        }
    }

    fn count_disclosure(&mut self, seen: &Seen) {
        let Some(decided) = &seen.decided else { return };
        let how = if seen.detail("subscription").is_empty() { "read" } else { "notified" };
        self.gather("disclosed-to", &[&seen.organisation], how, seen);
        self.gather("disclosed-tier", &[&decided.tier], how, seen);
        self.gather_each("obligations", &decided.obligations, how, seen);
        self.figure("disclosures", seen);
        if !decided.overrode.is_empty() {
            self.gather("overridden", &[&decided.overrode], "disclosures", seen);
        }
        self.remember_consents(decided, seen);
    }

    fn count_decision(&mut self, seen: &Seen) {
        let Some(decided) = &seen.decided else { return };
        let outcome = decided.outcome.as_str();
        if decided.recipient == "gateway" {
            self.gather_each("held", &decided.reasons, outcome, seen);
            return;
        }
        if !decided.shares() {
            return;
        }
        self.figure(if outcome == "permit" { "permitted" } else { "withheld" }, seen);
        self.gather("by-tier", &[&decided.tier], outcome, seen);
        self.gather_each("by-category", &decided.categories, outcome, seen);
        self.gather_each("by-basis", &decided.bases, outcome, seen);
        self.gather("by-organisation", &[&seen.organisation], outcome, seen);
        self.gather("by-purpose", &[&decided.purpose], outcome, seen);
        self.gather("by-trigger", &[&decided.trigger], outcome, seen);
        let policies: Vec<String> = decided.agreements.iter().chain(&decided.rules).cloned().collect();
        self.gather_each("by-agreement", &policies, outcome, seen);
        if outcome != "permit" {
            self.gather_each("reasons", &decided.reasons, &seen.organisation, seen);
        }
        self.remember_consents(decided, seen);
        if seen.erased || decided.moot() {
            return;
        }
        let facts: Vec<String> = [&seen.target, &decided.recipient, &decided.purpose, &decided.policy]
            .into_iter()
            .cloned()
            .chain([decided.consents.join(" "), decided.break_glass.to_string()])
            .collect();
        self.same_facts
            .entry(facts)
            .or_default()
            .entry(outcome.to_owned())
            .or_default()
            .push(seen.id.clone());
        let alike = vec![
            seen.organisation.clone(),
            decided.tier.clone(),
            decided.categories.join(" "),
            decided.bases.join(" "),
            decided.purpose.clone(),
        ];
        let cases = self.like_cases.entry(alike).or_default();
        cases.outcomes.entry(outcome.to_owned()).or_default().push(seen.id.clone());
        cases.reasons.extend(decided.reasons.iter().cloned());
    }

    /// Which records rest on which Consent.
    fn remember_consents(&mut self, decided: &Decided, seen: &Seen) {
        for consent in &decided.consents {
            let reference = consent.split(' ').next().unwrap_or_default();
            self.consent_records.entry(reference.to_owned()).or_default().push(seen.id.clone());
        }
    }

    /// The pack, made at this moment by this gateway from a log in this state (whose counts of the period are filled
    /// in here).
    pub fn finish(mut self, organisation: &str, gateway: &str, made: jiff::Timestamp, log: LogState) -> Pack {
        let state = LogState { in_period: self.log.in_period, erased: self.log.erased, ..log };
        let sections: Vec<Section> = sections::all(&mut self);
        let mut counted: std::collections::BTreeSet<&String> = std::collections::BTreeSet::new();
        for section in &sections {
            for row in section.tables.iter().flat_map(|table| table.rows.iter().chain(&table.total)) {
                counted.extend(row.cells.iter().flat_map(|cell| &cell.records));
            }
        }
        let records = std::mem::take(&mut self.records);
        let records = records.into_iter().filter(|(id, _)| counted.contains(id)).collect();
        Pack {
            format: FORMAT,
            period: self.period.to_string(),
            from: self.period.from().to_string(),
            until: self.period.until().to_string(),
            organisation: organisation.to_owned(),
            gateway: gateway.to_owned(),
            made: made.to_string(),
            log: state,
            smallest: 0,
            sections,
            records,
        }
    }
}
