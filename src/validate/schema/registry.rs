//! All compiled definitions, each compiled at first use and shared.

use super::compile::{capitalised, compile};
use super::invariant::{Invariant, Test, is_walked, native};
use super::{Kind, Schema};
use crate::definitions::{Definitions, structure};
use crate::fhirpath::Expression;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

/// The compiled definitions.
pub(in super::super) struct Registry {
    definitions: Arc<Definitions>,
    types: RwLock<HashMap<String, Option<Arc<Schema>>>>,
    profiles: RwLock<HashMap<String, Option<Arc<Schema>>>>,
    invariants: Mutex<HashMap<(String, String), Arc<Invariant>>>,
    expressions: Mutex<HashMap<String, Result<Arc<Expression>, String>>>,
    globals: OnceLock<Vec<(String, String)>>,
}

impl Registry {
    pub fn new(definitions: Arc<Definitions>) -> Registry {
        Registry {
            definitions,
            types: RwLock::default(),
            profiles: RwLock::default(),
            invariants: Mutex::default(),
            expressions: Mutex::default(),
            globals: OnceLock::new(),
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
            let test = match Expression::parse(&repaired(&constraint.key, expression)) {
                Err(error) => Test::Unusable(error.to_string()),
                Ok(parsed) => match native(&constraint.key, expression) {
                    Some(native) => Test::Native(native, Box::new(parsed)),
                    None => Test::Expression(Box::new(parsed)),
                },
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

    /// The profiles that loaded implementation guides ask of every resource of a type (`ImplementationGuide.global`).
    pub fn global(&self, type_name: &str) -> Vec<Arc<Schema>> {
        let all = self.globals.get_or_init(|| {
            let guides = self.definitions.given().filter(|one| one.resource_type == "ImplementationGuide");
            let globals = guides.flat_map(|guide| {
                guide.body.get("global").and_then(|list| list.as_array()).cloned().unwrap_or_default()
            });
            let text = |one: &serde_json::Value, name: &str| {
                one.get(name).and_then(|text| text.as_str()).map(str::to_owned)
            };
            globals.filter_map(|one| Some((text(&one, "type")?, text(&one, "profile")?))).collect()
        });
        let of_type = all.iter().filter(|(name, _)| name == type_name);
        of_type.filter_map(|(_, profile)| self.profile(profile)).collect()
    }

    /// An expression of a definition, parsed once.
    pub fn expression(&self, text: &str) -> Result<Arc<Expression>, String> {
        let mut expressions = self.expressions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = expressions.get(text) {
            return known.clone();
        }
        let parsed = Expression::parse(text).map(Arc::new).map_err(|error| error.to_string());
        expressions.insert(text.to_owned(), parsed.clone());
        parsed
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

    /// The names of all types as choices write them are compared with this.
    pub fn written(code: &str) -> String {
        capitalised(code)
    }
}

/// Expressions whose published R4 text is known to be wrong, as the specification's own errata have them.
fn repaired<'e>(key: &str, expression: &'e str) -> std::borrow::Cow<'e, str> {
    match (key, expression) {
        // An entry without a `fullUrl` is not meant to fail, but `contains()` of nothing is nothing.
        ("bdl-8", "fullUrl.contains('/_history/').not()") => {
            "fullUrl.empty() or fullUrl.contains('/_history/').not()".into()
        }
        _ => expression.into(),
    }
}
