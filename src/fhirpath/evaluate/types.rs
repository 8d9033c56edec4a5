//! `is`, `as`, `ofType()` and `type()`.

use super::{Machine, Outcome, Scope};
use crate::fhirpath::expression::{ExprId, TypeName};
use crate::fhirpath::value::{Collection, Item, truth};
use std::borrow::Cow;

/// The types of the System namespace.
pub(in crate::fhirpath) const SYSTEM: [&str; 10] =
    ["Any", "Boolean", "String", "Integer", "Long", "Decimal", "Date", "DateTime", "Time", "Quantity"];

impl<'t> Machine<'t> {
    pub(super) fn is(
        &mut self,
        inner: ExprId,
        name: &TypeName,
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let focus = self.step(inner, scope)?;
        match focus.as_slice() {
            [] => Ok(Collection::new()),
            [item] => {
                self.known(name, at)?;
                Ok(truth(self.has_type(item, name, false)))
            }
            _ => self.fail(at, "`is` takes one value, and there are several"),
        }
    }

    /// `as` (one value) and `ofType()` (any number).
    pub(super) fn cast(
        &mut self,
        inner: ExprId,
        name: &TypeName,
        single: bool,
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let mut focus = self.step(inner, scope)?;
        if single && focus.len() > 1 {
            return self.fail(at, "`as` takes one value, and there are several");
        }
        self.known(name, at)?;
        self.spend(focus.len(), at)?;
        focus.retain(|item| self.has_type(item, name, true));
        Ok(focus)
    }

    fn known(&self, name: &TypeName, at: ExprId) -> Outcome<()> {
        let system = SYSTEM.contains(&&*name.name);
        let known = match name.namespace.as_deref() {
            Some("System") => system,
            Some(_) => self.environment.model.is_type(&name.name),
            None => system || self.environment.model.is_type(&name.name),
        };
        if known { Ok(()) } else { self.fail(at, format!("the type `{}` is not known", name.name)) }
    }

    /// Whether a value has a type. A primitive that specialises another (`code`, `string`) *is* of it, but a cast
    /// to the general type does not take it.
    fn has_type(&self, item: &Item<'t>, name: &TypeName, cast: bool) -> bool {
        let wanted = &*name.name;
        let namespace = name.namespace.as_deref();
        if let Some(found) = item.system_type() {
            return namespace != Some("FHIR") && (wanted == found || wanted == "Any");
        }
        if namespace == Some("System") {
            return false;
        }
        let found = match item {
            Item::Node(node) => self.type_of(*node),
            Item::Elsewhere(found) => Some(&**found),
            _ => None,
        };
        let Some(found) = found else { return self.looks_like(item, wanted) };
        let primitive = found.starts_with(|c: char| c.is_ascii_lowercase());
        if primitive && self.environment.capital_types && namespace.is_none() && is_capital_of(wanted, found)
        {
            return true;
        }
        if cast && primitive { found == wanted } else { self.is_kind_of(found, wanted) }
    }

    /// Without types: a choice element names its type.
    fn looks_like(&self, item: &Item<'t>, wanted: &str) -> bool {
        let Item::Node(node) = item else { return false };
        let mut capital = wanted.to_owned();
        if let Some(first) = capital.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        self.tree.name(*node).strip_suffix(&*capital).is_some_and(|rest| !rest.is_empty())
    }

    pub(super) fn types(&mut self, focus: &[Item<'t>]) -> Collection<'t> {
        let info = |item: &Item<'t>| -> Option<Item<'t>> {
            let (space, name) = match item.system_type() {
                Some(name) => ("System", Cow::Borrowed(name)),
                None => match item {
                    Item::Node(node) => ("FHIR", Cow::Borrowed(self.type_of(*node)?)),
                    Item::Elsewhere(name) => ("FHIR", name.clone()),
                    _ => return None,
                },
            };
            Some(Item::Type(Box::new((Cow::Borrowed(space), name))))
        };
        focus.iter().filter_map(info).collect()
    }
}

/// Whether a name is another one with its first letter as a capital.
fn is_capital_of(name: &str, small: &str) -> bool {
    let first = |text: &str| text.as_bytes().first().copied();
    name.get(1..) == small.get(1..) && first(small).map(|letter| letter.to_ascii_uppercase()) == first(name)
}
