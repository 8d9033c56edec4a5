//! The mappings the gateway knows: those it ships with, and an operator's own.

use super::compile::compile;
use super::mistake::MappingError;
use super::model::{Condition, Format, Mapping};
use super::table::Concerns;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

const BUILT_IN: [(&str, &str); 16] = [
    ("hl7v2-adt", include_str!("../../profiles/mappings/hl7v2-adt.yaml")),
    ("json-alert", include_str!("../../profiles/mappings/json-alert.yaml")),
    ("fhir-r4", include_str!("../../profiles/mappings/fhir-r4.yaml")),
    ("json-events", include_str!("../../profiles/mappings/json-events.yaml")),
    ("epic-fyi", include_str!("../../profiles/mappings/epic-fyi.yaml")),
    ("openehr-flat", include_str!("../../profiles/mappings/openehr-flat.yaml")),
    ("dfe-csc", include_str!("../../profiles/mappings/dfe-csc.yaml")),
    ("cin-census", include_str!("../../profiles/mappings/cin-census.yaml")),
    ("cda", include_str!("../../profiles/mappings/cda.yaml")),
    ("ssd-cp-plans", include_str!("../../profiles/mappings/ssd-cp-plans.yaml")),
    ("ssd-s47-enquiry", include_str!("../../profiles/mappings/ssd-s47-enquiry.yaml")),
    ("ssd-legal-status", include_str!("../../profiles/mappings/ssd-legal-status.yaml")),
    ("ssd-missing", include_str!("../../profiles/mappings/ssd-missing.yaml")),
    ("emis-problems", include_str!("../../profiles/mappings/emis-problems.yaml")),
    ("systmone-safeguarding", include_str!("../../profiles/mappings/systmone-safeguarding.yaml")),
    ("mhsds-restrictive", include_str!("../../profiles/mappings/mhsds-restrictive.yaml")),
];

const CONCEPT_MAPS: [&str; 20] = [
    include_str!("../../profiles/conceptmaps/snomed-safeguarding.json"),
    include_str!("../../profiles/conceptmaps/bars-flag-category.json"),
    include_str!("../../profiles/conceptmaps/cda-section.json"),
    include_str!("../../profiles/conceptmaps/cin-assessment-factor.json"),
    include_str!("../../profiles/conceptmaps/cin-category-of-abuse.json"),
    include_str!("../../profiles/conceptmaps/cin-event.json"),
    include_str!("../../profiles/conceptmaps/ctv3-safeguarding.json"),
    include_str!("../../profiles/conceptmaps/england-flag-category-patient.json"),
    include_str!("../../profiles/conceptmaps/epic-fyi-type.json"),
    include_str!("../../profiles/conceptmaps/event-kind.json"),
    include_str!("../../profiles/conceptmaps/hl7v2-alert.json"),
    include_str!("../../profiles/conceptmaps/hl7v2-document.json"),
    include_str!("../../profiles/conceptmaps/hl7v2-event.json"),
    include_str!("../../profiles/conceptmaps/interweave-flag-category.json"),
    include_str!("../../profiles/conceptmaps/interweave-flag-type.json"),
    include_str!("../../profiles/conceptmaps/mhsds-restrictive-intervention-type.json"),
    include_str!("../../profiles/conceptmaps/read-v2-safeguarding.json"),
    include_str!("../../profiles/conceptmaps/ssda903-legal-status.json"),
    include_str!("../../profiles/conceptmaps/systmone-case-type.json"),
    include_str!("../../profiles/conceptmaps/v2-0433.json"),
];

/// Why mappings could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("`{}` cannot be read: {error}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file is wrong.
    #[error("`{}`: {}", path.display(), errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Every mistake in it.
        errors: Vec<MappingError>,
    },
}

/// Mappings by id.
#[derive(Clone, Debug, Default)]
pub struct Mappings {
    by_id: HashMap<String, Arc<Mapping>>,
}

/// The tables of concerns that the gateway ships with: the ConceptMaps, and the concern categories themselves.
pub fn built_in_concerns() -> &'static [Arc<Concerns>] {
    static TABLES: OnceLock<Vec<Arc<Concerns>>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables: Vec<Arc<Concerns>> = CONCEPT_MAPS
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok())
            .filter_map(|map| Concerns::from_concept_map(&map).ok())
            .map(Arc::new)
            .collect();
        tables.push(Arc::new(Concerns::categories()));
        tables
    })
}

