//! What a decision rests on, as owned values that `govern::Facts` borrows.

use super::refusal::Refusal;
use super::version::Version;
use crate::fhir::origin;
use crate::govern::{Facts, StoredConsent};
use crate::store::{PatientFacts, Stored};
use serde_json::Value;
use std::borrow::Cow;

/// The patient and the Consents about them, as they will be once the work at hand is committed.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    patients: Vec<(Cow<'a, str>, Cow<'a, Value>)>,
    consents: Vec<(Cow<'a, str>, u64, Cow<'a, Value>)>,
}

impl<'a> Known<'a> {
    /// What the store holds. A Consent that cannot be read must not be taken for one that is not there.
    pub fn of(facts: &PatientFacts) -> Result<Known<'a>, Refusal> {
        let parse = |stored: &Stored| {
            serde_json::from_str::<Value>(&stored.body).map(Cow::Owned).map_err(|_| {
                let cause = format!("stored `{}/{}` is not JSON", stored.resource_type, stored.id);
                Refusal::Internal { cause }
            })
        };
        let mut known = Known::default();
        for patient in facts.patients.iter().filter(|stored| !stored.deleted) {
            known.patients.push((patient.id.clone().into(), parse(patient)?));
        }
        for consent in facts.consents.iter().filter(|stored| !stored.deleted) {
            known.consents.push((consent.id.clone().into(), consent.version, parse(consent)?));
        }
        Ok(known)
    }

    /// Adds what is about to be stored, in the place of earlier versions.
    pub fn with(mut self, versions: &'a [Version]) -> Known<'a> {
        for version in versions {
            match version.resource_type.as_str() {
                "Patient" => {
                    self.patients.retain(|(id, _)| *id != version.id);
                    self.patients.push((version.id.as_str().into(), Cow::Borrowed(&version.resource)));
                }
                "Consent" => {
                    self.consents.retain(|(id, _, _)| *id != version.id);
                    self.consents.push((
                        version.id.as_str().into(),
                        version.version,
                        Cow::Borrowed(&version.resource),
                    ));
                }
                _ => {}
            }
        }
        self
    }

    /// The Consents, borrowed.
    pub fn consents(&self) -> Vec<StoredConsent<'_>> {
        self.consents
            .iter()
            .map(|(id, version, resource)| StoredConsent { id, version: *version, resource })
            .collect()
    }

    /// The patient: of several records of one person, the one with the closest confidentiality, so that a label that
    /// any source has set holds for all.
    pub fn patient(&self) -> Option<&Value> {
        self.patients.iter().map(|(_, patient)| &**patient).max_by_key(|patient| closeness(patient))
    }
}

/// How closely a record is held, by its confidentiality code; an unknown code counts as the closest.
fn closeness(resource: &Value) -> u8 {
    let codings = resource.pointer("/meta/security").and_then(Value::as_array);
    let of = |coding: &Value| {
        if coding.get("system").and_then(Value::as_str) != Some(crate::fhir::systems::CONFIDENTIALITY) {
            return 0;
        }
        match coding.get("code").and_then(Value::as_str) {
            Some("U") => 1,
            Some("L") => 2,
            Some("M") => 3,
            Some("N") => 4,
            Some("R") => 5,
            _ => 6,
        }
    };
    codings.into_iter().flatten().map(of).max().unwrap_or(0)
}

/// The facts about one resource version.
pub(super) fn facts<'a>(
    resource: &'a Value,
    resource_type: &'a str,
    id: &'a str,
    version: u64,
    patient: Option<&'a Value>,
    consents: &'a [StoredConsent<'a>],
) -> Facts<'a> {
    let source_organisation = origin::organisation(resource).unwrap_or("");
    Facts { resource, resource_type, id, version, source_organisation, patient, consents }
}
