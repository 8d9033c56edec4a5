//! Paths into a source, in the notation of its format, compiled to steps over the [`Tree`].
//!
//! | format | examples |
//! |---|---|
//! | HL7 v2 | `PID-3[5=NHS].1`, `OBX[3=CPALERT]-5.1`, `ZSG-alert-code` (a declared name); in a repeat `-5.1` (of the segment), `.1` (of the field) and `>NTE-3` (the segments attached to it) |
//! | JSON | `/alerts[]/code`, `/patient/identifiers[system=x]/value`, `/list[0]`; in a repeat `code/display`, `.` |
//! | XML | `/a:b/c[@x=1]//d/@e`; in a repeat `d/@e`, `../f` |
//! | CSV | the header as it is written: `CPP start date` |
//! | openEHR FLAT | `*/precaution/condition\|code`; in a repeat `condition\|value` |
//!
//! A filter `[path=a\|b]` keeps nodes with one of the values, `[path!=a]` those without, `[path=ab*]` those that begin so,
//! `[path]` those that have it; `[2]` is the second repetition (HL7 v2, XML) or the item 2 from 0 (JSON).

use super::tree::{NONE, NodeId, Notation, ROOT, Tree};

/// A compiled path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The path as it was written.
    pub text: String,
    /// Where it starts.
    pub start: Start,
    /// What it does from there.
    pub steps: Vec<Step>,
}

/// Where a path starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the root, or for HL7 v2 at the segment of the repeat when the name is the same.
    Root,
    /// The root, also from within a segment of the same name (HL7 v2: `/OBX[3=EDD]-5`).
    Whole,
    /// At the node of the repeat.
    Here,
    /// At the segment or row that holds the node of the repeat.
    Top,
    /// At the segments attached to the one of the repeat.
    Attached,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether any depth below will do.
    pub deep: bool,
    /// What the node must be.
    pub test: Test,
    /// What it must hold.
    pub filters: Vec<Filter>,
}

/// What a step looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// A child of this name, and of this namespace when one is given.
    Name(Box<str>, Option<Box<str>>),
    /// A field, component, sub-component or array item of this number.
    Number(u32),
    /// An attribute of this name, and of this namespace when one is given.
    Attribute(Box<str>, Option<Box<str>>),
    /// The parent.
    Parent,
    /// Any child.
    Any,
}

/// What a node must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// It is the repetition (or item, or sibling) of this number.
    Position(u32),
    /// One of the values at the path equals (or begins with) one of these; negated: none does.
    Holds(Vec<Step>, Vec<Wanted>, bool),
    /// The path leads to something.
    Exists(Vec<Step>),
}

/// One text in a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The text.
    pub text: Box<str>,
    /// Whether a value that only begins with it will do.
    pub prefix: bool,
}

impl Wanted {
    /// Whether a value is wanted.
    pub fn takes(&self, value: &str) -> bool {
        if self.prefix { value.starts_with(&*self.text) } else { value == &*self.text }
    }
}

impl Path {
    /// Calls `found` with every node the path leads to from `here`, in order, until it answers `false`.
    pub fn visit(&self, tree: &Tree<'_>, here: NodeId, found: &mut dyn FnMut(NodeId) -> bool) {
        let _ = match self.start {
            Start::Here => walk(tree, here, &self.steps, found),
            Start::Top => walk(tree, tree.top(here), &self.steps, found),
            Start::Whole => walk(tree, ROOT, &self.steps, found),
            Start::Attached => attached(tree, here, &self.steps, found),
            Start::Root => {
                let top = tree.top(here);
                let same = tree.notation == Notation::Er7
                    && match (self.steps.first().map(|s| &s.test), tree.node(top)) {
                        (Some(Test::Name(wanted, _)), Some(node)) => **wanted == *node.name,
                        _ => false,
                    };
                match self.steps.split_first() {
                    Some((first, rest)) if same => {
                        !first.filters.iter().all(|f| holds(tree, top, f)) || walk(tree, top, rest, found)
                    }
                    _ => walk(tree, ROOT, &self.steps, found),
                }
            }
        };
    }

    /// The first node the path leads to.
    pub fn first(&self, tree: &Tree<'_>, here: NodeId) -> Option<NodeId> {
        let mut answer = None;
        self.visit(tree, here, &mut |id| {
            answer = Some(id);
            false
        });
        answer
    }

