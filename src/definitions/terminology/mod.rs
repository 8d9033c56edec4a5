//! Terminology without a server: which codes a CodeSystem has and which a ValueSet takes.
//!
//! Implements <https://hl7.org/fhir/R4/codesystem.html> and <https://hl7.org/fhir/R4/valueset.html>. A question that
//! cannot be decided from what is loaded is answered [`Membership::Unknown`] with the reason, never guessed.

mod code_system;
mod compile;
mod filter;
mod value_set;

pub use code_system::{CodeSystem, Concept, Content, Designation};
pub use value_set::ValueSet;
pub(crate) use value_set::in_system;

use super::library::Artefact;
use super::pack::Pack;
use super::{Definitions, read_lock, write_lock};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// Whether a value set has a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It has.
    Yes,
    /// It has not: why, without the code.
    No(Cow<'static, str>),
    /// It cannot be decided here: why.
    Unknown(Cow<'static, str>),
}

impl Membership {
    /// Whether the answer is a sure yes.
    pub fn is_yes(&self) -> bool {
        *self == Membership::Yes
    }
}

/// The concepts and value sets that were asked for.
#[derive(Default)]
pub(super) struct Cached {
    code_systems: super::Cache<Option<Arc<CodeSystem>>>,
    value_sets: super::Cache<Option<Arc<ValueSet>>>,
}

impl Definitions {
    /// The CodeSystem of this canonical (perhaps with `|version`), when its definition is loaded; supplements of it are
    /// merged in. A system whose content is `not-present` is answered too: it has no concepts.
    pub fn code_system(&self, reference: &str) -> Option<Arc<CodeSystem>> {
        if let Some(known) = read_lock(&self.terms.code_systems).get(reference) {
            return known.clone();
        }
        let made = self.resource("CodeSystem", reference).map(|artefact| {
            let mut system = CodeSystem::of(&artefact);
            for supplement in self.supplements(&artefact.url) {
                system.supplement(&supplement.body);
            }
            Arc::new(system)
        });
        // What is not known is not kept: a sender could name any number of systems.
        if made.is_some() {
            write_lock(&self.terms.code_systems).insert(reference.to_owned(), made.clone());
        }
        made
    }

    fn supplements<'d>(&'d self, url: &'d str) -> impl Iterator<Item = &'d Arc<Artefact>> {
        self.given().filter(move |artefact| {
            artefact.resource_type == "CodeSystem"
                && artefact
                    .body
                    .get("supplements")
                    .and_then(Value::as_str)
                    .is_some_and(|supplements| super::library::split_canonical(supplements).0 == url)
        })
    }

    /// The ValueSet of this canonical (perhaps with `|version`), ready to answer; nothing when its definition is not
    /// loaded. A CodeSystem's `valueSet` canonical is answered by all its codes.
    pub fn value_set(&self, reference: &str) -> Option<Arc<ValueSet>> {
        self.value_set_within(reference, &mut Vec::new())
    }

    fn value_set_within(&self, reference: &str, open: &mut Vec<String>) -> Option<Arc<ValueSet>> {
        if let Some(known) = read_lock(&self.terms.value_sets).get(reference) {
            return known.clone();
        }
        let depth = open.len();
        open.push(reference.to_owned());
        let whole = if reference.contains('#') { None } else { self.resource("ValueSet", reference) };
        let made = match whole {
            Some(artefact) => Some(Arc::new(self.compile(&artefact, open))),
            None if reference.contains('#') => {
                self.contained(reference).map(|body| Arc::new(self.compile_value_set(&body)))
            }
            None => self.whole_system(reference).map(|system| Arc::new(ValueSet::whole(reference, system))),
        };
        open.truncate(depth);
        // A value set met on the way while it still refers to itself is not kept: only the outermost is complete.
        if depth == 0 {
            write_lock(&self.terms.value_sets).insert(reference.to_owned(), made.clone());
        }
        made
    }

    /// A value set contained in another definition: `http://…/StructureDefinition/x#id`.
    fn contained(&self, reference: &str) -> Option<Value> {
        let (url, id) = reference.split_once('#')?;
        let holders = ["StructureDefinition", "ValueSet", "Questionnaire", "ConceptMap"];
        holders.iter().filter_map(|holder| self.resource(holder, url)).find_map(|holder| {
            let contained = super::read::list(&holder.body, "contained");
            contained.iter().find(|one| one.get("id").and_then(Value::as_str) == Some(id)).cloned()
        })
    }

    /// The code system that names this canonical as the value set of all its codes.
    fn whole_system(&self, reference: &str) -> Option<Arc<CodeSystem>> {
        let (url, _) = super::library::split_canonical(reference);
        let names = |artefact: &&Arc<Artefact>| {
            artefact.resource_type == "CodeSystem"
                && artefact.body.get("valueSet").and_then(Value::as_str) == Some(url)
        };
        let given = self.given().find(names).map(|artefact| artefact.url.clone());
        let packed = || {
            let mut listings = Pack::get().listings().iter();
            listings
                .find(|one| one.resource_type == "CodeSystem" && one.base == url)
                .map(|one| one.url.to_owned())
        };
        self.code_system(&given.or_else(packed)?)
    }

    /// The value set that a ValueSet resource describes (one that is contained, say), ready to answer.
    pub fn compile_value_set(&self, resource: &Value) -> ValueSet {
        let named = |name: &str| resource.get(name).and_then(Value::as_str).map(str::to_owned);
        let artefact = Artefact {
            resource_type: "ValueSet".to_owned(),
            url: named("url").unwrap_or_default(),
            version: named("version"),
            body: resource.clone(),
            origin: String::new(),
        };
        self.compile(&artefact, &mut vec![artefact.url.clone()])
    }
}

#[cfg(test)]
mod tests;
