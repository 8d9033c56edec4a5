//! What a decision about one intent rests on, read from the store at the time of the attempt.
//!
//! One event is often for many subscribers: versions never change and are kept for a while; patients and Consents are
//! kept only while the store's revision says that none of them has changed.

use crate::fhir::{origin, systems};
use crate::govern::labelling::keep_raised;
use crate::govern::{Facts, StoredConsent};
use crate::store::{Intent, SharedStore, StoreError, Stored};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most entries kept of each kind.
const KEPT: usize = 512;

/// A stored version, read.
#[derive(Debug)]
pub(super) struct Version {
    pub resource_type: String,
    pub id: String,
    pub version: u64,
    pub resource: Value,
}

/// A patient's resources, read at one revision of the store.
#[derive(Debug, Default)]
struct Patient {
    patients: Vec<Version>,
    consents: Vec<Version>,
}

/// Everything known about one intent.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The version to decide about and to send; for a deletion, the version before it.
    pub version: Arc<Version>,
    /// When the event's own version was stored.
    pub at: Timestamp,
    patient: Arc<Patient>,
    /// The revision of the store at which the patient's resources were read.
    pub revision: u64,
}

impl Known {
    /// Hands the facts to `decide` in the form that `govern` takes. `version` is the event's own version.
    pub fn with<R>(&self, version: u64, decide: impl FnOnce(&Facts<'_>) -> R) -> R {
        let consents: Vec<StoredConsent<'_>> = self
            .patient
            .consents
            .iter()
            .map(|c| StoredConsent { id: &c.id, version: c.version, resource: &c.resource })
            .collect();
        decide(&Facts {
            resource: &self.version.resource,
            resource_type: &self.version.resource_type,
            id: &self.version.id,
            version,
            source_organisation: origin::organisation(&self.version.resource).unwrap_or_default(),
            patient: self.patient().map(|p| &p.resource),
            consents: &consents,
        })
    }

    /// The Patient resource that the version refers to; but if another source has marked the same person as
    /// restricted, that one, so that the strictest label counts.
    fn patient(&self) -> Option<&Version> {
        let restricted = |p: &&Version| {
            let labels = p.resource.pointer("/meta/security").and_then(Value::as_array);
            labels.into_iter().flatten().any(|label| {
                label.get("system").and_then(Value::as_str) == Some(systems::CONFIDENTIALITY)
                    && matches!(label.get("code").and_then(Value::as_str), Some("R" | "V"))
            })
        };
        let resource = &self.version.resource;
        let reference = ["/subject/reference", "/patient/reference"]
            .into_iter()
            .find_map(|at| resource.pointer(at)?.as_str())
            .and_then(|reference| reference.rsplit('/').next());
        let patients = &self.patient.patients;
        patients
            .iter()
            .find(restricted)
            .or_else(|| patients.iter().find(|p| Some(p.id.as_str()) == reference))
            .or_else(|| patients.first())
    }
}

/// Why the facts about an intent could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FactsError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The version is not in the store, or is no resource.
    #[error("version {version} of `{resource_type}/{id}` cannot be read")]
    Unreadable { resource_type: String, id: String, version: u64 },
}

/// Reads facts, and keeps some.
#[derive(Default)]
pub(super) struct FactsReader {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    versions: HashMap<(String, String, u64), (Arc<Version>, Timestamp)>,
    patients: HashMap<String, (u64, Arc<Patient>)>,
}

impl FactsReader {
    /// The facts about an intent, as of now.
    pub async fn read(&self, store: &SharedStore, intent: &Intent) -> Result<Known, FactsError> {
        let revision = store.revision();
        let (version, at) = self.version(store, intent).await?;
        let version = labelled_as_now(store, version, intent.version).await?;
        let patient = match &intent.patient_key {
            None => Arc::default(),
            Some(key) => self.patient(store, key, revision).await?,
        };
        Ok(Known { version, at, patient, revision })
    }

    async fn version(
        &self,
        store: &SharedStore,
        intent: &Intent,
    ) -> Result<(Arc<Version>, Timestamp), FactsError> {
        let key = (intent.resource_type.clone(), intent.resource_id.clone(), intent.version);
        if let Some(found) = self.kept(|kept| kept.versions.get(&key).cloned()) {
            return Ok(found);
        }
        let unreadable =
            || FactsError::Unreadable { resource_type: key.0.clone(), id: key.1.clone(), version: key.2 };
        let stored = store.read_version(&key.0, &key.1, key.2).await?.ok_or_else(unreadable)?;
        let at = stored.last_updated;
        let stored = if stored.deleted {
            store.read_version(&key.0, &key.1, key.2.saturating_sub(1)).await?.ok_or_else(unreadable)?
        } else {
            stored
        };
        let found = (Arc::new(read(stored).ok_or_else(unreadable)?), at);
        self.kept(|kept| {
            if kept.versions.len() >= KEPT {
                kept.versions.clear();
            }
            kept.versions.insert(key, found.clone());
        });
        Ok(found)
    }

    async fn patient(
        &self,
        store: &SharedStore,
        key: &str,
        revision: u64,
    ) -> Result<Arc<Patient>, FactsError> {
        let known = self
            .kept(|kept| kept.patients.get(key).filter(|(at, _)| *at == revision).map(|(_, p)| p.clone()));
        if let Some(patient) = known {
            return Ok(patient);
        }
        let facts = store.facts_for(key).await?;
        // A Consent that cannot be read must not be taken for one that is not there.
        let all = |list: Vec<Stored>| -> Result<Vec<Version>, FactsError> {
            list.into_iter()
                .filter(|stored| !stored.deleted)
                .map(|stored| {
                    let (resource_type, id, version) =
                        (stored.resource_type.clone(), stored.id.clone(), stored.version);
                    read(stored).ok_or(FactsError::Unreadable { resource_type, id, version })
                })
                .collect()
        };
        let patient = Arc::new(Patient { patients: all(facts.patients)?, consents: all(facts.consents)? });
        self.kept(|kept| {
            if kept.patients.len() >= KEPT {
                kept.patients.clear();
            }
            kept.patients.insert(key.to_owned(), (revision, patient.clone()));
        });
        Ok(patient)
    }

    fn kept<R>(&self, with: impl FnOnce(&mut Kept) -> R) -> R {
        with(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The version with the labels of the current one: a label that was raised while a notification waited holds for it.
async fn labelled_as_now(
    store: &SharedStore,
    version: Arc<Version>,
    number: u64,
) -> Result<Arc<Version>, FactsError> {
    if version.resource_type != "Flag" {
        return Ok(version);
    }
    let current = store.read(&version.resource_type, &version.id).await?;
    let Some(current) = current.filter(|stored| stored.version > number && !stored.deleted) else {
        return Ok(version);
    };
    let (resource_type, id, newest) = (current.resource_type.clone(), current.id.clone(), current.version);
    let unreadable = FactsError::Unreadable { resource_type, id, version: newest };
    let current = read(current).ok_or(unreadable)?;
    let mut resource = version.resource.clone();
    keep_raised(&mut resource, &current.resource);
    let Version { resource_type, id, version, .. } = &*version;
    Ok(Arc::new(Version {
        resource_type: resource_type.clone(),
        id: id.clone(),
        version: *version,
        resource,
    }))
}

fn read(stored: Stored) -> Option<Version> {
    let resource: Value = serde_json::from_str(&stored.body).ok()?;
    Some(Version { resource_type: stored.resource_type, id: stored.id, version: stored.version, resource })
}
