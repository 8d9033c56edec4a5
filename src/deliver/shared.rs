//! What all workers of one deliverer share.

use super::facts::{FactsReader, Known};
use super::sender::Sender;
use super::settings::Settings;
use super::shaping::{Unshaped, in_shape};
use super::webhook::Secret;
use crate::audit;
use crate::govern::{Decision, Facts, Partner, Policy, ReasonCode, Released, Request, decide};
use crate::route::notification::{Context, Event, Focus};
use crate::route::{Status, Subscription, Topics, Trigger};
use crate::store::{Intent, NewLeaf, Put, SharedStore, StoreError, SubscriptionState};
use crate::validate::Validator;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a deliverer is made of.
pub struct Parts {
    /// The system of record.
    pub store: SharedStore,
    /// Proves redacted copies valid before they leave.
    pub validator: Arc<Validator>,
    /// The policy in force.
    pub policy: Arc<ArcSwap<Policy>>,
    /// The topics that are served.
    pub topics: Arc<Topics>,
    /// Who records.
    pub gateway: audit::Gateway,
    /// The webhook secrets of each partner at the start, by its id; several while one is being replaced.
    pub secrets: BTreeMap<String, Vec<Secret>>,
    /// The base URL of the gateway's FHIR interface, without a trailing slash.
    pub fhir_base: String,
    /// How deliveries are made.
    pub settings: Settings,
}

pub(super) struct Shared {
    pub parts: Parts,
    pub sender: Sender,
    pub facts: FactsReader,
    /// The webhook secrets in force.
    pub secrets: ArcSwap<BTreeMap<String, Vec<Secret>>>,
    /// This worker's name in leases.
    pub owner: String,
}

/// The decision about one intent for its subscriber, and what it allows.
pub(super) struct Judged {
    pub decision: Decision,
    /// What may be sent, and the facts it was decided on; none when it is withheld.
    pub permitted: Option<(Known, Released)>,
    pub partner: Option<Partner>,
}

impl Judged {
    /// Whether the decision could not be made: to be tried again, not to be taken for a no.
    pub fn failed(&self) -> bool {
        self.decision.reasons.iter().any(|reason| reason.code == ReasonCode::EvaluationError)
    }

    /// The code of the first reason to withhold.
    pub fn reason(&self) -> &'static str {
        self.decision.reasons.first().map_or("evaluation-error", |reason| reason.code.code())
    }
}

impl Shared {
    pub fn store(&self) -> &SharedStore {
        &self.parts.store
    }

    /// The subscription of a state row, if its resource can be served.
    pub fn subscription(&self, state: &SubscriptionState) -> Option<Subscription> {
        let resource: Value = serde_json::from_str(&state.body).ok()?;
        Subscription::parse(&resource, &self.parts.topics).ok()
    }

    /// The webhook secrets of all partners that are in force now.
    pub fn secrets(&self) -> Arc<BTreeMap<String, Vec<Secret>>> {
        self.secrets.load_full()
    }

