//! What a message means for facts that are held already: alerts that follow a merged identity, and an unborn child's
//! alert that ends at birth. Only what came from the same source is touched: no source changes what another one said.

use super::Exchange;
use super::accept::Arrival;
use super::refusal::Refusal;
use super::version::{Version, stamp};
use super::writes::stamp_of;
use crate::convert::Consequence;
use crate::fhir::{Issue, systems};
use crate::store::{Arrived, PatientFacts, Stored};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The most facts of one kind that follow one message.
const MOST: usize = 100;

/// Versions that follow from a message beside its own, with the facts about the patient that decide about them.
pub(super) struct Following {
    pub versions: Vec<Version>,
    pub facts: PatientFacts,
}

/// A patient who is used no more stays as they were known, labels and all, but inactive.
pub(super) fn keep_as_known(resource: &mut Value, before: Option<&Value>) {
    let is = |name: &str, value: Value| resource.get(name) == Some(&value);
    let retired = is("resourceType", "Patient".into()) && is("active", false.into());
    if let Some(before) = before.filter(|_| retired) {
        *resource = before.clone();
        if let Some(members) = resource.as_object_mut() {
            members.insert("active".into(), false.into());
        }
    }
}

impl Exchange {
    /// The versions that follow from what a message says about facts that are held already. The inner error: why a
    /// person must look at it first.
    pub(super) async fn following(
        &self,
        arrival: &Arrival<'_>,
        arrived: &Arrived,
        remarks: &mut Vec<Issue>,
        now: Timestamp,
    ) -> Result<Result<Vec<Following>, Issue>, Refusal> {
        let mut all = Vec::new();
        let source = &stamp(&arrival.registered.source);
        for consequence in arrival.consequences {
            match consequence {
                Consequence::Moved { from, to, patient } => {
                    match self.moved(from, to, patient, source, now).await? {
                        Ok(versions) => all.push(Following { versions, facts: arrived.facts.clone() }),
                        Err(issue) => return Ok(Err(issue)),
                    }
                }
                Consequence::Born { flag, mother, on } => {
                    let stored = self.store.read("Flag", flag).await?;
                    let known = stored.filter(|s| {
                        let hers = mother.is_none() || s.patient_key == *mother;
                        !s.deleted && hers && stamp_of(s).as_deref() == Some(source)
                    });
                    match known.and_then(|s| ended(&s, on).map(|r| (r, s))) {
                        Some((resource, stored)) => {
                            let key = stored.patient_key.clone();
                            let facts = match &key {
                                Some(key) => self.store.facts_for(key).await?,
                                None => PatientFacts::default(),
                            };
                            let next = Version::next(resource, &stored.id, Some(&stored), key, source, now);
                            all.push(Following { versions: vec![next], facts });
                        }
                        None => {
                            let text = "no alert about the unborn child is held that this message could end";
                            remarks.push(Issue::warning("not-found", "unborn-alert-unknown", "", text));
                        }
                    }
                }
            }
        }
        Ok(Ok(all))
    }

    async fn moved(
        &self,
        from: &str,
        to: &str,
        patient: &Value,
        source: &str,
        now: Timestamp,
    ) -> Result<Result<Vec<Version>, Issue>, Refusal> {
        let mut versions = Vec::new();
        let facts = self.store.facts_for(from).await?;
        let of_others = |s: &&Stored| !s.deleted && stamp_of(s).as_deref() != Some(source);
        if facts.consents.iter().any(|s| of_others(&s)) {
            // A refusal that another source holds under the former identity must not be left behind.
            let text =
                "consents of other sources are held under the former identity: a person must merge them";
            return Ok(Err(Issue::error("business-rule", "merge-touches-others", "", text)));
        }
        let flags = self.store.find_by_patient("Flag", from, MOST + 1).await?;
        if flags.len() > MOST || facts.consents.len() > MOST {
            let text = format!("more than {MOST} facts are held under the former identity");
            return Ok(Err(Issue::error("too-costly", "merge-too-large", "", text)));
        }
        let own = |(s, _): &(&Stored, _)| !s.deleted && stamp_of(s).as_deref() == Some(source);
        let flags = flags.iter().map(|s| (s, "subject"));
        let consents = facts.consents.iter().map(|s| (s, "patient"));
        for (stored, member) in flags.chain(consents).filter(own) {
            let mut resource: Value = serde_json::from_str(&stored.body).map_err(|_| Refusal::Internal {
                cause: format!("stored `{}/{}` is not JSON", stored.resource_type, stored.id),
            })?;
            if let Some(members) = resource.as_object_mut() {
                members.insert(member.to_owned(), patient.clone());
            }
            let key = Some(to.to_owned());
            versions.push(Version::next(resource, &stored.id, Some(stored), key, source, now));
        }
        Ok(Ok(versions))
    }
}

/// The alert about an unborn child, ended; `None` when the stored Flag is not one, or has ended before.
fn ended(stored: &Stored, on: &str) -> Option<Value> {
    let mut flag: Value = serde_json::from_str(&stored.body).ok()?;
    let system = systems::canonical("CodeSystem/concern-category");
    let unborn = flag.get("category")?.as_array()?.iter().any(|c| {
        let codings = c.get("coding").and_then(Value::as_array);
        codings.into_iter().flatten().any(|c| {
            c.get("system").and_then(Value::as_str) == Some(&system)
                && c.get("code").and_then(Value::as_str) == Some("unborn-child")
        })
    });
    if !unborn || flag.get("status").and_then(Value::as_str) != Some("active") {
        return None;
    }
    let members = flag.as_object_mut()?;
    members.insert("status".into(), "inactive".into());
    let period = members.entry("period").or_insert_with(|| json!({}));
    period.as_object_mut()?.insert("end".into(), on.into());
    Some(flag)
}
