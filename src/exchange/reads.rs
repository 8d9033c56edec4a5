//! Reads and searches: each is decided and recorded. "No record" and "not permitted" are the same answer.

use super::Exchange;
use super::even::even_out;
use super::facts::{Known, facts};
use super::refusal::Refusal;
use crate::audit::{self, Act, Party, Target};
use crate::convert::identity;
use crate::govern::labelling::keep_raised;
use crate::govern::{Caller, Decision, Emergency, Permit, Request, decide, purpose};
use crate::store::{Stored, Work};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Types that can be read here, beside Subscription and AuditEvent.
const READABLE: [&str; 8] =
    ["Flag", "Consent", "Patient", "Organization", "Practitioner", "PractitionerRole", "Provenance", "Task"];
/// The most resources in one page of a search or history.
const PAGE: usize = 100;

/// A resource version as the caller may have it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The resource's type.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// When that version came to be.
    pub last_updated: Timestamp,
    /// The resource, obligations applied.
    pub resource: Value,
    /// The obligations that were applied, by their stable names.
    pub obligations: Vec<&'static str>,
}

/// A copy on its way out.
pub(super) struct Disclosed {
    pub found: Found,
    /// Days until its review is due, when it leaves by the emergency path alone.
    pub review_days: Option<u16>,
}

/// What a search or a history found.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The resources that the caller may have.
    pub found: Vec<Found>,
}

/// What a search asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// Resources with this business identifier; without a system, whatever its system.
    Identifier(Option<String>, String),
    /// Resources about the patient with this identifier.
    PatientIdentifier(String, String),
    /// The resource with this id.
    Id(String),
}

impl Exchange {
    /// The purpose for which a caller reads when it names none: that of its partner.
    pub(super) fn purpose_of(&self, caller: &Caller, asked: Option<&str>) -> String {
        let policy = self.policy.load();
        let own = caller
            .partner
            .as_deref()
            .and_then(|id| policy.partner(id))
            .map(|partner| partner.purpose.as_str());
        asked.or(own).unwrap_or(purpose::SAFEGUARDING).to_owned()
    }

    /// Reads a resource, its current version or the one named, for this purpose.
    ///
    /// Errors: [`Refusal::NotFound`] when there is none or the caller may not have it; both are recorded.
    pub async fn read(
        &self,
        caller: &Caller,
        resource_type: &str,
        id: &str,
        version: Option<u64>,
        purpose: Option<&str>,
        now: Timestamp,
    ) -> Result<Found, Refusal> {
        if !READABLE.contains(&resource_type) {
            return Err(Refusal::UnknownType { resource_type: resource_type.to_owned() });
        }
        let begun = Instant::now();
        let purpose = self.purpose_of(caller, purpose);
        let stored = match version {
            None => self.store.read(resource_type, id).await?,
            Some(version) => self.store.read_version(resource_type, id, version).await?,
        };
        let mut work = Work::at(now);
        let found = match &stored {
            Some(stored) => {
                self.release(caller, stored, &purpose, None, &mut work, now).await?.map(|one| one.found)
            }
            None => {
                self.as_if_there(caller, &purpose, now).await?;
                let target = Target { resource_type, id, version };
                let caller = Party::from(caller);
                let act = Act::Read { caller, target, patient: None, purpose: &purpose, decision: None };
                work.audits.push(audit::record(&act, &self.gateway, now).into());
                None
            }
        };
        self.store.commit(work).await?;
        if found.is_none() {
            even_out(begun).await;
        }
        found.ok_or(Refusal::NotFound)
    }

    /// The versions of a resource that the caller may have, the newest first.
    pub async fn history(
        &self,
        caller: &Caller,
        resource_type: &str,
        id: &str,
        purpose: Option<&str>,
        now: Timestamp,
    ) -> Result<Page, Refusal> {
        if !READABLE.contains(&resource_type) {
            return Err(Refusal::UnknownType { resource_type: resource_type.to_owned() });
        }
        let begun = Instant::now();
        let purpose = self.purpose_of(caller, purpose);
        let versions = self.store.history(resource_type, id, None, PAGE).await?;
        let mut work = Work::at(now);
        let page = self.release_all(caller, &versions, &purpose, &mut work, now).await?;
        if versions.is_empty() {
            self.as_if_there(caller, &purpose, now).await?;
            let caller = Party::from(caller);
            let target = Target::resource(resource_type, id);
            let act = Act::Read { caller, target, patient: None, purpose: &purpose, decision: None };
            work.audits.push(audit::record(&act, &self.gateway, now).into());
        }
        self.store.commit(work).await?;
        if page.found.is_empty() {
            even_out(begun).await;
            return Err(Refusal::NotFound);
        }
        Ok(page)
    }

    /// Searches; what the caller may not have is left out without a sign.
    pub async fn search(
        &self,
        caller: &Caller,
        resource_type: &str,
        search: &Search,
        query: &str,
        purpose: Option<&str>,
        now: Timestamp,
    ) -> Result<Page, Refusal> {
        if !READABLE.contains(&resource_type) {
            return Err(Refusal::UnknownType { resource_type: resource_type.to_owned() });
        }
        let begun = Instant::now();
        let purpose = self.purpose_of(caller, purpose);
        let (stored, patient) = match search {
            Search::Identifier(system, value) => {
                (self.store.find_by_identifier(resource_type, system.as_deref(), value, PAGE).await?, None)
            }
            Search::Id(id) => (self.store.read(resource_type, id).await?.into_iter().collect(), None),
            Search::PatientIdentifier(system, value) => {
                let patient = json!({"identifier": [{"system": system, "value": value}]});
                match patient.as_object().and_then(identity::patient_key) {
                    Some(key) => (self.store.find_by_patient(resource_type, &key, PAGE).await?, Some(key)),
                    None => (Vec::new(), None),
                }
            }
        };
        let about = patient.as_deref();
        self.answer_found(caller, resource_type, &stored, about, (query, &purpose), (begun, now)).await
    }

