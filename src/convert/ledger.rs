//! The ledger: one entry for every value of the source, so that nothing is lost silently.

use super::tree::{NodeId, Tree};
use serde_json::{Value, json};
use std::sync::Arc;

/// Why a value is not in the result; the codes of the code system `reason-dropped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// It steers the transport or the sending system.
    Administrative,
    /// It is no safeguarding information.
    OutOfScope,
    /// The same value stands elsewhere in the result.
    Duplicate,
    /// Passing it on could harm someone.
    SuppressedForSafety,
    /// No table knows the code, or the value is not of the type it should be.
    UnmappableCode,
    /// The sender says that there is nothing (`""` in HL7 v2).
    EmptyBySender,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 6] = [
        Reason::Administrative,
        Reason::OutOfScope,
        Reason::Duplicate,
        Reason::SuppressedForSafety,
        Reason::UnmappableCode,
        Reason::EmptyBySender,
    ];

    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Reason::Administrative => "administrative",
            Reason::OutOfScope => "out-of-scope",
            Reason::Duplicate => "duplicate",
            Reason::SuppressedForSafety => "suppressed-for-safety",
            Reason::UnmappableCode => "unmappable-code",
            Reason::EmptyBySender => "empty-by-sender",
        }
    }

    /// The reason of this code.
    pub fn named(code: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|r| r.code() == code)
    }
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is an element of the result.
    Mapped,
    /// It is kept as text.
    Carried,
    /// It is not in the result.
    Dropped(Reason),
}

/// Where a value went: which of the produced resources, and which element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The index in the Bundle's entries.
    pub made: u32,
    /// The element, such as `period.start`.
    pub element: Arc<str>,
    /// The line of the rule in the mapping file, 0 for what the gateway itself does.
    pub line: u32,
}

/// What became of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The place in the notation of the format.
    pub at: String,
    /// The value itself; only shown on request.
    pub value: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Where it went, as `Flag/<id>#period.start`.
    pub to: Vec<String>,
}

/// How many values met which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All values.
    pub values: usize,
    /// Mapped.
    pub mapped: usize,
    /// Carried.
    pub carried: usize,
    /// Dropped.
    pub dropped: usize,
}

/// What the engine notes while it works: for each value its outcome and targets, by node.
#[derive(Debug)]
pub(super) struct Marks {
    outcomes: Vec<Option<Outcome>>,
    targets: Vec<(NodeId, Target)>,
}

impl Marks {
    pub(super) fn new(tree: &Tree<'_>) -> Marks {
        Marks { outcomes: vec![None; tree.len()], targets: Vec::with_capacity(64) }
    }

    /// Notes that a value went to an element. What is mapped once stays mapped.
    pub(super) fn used(&mut self, value: NodeId, carried: bool, target: Target) {
        if let Some(slot) = self.outcomes.get_mut(value as usize) {
            if *slot != Some(Outcome::Mapped) {
                *slot = Some(if carried { Outcome::Carried } else { Outcome::Mapped });
            }
            self.targets.push((value, target));
        }
    }

    /// Notes that a value is left out, unless it was used.
    pub(super) fn dropped(&mut self, value: NodeId, reason: Reason) {
        if let Some(slot @ None) = self.outcomes.get_mut(value as usize) {
            *slot = Some(Outcome::Dropped(reason));
        }
    }

    /// The first value that went to an element of a resource whose name begins so.
    pub(super) fn first_value(&self, made: usize, element: &str) -> Option<NodeId> {
        let hit = |t: &Target| t.made as usize == made && t.element.starts_with(element);
        self.targets.iter().find(|(_, t)| hit(t)).map(|(v, _)| *v)
    }

    /// All values that went to an element of a resource whose name begins so, in the order of the source.
    pub(super) fn values(&self, made: usize, element: &str) -> Vec<NodeId> {
        let hit = |t: &Target| t.made as usize == made && t.element.starts_with(element);
        let mut found: Vec<NodeId> = self.targets.iter().filter(|(_, t)| hit(t)).map(|(v, _)| *v).collect();
        found.sort_unstable();
        found
    }

    pub(super) fn outcome(&self, value: NodeId) -> Option<Outcome> {
        self.outcomes.get(value as usize).copied().flatten()
    }

    /// Forgets that values went to resources that will not be sent.
    pub(super) fn retract(&mut self, keep: impl Fn(u32) -> bool) {
        let (kept, gone): (Vec<_>, Vec<_>) = self.targets.drain(..).partition(|(_, t)| keep(t.made));
        for (value, _) in gone {
            if !kept.iter().any(|(v, _)| *v == value)
                && let Some(slot) = self.outcomes.get_mut(value as usize)
            {
                *slot = None;
            }
        }
        self.targets = kept;
    }
}

/// The account of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The id of the source.
    pub source: String,
    /// The mapping and its version, as `hl7v2-adt|1.0.0`.
    pub mapping: String,
    summary: Summary,
    /// In the order of the nodes.
    records: Vec<Record>,
    /// In the order of the nodes.
    targets: Vec<(NodeId, Target)>,
    references: Vec<String>,
    /// The places and values of all records, one after another: a message has hundreds, and needs one allocation.
    texts: String,
}

/// One value: where its place and its text stand in `texts`; the rest is put into words only when asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    node: NodeId,
    start: usize,
    middle: usize,
    end: usize,
    outcome: Outcome,
}

