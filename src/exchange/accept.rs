//! From validated resources to one unit of work: versions, the decision to hold, a decision for each subscriber that
//! the change concerns, intents for those it may reach, and a record of every one of these.

use super::facts::{Known, facts};
use super::payload::Submitted;
use super::refusal::Refusal;
use super::sources::Registered;
use super::version::{Version, previous, stamp, type_of};
use super::{Exchange, records, transaction};
use crate::audit::{self, Act, Party, Target};
use crate::convert::Consequence;
use crate::fhir::{Issue, origin};
use crate::govern::{Caller, Outcome, Request, StoredConsent, decide};
use crate::route::{Change, Trigger};
use crate::store::{
    Arrived, Arriving, Committed, IdempotencyKey, NewIntent, NewSubmission, PatientFacts, QuarantineChange,
    QuarantineStatus, StoreError, Work,
};
use crate::validate::Validated;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// How often a unit of work is built anew because somebody else changed a version that it was built on.
const TRIES: u32 = 12;

/// What is known about a submission beside its resources.
pub(super) struct Arrival<'a> {
    pub caller: &'a Caller,
    pub registered: &'a Registered,
    pub patient_key: Option<String>,
    pub keys: Vec<IdempotencyKey>,
    pub resubmission: Option<&'a str>,
    pub consequences: &'a [Consequence],
    pub submission: NewSubmission,
}

/// One resource on its way in.
pub(super) struct Incoming {
    pub resource: Value,
    pub id: String,
    pub patient_key: Option<String>,
}

impl Incoming {
    /// A resource of a converted Bundle, which has its id already. Only what was found valid comes in.
    pub fn of(resource: Validated, patient_key: &Option<String>) -> Incoming {
        let resource = resource.into_resource();
        let id = resource.get("id").and_then(Value::as_str).unwrap_or("").to_owned();
        let about = matches!(type_of(&resource), "Patient" | "Flag" | "Consent");
        Incoming { resource, id, patient_key: patient_key.clone().filter(|_| about) }
    }
}

/// What an attempt to build and commit the work came to.
type Accepted<T> = Result<Result<T, Vec<Issue>>, Refusal>;

impl Exchange {
    /// Commits everything that follows from these resources; `arrived` is what the store knew about what `wanted` asks.
    /// The inner error is the finding that the gateway may not hold one of them.
    pub(super) async fn accept(
        &self,
        arrival: &Arrival<'_>,
        mut incoming: Vec<Incoming>,
        remarks: &[Issue],
        wanted: &Arriving,
        mut arrived: Arrived,
        now: Timestamp,
    ) -> Accepted<Submitted> {
        for round in 0..TRIES {
            if round > 0 {
                pause(round - 1).await;
                arrived = self.store.arriving(wanted).await?;
            }
            match self.try_accept(arrival, &mut incoming, remarks, &arrived, now).await {
                Err(Refusal::Contention) => {}
                other => return other,
            }
        }
        Err(Refusal::Contention)
    }

    async fn try_accept(
        &self,
        arrival: &Arrival<'_>,
        incoming: &mut [Incoming],
        remarks: &[Issue],
        arrived: &Arrived,
        now: Timestamp,
    ) -> Accepted<Submitted> {
        let source = stamp(&arrival.registered.source);
        let mut versions = Vec::with_capacity(incoming.len());
        for (one, current) in incoming.iter_mut().zip(&arrived.resources) {
            let current = current.as_ref();
            let before = previous(current);
            if let Some(stored) = current
                && !stored.deleted
                && before.as_ref().and_then(stamp_within).as_deref() != Some(&source)
            {
                let text = "the record belongs to another source".to_owned();
                self.record_refusal(arrival.caller, "submission", &text, now).await;
                return Err(Refusal::Forbidden { text });
            }
            let mut resource = std::mem::take(&mut one.resource);
            if !arrival.consequences.is_empty() {
                super::consequences::keep_as_known(&mut resource, before.as_ref());
            }
            let patient = one.patient_key.clone();
            versions.push(Version::after(resource, &one.id, current, before, patient, &source, now));
        }
        let result = self.commit_versions(arrival, &versions, remarks, arrived, now).await;
        if matches!(result, Err(Refusal::Contention)) {
            for (one, version) in incoming.iter_mut().zip(versions) {
                one.resource = version.into_resource();
            }
        }
        result
    }

    async fn commit_versions(
        &self,
        arrival: &Arrival<'_>,
        versions: &[Version],
        remarks: &[Issue],
        arrived: &Arrived,
        now: Timestamp,
    ) -> Accepted<Submitted> {
        let mut work = Work::at(now);
        if let Err(issues) = self.decide_all(&mut work, versions, &arrived.facts, now).await? {
            return Ok(Err(issues));
        }
        self.escalate_disputes(&mut work, versions, &arrived.facts, now).await?;
        let mut remarks = remarks.to_vec();
        let following = match self.following(arrival, arrived, &mut remarks, now).await? {
            Ok(following) => following,
            Err(issue) => return Ok(Err(vec![issue])),
        };
        for more in &following {
            if let Err(issues) = self.decide_all(&mut work, &more.versions, &more.facts, now).await? {
                return Ok(Err(issues));
            }
        }
        let body = transaction::response(&arrival.submission.id, versions, &remarks, now);
        work.answer = Some(body.clone());
        let mut keys = arrival.keys.iter().cloned();
        work.key = keys.next();
        work.other_keys = keys.collect();
        work.submission = Some(arrival.submission.clone());
        let made = versions.iter().chain(following.iter().flat_map(|f| &f.versions));
        let made: Vec<Target<'_>> = made.map(target).collect();
        self.record_submission(&mut work, arrival, &made, now);
        match self.store.commit(work).await? {
            Committed::Done(_) => Ok(Ok(Submitted { body, repeated: false })),
            Committed::Repeated { answer } => {
                Ok(Ok(Submitted { body: answer.unwrap_or_default(), repeated: true }))
            }
        }
    }