    /// Decides about each of these, and records the search with what came of it; for the caller's own purpose.
    pub(super) async fn answer_search(
        &self,
        caller: &Caller,
        resource_type: &str,
        stored: &[Stored],
        patient: Option<&str>,
        query: &str,
        (begun, now): (Instant, Timestamp),
    ) -> Result<Page, Refusal> {
        let purpose = self.purpose_of(caller, None);
        self.answer_found(caller, resource_type, stored, patient, (query, &purpose), (begun, now)).await
    }

    async fn answer_found(
        &self,
        caller: &Caller,
        resource_type: &str,
        stored: &[Stored],
        patient: Option<&str>,
        (query, purpose): (&str, &str),
        (begun, now): (Instant, Timestamp),
    ) -> Result<Page, Refusal> {
        let mut work = Work::at(now);
        let page = self.release_all(caller, stored, purpose, &mut work, now).await?;
        if stored.is_empty() {
            self.as_if_there(caller, purpose, now).await?;
        }
        let act = Act::Search {
            caller: Party::from(caller),
            resource_type,
            query,
            purpose,
            found: page.found.len(),
            patient,
        };
        work.audits.insert(0, audit::record(&act, &self.gateway, now).into());
        self.store.commit(work).await?;
        if page.found.is_empty() {
            even_out(begun).await;
        }
        Ok(page)
    }

    async fn release_all(
        &self,
        caller: &Caller,
        stored: &[Stored],
        purpose: &str,
        work: &mut Work,
        now: Timestamp,
    ) -> Result<Page, Refusal> {
        let mut page = Page::default();
        for one in stored {
            let released = self.release(caller, one, purpose, None, work, now).await?;
            page.found.extend(released.map(|one| one.found));
        }
        Ok(page)
    }

    /// The resource of a stored version with the labels of the current one: a label that was raised since holds for
    /// what was stored before.
    pub(super) async fn labelled_as_now(
        &self,
        stored: &Stored,
        mut resource: Value,
    ) -> Result<Value, Refusal> {
        if stored.resource_type != "Flag" {
            return Ok(resource);
        }
        let current = self.store.read(&stored.resource_type, &stored.id).await?;
        let newer = current.filter(|current| current.version > stored.version && !current.deleted);
        if let Some(newer) = newer {
            let newest: Value = serde_json::from_str(&newer.body).map_err(|_| {
                let cause = format!("stored `Flag/{}` is not JSON", newer.id);
                Refusal::Internal { cause }
            })?;
            keep_raised(&mut resource, &newest);
        }
        Ok(resource)
    }

    /// Decides about one stored version, and makes the caller's copy if it may have one.
    pub(super) async fn release(
        &self,
        caller: &Caller,
        stored: &Stored,
        purpose: &str,
        emergency: Option<Emergency<'_>>,
        work: &mut Work,
        now: Timestamp,
    ) -> Result<Option<Disclosed>, Refusal> {
        let known = match &stored.patient_key {
            Some(key) => Known::of(&self.store.facts_for(key).await?)?,
            None => Known::default(),
        };
        let consents = known.consents();
        let policy = self.policy.load_full();
        let resource: Option<Value> = serde_json::from_str(&stored.body).ok().filter(|_| !stored.deleted);
        let resource = match resource {
            Some(resource) => Some(self.labelled_as_now(stored, resource).await?),
            None => None,
        };
        let target = Target::version(&stored.resource_type, &stored.id, stored.version);
        let patient = stored.patient_key.as_deref();
        let mut found = None;
        let decision: Option<Decision> = resource.as_ref().map(|resource| {
            let facts = facts(
                resource,
                &stored.resource_type,
                &stored.id,
                stored.version,
                known.patient(),
                &consents,
            );
            let decision =
                decide(&policy, &Request { emergency, ..Request::read(caller, purpose) }, &facts, now);
            found =
                decision.permit().and_then(|permit| permit.release_valid(&facts, &self.validator, now).ok());
            decision
        });
        let party = Party::from(caller);
        let act = Act::Read { caller: party, target, patient, purpose, decision: decision.as_ref() };
        work.audits.push(audit::record(&act, &self.gateway, now).into());
        let Some(released) = found else { return Ok(None) };
        if let Some(decision) = &decision {
            let act = Act::Disclosure {
                decision,
                recipient: party,
                target,
                patient,
                obligations: &released.obligations,
                subscription: None,
                event_number: None,
            };
            work.audits.push(audit::record(&act, &self.gateway, now).into());
        }
        let broken = decision.as_ref().filter(|decision| decision.break_glass).and_then(Decision::permit);
        Ok(Some(Disclosed {
            review_days: broken.and_then(Permit::review_days),
            found: Found {
                resource_type: stored.resource_type.clone(),
                id: stored.id.clone(),
                version: stored.version,
                last_updated: stored.last_updated,
                resource: released.resource,
                obligations: released.obligations,
            },
        }))
    }
}
