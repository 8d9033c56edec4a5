//! What a message says about facts that the gateway holds already.
//!
//! A conversion knows only its message. Two messages nevertheless speak of more: a merge (HL7 v2 A40) says that what is
//! held about one identity is about another, and the birth of a child says that what is held about the mother's unborn
//! child has come to its end. What they say is given to the store's side as a [`Consequence`]; no resource that is made
//! here names both identities, so that no copy that leaves can link them.

use super::bundle;
use super::evaluate::Engine;
use super::identity;
use super::model::{Block, Mapping};
use crate::fhir::Issue;
use serde_json::Value;
use std::sync::Arc;

/// What is to become of facts that are held already, if they came from the same source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// What is held about one identity is about another.
    Moved {
        /// The patient key of the identity that is used no more. Never logged.
        from: String,
        /// The patient key of the identity that stays. Never logged.
        to: String,
        /// The reference, with the identifier, to the patient that stays.
        patient: Value,
    },
    /// The alert about an unborn child, held about the mother, ends: the child is born.
    Born {
        /// The id of the Flag about the unborn child.
        flag: String,
        /// The patient key of the mother, when the message names her. Never logged.
        mother: Option<String>,
        /// The day of the birth, or the time of the message.
        on: String,
    },
}

impl Consequence {
    /// The resource that is not made but changed, for the ledger; empty when there is no single one.
    pub(super) fn reference(&self) -> String {
        match self {
            Consequence::Moved { .. } => String::new(),
            Consequence::Born { flag, .. } => format!("Flag/{flag}"),
        }
    }
}

impl<'e> Engine<'e, '_> {
    /// Makes the patients that the message says are used no more, and notes what that means for what is held.
    pub(super) fn replaced(&mut self) {
        let mapping: &'e Mapping = self.mapping;
        for (index, block) in mapping.blocks.iter().enumerate().filter(|(_, b)| b.replaced) {
            let contexts = self.contexts(block, self.scope);
            let Some(at) = contexts.first().copied() else { continue };
            let place = self.tree.place(at);
            if contexts.len() > 1 {
                let text = "a message may merge one identity into one other";
                self.issues.push(Issue::error("not-supported", "many-merges", place, text));
                continue;
            }
            if block.sensitive.as_ref().is_some_and(|c| self.test(c, at)) {
                let text = "the change of identity is sensitive: a person must decide what becomes of the alerts, \
                            and nothing may link the two identities";
                self.issues.push(Issue::error("business-rule", "identity-change-sensitive", place, text));
                continue;
            }
            let Some(kept) = self.make_patient() else {
                let text = "the merge names no patient who stays";
                self.issues.push(Issue::error("required", "patient-missing", place, text));
                continue;
            };
            let Some(gone) = self.make(index, at) else {
                let text = "the merge does not name the identity that is used no more";
                self.issues.push(Issue::error("required", "patient-identifier-missing", place, text));
                continue;
            };
            // The same best identifier on both sides: only lesser identifiers changed, and nothing moves.
            if gone != kept {
                self.moved(kept, gone);
            }
        }
    }

    fn moved(&mut self, kept: usize, gone: usize) {
        let key = |slot: usize| {
            let made = self.made.get(slot).and_then(Option::as_ref)?;
            identity::patient_key(&made.resource)
        };
        let (from, to) = (key(gone), key(kept));
        let patient = super::flag::subject(self, kept).map(Value::Object);
        if let Some(made) = self.made.get_mut(gone).and_then(Option::as_mut) {
            made.resource.insert("active".into(), false.into());
            made.fact = true;
        }
        if let (Some(from), Some(to), Some(patient)) = (from, to, patient) {
            self.consequences.push(Consequence::Moved { from, to, patient });
        }
    }

    /// The number under which the ledger knows the next alert that ends: after everything that was made.
    fn ending(&self) -> usize {
        self.made.len() + self.consequences.len()
    }

    /// Notes which alerts about an unborn child end because the facts that were made are about the child, now born.
    pub(super) fn born(&mut self) {
        let mapping: &'e Mapping = self.mapping;
        let facts: Vec<(&'e Block, u32)> = self
            .made
            .iter()
            .flatten()
            .filter_map(|m| Some((mapping.blocks.get(m.block?)?, m.at)))
            .filter(|(b, _)| b.began_as.is_some())
            .collect();
        for (block, at) in facts {
            let Some(began) = &block.began_as else { continue };
            let mother = began.mother.iter().find_map(|p| self.read(p, at));
            let number = mother.map(|v| self.text(v).trim().to_owned());
            let mut parts = Vec::new();
            let named: Vec<_> = began.fact.iter().filter_map(|p| self.read(p, at)).collect();
            for value in named {
                parts.push(self.text(value).to_owned());
                self.mark(value, false, self.ending(), &Arc::from("identifier.value"), 0);
            }
            let key = match (&began.code, &number) {
                _ if !parts.is_empty() => parts.join("|"),
                (Some((table, code)), Some(number)) => {
                    let who = bundle::id(self.source, "Patient", &format!("nhs:{number}"));
                    let system = mapping.concerns.get(*table).map_or("", |t| t.system.as_str());
                    format!("Patient/{who}|{system}|{code}")
                }
                _ => continue,
            };
            if let (Some(value), Some(number)) = (mother, &number) {
                // She is named to find her alert, not to stand in anything that is kept about the child.
                self.mark(value, false, self.ending(), &Arc::from("subject.identifier.value"), 0);
                if let Err(error) = crate::fhir::identity::check_nhs_number(number) {
                    let place = self.tree.place(value);
                    self.issues.push(Issue::error("value", "nhs-number", place, error.to_string()));
                    continue;
                }
            }
            let on = self.patient.and_then(|p| self.made.get(p)).and_then(Option::as_ref);
            let on = on.and_then(|m| m.resource.get("birthDate")).and_then(Value::as_str);
            let one = Consequence::Born {
                flag: bundle::id(self.source, "Flag", &key).to_string(),
                mother: number.map(|n| format!("nhs:{n}")),
                on: on.map_or_else(|| self.context.now.to_string(), str::to_owned),
            };
            if !self.consequences.contains(&one) {
                self.consequences.push(one);
            }
        }
    }
}
