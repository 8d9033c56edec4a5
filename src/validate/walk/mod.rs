//! One validation: a tree is walked once for each profile that applies, and what breaks a rule is noted.

mod binding;
mod children;
mod coding;
mod discriminate;
mod element;
mod environment;
mod extension;
mod invariant;
#[cfg(test)]
mod invariant_tests;
mod narrative;
mod place;
mod primitive;
mod reference;
mod resource;
mod slicing;
mod values;

use super::references::References;
use super::rules::{self, Rule};
use super::schema::Schema;
use super::{Core, Unchecked};
use crate::definitions::{Set, Table};
use crate::fhir::tree::{NodeId, Tree};
use crate::fhir::{Issue, Severity};
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

/// How deep definitions may call on each other in one validation.
const DEEPEST: u32 = 160;

/// A finding before its place is written out.
#[derive(Debug)]
pub(super) struct Finding {
    severity: Severity,
    code: &'static str,
    rule: Cow<'static, str>,
    node: NodeId,
    offset: Option<u32>,
    text: String,
}

/// The state of one validation.
pub(super) struct Walk<'t> {
    pub(super) core: &'t Core,
    pub(super) tree: &'t Tree<'t>,
    findings: Vec<Finding>,
    seen: Set<(NodeId, u64)>,
    unchecked: Vec<(NodeId, Unchecked)>,
    /// The profiles applied to the root, in order.
    profiles: Vec<String>,
    /// Counts of the slots of the elements that are open.
    counts: Vec<u32>,
    /// Resources and elements that a profile was applied to already.
    applied: Set<(NodeId, usize)>,
    /// Answers of trials: whether a node meets a profile; `None` while it is being found.
    trials: Table<(NodeId, usize), Option<bool>>,
    /// In a trial only the errors are counted.
    trial: bool,
    errors: u32,
    depth: u32,
    /// The resource that the walk is in.
    pub(super) resource: NodeId,
    /// The outermost resource that is not a Bundle's entry: `%rootResource`.
    pub(super) outer: NodeId,
    pub(super) references: &'t References,
    /// How many expressions ask for profiles above this walk.
    pub(super) nesting: u32,
    now: jiff::Timestamp,
    pub(super) ids: Option<HashSet<String>>,
    /// The ids of the elements that were seen, by resource.
    element_ids: HashMap<(NodeId, &'t str), NodeId>,
}

impl<'t> Walk<'t> {
    pub fn new(core: &'t Core, tree: &'t Tree<'t>, references: &'t References) -> Walk<'t> {
        Walk {
            core,
            tree,
            findings: Vec::new(),
            seen: Set::default(),
            unchecked: Vec::new(),
            profiles: Vec::new(),
            counts: Vec::with_capacity(128),
            applied: Set::default(),
            trials: Table::default(),
            trial: false,
            errors: 0,
            depth: 0,
            resource: tree.root(),
            outer: tree.root(),
            references,
            nesting: 0,
            now: jiff::Timestamp::now(),
            ids: None,
            element_ids: HashMap::new(),
        }
    }

    /// Walks the whole document with these profiles on its root, and answers the report.
    pub fn run(mut self, profiles: &[Arc<Schema>]) -> super::Report {
        for problem in self.tree.problems() {
            let code = rules::find(problem.rule).map_or("structure", |rule| rule.code);
            self.findings.push(Finding {
                severity: Severity::Error,
                code,
                rule: Cow::Borrowed(problem.rule),
                node: problem.node,
                offset: Some(problem.offset),
                text: problem.text.to_string(),
            });
        }
        let root = self.tree.root();
        if self.tree.resource_type(root).is_some() {
            self.document(root, profiles);
        } else if self.findings.is_empty() {
            self.error(rules::NOT_A_RESOURCE, root, || "the content does not name its `resourceType`".into());
        }
        self.report()
    }

    fn report(self) -> super::Report {
        let mut findings = self.findings;
        findings.sort_by_key(|finding| finding.offset.unwrap_or_else(|| self.tree.offset(finding.node)));
        let mut cursor = place::Cursor::new(self.tree);
        let issues = findings
            .into_iter()
            .map(|finding| {
                let offset = finding.offset.unwrap_or_else(|| self.tree.offset(finding.node));
                let issue = Issue::new(
                    finding.severity,
                    finding.code,
                    finding.rule,
                    place::of(self.tree, self.core, finding.node),
                    finding.text,
                );
                match cursor.position(offset) {
                    Some((line, column)) => issue.at(line, column),
                    None => issue,
                }
            })
            .collect();
        let mut unchecked: Vec<Unchecked> = Vec::new();
        for (node, mut item) in self.unchecked {
            if !unchecked.iter().any(|known| known.what == item.what && known.name == item.name) {
                item.expression = place::of(self.tree, self.core, node);
                unchecked.push(item);
            }
        }
        super::Report { issues, profiles: self.profiles, unchecked }
    }

    /// Notes an error. In a trial the text is not made.
    pub fn error(&mut self, rule: &'static Rule, node: NodeId, text: impl FnOnce() -> String) {
        self.find(Severity::Error, rule, node, text);
    }

    /// Notes a warning.
    pub fn warning(&mut self, rule: &'static Rule, node: NodeId, text: impl FnOnce() -> String) {
        self.find(Severity::Warning, rule, node, text);
    }

    /// Notes a finding of any severity.
    pub fn find(
        &mut self,
        severity: Severity,
        rule: &'static Rule,
        node: NodeId,
        text: impl FnOnce() -> String,
    ) {
        self.note(severity, rule.code, Cow::Borrowed(rule.name), node, text);
    }

    /// Notes a finding whose rule may be the key of an invariant.
    pub fn note(
        &mut self,
        severity: Severity,
        code: &'static str,
        rule: Cow<'static, str>,
        node: NodeId,
        text: impl FnOnce() -> String,
    ) {
        if severity.refuses() {
            self.errors += 1;
        }
        if self.trial {
            return;
        }
        let text = text();
        if self.seen.insert((node, hash(&rule, &text))) {
            self.findings.push(Finding { severity, code, rule, node, offset: None, text });
        }
    }

    /// Notes something that could not be checked.
    pub fn unchecked(&mut self, what: &'static str, name: &str, node: NodeId, reason: impl Into<String>) {
        if self.trial || self.unchecked.iter().any(|(_, item)| item.what == what && item.name == name) {
            return;
        }
        let item =
            Unchecked { what, name: name.to_owned(), expression: String::new(), reason: reason.into() };
        self.unchecked.push((node, item));
    }

    /// Runs something without keeping its findings; answers whether it found no error.
    pub fn attempt(&mut self, run: impl FnOnce(&mut Self)) -> bool {
        let applied = std::mem::take(&mut self.applied);
        let (trial, errors) = (std::mem::replace(&mut self.trial, true), std::mem::take(&mut self.errors));
        run(self);
        let sound = self.errors == 0;
        self.trial = trial;
        self.errors = errors;
        self.applied = applied;
        sound
    }

    /// The value of a node for a message: shown only when that was asked for.
    pub fn shown(&self, node: NodeId) -> String {
        self.show(self.tree.value(node).unwrap_or(""))
    }

    /// A value for a message: shown only when that was asked for.
    pub fn show(&self, value: &str) -> String {
        if self.core.settings.show_values { format!(" (found `{value}`)") } else { String::new() }
    }
}

fn hash(rule: &str, text: &str) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    (rule, text).hash(&mut hasher);
    hasher.finish()
}
