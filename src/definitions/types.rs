//! The types of FHIR as FHIRPath wants them: from a type and a member's name to the member's type, by reference.
//!
//! FHIR's own types cannot be redefined from outside, so there is one table for the whole program; the row of a type
//! is made when it is first asked for.

use super::pack::Pack;
use super::terminology::Membership;
use super::{Definitions, Table};
use crate::fhirpath::{Coded, Element, Model, Services};
use std::collections::HashSet;
use std::sync::OnceLock;

/// The members of one type, and of the elements inside it, by path.
type Row = Table<Box<str>, Holder>;

/// The members of one element.
#[derive(Debug, Default)]
struct Holder {
    /// `BackboneElement` or `Element` for an element inside; nothing for the type itself.
    base: Option<Box<str>>,
    /// By the name as written: `valueQuantity`.
    members: Table<Box<str>, Box<str>>,
    /// By the element's name: `value`.
    elements: Table<Box<str>, Known>,
}

/// All types of FHIR R4: see [`Model`].
#[derive(Debug)]
pub struct FhirTypes {
    rows: Table<&'static str, OnceLock<Row>>,
}

/// One element.
#[derive(Debug, Default)]
struct Known {
    types: Vec<Box<str>>,
    repeats: bool,
    is_choice: bool,
}

impl FhirTypes {
    /// The table.
    pub fn get() -> &'static FhirTypes {
        static TYPES: OnceLock<FhirTypes> = OnceLock::new();
        TYPES.get_or_init(|| {
            let types = Pack::get().listings().iter().filter(|listing| {
                listing.resource_type == "StructureDefinition" && listing.derivation != "constraint"
            });
            FhirTypes { rows: types.map(|listing| (listing.type_name, OnceLock::new())).collect() }
        })
    }

    fn holder(&self, path: &str) -> Option<&Holder> {
        let name = path.split_once('.').map_or(path, |(name, _)| name);
        let (name, row) = self.rows.get_key_value(name)?;
        row.get_or_init(|| make_row(name)).get(path)
    }
}

fn make_row(name: &str) -> Row {
    let mut row = Row::default();
    let definitions = Definitions::builtin();
    let (Some(model), Some(structure)) = (definitions.model(name), definitions.type_structure(name)) else {
        return row;
    };
    let path_of = |index: usize| structure.elements.get(index).map(|element| element.path.as_str());
    let mut met = HashSet::from([0]);
    let mut open = vec![(0, None)];
    while !open.is_empty() {
        let mut deeper = Vec::new();
        for (index, base) in open {
            let Some(path) = path_of(index) else { continue };
            let mut holder = Holder { base, ..Holder::default() };
            let mut members: Vec<_> = model.members(index).collect();
            members.sort_by_key(|(written, _)| *written);
            for (written, member) in members {
                let mut type_name = member.type_name.clone();
                if let Some(inside) = member.inside
                    && model.members(inside).next().is_some()
                    && let Some(path) = path_of(inside)
                {
                    // An element that refers to another one's content has that one's path.
                    if met.insert(inside) {
                        deeper.push((inside, Some(member.type_name.clone())));
                    }
                    type_name = path.into();
                }
                let entry = holder.elements.entry(member.element.clone()).or_default();
                entry.types.push(type_name.clone());
                entry.repeats |= member.repeats;
                entry.is_choice |= member.is_choice;
                holder.members.insert(written.into(), type_name);
            }
            row.insert(path.into(), holder);
        }
        open = deeper;
    }
    row
}

impl Model for FhirTypes {
    fn child_type(&self, parent: &str, name: &str) -> Option<&str> {
        self.holder(parent)?.members.get(name).map(|found| &**found)
    }

    fn is_choice(&self, parent: &str, name: &str) -> bool {
        let found = self.holder(parent).and_then(|holder| holder.elements.get(name));
        found.is_some_and(|known| known.is_choice)
    }

    fn base(&self, name: &str) -> Option<&str> {
        if name.contains('.') {
            return self.holder(name)?.base.as_deref();
        }
        let base = Pack::get().find_type(name)?.base.rsplit('/').next();
        base.filter(|base| !base.is_empty())
    }

    fn is_type(&self, name: &str) -> bool {
        self.rows.contains_key(name) || self.holder(name).is_some()
    }

    fn element(&self, parent: &str, name: &str) -> Option<Element> {
        let known = self.holder(parent)?.elements.get(name)?;
        Some(Element {
            types: known.types.iter().map(|name| name.to_string()).collect(),
            repeats: known.repeats,
        })
    }

    fn names(&self, parent: &str) -> Vec<String> {
        let names = self.holder(parent).into_iter().flat_map(|holder| holder.elements.keys());
        let mut names: Vec<String> = names.map(|name| name.to_string()).collect();
        names.sort();
        names
    }
}

/// References within the tree, and terminology; profiles are for the validator.
impl Services for Definitions {
    fn member_of(&self, coded: &Coded<'_>, value_set: &str) -> Option<bool> {
        let set = self.value_set(value_set)?;
        let answers = match coded {
            Coded::Code(code) => vec![set.member(None, None, code)],
            Coded::Codings(codings) => {
                codings.iter().map(|c| set.member(c.system, c.version, c.code.unwrap_or(""))).collect()
            }
        };
        let unknown = answers.iter().any(|answer| matches!(answer, Membership::Unknown(_)));
        if answers.iter().any(Membership::is_yes) { Some(true) } else { (!unknown).then_some(false) }
    }

    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool> {
        self.code_system(system)?.subsumes(general, special)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backbones_are_named_by_their_path() {
        let types = FhirTypes::get();
        assert_eq!(types.child_type("Observation", "valueQuantity"), Some("Quantity"));
        assert_eq!(types.child_type("Observation", "component"), Some("Observation.component"));
        assert_eq!(
            types.child_type("Observation.component", "referenceRange"),
            Some("Observation.referenceRange")
        );
        assert_eq!(types.child_type("Questionnaire.item", "item"), Some("Questionnaire.item"));
        assert_eq!(types.child_type("Patient", "id"), Some("id"));
        assert_eq!(types.child_type("ValueSet.compose", "exclude"), Some("ValueSet.compose.include"));
        assert_eq!(types.base("Patient.contact"), Some("BackboneElement"));
        assert_eq!(types.base("code"), Some("string"));
        assert!(types.is_choice("Observation", "value") && !types.is_choice("ElementDefinition", "min"));
        assert!(types.is_type("DomainResource") && !types.is_type("string1"));
        assert_eq!(types.element("Observation", "valueQuantity"), None);
        assert!(types.element("Patient", "name").unwrap().repeats);
    }
}