    /// The first value the path leads to, with its node.
    pub fn value<'t>(&self, tree: &'t Tree<'_>, here: NodeId) -> Option<(NodeId, &'t str)> {
        let mut answer = None;
        self.visit(tree, here, &mut |id| {
            answer = tree.value(id);
            answer.is_none()
        });
        answer
    }
}

/// Walks the steps from a node; answers whether to go on.
fn walk(tree: &Tree<'_>, at: NodeId, steps: &[Step], found: &mut dyn FnMut(NodeId) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return at == NONE || found(at);
    };
    let Some(node) = tree.node(at) else { return true };
    if step.test == Test::Parent {
        return node.parent == NONE || walk(tree, node.parent, rest, found);
    }
    if node.first == NONE {
        // A field or component without separators is its own first component.
        let itself = tree.notation == Notation::Er7
            && node.text.is_some()
            && step.test == Test::Number(1)
            && step.filters.iter().all(|f| holds(tree, at, f));
        return !itself || walk(tree, at, rest, found);
    }
    let mut position = 0;
    for (id, child) in tree.children(at) {
        let named = match &step.test {
            Test::Name(name, space) => {
                *child.name == **name
                    && !child.attribute
                    && space.as_ref().is_none_or(|s| **s == *child.space)
            }
            Test::Attribute(name, space) => {
                child.attribute && *child.name == **name && space.as_ref().is_none_or(|s| **s == *child.space)
            }
            Test::Parent => false,
            Test::Number(number) => child.number == *number && child.name.is_empty(),
            Test::Any => !child.attribute && child.name != "#text" && !child.name.starts_with('|'),
        };
        if named {
            position += 1;
            let kept = step.filters.iter().all(|f| match f {
                Filter::Position(n) => at_position(tree, id, position, *n),
                other => holds(tree, id, other),
            });
            if kept && !walk(tree, id, rest, found) {
                return false;
            }
        }
        if step.deep && child.first != NONE && !walk(tree, id, steps, found) {
            return false;
        }
    }
    true
}

fn at_position(tree: &Tree<'_>, id: NodeId, position: u32, wanted: u32) -> bool {
    let node = tree.node(id);
    match tree.notation {
        Notation::Json | Notation::Flat => node.is_some_and(|n| n.number == wanted),
        // The repetition is the written one: an empty first repetition does not make the second the first.
        Notation::Er7 if node.is_some_and(|n| n.name.is_empty()) => node.is_some_and(|n| n.repeat == wanted),
        _ => position == wanted,
    }
}

fn holds(tree: &Tree<'_>, at: NodeId, filter: &Filter) -> bool {
    match filter {
        Filter::Position(wanted) => tree.node(at).is_some_and(|n| n.number == *wanted),
        Filter::Exists(steps) => !walk(tree, at, steps, &mut |_| false),
        Filter::Holds(steps, wanted, negated) => {
            let mut hit = false;
            walk(tree, at, steps, &mut |id| {
                hit = shown(tree, id).is_some_and(|text| wanted.iter().any(|w| w.takes(text.trim())));
                !hit
            });
            hit != *negated
        }
    }
}

/// What a reader sees at a node: its value; for an XML element that has only elements, what the first of them shows,
/// so that a title is the same whether it is written in bold or not.
fn shown<'t>(tree: &'t Tree<'_>, mut at: NodeId) -> Option<&'t str> {
    loop {
        if let Some((_, text)) = tree.value(at) {
            return Some(text);
        }
        if tree.notation != Notation::Xml {
            return None;
        }
        at = tree.children(at).find(|(_, child)| !child.attribute).map(|(id, _)| id)?;
    }
}

/// The segments that belong to the one of the repeat: those that follow it up to the next of its own name, or to a
/// segment that opens another group.
fn attached(tree: &Tree<'_>, here: NodeId, steps: &[Step], found: &mut dyn FnMut(NodeId) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let top = tree.top(here);
    let Some(own) = tree.node(top) else { return true };
    let mut at = own.next;
    while let Some(node) = tree.node(at) {
        let wanted = matches!(&step.test, Test::Name(name, _) if **name == *node.name);
        if node.name == own.name || !(wanted || matches!(node.name, "NTE" | "PRT" | "ARV" | "CON")) {
            return true;
        }
        if wanted && step.filters.iter().all(|f| holds(tree, at, f)) && !walk(tree, at, rest, found) {
            return false;
        }
        at = node.next;
    }
    true
}
