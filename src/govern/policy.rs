//! Agreements and partners, read, checked and compiled into what `decide` works on.

use super::agreement::{Agreement, AgreementStatus, ConsentRule, Location, Term};
use super::basis::{BasisKind, Register};
use super::check;
use super::dataset::Dataset;
use super::labelling::LabelRules;
use super::partner::Partner;
use super::tier::Tier;
use crate::document::{Node, Place, SyntaxError};
use jiff::Timestamp;
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Why a file of agreements, partners or lawful bases is refused: where, by which rule, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {text} (`{rule}`)", place(*.line, *.column))]
pub struct PolicyError {
    /// The file.
    pub file: String,
    /// The line, from 1, where known.
    pub line: Option<u32>,
    /// The column, from 1, where known.
    pub column: Option<u32>,
    /// The stable name of the rule that was broken.
    pub rule: &'static str,
    /// What is wrong.
    pub text: String,
}

fn place(line: Option<u32>, column: Option<u32>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(":{line}:{column}"),
        _ => String::new(),
    }
}

/// Collects refusals while a set of files is read.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Vec<PolicyError>);

impl Refusals {
    pub fn add(
        &mut self,
        file: &str,
        document: Option<&Node>,
        pointer: &str,
        rule: &'static str,
        text: impl Into<String>,
    ) {
        self.push(file, document.map(|document| document.place_at(pointer)), rule, text.into());
    }

    pub fn at(&mut self, file: &str, place: Place, rule: &'static str, text: String) {
        self.push(file, Some(place), rule, text);
    }

    /// The document in a file; a text that cannot be read is the only refusal then.
    pub fn document(file: &str, text: &str) -> Result<Node, Vec<PolicyError>> {
        Node::from_yaml(text).map_err(|error| {
            let mut refusals = Refusals::default();
            refusals.unreadable(file, &error);
            refusals.into_errors()
        })
    }

    pub fn unreadable(&mut self, file: &str, error: &SyntaxError) {
        let known = (error.place != Place::default()).then_some(error.place);
        self.push(file, known, "yaml", error.text.clone());
    }

    fn push(&mut self, file: &str, place: Option<Place>, rule: &'static str, text: String) {
        self.0.push(PolicyError {
            file: file.to_owned(),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            rule,
            text,
        });
    }

    pub fn finish<T>(self, value: T) -> Result<T, Vec<PolicyError>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_errors(self) -> Vec<PolicyError> {
        self.0
    }

    pub fn extend(&mut self, errors: Vec<PolicyError>) {
        self.0.extend(errors);
    }
}

/// A term with everything looked up that can be before a decision.
#[derive(Debug)]
pub(crate) struct CompiledTerm {
    pub agreement: String,
    pub version: String,
    pub term: String,
    pub status: AgreementStatus,
    pub from: Date,
    pub until: Option<Date>,
    pub review_due: Date,
    pub sources: BTreeSet<String>,
    pub resources: Vec<String>,
    pub tiers: Vec<Tier>,
    pub categories: Vec<CompiledCategory>,
    pub purposes: Vec<String>,
    pub accept: Vec<String>,
    pub require: Vec<BasisKind>,
    pub consent: ConsentRule,
    pub overdue_consent_withholds: bool,
    pub datasets: BTreeMap<String, Dataset>,
    pub masks: BTreeMap<String, Vec<Vec<String>>>,
    pub location: Location,
    pub written: Term,
}

#[derive(Debug)]
pub(crate) struct CompiledCategory {
    pub concern: Vec<String>,
    pub codes: Vec<(String, String)>,
    pub profiles: Vec<String>,
    pub labels: Vec<String>,
}

/// Everything `decide` knows beside the facts. Immutable; a new one replaces it as a whole.
#[derive(Debug)]
pub struct Policy {
    version: String,
    agreements: Vec<Agreement>,
    partners: Vec<Partner>,
    register: Register,
    label_rules: LabelRules,
    terms: Vec<Arc<CompiledTerm>>,
    by_recipient: HashMap<String, Vec<usize>>,
}

impl Policy {
    /// Reads agreements, each a file name and its YAML text, for these partners, with the built-in lawful bases.
    /// One fault refuses them all: the caller keeps the last good policy in force and records the refusal.
    pub fn from_documents(
        documents: &[(String, String)],
        partners: Vec<Partner>,
    ) -> Result<Policy, Vec<PolicyError>> {
        Policy::with_register(documents, partners, Register::builtin()?)
    }

    /// As [`Policy::from_documents`], with other lawful bases.
    pub fn with_register(
        documents: &[(String, String)],
        partners: Vec<Partner>,
        register: Register,
    ) -> Result<Policy, Vec<PolicyError>> {
        let mut refusals = Refusals::default();
        let mut read: Vec<(String, Node, Agreement)> = Vec::new();
        let mut digest = Sha256::new();
        let mut label_rules = None;
        for (file, text) in documents {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
            if is_label_rules(file) {
                match LabelRules::parse(file, text) {
                    Ok(rules) => label_rules = Some(rules),
                    Err(errors) => refusals.extend(errors),
                }
                continue;
            }
            match check::read(file, text) {
                Ok((document, agreement)) => {
                    check::agreement(file, &document, &agreement, &register, &mut refusals);
                    read.push((file.clone(), document, agreement));
                }
                Err(errors) => refusals.extend(errors),
            }
        }
        check::partners(&partners, &mut refusals);
        check::overlaps(&read, &mut refusals);
        if !refusals.is_empty() {
            return Err(refusals.into_errors());
        }
        for partner in &partners {
            digest.update(format!("{partner:?}").as_bytes());
        }
        let version = format!("sha256:{}", hex::encode(digest.finalize().get(..8).unwrap_or_default()));
        let label_rules = label_rules.map_or_else(LabelRules::builtin, Ok)?;
        let mut policy = Policy { version, partners, register, label_rules, ..Policy::nothing() };
        for (file, document, agreement) in read {
            for (index, term) in agreement.terms.iter().enumerate() {
                match check::compile(&agreement, term) {
                    Ok(compiled) => {
                        let at = policy.terms.len();
                        for recipient in &term.to {
                            policy.by_recipient.entry(recipient.clone()).or_default().push(at);
                        }
                        policy.terms.push(Arc::new(compiled));
                    }
                    Err(text) => refusals.add(
                        &file,
                        Some(&document),
                        &format!("/terms/{index}/minimum-dataset"),
                        "minimum-dataset",
                        text,
                    ),
                }
            }
            policy.agreements.push(agreement);
        }
        refusals.finish(policy)
    }

