//! The emergency path: one named person, one patient, one answer.
//!
//! The statement of the emergency and the disclosure are one request, so there is nothing that could be kept and used
//! later or for somebody else. In the transaction that records the disclosure, each owner of a disclosed record gets a
//! Task to review it, and is notified of that Task as a subscriber.

use super::Exchange;
use super::even::even_out;
use super::explain::Claim;
use super::facts::Known;
use super::reads::{Disclosed, Page};
use super::refusal::Refusal;
use super::tasks::later;
use crate::audit::{self, Act, Party, Target};
use crate::fhir::origin;
use crate::govern::task::{NewTask, Task, TaskCode};
use crate::govern::{Caller, Emergency};
use crate::store::{AuditQuery, Leaf, PatientFacts, Stored, Work};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;
use uuid::Uuid;

/// The most patients for whom one person may state an emergency within an hour: more is bulk.
pub const PATIENTS_AN_HOUR: usize = 10;
/// The longest statement of a reason that is kept.
const LONGEST_TEXT: usize = 2_000;
const REASONS: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// What one organisation did with the emergency path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Use {
    /// The organisation that used it (ODS code).
    pub organisation: String,
    /// How often: one for each owner of records and each use.
    pub uses: usize,
    /// How many people.
    pub people: usize,
    /// How many records were disclosed.
    pub records: usize,
    /// Reviews that are open.
    pub reviews_open: usize,
    /// Reviews that are open past their due time.
    pub reviews_overdue: usize,
    /// Reviews that found it justified.
    pub justified: usize,
    /// Reviews that found it not justified.
    pub not_justified: usize,
    /// Reviews that found misuse.
    pub misuse: usize,
}

impl Exchange {
    /// Discloses, in an emergency, what concerns one patient: every Flag that the agreements open to the emergency path
    /// for this organisation, or the one named.
    ///
    /// Errors: [`Refusal::Malformed`] for a statement that leaves something out, [`Refusal::Forbidden`] for more patients
    /// than one person can see in an hour, [`Refusal::NotFound`] when there is nothing, or nothing that may be disclosed.
    pub async fn break_glass(
        &self,
        caller: &Caller,
        claim: &Claim,
        only: Option<&str>,
        purpose: Option<&str>,
        now: Timestamp,
    ) -> Result<Page, Refusal> {
        let claim = Claim { until: later(now, crate::govern::PERMIT_LIFE), ..claim.clone() };
        if let Some(text) = incomplete(&claim) {
            self.record_refusal(caller, "$break-glass", text, now).await;
            return Err(Refusal::Malformed { text: text.to_owned() });
        }
        if self.is_bulk(caller, &claim, now).await? {
            let text = "too many patients within an hour: the emergency path is not for bulk";
            self.record_refusal(caller, "$break-glass", text, now).await;
            return Err(Refusal::Forbidden { text: text.to_owned() });
        }
        let begun = Instant::now();
        let purpose = self.purpose_of(caller, purpose);
        let key = claim.patient_key.as_str();
        let facts = self.store.facts_for(key).await?;
        let stored: Vec<Stored> = match only {
            None => self.store.find_by_patient("Flag", key, 100).await?,
            Some(id) => self.store.read("Flag", id).await?.into_iter().collect(),
        };
        let mut work = Work::at(now);
        let mut page = Page::default();
        let mut owners: BTreeMap<String, (Vec<String>, u16)> = BTreeMap::new();
        for one in &stored {
            let emergency: Emergency<'_> = claim.against(one.patient_key.as_deref());
            let released = self.release(caller, one, &purpose, Some(emergency), &mut work, now).await?;
            let Some(Disclosed { found, review_days }) = released else { continue };
            if let Some(days) = review_days {
                let due = later(now, SignedDuration::from_hours(24 * i64::from(days)));
                let act = Act::BreakGlass {
                    caller: Party::from(caller),
                    user: &claim.user,
                    role: &claim.role,
                    reason: &claim.reason,
                    text: &claim.text,
                    target: Target::version(&one.resource_type, &one.id, one.version),
                    patient: Some(key),
                    review_due: due,
                };
                work.audits.push(audit::record(&act, &self.gateway, now).into());
                let body: Option<Value> = serde_json::from_str(&one.body).ok();
                let owner = body.as_ref().and_then(origin::organisation).unwrap_or_default().to_owned();
                let (records, least) = owners.entry(owner).or_insert((Vec::new(), days));
                records.push(Target::version(&one.resource_type, &one.id, one.version).versioned());
                *least = days.min(*least);
            }
            page.found.push(found);
        }
        for (owner, (records, days)) in &owners {
            self.ask_for_review(&mut work, caller, &claim, (owner, records, *days), &facts, now).await?;
        }
        let act = Act::Search {
            caller: Party::from(caller),
            resource_type: "Flag",
            query: "$break-glass",
            purpose: &purpose,
            found: page.found.len(),
            patient: Some(key),
        };
        work.audits.insert(0, audit::record(&act, &self.gateway, now).into());
        self.store.commit(work).await?;
        if !owners.is_empty() {
            let organisation = caller.organisation.clone();
            metrics::counter!("sgw_break_glass_total", "organisation" => organisation).increment(1);
            tracing::warn!(organisation = %caller.organisation, credential = %caller.credential,
                records = page.found.len(), "the emergency path was used; reviews are due");
        }
        if page.found.is_empty() {
            even_out(begun).await;
            return Err(Refusal::NotFound);
        }
        Ok(page)
    }

