//! The registered sources and how each one's payloads are read.

use crate::convert::{Mapping, Source};
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
}

impl Sources {
    /// Registers these sources.
    pub fn new(sources: impl IntoIterator<Item = Registered>) -> Sources {
        let by_id = sources.into_iter().map(|one| (one.source.id.clone(), Arc::new(one))).collect();
        Sources { by_id }
    }

    /// The source with this id.
    pub fn get(&self, id: &str) -> Option<&Arc<Registered>> {
        self.by_id.get(id)
    }

    /// The only source of an organisation that sends FHIR, for credentials that are not bound to one source.
    pub fn only_of(&self, organisation: &str) -> Option<&Arc<Registered>> {
        let mut found = self.by_id.values().filter(|one| one.source.organisation == organisation);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}
