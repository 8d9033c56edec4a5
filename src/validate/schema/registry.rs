//! All compiled definitions, each compiled at first use and shared.

use super::compile::{capitalised, compile};
use super::invariant::{Invariant, Test, is_walked, native};
use super::slices::{DiscriminatorKind, Expectation, Slice, Slicing, Step};
use super::{Element, Kind, Schema};
use crate::definitions::{Definitions, structure};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The compiled definitions.
pub(in super::super) struct Registry {
    definitions: Arc<Definitions>,
    types: RwLock<HashMap<String, Option<Arc<Schema>>>>,
    profiles: RwLock<HashMap<String, Option<Arc<Schema>>>>,
    invariants: Mutex<HashMap<(String, String), Arc<Invariant>>>,
}

impl Registry {
    pub fn new(definitions: Arc<Definitions>) -> Registry {
        Registry {
            definitions,
            types: RwLock::default(),
            profiles: RwLock::default(),
            invariants: Mutex::default(),
        }
    }

    /// The definition of a type by its name.
    pub fn of_type(&self, name: &str) -> Option<Arc<Schema>> {
        if let Some(known) = self.types.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known.clone();
        }
        let schema = self.definitions.type_structure(name).map(|structure| self.shared(&structure));
        self.types.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), schema.clone());
        schema
    }

    /// The definition with this canonical, perhaps with `|version`.
    pub fn profile(&self, canonical: &str) -> Option<Arc<Schema>> {
        if let Some(known) = self.profiles.read().unwrap_or_else(PoisonError::into_inner).get(canonical) {
            return known.clone();
        }
        let structure = self.definitions.structure(canonical)?;
        Some(self.shared(&structure).clone()).inspect(|schema| {
            let mut profiles = self.profiles.write().unwrap_or_else(PoisonError::into_inner);
            profiles.insert(canonical.to_owned(), Some(schema.clone()));
        })
    }

    /// One compiled form for each definition and version.
    fn shared(&self, structure: &structure::Structure) -> Arc<Schema> {
        let key = format!("{}|{}", structure.url, structure.version.as_deref().unwrap_or(""));
        if let Some(Some(known)) = self.profiles.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let schema = Arc::new(compile(structure, self));
        let mut profiles = self.profiles.write().unwrap_or_else(PoisonError::into_inner);
        profiles.entry(key).or_insert_with(|| Some(schema.clone())).clone().unwrap_or(schema)
    }

    /// The invariant of a constraint, parsed once however often it is inherited; `None` when the walk checks it.
    pub(super) fn invariant(
        &self,
        constraint: &structure::Constraint,
        source: &str,
    ) -> Option<Arc<Invariant>> {
        let expression = constraint.expression.as_deref()?;
        if is_walked(&constraint.key, expression) {
            return None;
        }
        let mut invariants = self.invariants.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (constraint.key.clone(), expression.to_owned());
        let shared = invariants.entry(key).or_insert_with(|| {
            let test = match native(&constraint.key, expression) {
                Some(native) => Test::Native(native),
                None => Test::Unusable(repaired(&constraint.key, expression).into_owned()),
            };
            Arc::new(Invariant {
                key: constraint.key.as_str().into(),
                is_error: constraint.is_error,
                human: constraint.human.as_str().into(),
                source: constraint.source.as_deref().unwrap_or(source).into(),
                test,
            })
        });
        Some(shared.clone())
    }

    /// Whether the name is that of a resource type.
    pub fn is_resource(&self, name: &str) -> bool {
        matches!(name, "Resource" | "DomainResource") || self.definitions.is_resource_type(name)
    }

    /// Whether a type is another, or derived from it.
    pub fn is_a(&self, name: &str, ancestor: &str) -> bool {
        if name == ancestor {
            return true;
        }
        let mut at = self.of_type(name);
        for _ in 0..8 {
            let Some(base) = at.and_then(|schema| schema.base.clone()) else { return false };
            let base = base.rsplit('/').next().unwrap_or("").to_owned();
            if base == ancestor {
                return true;
            }
            at = self.of_type(&base);
        }
        false
    }

    /// Whether a profile is derived from a definition, through definitions that are all known.
    pub fn descends(&self, profile: &Schema, from: &Schema) -> bool {
        let mut base = profile.base.clone();
        for _ in 0..32 {
            let Some(url) = base else { return false };
            if url.split('|').next() == Some(from.url.as_str()) {
                return true;
            }
            match self.profile(&url) {
                Some(schema) if schema.complete || !schema.constraint => base = schema.base.clone(),
                _ => return false,
            }
        }
        false
    }

    /// Whether a text is the name of a type as a choice writes it.
    pub fn is_suffix(&self, text: &str) -> bool {
        if self.of_type(text).is_some_and(|schema| schema.kind != Kind::Resource) {
            return true;
        }
        let mut characters = text.chars();
        let lower =
            characters.next().map(|first| first.to_ascii_lowercase().to_string() + characters.as_str());
        lower.is_some_and(|lower| crate::fhir::primitive::Primitive::of(&lower).is_some())
    }

    /// What a slice expects, one expectation for each discriminator; found once.
    pub fn expectations<'s>(
        &self,
        schema: &Schema,
        slicing: &Slicing,
        slice: &'s Slice,
    ) -> &'s [Expectation] {
        slice.tests.get_or_init(|| {
            let Some(element) = schema.element(slice.element as usize) else { return Vec::new() };
            let of = |discriminator: &super::Discriminator| match &discriminator.steps {
                Some(steps) => self.expectation(schema, element, discriminator.kind, steps),
                None => Expectation::Unknown,
            };
            slicing.discriminators.iter().map(of).collect()
        })
    }

    fn expectation(
        &self,
        schema: &Schema,
        element: &Element,
        kind: DiscriminatorKind,
        steps: &[Step],
    ) -> Expectation {
        match kind {
            DiscriminatorKind::Value => self.value(schema, element, steps, 0).unwrap_or(Expectation::Unknown),
            DiscriminatorKind::Exists => {
                let mut found = None;
                self.locate(schema, element, steps, 0, &mut |_, element| {
                    found = found.or(match (element.min, element.max) {
                        (_, 0) => Some(false),
                        (0, _) => None,
                        _ => Some(true),
                    });
                });
                found.map_or(Expectation::Unknown, Expectation::Exists)
            }
            DiscriminatorKind::Type => {
                let mut types: Vec<Box<str>> = Vec::new();
                self.locate(schema, element, steps, 0, &mut |owner, element| {
                    if element.types.is_empty() {
                        types.push(owner.type_name.as_str().into());
                    }
                    types.extend(element.types.iter().map(|one| one.code.clone()));
                });
                if types.is_empty() { Expectation::Unknown } else { Expectation::Type(types) }
            }
            DiscriminatorKind::Profile => {
                let mut profiles: Vec<Box<str>> = Vec::new();
                let (steps, resolves) = match steps {
                    [before @ .., Step::Resolve] => (before, true),
                    steps => (steps, false),
                };
                self.locate(schema, element, steps, 0, &mut |_, element| {
                    for one in &element.types {
                        if resolves {
                            profiles.extend(one.targets.iter().map(|target| target.url.clone()));
                        } else {
                            profiles.extend(one.profiles.iter().cloned());
                        }
                    }
                });
                if profiles.is_empty() { Expectation::Unknown } else { Expectation::Profile(profiles) }
            }
        }
    }

    /// The value expected behind the steps.
    fn value(&self, schema: &Schema, element: &Element, steps: &[Step], depth: usize) -> Option<Expectation> {
        if depth > 12 {
            return None;
        }
        if let Some(values) = &element.values {
            let below = |value: &Value| sub_value(value, steps);
            if let Some(fixed) = values.fixed.as_ref().and_then(below) {
                return Some(Expectation::Fixed(fixed));
            }
            if let Some(pattern) = values.pattern.as_ref().and_then(below) {
                return Some(Expectation::Pattern(pattern));
            }
        }
        match steps {
            [Step::Child(name)] if name.as_ref() == "url" && element.name.ends_with("xtension") => {
                let profile = element.types.first().and_then(|one| one.profiles.first());
                if let Some(profile) = profile {
                    let url = profile.split('|').next().unwrap_or(profile);
                    return Some(Expectation::Url(url.into()));
                }
            }
            [] => {
                let bound = element.binding.as_ref().filter(|b| b.strength == structure::Strength::Required);
                if let Some(binding) = bound {
                    return Some(Expectation::Bound(binding.value_set.clone()));
                }
                let all = self.below(schema, element, depth);
                return (!all.is_empty()).then_some(Expectation::All(all));
            }
            _ => {}
        }
        let mut found = None;
        let (first, rest) = steps.split_first()?;
        self.step(schema, element, first, &mut |schema, element| {
            if found.is_none() {
                found = self.value(schema, element, rest, depth + 1);
            }
        });
        found
    }

    /// Fixed values and patterns of the children, when the element itself states none.
    fn below(&self, schema: &Schema, element: &Element, depth: usize) -> Vec<(Vec<Step>, Expectation)> {
        let mut all = Vec::new();
        for index in &element.children.slots {
            let Some(child) = schema.element(*index as usize) else { continue };
            if let Some(expected) = self.value(schema, child, &[], depth + 1) {
                all.push((vec![Step::Child(child.name.clone())], expected));
            }
        }
        if element.children.is_empty() {
            let profile = element.types.first().and_then(|one| one.profiles.first());
            if let Some(profiled) = profile.and_then(|url| self.profile(url))
                && let Some(root) = profiled.element(0)
            {
                return self.below(&profiled, root, depth + 1);
            }
        }
        all
    }

    /// The elements that the steps lead to.
    fn locate(
        &self,
        schema: &Schema,
        element: &Element,
        steps: &[Step],
        depth: usize,
        on: &mut dyn FnMut(&Schema, &Element),
    ) {
        match steps.split_first() {
            None => on(schema, element),
            Some(_) if depth > 12 => {}
            Some((first, rest)) => self.step(schema, element, first, &mut |schema, element| {
                self.locate(schema, element, rest, depth + 1, on);
            }),
        }
    }

    /// The elements one step leads to.
    fn step(&self, schema: &Schema, element: &Element, step: &Step, on: &mut dyn FnMut(&Schema, &Element)) {
        match step {
            Step::Child(name) => self.child(schema, element, on, &|child| child.name == *name),
            Step::Extension(url) => {
                let mut any = false;
                self.child(
                    schema,
                    element,
                    &mut |schema, extension| {
                        for slice in extension.slicing.iter().flat_map(|slicing| &slicing.slices) {
                            let Some(slice) = schema.element(slice.element as usize) else { continue };
                            let named = slice
                                .types
                                .iter()
                                .flat_map(|one| &one.profiles)
                                .any(|profile| profile.split('|').next() == Some(url));
                            if named {
                                any = true;
                                on(schema, slice);
                            }
                        }
                    },
                    &|child| child.name.as_ref() == "extension",
                );
                if !any
                    && let Some(defined) = self.profile(url)
                    && let Some(root) = defined.element(0)
                {
                    on(&defined, root);
                }
            }
            Step::Resolve => {
                for target in element.types.iter().flat_map(|one| &one.targets) {
                    if let Some(defined) = self.profile(&target.url)
                        && let Some(root) = defined.element(0)
                    {
                        on(&defined, root);
                    }
                }
            }
            Step::OfType(name) => {
                if element.types.is_empty() || element.types.iter().any(|one| one.code == *name) {
                    on(schema, element);
                }
            }
        }
    }

    fn child(
        &self,
        schema: &Schema,
        element: &Element,
        on: &mut dyn FnMut(&Schema, &Element),
        wanted: &dyn Fn(&Element) -> bool,
    ) {
        let search = |schema: &Schema, element: &Element, on: &mut dyn FnMut(&Schema, &Element)| {
            for index in &element.children.slots {
                if let Some(child) = schema.element(*index as usize)
                    && wanted(child)
                {
                    on(schema, child);
                }
            }
        };
        if !element.children.is_empty() {
            return search(schema, element, on);
        }
        if let Some(shared) = element.content.and_then(|index| schema.element(index)) {
            return search(schema, shared, on);
        }
        for one in &element.types {
            if one.profiles.is_empty() {
                if let Some(defined) = self.of_type(&one.code)
                    && let Some(root) = defined.element(0)
                {
                    search(&defined, root, on);
                }
            }
            for profile in &one.profiles {
                if let Some(defined) = self.profile(profile)
                    && let Some(root) = defined.element(0)
                {
                    search(&defined, root, on);
                }
            }
        }
    }

    /// The names of all types as choices write them are compared with this.
    pub fn written(code: &str) -> String {
        capitalised(code)
    }
}

/// What a fixed value or pattern says behind the steps.
fn sub_value(value: &Value, steps: &[Step]) -> Option<Value> {
    match steps.split_first() {
        None => Some(match value {
            Value::Array(items) => items.first()?.clone(),
            other => other.clone(),
        }),
        Some((Step::Child(name), rest)) => {
            let value = match value {
                Value::Array(items) => items.first()?,
                other => other,
            };
            sub_value(value.get(name.as_ref())?, rest)
        }
        Some(_) => None,
    }
}

/// Expressions whose published R4 text is known to be wrong, as the specification's own errata have them.
fn repaired<'e>(_key: &str, expression: &'e str) -> std::borrow::Cow<'e, str> {
    expression.into()
}
