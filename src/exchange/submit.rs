//! Submissions: a payload in a source's own format becomes resources, records and intents, or is kept in quarantine.

use super::accept::{Arrival, Incoming};
use super::payload::{Payload, Submitted, digest, media_types};
use super::refusal::Refusal;
use super::sources::Registered;
use super::transaction;
use super::version::type_of;
use super::{Exchange, records};
use crate::audit::{Act, Party};
use crate::convert::{Context, Converted, Ledger, convert};
use crate::fhir::{Issue, systems};
use crate::govern::Caller;
use crate::store::{Arrived, Arriving, IdempotencyKey, NewSubmission};
use crate::validate::Validated;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

impl Exchange {
    /// Takes a payload of a registered source in, from its bytes to the commit of all that follows from it.
    ///
    /// When this returns `Ok`, everything is durable. Errors: the payload cannot be read (nothing kept), or cannot be
    /// used (kept in quarantine), or the source is not the caller's, or the store cannot take it now.
    pub async fn submit(
        &self,
        caller: &Caller,
        source: &str,
        payload: Payload,
        now: Timestamp,
    ) -> Result<Submitted, Refusal> {
        let begun = Instant::now();
        let result = self.submit_as(caller, source, &payload, None, now).await;
        let outcome = match &result {
            Ok(submitted) if submitted.repeated => "repeated",
            Ok(_) => "accepted",
            Err(refusal) => refusal.code(),
        };
        metrics::counter!("sgw_submissions_total", "outcome" => outcome).increment(1);
        metrics::histogram!("sgw_submission_seconds").record(begun.elapsed().as_secs_f64());
        result
    }

    /// As [`Exchange::submit`]; `resubmission` is the quarantined payload that this is, if it is one.
    pub(super) async fn submit_as(
        &self,
        caller: &Caller,
        source: &str,
        payload: &Payload,
        resubmission: Option<&str>,
        now: Timestamp,
    ) -> Result<Submitted, Refusal> {
        let registered = self.recognise(caller, source, payload, resubmission.is_some(), now).await?;
        let submission = Uuid::now_v7().to_string();
        let mut context = Context::new(now, submission.clone());
        // How large a payload may be is for the door to say through which it came.
        context.limits.bytes = context.limits.bytes.max(payload.bytes.len());
        let format = registered.mapping.format;

        let converted = match convert(&payload.bytes, &registered.source, &registered.mapping, &context) {
            Ok(converted) => converted,
            Err(unreadable) => {
                let issue = records::unreadable(&unreadable);
                self.refuse_unreadable(caller, source, &submission, &issue, now).await?;
                return Err(Refusal::Unreadable { issues: vec![issue] });
            }
        };
        let mut arrival = Arrival {
            caller,
            registered: &registered,
            patient_key: converted.patient_key.clone(),
            keys: keys(source, payload, &converted, digest(format, &payload.bytes)),
            resubmission,
            consequences: &converted.consequences,
            submission: NewSubmission {
                id: submission,
                source: source.to_owned(),
                received: now,
                media_type: payload.media_type.clone(),
                digest: digest(format, &payload.bytes),
                message_id: converted.message_id.clone(),
                outcome: "accepted".to_owned(),
                detail: Some(converted.ledger.to_json(false).to_string()),
                patient_key: converted.patient_key.clone(),
            },
        };
        let wanted = Arriving {
            keys: arrival.keys.iter().map(|key| (key.scope.clone(), key.key.clone())).collect(),
            resources: transaction::resources(&converted.bundle).map(named).collect(),
            patient_key: converted.patient_key.clone(),
        };
        let arrived = self.store.arriving(&wanted).await?;
        match self.known_answer(&arrival, &arrived, now).await? {
            Known::New => {}
            Known::Repeated(submitted) => return Ok(submitted),
            Known::Reused => {
                let text = "the message id or `Idempotency-Key` was used before with different content";
                let issue = Issue::error("duplicate", "key-reused", "", text);
                return Err(self.keep(&mut arrival, payload, vec![issue], now).await?);
            }
        }
        if converted.refused() {
            return Err(self.keep(&mut arrival, payload, converted.issues, now).await?);
        }
        let Converted { bundle, issues: remarks, patient_key, ledger, .. } = converted;
        let validated = match self.validate_all(bundle, &ledger) {
            Ok(validated) => validated,
            Err(issues) => return Err(self.keep(&mut arrival, payload, issues, now).await?),
        };
        let incoming = validated.into_iter().map(|one| Incoming::of(one, &patient_key)).collect();
        match self.accept(&arrival, incoming, &remarks, &wanted, arrived, now).await? {
            Ok(submitted) => Ok(submitted),
            Err(issues) => Err(self.keep(&mut arrival, payload, issues, now).await?),
        }
    }

