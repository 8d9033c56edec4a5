//! What FHIR and its profiles define: StructureDefinition, ValueSet, CodeSystem, packages, snapshot generation, the
//! built-in R4 pack.

pub mod library;
pub mod load;
pub mod model;
pub mod outside;
mod own;
mod pack;
pub mod read;
pub mod snapshot;
pub mod structure;
pub mod terminology;
mod to_json;
mod types;

pub use load::{LoadError, Loaded};
pub use model::{Member, TypeModel};
pub use pack::Listing;
pub use structure::{
    Binding, Constraint, Context, Derivation, Discriminator, Element, Slicing, Strength, Structure,
    StructureKind, TypeReference,
};
pub use terminology::Membership;
pub use types::FhirTypes;

pub use to_json::{node_json, resource_json};

use library::{Artefact, Library, split_canonical, version_answers};
use pack::Pack;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A table under a fast hash. What a payload says is looked up in such tables, and never kept in them.
pub(crate) type Table<K, V> = HashMap<K, V, ahash::RandomState>;

/// A set under a fast hash.
pub(crate) type Set<K> = HashSet<K, ahash::RandomState>;

type Cache<T> = RwLock<Table<String, T>>;

fn read_lock<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write_lock<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that is known: the R4 pack, the gateway's own definitions, and those given from outside.
#[derive(Default)]
pub struct Definitions {
    library: Library,
    structures: Cache<Option<Arc<Structure>>>,
    models: OnceLock<model::Models>,
    terms: terminology::Cached,
    snapshots: Cache<Result<snapshot::Generated, read::Unusable>>,
}

impl std::fmt::Debug for Definitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definitions").field("given", &self.library.iter().count()).finish_non_exhaustive()
    }
}

enum Found<'d> {
    Given(&'d Arc<Artefact>),
    Packed(&'static Listing<'static>),
}

impl Definitions {
    /// The R4 pack and the gateway's own definitions, shared.
    pub fn builtin() -> Arc<Definitions> {
        static BUILTIN: OnceLock<Arc<Definitions>> = OnceLock::new();
        let made = BUILTIN.get_or_init(|| {
            let mut definitions = Definitions::default();
            for artefact in own::artefacts() {
                definitions.library.add(artefact);
            }
            Arc::new(definitions)
        });
        Arc::clone(made)
    }

