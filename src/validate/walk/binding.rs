//! Bindings to value sets.
//!
//! Implements <https://hl7.org/fhir/R4/terminologies.html#strength>.

use super::Walk;
use crate::definitions::terminology::{Membership, ValueSet};
use crate::fhir::Severity;
use crate::fhir::tree::NodeId;
use crate::validate::Core;
use crate::validate::rules::{self, Rule};
use crate::validate::schema::{Binding, Bound, Class, Strength};
use std::sync::Arc;

/// What the codes of an element say to a value set.
enum Answer {
    In,
    Out(String),
    Unknown(String),
    /// There is no code at all.
    Uncoded,
}

impl Walk<'_> {
    /// Checks an element against its binding.
    pub(super) fn bound(&mut self, node: NodeId, binding: &Binding, class: Option<Class>) {
        if binding.value_set.strength > Strength::Example {
            self.bind(node, &binding.value_set, class, None);
        }
        if let Some(most) = &binding.most {
            self.bind(node, most, class, Some(rules::BINDING_MAX));
        }
        for additional in &binding.additional {
            self.bind(node, additional, class, None);
        }
    }

    fn bind(&mut self, node: NodeId, bound: &Bound, class: Option<Class>, rule: Option<&'static Rule>) {
        let core = self.core;
        if bound.canonical.is_empty() {
            return;
        }
        let known = bound.set.get_or_init(|| value_set(core, &bound.canonical));
        let Some(set) = known.clone() else {
            self.unchecked("value-set", &bound.canonical, node, "its definition is not known");
            return;
        };
        let (severity, rule) = match (rule, bound.strength) {
            (Some(rule), _) => (Severity::Error, rule),
            (None, Strength::Required) => (Severity::Error, rules::BINDING_REQUIRED),
            (None, Strength::Extensible) => (Severity::Warning, rules::BINDING_EXTENSIBLE),
            (None, _) => (Severity::Information, rules::BINDING_PREFERRED),
        };
        match self.ask(node, &set, class) {
            Answer::In => {}
            Answer::Out(why) => {
                let shown = self.shown_codes(node);
                self.find(severity, rule, node, || {
                    let choices = choices(&set);
                    format!("the code is not in the value set `{}`: {why}{choices}{shown}", bound.canonical)
                });
            }
            Answer::Unknown(why) => self.unchecked("value-set", &bound.canonical, node, why),
            Answer::Uncoded => {
                if severity == Severity::Error && rule.name != rules::BINDING_MAX.name {
                    self.error(rule, node, || {
                        format!(
                            "there is no code, and one of the value set `{}` is required",
                            bound.canonical
                        )
                    });
                }
            }
        }
    }

    /// Asks a value set for all codes of an element.
    fn ask(&mut self, node: NodeId, set: &ValueSet, class: Option<Class>) -> Answer {
        let tree = self.tree;
        match class {
            Some(Class::Primitive(_)) => match tree.value(node) {
                Some(code) => answer(set.member(None, None, code)),
                None => Answer::Uncoded,
            },
            Some(Class::Coding) => self.coding_in(node, set),
            Some(Class::Quantity) => match tree.child_value(node, "code") {
                Some(code) => {
                    answer(set.member(Some(tree.child_value(node, "system").unwrap_or("")), None, code))
                }
                None => Answer::In,
            },
            Some(Class::Concept) => {
                let mut worst = Answer::Uncoded;
                for coding in tree.named(node, "coding") {
                    match self.coding_in(coding, set) {
                        Answer::In => return Answer::In,
                        Answer::Unknown(why) => worst = Answer::Unknown(why),
                        Answer::Out(why) => {
                            if !matches!(worst, Answer::Unknown(_)) {
                                worst = Answer::Out(why);
                            }
                        }
                        Answer::Uncoded => {}
                    }
                }
                worst
            }
            _ => {
                // A place whose type is told by a CodeableReference or the like has no code of its own.
                match tree.value(node) {
                    Some(code) => answer(set.member(None, None, code)),
                    None => Answer::In,
                }
            }
        }
    }

    fn coding_in(&mut self, coding: NodeId, set: &ValueSet) -> Answer {
        let tree = self.tree;
        match tree.child_value(coding, "code") {
            Some(code) => {
                let system = tree.child_value(coding, "system").unwrap_or("");
                answer(set.member(Some(system), tree.child_value(coding, "version"), code))
            }
            None => Answer::Uncoded,
        }
    }

    /// Whether the codes of an element are surely in a value set.
    pub(super) fn is_member(&mut self, node: NodeId, value_set: &str) -> bool {
        let Some(set) = self.core.definitions.value_set(value_set) else { return false };
        let tree = self.tree;
        let class = if tree.value(node).is_some() {
            Class::Primitive(crate::fhir::primitive::Primitive::Code)
        } else if tree.child(node, "coding").is_some() {
            Class::Concept
        } else {
            Class::Coding
        };
        matches!(self.ask(node, &set, Some(class)), Answer::In)
    }

    /// The codes of an element, for messages that may show them.
    fn shown_codes(&self, node: NodeId) -> String {
        if !self.core.settings.show_values {
            return String::new();
        }
        let tree = self.tree;
        let code = |coding| tree.child_value(coding, "code").unwrap_or("").to_owned();
        let all: Vec<String> = match tree.value(node) {
            Some(value) => vec![value.to_owned()],
            None if tree.child(node, "code").is_some() => vec![code(node)],
            None => tree.named(node, "coding").map(code).collect(),
        };
        format!(" (found `{}`)", all.join("`, `"))
    }
}

fn answer(membership: Membership) -> Answer {
    match membership {
        Membership::Yes => Answer::In,
        Membership::No(why) => Answer::Out(why.into_owned()),
        Membership::Unknown(why) => Answer::Unknown(why.into_owned()),
    }
}

/// The codes of a small value set, for messages.
fn choices(set: &ValueSet) -> String {
    match set.codes(12) {
        Some(codes) if !codes.is_empty() => {
            let codes: Vec<&str> = codes.iter().map(|(_, code)| code.as_str()).collect();
            format!("; its codes are `{}`", codes.join("`, `"))
        }
        _ => String::new(),
    }
}

/// The value set of a canonical, which may be one that a profile contains (`profile#id`).
fn value_set(core: &Core, canonical: &str) -> Option<Arc<ValueSet>> {
    let Some((profile, id)) = canonical.split_once('#') else { return core.definitions.value_set(canonical) };
    let artefact = core.definitions.resource("StructureDefinition", profile)?;
    let contained = artefact.body.get("contained")?.as_array()?;
    let found = contained.iter().find(|one| one.get("id").and_then(|found| found.as_str()) == Some(id))?;
    Some(Arc::new(core.definitions.compile_value_set(found)))
}