impl Ledger {
    /// Closes the account: every value that the marks do not speak of was dropped as `otherwise`.
    pub(super) fn close(tree: &Tree<'_>, marks: Marks, otherwise: Reason, references: Vec<String>) -> Ledger {
        let mut ledger = Ledger { references, ..Ledger::default() };
        ledger.records.reserve(tree.len());
        ledger.texts.reserve(tree.len() * 20);
        for (id, node) in tree.values() {
            let outcome = marks.outcome(id).unwrap_or(Outcome::Dropped(otherwise));
            ledger.summary.count(outcome);
            let start = ledger.texts.len();
            tree.write_place(id, &mut ledger.texts);
            let middle = ledger.texts.len();
            ledger.texts.push_str(node.text.as_deref().unwrap_or_default());
            ledger.records.push(Record { node: id, start, middle, end: ledger.texts.len(), outcome });
        }
        ledger.targets = marks.targets;
        ledger.targets.sort_by_key(|(node, _)| *node);
        ledger
    }

    /// The account of what stands around the records of a source: it steers the transport.
    pub(super) fn envelope(tree: &Tree<'_>) -> Ledger {
        Ledger::close(tree, Marks::new(tree), Reason::Administrative, Vec::new())
    }

    /// How many values met which end.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Every entry, in the order of the source.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.records.iter().map(|r| Entry {
            at: self.place(r).to_owned(),
            value: self.texts.get(r.middle..r.end).unwrap_or_default().to_owned(),
            outcome: r.outcome,
            to: self.targets_of(r.node).iter().map(|(_, t)| self.name(t)).collect(),
        })
    }

    fn place(&self, record: &Record) -> &str {
        self.texts.get(record.start..record.middle).unwrap_or_default()
    }

    fn targets_of(&self, node: NodeId) -> &[(NodeId, Target)] {
        let from = self.targets.partition_point(|(n, _)| *n < node);
        let to = self.targets.partition_point(|(n, _)| *n <= node);
        self.targets.get(from..to).unwrap_or_default()
    }

    /// Each use of a value: its place, the element, and the line of the rule in the mapping file (0: the gateway's own).
    pub fn uses(&self) -> impl Iterator<Item = (&str, String, u32)> + '_ {
        self.targets.iter().map(|(n, t)| {
            let record =
                self.records.binary_search_by_key(n, |r| r.node).ok().and_then(|i| self.records.get(i));
            (record.map_or("", |r| self.place(r)), self.name(t), t.line)
        })
    }

    fn name(&self, target: &Target) -> String {
        let resource = self.references.get(target.made as usize).map_or("", String::as_str);
        format!("{resource}#{}", target.element)
    }

    /// The ledger as JSON: `{"source","mapping","entries":[{"at","outcome","to","reason"}],"summary"}`; the values
    /// themselves only with `show_values`.
    pub fn to_json(&self, show_values: bool) -> Value {
        let entries: Vec<Value> = self
            .entries()
            .map(|e| {
                let mut out = serde_json::Map::new();
                out.insert("at".into(), e.at.into());
                if show_values {
                    out.insert("value".into(), e.value.into());
                }
                let (outcome, reason) = match e.outcome {
                    Outcome::Mapped => ("mapped", None),
                    Outcome::Carried => ("carried", None),
                    Outcome::Dropped(reason) => ("dropped", Some(reason)),
                };
                out.insert("outcome".into(), outcome.into());
                if let Some(reason) = reason {
                    out.insert("reason".into(), reason.code().into());
                } else {
                    out.insert("to".into(), e.to.into());
                }
                Value::Object(out)
            })
            .collect();
        let s = self.summary;
        json!({
            "source": self.source,
            "mapping": self.mapping,
            "entries": entries,
            "summary": {"values": s.values, "mapped": s.mapped, "carried": s.carried, "dropped": s.dropped},
        })
    }

    /// Appends another account of the same source (one record after another).
    pub fn append(&mut self, other: Ledger) {
        let node =
            self.records.last().map_or(0, |r| r.node + 1).max(self.targets.last().map_or(0, |(n, _)| n + 1));
        let (made, text) = (u32::try_from(self.references.len()).unwrap_or(u32::MAX), self.texts.len());
        self.records.extend(other.records.into_iter().map(|r| Record {
            node: r.node.saturating_add(node),
            start: r.start + text,
            middle: r.middle + text,
            end: r.end + text,
            outcome: r.outcome,
        }));
        self.targets.extend(
            other
                .targets
                .into_iter()
                .map(|(n, t)| (n.saturating_add(node), Target { made: t.made.saturating_add(made), ..t })),
        );
        self.references.extend(other.references);
        self.texts.push_str(&other.texts);
        self.summary.values += other.summary.values;
        self.summary.mapped += other.summary.mapped;
        self.summary.carried += other.summary.carried;
        self.summary.dropped += other.summary.dropped;
    }
}

impl Summary {
    fn count(&mut self, outcome: Outcome) {
        self.values += 1;
        match outcome {
            Outcome::Mapped => self.mapped += 1,
            Outcome::Carried => self.carried += 1,
            Outcome::Dropped(_) => self.dropped += 1,
        }
    }
}

impl Marks {
    /// What was noted for one resource holds for another: they are the same.
    pub(super) fn redirect(&mut self, from: u32, to: u32) {
        for (_, target) in self.targets.iter_mut().filter(|(_, t)| t.made == from) {
            target.made = to;
        }
    }
}