    /// What a canonical reference (perhaps with `|version`) leads to. A definition given from outside wins over the
    /// pack, except where it would redefine one of FHIR's own types.
    fn find(&self, resource_type: &str, reference: &str) -> Option<Found<'_>> {
        let (url, version) = split_canonical(reference);
        let packed = Pack::get().find(url).filter(|listing| {
            listing.resource_type == resource_type
                && version.is_none_or(|wanted| version_answers(Some(listing.version), wanted))
        });
        let is_type =
            packed.is_some_and(|l| resource_type == "StructureDefinition" && l.derivation != "constraint");
        let given = self.library.find(url, version).filter(|given| given.resource_type == resource_type);
        match (given, packed) {
            (Some(given), _) if !is_type => Some(Found::Given(given)),
            (_, Some(packed)) => Some(Found::Packed(packed)),
            _ => None,
        }
    }

    /// Whether there is a definition of this type and canonical.
    pub fn knows(&self, resource_type: &str, reference: &str) -> bool {
        self.find(resource_type, reference).is_some()
    }

    /// The resource that defines a canonical (perhaps with `|version`; the newest otherwise), such as
    /// `resource("ValueSet", "http://hl7.org/fhir/ValueSet/flag-status")`.
    pub fn resource(&self, resource_type: &str, reference: &str) -> Option<Arc<Artefact>> {
        match self.find(resource_type, reference)? {
            Found::Given(given) => Some(Arc::clone(given)),
            Found::Packed(listing) => Some(Arc::new(Artefact {
                resource_type: listing.resource_type.to_owned(),
                url: listing.url.to_owned(),
                version: (!listing.version.is_empty()).then(|| listing.version.to_owned()),
                body: Pack::get().body(listing)?,
                origin: if listing.is_core { "FHIR R4" } else { "HL7's extensions pack" }.to_owned(),
            })),
        }
    }

    /// The StructureDefinition of a canonical, with its snapshot. A name without a colon or slash, such as `Flag`,
    /// is taken as the name of a FHIR type.
    pub fn structure(&self, reference: &str) -> Option<Arc<Structure>> {
        if !reference.contains([':', '/']) {
            return self.type_structure(reference);
        }
        if let Some(known) = read_lock(&self.structures).get(reference) {
            return known.clone();
        }
        let made = self.make_structure(reference).map(Arc::new);
        // What is not known is not kept: a sender could name any number of profiles.
        if made.is_some() {
            write_lock(&self.structures).insert(reference.to_owned(), made.clone());
        }
        made
    }

    fn make_structure(&self, reference: &str) -> Option<Structure> {
        let artefact = self.resource("StructureDefinition", reference)?;
        let generated = artefact.body.pointer("/snapshot/element").is_none();
        let snapshot = self.snapshot(reference).ok()?;
        read::structure(&artefact.body, &snapshot.elements, generated).ok()
    }

    /// The definition of a FHIR type, such as `Flag` or `Quantity`.
    pub fn type_structure(&self, type_name: &str) -> Option<Arc<Structure>> {
        self.structure(Pack::get().find_type(type_name)?.url)
    }

    /// Every definition of the pack, in order of type and canonical.
    pub fn packed(&self) -> &'static [Listing<'static>] {
        Pack::get().listings()
    }

    /// Every definition from outside the pack, in the order given; the gateway's own come first.
    pub fn given(&self) -> impl Iterator<Item = &Arc<Artefact>> {
        self.library.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_structures_by_canonical_version_and_type() {
        let definitions = Definitions::builtin();
        let flag = definitions.structure("http://hl7.org/fhir/StructureDefinition/Flag|4.0.1").unwrap();
        assert!(Arc::ptr_eq(
            &definitions.structure("Flag").unwrap(),
            &definitions.type_structure("Flag").unwrap()
        ));
        assert!(definitions.structure("http://hl7.org/fhir/StructureDefinition/Flag|5.0.0").is_none());
        let status = flag.elements.iter().find(|element| element.path == "Flag.status").unwrap();
        assert_eq!((status.min, status.max, status.repeats), (1, Some(1), false));
        let binding = status.binding.as_ref().unwrap();
        assert_eq!(binding.strength, Strength::Required);
        assert_eq!(flag.elements[1].types[0].code, "id");
        for listing in definitions.packed() {
            if listing.resource_type == "StructureDefinition" && !listing.url.contains("/example-") {
                assert!(definitions.structure(listing.url).is_some(), "{}", listing.url);
            }
        }
    }

    #[test]
    fn the_model_knows_choices_backbones_and_ancestors() {
        let definitions = Definitions::builtin();
        let observation = definitions.model("Observation").unwrap();
        let value = observation.member(0, "valueQuantity").unwrap();
        assert_eq!((&*value.element, &*value.type_name, value.repeats), ("value", "Quantity", false));
        let component = observation.member(0, "component").unwrap();
        let range = observation.member(component.inside.unwrap(), "referenceRange").unwrap();
        assert!(observation.member(range.inside.unwrap(), "low").is_some());
        assert!(definitions.is_a("Flag", "Resource") && definitions.is_a("Age", "Quantity"));
        assert!(!definitions.is_a("Flag", "Element"));
        assert!(definitions.is_resource_type("Flag") && !definitions.is_resource_type("DomainResource"));
        assert!(definitions.model("Extension").unwrap().member(0, "url").unwrap().is_attribute);
    }
}