/// The ConceptMaps that the gateway ships with.
pub fn concept_maps() -> &'static [serde_json::Value] {
    static MAPS: OnceLock<Vec<serde_json::Value>> = OnceLock::new();
    MAPS.get_or_init(|| CONCEPT_MAPS.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

impl Mappings {
    /// The mappings the gateway ships with.
    pub fn builtin() -> &'static Mappings {
        static MAPPINGS: OnceLock<Mappings> = OnceLock::new();
        MAPPINGS.get_or_init(|| {
            let mut mappings = Mappings::default();
            for (_, text) in BUILT_IN {
                // A test compiles each of them, so none is left out here.
                if let Ok(mapping) = compile(text, built_in_concerns()) {
                    mappings.by_id.insert(mapping.id.clone(), Arc::new(mapping));
                }
            }
            mappings
        })
    }

    /// The texts of the mappings the gateway ships with, by id.
    pub fn builtin_texts() -> impl Iterator<Item = (&'static str, &'static str)> {
        BUILT_IN.into_iter()
    }

    /// The built-in mappings with those of a folder (`*.yaml`) beside; one with the same id takes the other's place.
    pub fn load(folder: &Path) -> Result<Mappings, LoadError> {
        let mut mappings = Mappings::builtin().clone();
        let unreadable = |error| LoadError::Unreadable { path: folder.to_owned(), error };
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            paths.push(entry.map_err(unreadable)?.path());
        }
        paths.sort();
        for path in paths.into_iter().filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "yml")) {
            mappings.add(load_file(&path)?);
        }
        Ok(mappings)
    }

    /// Adds a mapping, in place of one with the same id.
    pub fn add(&mut self, mapping: Mapping) {
        self.by_id.insert(mapping.id.clone(), Arc::new(mapping));
    }

    /// The mapping of this id.
    pub fn get(&self, id: &str) -> Option<&Arc<Mapping>> {
        self.by_id.get(id)
    }

    /// Every mapping, ordered by id.
    pub fn all(&self) -> Vec<&Arc<Mapping>> {
        let mut all: Vec<_> = self.by_id.values().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// The CSV mapping whose required columns the header has.
    fn by_header(&self, head: &[u8]) -> Option<&Arc<Mapping>> {
        let header = head.split(|b| *b == b'\n').next().unwrap_or_default();
        let rows = super::csv::Rows::open(header, &super::Limits::default()).ok()?;
        let columns = rows.columns();
        self.all().into_iter().find(|m| {
            m.format == Format::Csv
                && !m.accepts.is_empty()
                && m.accepts.iter().all(|c| match c {
                    Condition::Exists(path) => columns.contains(&path.text),
                    _ => false,
                })
        })
    }

    /// The built-in general mapping for a payload, recognised by its content.
    pub fn recognise(&self, payload: &[u8]) -> Option<&Arc<Mapping>> {
        let start = payload.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(payload).trim_ascii_start();
        let head = start.get(..start.len().min(4096)).unwrap_or_default();
        let says = |word: &str| memchr::memmem::find(start, word.as_bytes()).is_some();
        let id = if [&b"MSH"[..], b"FHS", b"BHS"].iter().any(|n| start.starts_with(n)) {
            "hl7v2-adt"
        } else if start.starts_with(b"<") {
            if memchr::memmem::find(head, b"ClinicalDocument").is_some() {
                "cda"
            } else if says("<CINdetails") {
                "cin-census"
            } else {
                return None;
            }
        } else if start.starts_with(b"[") {
            if !says("\"la_child_id\"") {
                return None;
            }
            "dfe-csc"
        } else if start.starts_with(b"{") {
            // A FHIR resource says what it is; so do the gateway's own contracts.
            if says("\"resourceType\"") {
                "fhir-r4"
            } else if says("\"sgw-event/") {
                "json-events"
            } else if says("\"PAT_FLAG_TYPE_C_NAME\"") {
                "epic-fyi"
            } else if says("\"la_child_id\"") {
                "dfe-csc"
            } else if says("\"ctx/") {
                "openehr-flat"
            } else {
                "json-alert"
            }
        } else {
            return self.by_header(head);
        };
        self.get(id)
    }
}

/// Compiles one mapping file.
pub fn load_file(path: &Path) -> Result<Mapping, LoadError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| LoadError::Unreadable { path: path.to_owned(), error })?;
    compile(&text, built_in_concerns()).map_err(|errors| LoadError::Wrong { path: path.to_owned(), errors })
}
