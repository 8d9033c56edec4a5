//! "What would happen, and why": the decisions that a question would get, with nothing disclosed.

use super::Exchange;
use super::facts::{Known, facts};
use super::refusal::Refusal;
use crate::audit::{self, Act, Party, Target};
use crate::convert::identity;
use crate::fhir::origin;
use crate::govern::{
    Action, Caller, Decision, Emergency, Facts, Partner, Policy, ReasonCode, Request, Role, StoredConsent,
    decide,
};
use crate::store::Work;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a question is about.
#[derive(Clone, Debug)]
pub enum About {
    /// A version that the gateway holds, with the patient and the Consents that it holds; without a version, the
    /// current one.
    Stored {
        /// The type.
        resource_type: String,
        /// The id.
        id: String,
        /// The version.
        version: Option<u64>,
    },
    /// Facts that the question brings itself; nothing of them is kept.
    Given {
        /// The resource.
        resource: Value,
        /// Its patient.
        patient: Option<Value>,
        /// Consents about them.
        consents: Vec<Value>,
        /// The organisation (ODS code) whose source would have sent it.
        source: String,
    },
}

/// A claim to the emergency path, as a question or a request states it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The person who claims it.
    pub user: String,
    /// The role in which.
    pub role: String,
    /// The reason's code.
    pub reason: String,
    /// The reason in words.
    pub text: String,
    /// The patient key that it is bound to; empty when it names no patient.
    pub patient_key: String,
    /// Until when.
    pub until: Timestamp,
}

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// About what.
    pub about: About,
    /// The partner's id or its organisation's ODS code; every partner without one.
    pub recipient: Option<String>,
    /// What would be done.
    pub action: Action,
    /// The purpose; each partner's own without one.
    pub purpose: Option<String>,
    /// The emergency that would be claimed.
    pub emergency: Option<Claim>,
    /// The moment; now without one.
    pub at: Option<Timestamp>,
}

/// One answer.
#[derive(Debug)]
pub struct Explained {
    /// The partner's id; what was asked for when it is not registered; empty for the gateway itself.
    pub recipient: String,
    /// Its organisation, when it is registered.
    pub organisation: String,
    /// What would be decided.
    pub decision: Decision,
}

/// Facts as owned values.
struct Held {
    resource: Value,
    resource_type: String,
    id: String,
    version: u64,
    source: String,
    patient: Option<Value>,
    consents: Vec<(String, u64, Value)>,
    patient_key: Option<String>,
}

impl Exchange {
    /// Answers what would be decided, and records that it was asked. Nothing is disclosed.
    ///
    /// Errors: [`Refusal::NotFound`] when the gateway holds no such version.
    pub async fn explain(
        &self,
        caller: &Caller,
        question: &Question,
        now: Timestamp,
    ) -> Result<Vec<Explained>, Refusal> {
        let held = self.facts_asked_about(&question.about).await?;
        let policy = self.policy.load_full();
        let at = question.at.unwrap_or(now);
        let answers = held.as_ref().map(|held| answers(&policy, question, held, at)).unwrap_or_default();
        let mut work = Work::at(now);
        let moment = at.to_string();
        for one in &answers {
            let outcome = one.decision.outcome.code();
            let reasons: Vec<&str> = one.decision.reasons.iter().map(|reason| reason.code.code()).collect();
            let reasons = reasons.join(" ");
            let details = [
                ("recipient", one.recipient.as_str()),
                ("action", question.action.code()),
                ("purpose", one.decision.purpose.as_str()),
                ("outcome", outcome),
                ("reasons", reasons.as_str()),
                ("policy-version", one.decision.policy_version.as_str()),
                ("as-of", moment.as_str()),
                ("emergency", if question.emergency.is_some() { "claimed" } else { "none" }),
            ];
            self.note_question(caller, &question.about, &details, &mut work, now);
        }
        if answers.is_empty() {
            self.note_question(caller, &question.about, &[("outcome", "not-found")], &mut work, now);
        }
        self.store.commit(work).await?;
        if held.is_none() { Err(Refusal::NotFound) } else { Ok(answers) }
    }

    fn note_question(
        &self,
        caller: &Caller,
        about: &About,
        details: &[(&str, &str)],
        work: &mut Work,
        now: Timestamp,
    ) {
        let subject = match about {
            About::Stored { resource_type, id, version } => {
                Some(Target { resource_type, id, version: *version })
            }
            // Facts of the caller's own are not the gateway's; only that they were asked about is kept.
            About::Given { .. } => None,
        };
        let actor = Party::from(caller);
        let act = Act::Administration { actor, operation: "decision-explained", subject, details };
        work.audits.push(audit::record(&act, &self.gateway, now).into());
    }

