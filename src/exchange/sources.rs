//! The registered sources and how each one's payloads are read.

use crate::convert::{Mapping, Mappings, Source};
use std::collections::HashMap;
use std::sync::Arc;

/// A source with the mapping that reads its payloads.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The source.
    pub source: Source,
    /// Its mapping.
    pub mapping: Arc<Mapping>,
}

/// All registered sources.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    by_id: HashMap<String, Arc<Registered>>,
    mappings: Option<Arc<Mappings>>,
}

impl Sources {
    /// Registers these sources.
    pub fn new(sources: impl IntoIterator<Item = Registered>) -> Sources {
        let by_id = sources.into_iter().map(|one| (one.source.id.clone(), Arc::new(one))).collect();
        Sources { by_id, mappings: None }
    }

    /// The same with all mappings that are in force, also those that no source uses.
    pub fn with_mappings(mut self, mappings: Mappings) -> Sources {
        self.mappings = Some(Arc::new(mappings));
        self
    }

    /// All mappings in force; the built-in ones when no others were given.
    pub fn mappings(&self) -> &Mappings {
        self.mappings.as_deref().unwrap_or(Mappings::builtin())
    }

    /// The source with this id.
    pub fn get(&self, id: &str) -> Option<&Arc<Registered>> {
        self.by_id.get(id)
    }

    /// The ids of the mappings that differ from those in `before`, or are not there; a mapping that is read anew from
    /// the same text is the same.
    pub fn changed_since(&self, before: &Sources) -> Vec<String> {
        let known = |one: &Mapping| {
            let text = format!("{one:?}");
            before.by_id.values().any(|old| old.mapping.id == one.id && format!("{:?}", old.mapping) == text)
        };
        let mut changed: Vec<String> = self
            .by_id
            .values()
            .filter(|one| !known(&one.mapping))
            .map(|one| format!("{} {}", one.mapping.id, one.mapping.version))
            .collect();
        changed.sort();
        changed.dedup();
        changed
    }

    /// The only source of an organisation that sends FHIR, for credentials that are not bound to one source.
    pub fn only_of(&self, organisation: &str) -> Option<&Arc<Registered>> {
        let mut found = self.by_id.values().filter(|one| one.source.organisation == organisation);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}