    /// Decides anew whether the owner of a subscription may be told of an intent, and makes the copy that it may have.
    /// A fault on the way is a decision to withhold for `evaluation-error`.
    pub async fn judge(&self, owner: &str, intent: &Intent, now: Timestamp) -> Judged {
        let policy = self.parts.policy.load();
        let Some(partner) = policy.partner(owner).cloned() else {
            let decision = Decision::withheld(ReasonCode::RecipientUnknown, "");
            return Judged { decision, permitted: None, partner: None };
        };
        let fault = |text: String| {
            tracing::error!(intent.id = intent.id, error = %text, "a decision could not be made");
            Decision::withheld(ReasonCode::EvaluationError, &partner.purpose)
        };
        let (decision, permitted) = match self.facts.read(self.store(), intent).await {
            Err(error) => (fault(error.to_string()), None),
            Ok(known) => {
                let request = Request::notify(&partner);
                let (decision, released) = known.with(intent.version, |facts: &Facts<'_>| {
                    let decision = decide(&policy, &request, facts, now);
                    let released = decision
                        .permit()
                        .map(|permit| permit.release_valid(facts, &self.parts.validator, now));
                    (decision, released)
                });
                match released {
                    None => (decision, None),
                    Some(Ok(mut released)) => match self.shape(&partner, intent, &mut released).await {
                        Ok(()) => (decision, Some((known, released))),
                        Err(error) => (fault(error.to_string()), None),
                    },
                    Some(Err(error)) => (fault(error.to_string()), None),
                }
            }
        };
        Judged { decision, permitted, partner: Some(partner) }
    }

    /// Puts the copy of a Flag into its receiver's shape. What the shape cannot say stays as it is: the end of an alert
    /// must reach also those whose shape has no word for it.
    async fn shape(
        &self,
        partner: &Partner,
        intent: &Intent,
        released: &mut Released,
    ) -> Result<(), StoreError> {
        let Some(shape) = partner.shape.filter(|_| intent.resource_type == "Flag") else { return Ok(()) };
        let validator = &self.parts.validator;
        let shaped =
            in_shape(self.store(), validator, shape, &released.resource, &released.obligations).await;
        match shaped {
            Ok(shaped) => released.resource = shaped,
            Err(Unshaped::Shape(error)) => {
                tracing::debug!(intent.id = intent.id, shape = shape.name(), %error, "sent in the gateway's own shape");
            }
            Err(Unshaped::Store(error)) => return Err(error),
        }
        Ok(())
    }

    /// The audit leaf of an act.
    pub fn leaf(&self, act: &audit::Act<'_>, now: Timestamp) -> NewLeaf {
        audit::record(act, &self.parts.gateway, now).into()
    }

    /// The context of a subscription's notifications.
    pub fn context<'a>(
        &'a self,
        subscription: &'a Subscription,
        state: &'a SubscriptionState,
        events: u64,
    ) -> Context<'a> {
        let status = Status::from_code(&state.status).unwrap_or(subscription.status);
        Context {
            base: &self.parts.fhir_base,
            subscription,
            status,
            events_since_start: events.max(state.events),
            error: (status == Status::Error).then_some("no-response"),
        }
    }

    /// The party of a partner in audit events.
    pub fn party<'a>(&self, partner: Option<&'a Partner>, owner: &'a str) -> audit::Party<'a> {
        partner.map_or(audit::Party { id: owner, ..audit::Party::default() }, audit::Party::from)
    }
}

/// An event as a notification states it, with what was released.
pub(super) fn event(intent: &Intent, number: u64, known: &Known, resource: Option<Value>) -> Event {
    Event {
        number,
        timestamp: intent.created,
        focus: Some(Focus {
            resource_type: intent.resource_type.clone(),
            id: intent.resource_id.clone(),
            version: intent.version,
            trigger: Trigger::from_code(&intent.trigger).unwrap_or(Trigger::Update),
            last_modified: known.at,
            resource,
        }),
    }
}

/// The next version of a Subscription resource, with another status; none if the stored one cannot be read.
pub(super) fn restate(
    state: &SubscriptionState,
    status: Status,
    error: Option<&str>,
    now: Timestamp,
) -> Option<Put> {
    let mut resource: Value = serde_json::from_str(&state.body).ok()?;
    let members = resource.as_object_mut()?;
    members.insert("status".into(), status.code().into());
    match error {
        Some(code) => members.insert("error".into(), code.into()),
        None => members.shift_remove("error"),
    };
    let version = state.resource_version + 1;
    let meta =
        members.entry("meta").or_insert_with(|| Value::Object(serde_json::Map::new())).as_object_mut()?;
    meta.insert("versionId".into(), version.to_string().into());
    meta.insert("lastUpdated".into(), crate::fhir::instant(now).into());
    Some(Put {
        resource_type: "Subscription".into(),
        id: state.id.clone(),
        version,
        expected: Some(state.resource_version),
        body: resource.to_string(),
        patient_key: None,
        identifiers: Vec::new(),
        last_updated: now,
        deleted: false,
    })
}