    /// Decides for every version that changes, first whether the gateway may hold it, then for each subscriber whom it
    /// concerns; puts versions, intents and the records of the decisions into the work. The inner error: what may not
    /// be held, and why.
    pub(super) async fn decide_all(
        &self,
        work: &mut Work,
        versions: &[Version],
        stored: &PatientFacts,
        now: Timestamp,
    ) -> Result<Result<(), Vec<Issue>>, Refusal> {
        let known = Known::of(stored)?.with(versions);
        let consents = known.consents();
        let subscribers = self.subscribers.all(&self.store, &self.topics).await?;
        let policy = self.policy.load_full();
        let mut refused = Vec::new();
        for version in versions.iter().filter(|version| version.changed) {
            let facts = self.facts_of(version, &known, &consents);
            let target = target(version);
            let patient = version.patient_key.as_deref();
            if matches!(version.resource_type.as_str(), "Flag" | "Consent") {
                let decision = decide(&policy, &Request::hold(), &facts, now);
                count(&decision.outcome, "hold");
                if decision.permit().is_none() {
                    refused.extend(records::not_held(&decision, version));
                    continue;
                }
                let act = Act::Decision {
                    decision: &decision,
                    recipient: None,
                    target,
                    patient,
                    trigger: "intake",
                };
                work.audits.push(audit::record(&act, &self.gateway, now).into());
            }
            work.puts.push(version.put());
            let change = Change {
                trigger: if version.expected.is_none() { Trigger::Create } else { Trigger::Update },
                previous: version.previous.as_ref(),
                current: Some(&version.resource),
                patient: known.patient(),
            };
            for subscriber in subscribers.iter().filter(|one| one.subscription.matches(&change)) {
                let Some(partner) = policy.partner(&subscriber.partner) else { continue };
                let decision = decide(&policy, &Request::notify(partner), &facts, now);
                count(&decision.outcome, "notify");
                let recipient = Some(Party::from(partner).at(&subscriber.subscription.endpoint));
                let act =
                    Act::Decision { decision: &decision, recipient, target, patient, trigger: "intake" };
                work.audits.push(audit::record(&act, &self.gateway, now).into());
                if decision.permit().is_some() {
                    work.intents.push(NewIntent {
                        subscription: subscriber.id.clone(),
                        patient_key: version.patient_key.clone(),
                        resource_type: version.resource_type.clone(),
                        resource_id: version.id.clone(),
                        version: version.version,
                        topic: subscriber.subscription.topic.url.clone(),
                        trigger: change.trigger.code().to_owned(),
                        created: now,
                        due: now,
                    });
                }
            }
        }
        Ok(if refused.is_empty() { Ok(()) } else { Err(refused) })
    }

    fn facts_of<'a>(
        &self,
        version: &'a Version,
        known: &'a Known<'_>,
        consents: &'a [StoredConsent<'a>],
    ) -> crate::govern::Facts<'a> {
        facts(
            &version.resource,
            &version.resource_type,
            &version.id,
            version.version,
            known.patient(),
            consents,
        )
    }

    fn record_submission(&self, work: &mut Work, arrival: &Arrival<'_>, made: &[Target<'_>], now: Timestamp) {
        let act = Act::Submission {
            caller: Party::from(arrival.caller),
            source: &arrival.submission.source,
            submission: &arrival.submission.id,
            format: arrival.registered.mapping.format.name(),
            made,
            repeated: false,
            patient: arrival.patient_key.as_deref(),
        };
        work.audits.insert(0, audit::record(&act, &self.gateway, now).into());
        if let Some(item) = arrival.resubmission {
            work.quarantine_changes.push(QuarantineChange {
                id: item.to_owned(),
                to: QuarantineStatus::Resubmitted,
                at: now,
                note: arrival.submission.id.clone(),
            });
            let act = Act::Quarantine {
                caller: Some(Party::from(arrival.caller)),
                step: audit::QuarantineStep::Resubmitted,
                item,
                rule: "resubmitted",
                text: "the payload was submitted again and accepted",
                patient: arrival.patient_key.as_deref(),
            };
            work.audits.push(audit::record(&act, &self.gateway, now).into());
        }
    }
}

/// The stamp of the source that a resource came from.
fn stamp_within(resource: &Value) -> Option<String> {
    Some(origin::stamp(origin::organisation(resource)?, origin::source(resource)?))
}

fn target(version: &Version) -> Target<'_> {
    Target::version(&version.resource_type, &version.id, version.version)
}

fn count(outcome: &Outcome, action: &'static str) {
    metrics::counter!("sgw_decisions_total", "outcome" => outcome.code(), "action" => action).increment(1);
}

/// Waits a little longer each round, and not the same time as the others.
pub(super) async fn pause(round: u32) {
    let most = 2_u64 << round.min(6);
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..=most))).await;
}

/// Whether a commit failed because a version had moved on.
pub(super) fn is_conflict(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict { .. })
}