    /// The source, if the caller may submit for it and the payload is of a kind that it sends.
    async fn recognise(
        &self,
        caller: &Caller,
        source: &str,
        payload: &Payload,
        by_operator: bool,
        now: Timestamp,
    ) -> Result<Arc<Registered>, Refusal> {
        let sources = self.sources();
        let registered = sources.get(source).filter(|registered| {
            let bound = caller.source.as_deref().is_none_or(|bound| bound == source);
            by_operator || (bound && caller.organisation == registered.source.organisation)
        });
        let Some(registered) = registered else {
            // An unknown source and another's source are not told apart.
            let text = "the credential is not bound to this source";
            self.record_refusal(caller, "submission", text, now).await;
            return Err(Refusal::Forbidden { text: text.to_owned() });
        };
        let known = media_types(registered.mapping.format);
        if !known.contains(&payload.media_type.as_str()) {
            let expected = known.first().copied().unwrap_or("");
            self.record_refusal(caller, "submission", "the media type is not one that the source sends", now)
                .await;
            return Err(Refusal::MediaType { expected });
        }
        Ok(registered.clone())
    }

    /// Whether the submission was committed before under one of its keys. A repeat is recorded too.
    async fn known_answer(
        &self,
        arrival: &Arrival<'_>,
        arrived: &Arrived,
        now: Timestamp,
    ) -> Result<Known, Refusal> {
        let mut repeated = None;
        for (key, known) in arrival.keys.iter().zip(&arrived.keys) {
            match known {
                None => {}
                Some(known) if known.digest == key.digest => {
                    repeated = Some(known.answer.clone().unwrap_or_default())
                }
                Some(_) => return Ok(Known::Reused),
            }
        }
        let Some(body) = repeated else { return Ok(Known::New) };
        let act = Act::Submission {
            caller: Party::from(arrival.caller),
            source: &arrival.submission.source,
            submission: &arrival.submission.id,
            format: arrival.registered.mapping.format.name(),
            made: &[],
            repeated: true,
            patient: arrival.patient_key.as_deref(),
        };
        self.commit_record(&act, now).await?;
        Ok(Known::Repeated(Submitted { body, repeated: true }))
    }

    /// Every resource of the Bundle, proven valid; else what is wrong with any of them.
    pub(super) fn validate_all(&self, bundle: Value, ledger: &Ledger) -> Result<Vec<Validated>, Vec<Issue>> {
        let mut validated = Vec::new();
        let mut issues = Vec::new();
        for resource in transaction::into_resources(bundle) {
            let (kind, id) = named(&resource);
            match self.validate(resource) {
                Ok(one) => validated.push(one),
                Err(mut found) => {
                    ledger.place_resource(&format!("{kind}/{id}"), &mut found);
                    issues.extend(found);
                }
            }
        }
        if issues.is_empty() { Ok(validated) } else { Err(issues) }
    }

    /// A resource, proven valid against the profile that the gateway holds its type to.
    ///
    /// A Flag is labelled first, by the rules in force.
    pub(super) fn validate(&self, resource: Value) -> Result<Validated, Vec<Issue>> {
        let resource = self.policy.load().label_rules().assign(resource);
        let profile = match type_of(&resource) {
            "Flag" => Some(systems::canonical("StructureDefinition/safeguarding-flag")),
            "Consent" => Some(systems::canonical("StructureDefinition/safeguarding-consent")),
            "Subscription" => Some(systems::canonical("StructureDefinition/safeguarding-subscription")),
            _ => None,
        };
        let profiles: Vec<&str> = profile.as_deref().into_iter().collect();
        self.validator.check(resource, &profiles).map_err(|report| report.issues)
    }
}

/// A resource's type and id.
fn named(resource: &Value) -> (String, String) {
    let id = resource.get("id").and_then(Value::as_str).unwrap_or("");
    (type_of(resource).to_owned(), id.to_owned())
}

/// What the store knows about the keys of a submission.
enum Known {
    /// Nothing.
    New,
    /// It was committed before, and answered with this.
    Repeated(Submitted),
    /// A key was used for something else.
    Reused,
}

/// The keys under which a repeat of this submission is known: the sender's own, and the message's id.
fn keys(source: &str, payload: &Payload, converted: &Converted, digest: [u8; 32]) -> Vec<IdempotencyKey> {
    let header = payload.key.as_ref().map(|key| ("header", key));
    let message = converted.message_id.as_ref().map(|id| ("message", id));
    header
        .into_iter()
        .chain(message)
        .map(|(kind, key)| IdempotencyKey { scope: format!("{kind}:{source}"), key: key.clone(), digest })
        .collect()
}
