//! The dry run: everything that a submission goes through, up to the commit that does not happen.

use super::accept::Incoming;
use super::version::{Version, stamp};
use super::{Exchange, Refusal, records};
use crate::convert::shape::{Shape, in_bundle};
use crate::convert::{Context, Converted, Mapping, Source, convert_each};
use crate::fhir::{Issue, Severity};
use crate::store::{PatientFacts, Work};
use crate::validate::Validated;
use jiff::Timestamp;

/// What became of one record of a payload.
#[derive(Debug)]
pub struct Tried {
    /// What it was converted to; absent when it could not be read.
    pub converted: Option<Converted>,
    /// What was found on the way.
    pub issues: Vec<Issue>,
    /// Whether a submission would be taken in.
    pub accepted: bool,
}

impl Exchange {
    /// Puts the Flags of what was tried into a shape; what the shape cannot say stays as it is and is told.
    pub fn shape_tried(&self, tried: &mut [Tried], shape: Shape) {
        for one in tried {
            let Some(converted) = &mut one.converted else { continue };
            for (reference, outcome) in in_bundle(shape, &mut converted.bundle, &self.validator) {
                if let Err(error) = outcome {
                    one.issues.push(Issue::warning("not-supported", "shape", reference, error.to_string()));
                }
            }
        }
    }

    /// Converts each record of a payload, validates the result and, for a `registered` source, decides whether the
    /// gateway may hold it. Nothing is stored or recorded.
    ///
    /// Errors: more than `most` records, or the store could not tell what it knows about a patient.
    pub async fn try_out(
        &self,
        source: &Source,
        registered: bool,
        mapping: &Mapping,
        payload: &[u8],
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<Tried>, Refusal> {
        let mut context = Context::new(now, "dry-run");
        context.limits.bytes = context.limits.bytes.max(payload.len());
        let mut found = Vec::new();
        let mut records = 0;
        let read = convert_each(payload, source, mapping, &context, &mut |one| {
            records += 1;
            if records <= most {
                found.push(one);
            }
        });
        if records > most {
            let text = format!("the payload holds {records} records; a dry run takes {most} at most");
            return Err(Refusal::Malformed { text });
        }
        let unreadable = |error| {
            let issues = vec![records::unreadable(&error)];
            Tried { converted: None, issues, accepted: false }
        };
        if let Err(error) = read {
            return Ok(vec![unreadable(error)]);
        }
        let mut tried = Vec::with_capacity(found.len());
        for one in found {
            tried.push(match one {
                Ok(converted) => self.judge(converted, source, registered, now).await?,
                Err(error) => unreadable(error),
            });
        }
        Ok(tried)
    }

    async fn judge(
        &self,
        mut converted: Converted,
        source: &Source,
        registered: bool,
        now: Timestamp,
    ) -> Result<Tried, Refusal> {
        let mut issues = std::mem::take(&mut converted.issues);
        if !issues.iter().any(|issue| issue.severity.refuses()) {
            match self.validate_all(converted.bundle.clone(), &converted.ledger) {
                Ok(validated) if registered => {
                    let stamp = stamp(source);
                    let version = |one: Validated| {
                        let one = Incoming::of(one, &converted.patient_key);
                        Version::next(one.resource, &one.id, None, one.patient_key, &stamp, now)
                    };
                    let versions: Vec<Version> = validated.into_iter().map(version).collect();
                    let stored = match &converted.patient_key {
                        Some(key) => self.store.facts_for(key).await?,
                        None => PatientFacts::default(),
                    };
                    let mut work = Work::at(now);
                    if let Err(refused) = self.decide_all(&mut work, &versions, &stored, now).await? {
                        issues.extend(refused);
                    }
                }
                Ok(_) => issues.push(Issue::new(
                    Severity::Information,
                    "incomplete",
                    "not-decided",
                    "",
                    "no source was named, so whether the gateway may hold this was not decided",
                )),
                Err(found) => issues.extend(found),
            }
        }
        let accepted = !issues.iter().any(|issue| issue.severity.refuses());
        Ok(Tried { converted: Some(converted), issues, accepted })
    }
}
