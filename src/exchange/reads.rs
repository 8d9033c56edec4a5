//! Reads and searches: each is decided and recorded. "No record" and "not permitted" are the same answer.

use super::Exchange;
use super::facts::{Known, facts};
use super::refusal::Refusal;
use crate::audit::{self, Act, Party, Target};
use crate::convert::identity;
use crate::govern::{Caller, Decision, Request, decide, purpose};
use crate::store::{Stored, Work};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Types that can be read here, beside Subscription and AuditEvent.
const READABLE: [&str; 7] =
    ["Flag", "Consent", "Patient", "Organization", "Practitioner", "PractitionerRole", "Provenance"];
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
    fn purpose_of(&self, caller: &Caller, asked: Option<&str>) -> String {
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
        let purpose = self.purpose_of(caller, purpose);
        let stored = match version {
            None => self.store.read(resource_type, id).await?,
            Some(version) => self.store.read_version(resource_type, id, version).await?,
        };
        let mut work = Work::at(now);
        let found = match &stored {
            Some(stored) => self.release(caller, stored, &purpose, &mut work, now).await?,
            None => {
                let target = Target { resource_type, id, version };
                let caller = Party::from(caller);
                let act = Act::Read { caller, target, patient: None, purpose: &purpose, decision: None };
                work.audits.push(audit::record(&act, &self.gateway, now).into());
                None
            }
        };
        self.store.commit(work).await?;
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
        let purpose = self.purpose_of(caller, purpose);
        let versions = self.store.history(resource_type, id, None, PAGE).await?;
        let mut work = Work::at(now);
        let page = self.release_all(caller, &versions, &purpose, &mut work, now).await?;
        if versions.is_empty() {
            let caller = Party::from(caller);
            let target = Target::resource(resource_type, id);
            let act = Act::Read { caller, target, patient: None, purpose: &purpose, decision: None };
            work.audits.push(audit::record(&act, &self.gateway, now).into());
        }
        self.store.commit(work).await?;
        if page.found.is_empty() { Err(Refusal::NotFound) } else { Ok(page) }
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
        let mut work = Work::at(now);
        let page = self.release_all(caller, &stored, &purpose, &mut work, now).await?;
        let act = Act::Search {
            caller: Party::from(caller),
            resource_type,
            query,
            purpose: &purpose,
            found: page.found.len(),
            patient: patient.as_deref(),
        };
        work.audits.insert(0, audit::record(&act, &self.gateway, now).into());
        self.store.commit(work).await?;
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
            page.found.extend(self.release(caller, one, purpose, work, now).await?);
        }
        Ok(page)
    }

    /// Decides about one stored version, and makes the caller's copy if it may have one.
    async fn release(
        &self,
        caller: &Caller,
        stored: &Stored,
        purpose: &str,
        work: &mut Work,
        now: Timestamp,
    ) -> Result<Option<Found>, Refusal> {
        let known = match &stored.patient_key {
            Some(key) => Known::of(&self.store.facts_for(key).await?)?,
            None => Known::default(),
        };
        let consents = known.consents();
        let policy = self.policy.load_full();
        let resource: Option<Value> = serde_json::from_str(&stored.body).ok().filter(|_| !stored.deleted);
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
            let decision = decide(&policy, &Request::read(caller, purpose), &facts, now);
            found = decision.permit().and_then(|permit| permit.release(&facts, now).ok());
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
        Ok(Some(Found {
            resource_type: stored.resource_type.clone(),
            id: stored.id.clone(),
            version: stored.version,
            last_updated: stored.last_updated,
            resource: released.resource,
        }))
    }
}
