//! What a slice expects at the places its discriminators name, found in its definition once.

use super::registry::Registry;
use super::slices::{Discriminator, DiscriminatorKind, Expectation, Slice, Slicing, Step, steps};
use super::{Element, Schema, Strength};
use serde_json::Value;

impl Registry {
    /// What a slice expects, one expectation for each discriminator; found once.
    pub fn expectations<'s>(
        &self,
        schema: &Schema,
        slicing: &Slicing,
        slice: &'s Slice,
    ) -> &'s [Expectation] {
        slice.tests.get_or_init(|| {
            let Some(element) = schema.element(slice.element as usize) else { return Vec::new() };
            let of = |discriminator: &Discriminator| match &discriminator.steps {
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
                let bound = element.binding.as_ref().filter(|b| b.value_set.strength == Strength::Required);
                if let Some(binding) = bound {
                    return Some(Expectation::Bound(binding.value_set.canonical.clone()));
                }
                let all = self.below(schema, element, depth);
                if !all.is_empty() {
                    return Some(Expectation::All(all));
                }
            }
            _ => {}
        }
        let mut found = None;
        if let Some((first, rest)) = steps.split_first() {
            self.step(schema, element, first, &mut |schema, element| {
                if found.is_none() {
                    found = self.value(schema, element, rest, depth + 1);
                }
            });
        }
        found.or_else(|| self.value_in_slices(schema, element, steps, depth))
    }

    /// The value that a slice of the element expects, where the element itself says nothing: one slice that must be
    /// there, or the only one (the codings in the components of R4's blood pressure).
    fn value_in_slices(
        &self,
        schema: &Schema,
        element: &Element,
        steps: &[Step],
        depth: usize,
    ) -> Option<Expectation> {
        let slices = &element.slicing.as_ref()?.slices;
        let inner = |slice: &Slice| schema.element(slice.element as usize);
        let mut required = slices.iter().filter_map(inner).filter(|slice| slice.min > 0);
        let only = || slices.first().filter(|_| slices.len() == 1).and_then(inner);
        required
            .find_map(|slice| self.value(schema, slice, steps, depth + 1))
            .or_else(|| self.value(schema, only()?, steps, depth + 1))
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

    /// Whether a discriminator's path leads somewhere from a path of a type, by the base definitions.
    pub fn leads(&self, type_name: &str, path: &str, discriminator: &str) -> bool {
        let (Some(schema), Some(then)) = (self.of_type(type_name), steps(discriminator)) else { return true };
        let Some(root) = schema.element(0) else { return true };
        let mut all: Vec<Step> = Vec::new();
        for part in path.split('.').skip(1) {
            all.push(Step::Child(part.strip_suffix("[x]").unwrap_or(part).into()));
        }
        let mut known = false;
        self.locate(schema, root, &all, 0, &mut |_, _| known = true);
        if !known || then.iter().any(|step| matches!(step, Step::Resolve | Step::Extension(_))) {
            // The sliced element may be named by its type, or the target not be known: nothing can be said.
            return true;
        }
        all.extend(then);
        let mut found = false;
        self.locate(schema, root, &all, 0, &mut |_, _| found = true);
        found
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
        for one in &element.types {
            for (profile, part) in one.profiles.iter().zip(&one.parts) {
                if let Some(defined) = self.profile(profile)
                    && let Some(described) = defined.elements.iter().find(|element| element.id == *part)
                {
                    search(&defined, described, on);
                }
            }
        }
        if !element.children.is_empty() {
            return search(schema, element, on);
        }
        if let Some(shared) = element.content.and_then(|index| schema.element(index)) {
            return search(schema, shared, on);
        }
        for one in &element.types {
            if one.profiles.is_empty()
                && let Some(defined) = self.of_type(&one.code)
                && let Some(root) = defined.element(0)
            {
                search(defined, root, on);
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