    /// Reads every `*.yaml` file of a folder as an agreement, in the order of their names.
    pub fn load(folder: &Path, partners: Vec<Partner>) -> Result<Policy, Vec<PolicyError>> {
        Policy::from_documents(&read_folder(folder)?, partners)
    }

    /// A policy that permits nothing.
    pub fn nothing() -> Policy {
        Policy {
            version: "none".to_owned(),
            agreements: Vec::new(),
            partners: Vec::new(),
            register: Register::default(),
            label_rules: LabelRules::none(),
            terms: Vec::new(),
            by_recipient: HashMap::new(),
        }
    }

    /// Which policy this is: changes with every change to an agreement or a partner.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The agreements, as written.
    pub fn agreements(&self) -> &[Agreement] {
        &self.agreements
    }

    /// The partners.
    pub fn partners(&self) -> &[Partner] {
        &self.partners
    }

    /// The partner with this id in the registry.
    pub fn partner(&self, id: &str) -> Option<&Partner> {
        self.partners.iter().find(|partner| partner.id == id)
    }

    /// The partner of this organisation.
    pub fn partner_of(&self, organisation: &str) -> Option<&Partner> {
        self.partners.iter().find(|partner| partner.organisation == organisation)
    }

    /// The rules by which Flags are labelled at intake.
    pub fn label_rules(&self) -> &LabelRules {
        &self.label_rules
    }

    /// The lawful bases.
    pub fn register(&self) -> &Register {
        &self.register
    }

    pub(crate) fn terms_for(&self, organisation: &str) -> impl Iterator<Item = &Arc<CompiledTerm>> {
        let found = self.by_recipient.get(organisation).map(Vec::as_slice).unwrap_or_default();
        found.iter().filter_map(|at| self.terms.get(*at))
    }

    /// Agreements in force here whose text is another in `next` under the same version. A version that is in force is
    /// never changed; it may only be suspended or retired.
    pub fn rewritten(&self, next: &Policy) -> Vec<String> {
        let mut found = Vec::new();
        for old in self.agreements.iter().filter(|agreement| agreement.status == AgreementStatus::InForce) {
            let same = |new: &&Agreement| new.id == old.id && new.version == old.version;
            let Some(new) = next.agreements.iter().find(same) else { continue };
            let stopped = matches!(new.status, AgreementStatus::Suspended | AgreementStatus::Retired);
            let status = if stopped { old.status } else { new.status };
            if *old != (Agreement { status, ..new.clone() }) {
                found.push(format!(
                    "the agreement `{}` version {} is in force and has been changed: write a new version",
                    old.id, old.version
                ));
            }
        }
        found
    }

    /// Agreements that will stop permitting, or have: id, version, day, and whether it is the review or the end.
    pub fn warnings(&self, now: Timestamp) -> Vec<AgreementWarning> {
        let today = day(now);
        let mut found = Vec::new();
        for agreement in self.agreements.iter().filter(|a| a.status == AgreementStatus::InForce) {
            let ends = [(Some(agreement.review.due), true), (agreement.effective.until, false)];
            for (last, review) in ends.into_iter().filter_map(|(last, review)| Some((last?, review))) {
                let days = last.since(today).map_or(0, |span| i64::from(span.get_days()));
                if days <= i64::from(agreement.review.warn_days) {
                    found.push(AgreementWarning {
                        agreement: agreement.id.clone(),
                        version: agreement.version.clone(),
                        last_day: last,
                        days_left: days,
                        review,
                    });
                }
            }
        }
        found
    }
}

/// An agreement near, or past, the day on which it stops permitting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementWarning {
    /// The agreement.
    pub agreement: String,
    /// Its version.
    pub version: String,
    /// The last day on which it permits.
    pub last_day: Date,
    /// Days from today; negative when that day has gone.
    pub days_left: i64,
    /// Whether it is the review that is due; otherwise the agreement ends.
    pub review: bool,
}

/// Whether a file beside agreements holds the site's own label rules.
fn is_label_rules(file: &str) -> bool {
    Path::new(file).file_name().is_some_and(|name| name == super::labelling::FILE)
}

/// The day of a moment. Days of agreements are days in UTC.
pub(crate) fn day(now: Timestamp) -> Date {
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// The `*.yaml` files of a folder, in the order of their names.
pub fn read_folder(folder: &Path) -> Result<Vec<(String, String)>, Vec<PolicyError>> {
    let failed = |path: &Path, error: std::io::Error| {
        vec![PolicyError {
            file: path.display().to_string(),
            line: None,
            column: None,
            rule: "file",
            text: error.to_string(),
        }]
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    files
        .into_iter()
        .map(|path| match std::fs::read_to_string(&path) {
            Ok(text) => Ok((path.display().to_string(), text)),
            Err(error) => Err(failed(&path, error)),
        })
        .collect()
}