    async fn ask_for_review(
        &self,
        work: &mut Work,
        caller: &Caller,
        claim: &Claim,
        (owner, records, days): (&str, &[String], u16),
        facts: &PatientFacts,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let patient = Exchange::identifier_of(&Known::of(facts)?);
        let stated = claim.patient_key.strip_prefix("nhs:");
        let patient = patient.or_else(|| {
            stated.map(|number| (crate::fhir::systems::NHS_NUMBER.to_owned(), number.to_owned()))
        });
        // Records whose source nobody knows any more are the gateway's own to review.
        let owner = if owner.is_empty() { self.gateway.organisation.as_str() } else { owner };
        let task = NewTask {
            code: TaskCode::BreakGlassReview,
            id: &Uuid::now_v7().to_string(),
            owner,
            requester: &caller.organisation,
            records,
            patient: patient.as_ref().map(|(system, value)| (system.as_str(), value.as_str())),
            reason: Some((REASONS, &claim.reason)),
            inputs: &[
                ("user", claim.user.as_str()),
                ("role", claim.role.as_str()),
                ("text", claim.text.as_str()),
                ("credential", caller.credential.as_str()),
            ],
            due: later(now, SignedDuration::from_hours(24 * i64::from(days))),
            now,
        };
        self.ask_for(work, &task, Some(&claim.patient_key), facts).await
    }

    /// Whether the person has stated emergencies for so many other patients within the last hour.
    async fn is_bulk(&self, caller: &Caller, claim: &Claim, now: Timestamp) -> Result<bool, Refusal> {
        let query = AuditQuery {
            kind: Some("break-glass".to_owned()),
            from: Some(later(now, SignedDuration::from_hours(-1))),
            limit: 1000,
            ..AuditQuery::default()
        };
        let uses = self.store.audit_search(query).await?;
        let same = |leaf: &&Leaf| {
            let canonical = leaf.canonical.as_deref().unwrap_or_default();
            serde_json::from_str::<Value>(canonical).is_ok_and(|event| by(&event, caller, &claim.user))
        };
        let patients: BTreeSet<&str> =
            uses.iter().filter(same).filter_map(|leaf| leaf.patient_key.as_deref()).collect();
        Ok(!patients.contains(claim.patient_key.as_str()) && patients.len() >= PATIENTS_AN_HOUR)
    }

    /// What each organisation did with the emergency path in a period, for those who run and audit the gateway.
    pub async fn break_glass_figures(
        &self,
        caller: &Caller,
        from: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Use>, Refusal> {
        let mut found: BTreeMap<String, (Use, BTreeSet<String>)> = BTreeMap::new();
        for stored in self.all_tasks().await? {
            let Ok(resource) = serde_json::from_str::<Value>(&stored.body) else { continue };
            let task = Task::of(&resource);
            let within = task.authored().is_some_and(|at| from <= at && at < until);
            if task.code() != TaskCode::BreakGlassReview.code() || !within {
                continue;
            }
            let (sum, people) = found.entry(task.requester().to_owned()).or_default();
            sum.organisation = task.requester().to_owned();
            people.insert(task.input("user").to_owned());
            sum.uses += 1;
            sum.people = people.len();
            let inputs = resource.get("input").and_then(Value::as_array).into_iter().flatten();
            sum.records += inputs.filter(|input| input.get("valueReference").is_some()).count();
            sum.reviews_open += usize::from(task.is_open());
            sum.reviews_overdue += usize::from(task.is_overdue(now));
            match task.outcome() {
                "justified" => sum.justified += 1,
                "not-justified" => sum.not_justified += 1,
                "misuse" => sum.misuse += 1,
                _ => {}
            }
        }
        let details = [("from", from.to_string()), ("until", until.to_string())];
        let details: Vec<(&str, &str)> =
            details.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.record_administration(caller, "break-glass-figures", &details, now).await?;
        Ok(found.into_values().map(|(sum, _)| sum).collect())
    }
}

/// What a statement of an emergency leaves out, or has too much of.
fn incomplete(claim: &Claim) -> Option<&'static str> {
    let empty = |text: &str| text.trim().is_empty();
    match claim {
        claim if empty(&claim.user) => Some("an emergency needs `user`: the person who states it"),
        claim if empty(&claim.role) => Some("an emergency needs `role`: the person's role"),
        claim if empty(&claim.reason) => Some("an emergency needs `reason`: a code"),
        claim if empty(&claim.text) => Some("an emergency needs `text`: the reason in words"),
        claim if claim.text.len() > LONGEST_TEXT => Some("`text` is too long"),
        claim if claim.patient_key.is_empty() => {
            Some("an emergency needs `patient`: one patient's identifier with its system")
        }
        _ => None,
    }
}

/// Whether the event's agent is this person of the caller's organisation.
fn by(event: &Value, caller: &Caller, user: &str) -> bool {
    let agents = event.get("agent").and_then(Value::as_array).into_iter().flatten();
    let text =
        |agent: &Value, pointer: &str| agent.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    agents.into_iter().any(|agent| {
        text(agent, "/altId").as_deref() == Some(user)
            && text(agent, "/who/identifier/value").as_deref() == Some(&caller.organisation)
    })
}