    async fn facts_asked_about(&self, about: &About) -> Result<Option<Held>, Refusal> {
        let (resource_type, id, version) = match about {
            About::Given { resource, patient, consents, source } => {
                return Ok(Some(given(resource, patient.as_ref(), consents, source)));
            }
            About::Stored { resource_type, id, version } => (resource_type, id, version),
        };
        let stored = match version {
            None => self.store.read(resource_type, id).await?,
            Some(version) => self.store.read_version(resource_type, id, *version).await?,
        };
        let Some(stored) = stored.filter(|stored| !stored.deleted) else { return Ok(None) };
        let known = match &stored.patient_key {
            Some(key) => Known::of(&self.store.facts_for(key).await?)?,
            None => Known::default(),
        };
        let resource: Value = serde_json::from_str(&stored.body).map_err(|_| {
            let cause = format!("stored `{}/{}` is not JSON", stored.resource_type, stored.id);
            Refusal::Internal { cause }
        })?;
        let resource = self.labelled_as_now(&stored, resource).await?;
        Ok(Some(Held {
            source: origin::organisation(&resource).unwrap_or("").to_owned(),
            resource,
            resource_type: stored.resource_type,
            id: stored.id,
            version: stored.version,
            patient: known.patient().cloned(),
            consents: known
                .consents()
                .into_iter()
                .map(|c| (c.id.to_owned(), c.version, c.resource.clone()))
                .collect(),
            patient_key: stored.patient_key,
        }))
    }
}

fn given(resource: &Value, patient: Option<&Value>, consents: &[Value], source: &str) -> Held {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let subject = resource.get("subject").or_else(|| resource.get("patient"));
    let identifier = subject.and_then(|subject| subject.get("identifier"));
    let own = identifier.map(|identifier| json!({"identifier": [identifier]}));
    let key = [own.as_ref(), patient].into_iter().flatten();
    Held {
        resource_type: text(resource, "resourceType"),
        id: text(resource, "id"),
        version: 1,
        source: source.to_owned(),
        patient: patient.cloned(),
        consents: consents.iter().map(|consent| (text(consent, "id"), 1, consent.clone())).collect(),
        patient_key: key.filter_map(Value::as_object).find_map(identity::patient_key),
        resource: resource.clone(),
    }
}

fn answers(policy: &Arc<Policy>, question: &Question, held: &Held, at: Timestamp) -> Vec<Explained> {
    let consents: Vec<StoredConsent<'_>> = held
        .consents
        .iter()
        .map(|(id, version, resource)| StoredConsent { id, version: *version, resource })
        .collect();
    let facts = Facts {
        source_organisation: &held.source,
        ..facts(&held.resource, &held.resource_type, &held.id, held.version, held.patient.as_ref(), &consents)
    };
    if question.action == Action::Hold {
        let decision = decide(policy, &Request::hold(), &facts, at);
        return vec![Explained { recipient: String::new(), organisation: String::new(), decision }];
    }
    let wanted = |partner: &&Partner| {
        question.recipient.as_ref().is_none_or(|name| *name == partner.id || *name == partner.organisation)
    };
    let found: Vec<&Partner> = policy.partners().iter().filter(wanted).collect();
    if let (Some(name), true) = (&question.recipient, found.is_empty()) {
        let purpose = question.purpose.as_deref().unwrap_or_default();
        let decision = Decision::withheld(ReasonCode::RecipientUnknown, purpose);
        return vec![Explained { recipient: name.clone(), organisation: String::new(), decision }];
    }
    found.into_iter().map(|partner| ask(policy, question, held, &facts, partner, at)).collect()
}

fn ask(
    policy: &Policy,
    question: &Question,
    held: &Held,
    facts: &Facts<'_>,
    partner: &Partner,
    at: Timestamp,
) -> Explained {
    let caller = Caller {
        credential: String::new(),
        organisation: partner.organisation.clone(),
        roles: vec![Role::Subscriber],
        partner: Some(partner.id.clone()),
        source: None,
        address: String::new(),
    };
    let purpose = question.purpose.as_deref().unwrap_or(&partner.purpose);
    let mut request = match question.action {
        Action::Read => Request::read(&caller, purpose),
        Action::Notify | Action::Hold => Request { purpose, ..Request::notify(partner) },
    };
    if let Some(claim) = &question.emergency {
        request = request.in_emergency(claim.against(held.patient_key.as_deref()));
    }
    let decision = decide(policy, &request, facts, at);
    Explained { recipient: partner.id.clone(), organisation: partner.organisation.clone(), decision }
}

impl Claim {
    /// The claim as the decision takes it, for a resource about the patient with this key.
    pub fn against<'a>(&'a self, of_resource: Option<&'a str>) -> Emergency<'a> {
        Emergency {
            user: &self.user,
            role: &self.role,
            reason: &self.reason,
            text: &self.text,
            patient_key: &self.patient_key,
            of_resource: of_resource.unwrap_or_default(),
            until: self.until,
        }
    }
}
