//! All compiled definitions, each compiled at first use and shared.

use super::compile::{capitalised, compile};
use super::invariant::{Invariant, Test, is_walked, native};
use super::{Kind, Schema};
use crate::definitions::terminology::CodeSystem;
use crate::definitions::{Definitions, Table, structure};
use crate::fhirpath::Expression;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

/// A definition compiled at first use.
type Slot<T> = OnceLock<Option<Arc<T>>>;

/// The compiled definitions.
///
/// Each has its place from the start, so that a walk borrows it without a lock and without counting.
pub(in super::super) struct Registry {
    definitions: Arc<Definitions>,
    types: Table<&'static str, Slot<Schema>>,
    profiles: Table<Cow<'static, str>, Slot<Schema>>,
    systems: OnceLock<Table<Cow<'static, str>, Slot<CodeSystem>>>,
    /// By canonical and version: one compiled form however it is asked for.
    compiled: RwLock<Table<String, Arc<Schema>>>,
    invariants: Mutex<HashMap<(String, String), Arc<Invariant>>>,
    expressions: Mutex<HashMap<String, Result<Arc<Expression>, String>>>,
    globals: OnceLock<Vec<(String, String)>>,
}

impl Registry {
    pub fn new(definitions: Arc<Definitions>) -> Registry {
        let types = definitions.packed().iter().filter(|listing| {
            listing.resource_type == "StructureDefinition" && listing.derivation != "constraint"
        });
        Registry {
            types: types.map(|listing| (listing.type_name, OnceLock::new())).collect(),
            profiles: places(&definitions, "StructureDefinition"),
            systems: OnceLock::new(),
            compiled: RwLock::default(),
            invariants: Mutex::default(),
            expressions: Mutex::default(),
            globals: OnceLock::new(),
            definitions,
        }
    }

    /// The definition of a type by its name.
    pub fn of_type(&self, name: &str) -> Option<&Arc<Schema>> {
        let make = || self.definitions.type_structure(name).map(|structure| self.shared(&structure));
        self.types.get(name)?.get_or_init(make).as_ref()
    }

    /// The definition with this canonical, perhaps with `|version`.
    pub fn profile(&self, canonical: &str) -> Option<Arc<Schema>> {
        if let Some(known) = self.known(canonical) {
            return Some(Arc::clone(known));
        }
        let structure = self.definitions.structure(canonical)?;
        Some(self.shared(&structure))
    }

    /// [`Registry::profile`] where it can be answered without a lock: of a canonical without version, or with that of
    /// the newest definition.
    pub fn known(&self, canonical: &str) -> Option<&Arc<Schema>> {
        let (url, version) = match memchr::memchr2(b'|', b'#', canonical.as_bytes()) {
            None => (canonical, None),
            Some(at) => (canonical.get(..at)?, Some(canonical.get(at..)?.strip_prefix('|')?)),
        };
        let make = || Some(self.shared(&*self.definitions.structure(url)?));
        let schema = self.profiles.get(url)?.get_or_init(make).as_ref()?;
        (version.is_none() || version == schema.version.as_deref()).then_some(schema)
    }

    /// The CodeSystem of a canonical, when its definition is loaded.
    pub fn code_system(&self, canonical: &str) -> Option<&Arc<CodeSystem>> {
        let all = self.systems.get_or_init(|| places(&self.definitions, "CodeSystem"));
        all.get(canonical)?.get_or_init(|| self.definitions.code_system(canonical)).as_ref()
    }

    /// One compiled form for each definition and version.
    fn shared(&self, structure: &structure::Structure) -> Arc<Schema> {
        let key = format!("{}|{}", structure.url, structure.version.as_deref().unwrap_or(""));
        if let Some(known) = self.compiled.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(known);
        }
        let schema = Arc::new(compile(structure, self));
        let mut compiled = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(compiled.entry(key).or_insert(schema))
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
    pub fn global(&self, type_name: &str) -> impl Iterator<Item = Arc<Schema>> {
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
        let of_type = all.iter().filter(move |(name, _)| name == type_name);
        of_type.filter_map(|(_, profile)| self.profile(profile))
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
        name == ancestor || self.definitions.is_a(name, ancestor)
    }

    /// Whether a profile is derived from a definition, through definitions that are all known.
    pub fn descends(&self, profile: &Schema, from: &Schema) -> bool {
        profile.lineage.get_or_init(|| self.lineage(profile)).contains(&from.url)
    }

    /// The canonicals of the definitions that one is derived from, the nearest first, as far as they are known.
    fn lineage(&self, profile: &Schema) -> Vec<String> {
        let mut lineage = Vec::new();
        let mut base = profile.base.clone();
        while let Some(url) = base.filter(|_| lineage.len() < 32) {
            lineage.push(url.split('|').next().unwrap_or(&url).to_owned());
            let next = self.profile(&url).filter(|schema| schema.complete || !schema.constraint);
            base = next.and_then(|schema| schema.base.clone());
        }
        lineage
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

/// A place for each definition of a kind, by canonical.
fn places<T>(definitions: &Definitions, resource_type: &str) -> Table<Cow<'static, str>, Slot<T>> {
    let packed = definitions.packed().iter().filter(|listing| listing.resource_type == resource_type);
    let packed = packed.map(|listing| Cow::Borrowed(listing.url));
    let given = definitions.given().filter(|artefact| artefact.resource_type == resource_type);
    let given = given.map(|artefact| Cow::Owned(artefact.url.clone()));
    packed.chain(given).map(|url| (url, OnceLock::new())).collect()
}

/// Expressions whose published R4 text is known to be wrong, as the specification's own errata have them.
fn repaired<'e>(key: &str, expression: &'e str) -> std::borrow::Cow<'e, str> {
    match (key, expression) {
        // An entry without a `fullUrl` is not meant to fail, but `contains()` of nothing is nothing.
        ("bdl-8", "fullUrl.contains('/_history/').not()") => {
            "fullUrl.empty() or fullUrl.contains('/_history/').not()".into()
        }
        // The text speaks of more than one condition, the expression of more than two.
        ("que-12", "enableWhen.count() > 2 implies enableBehavior.exists()") => {
            "enableWhen.count() > 1 implies enableBehavior.exists()".into()
        }
        // So is a prediction without a probability: `implies` of nothing by nothing is nothing.
        ("ras-2", "probability is decimal implies (probability as decimal) <= 100") => {
            "probability.empty() or (probability is decimal implies (probability as decimal) <= 100)".into()
        }
        _ => expression.into(),
    }
}
