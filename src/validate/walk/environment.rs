//! What expressions ask of a validation.

use super::Walk;
use crate::fhir::tree::{NodeId, Tree};
use crate::fhirpath::{Coded, Quantity, Resolution, Services, Unit};
use crate::validate::Core;
use crate::validate::references::{self, References};
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::cmp::Ordering;

/// How deep expressions may ask for profiles whose expressions ask for profiles.
const DEEPEST: u32 = 6;

/// The answers to what expressions ask.
pub(super) struct Answers<'w> {
    pub core: &'w Core,
    pub references: &'w References,
    pub nesting: u32,
}

impl Services for Answers<'_> {
    fn resolve(&self, tree: &Tree<'_>, from: NodeId, reference: &str) -> Resolution {
        let walk = Walk::new(self.core, tree, self.references);
        match walk.lead_to(from, reference) {
            Some(found) => Resolution::Found(found),
            None => match references::type_of(reference, self.core) {
                Some(name) => Resolution::Typed(name.to_owned()),
                None => Resolution::Unknown,
            },
        }
    }

    fn conforms_to(&self, tree: &Tree<'_>, node: NodeId, profile: &str) -> Result<bool, String> {
        if self.nesting >= DEEPEST {
            return Ok(true);
        }
        let Some(schema) = self.core.registry.profile(profile) else {
            return Err(format!("the profile `{profile}` is not known"));
        };
        let mut walk = Walk::new(self.core, tree, self.references);
        walk.nesting = self.nesting + 1;
        walk.resource = tree.resource_of(node);
        Ok(walk.conforms(node, &schema))
    }

    fn member_of(&self, coded: &Coded<'_>, value_set: &str) -> Option<bool> {
        Services::member_of(&*self.core.definitions, coded, value_set)
    }

    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool> {
        Services::subsumes(&*self.core.definitions, system, general, special)
    }

    fn html_checks(&self, tree: &Tree<'_>, node: NodeId) -> Option<bool> {
        Some(crate::validate::narrative::look(tree.value(node)?).flaws.is_empty())
    }
}

/// Compares two quantities by their UCUM units; `None` when the units cannot be compared.
pub(super) fn compare_units(
    value: Decimal,
    unit: &str,
    limit: Decimal,
    limit_unit: &str,
) -> Option<Ordering> {
    let quantity = |value, unit| Quantity { value, unit: Unit::Ucum(Cow::Owned(String::from(unit))) };
    quantity(value, unit).compare(&quantity(limit, limit_unit))
}
