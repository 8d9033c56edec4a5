//! From an act to its AuditEvent, its canonical text and its leaf.

use super::act::{Act, Change, Party, QuarantineStep, Target};
use super::entity::{Detail, Entity, What};
use super::event::{Agent, Event};
use super::leaf;
use super::merkle::Hash;
use crate::fhir::systems;
use crate::govern::{Decision, Outcome, PolicyReference, Say};
use jiff::Timestamp;
use serde_json::Value;

/// Who records: the gateway itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The organisation that runs it (ODS code).
    pub organisation: String,
    /// Its name.
    pub name: String,
    /// Which gateway it is, when the organisation runs several.
    pub device: String,
    /// Its network address.
    pub address: String,
}

/// One entry of the log, ready to be committed together with what it records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `AuditEvent.id`.
    pub id: String,
    /// When.
    pub recorded: Timestamp,
    /// The kind of act (CodeSystem `audit-act`).
    pub kind: &'static str,
    /// `permit`, `withhold`, `quarantine`, `done`, `refused` or `failed`.
    pub outcome: &'static str,
    /// The AuditEvent as canonical JSON (RFC 8785).
    pub canonical: String,
    /// The salt of the commitment; erased together with `canonical`.
    pub salt: [u8; 32],
    /// The leaf as canonical JSON: no personal data.
    pub leaf: String,
    /// The hash of the leaf (RFC 6962).
    pub leaf_hash: Hash,
    /// The patient it is about, as the store keys it.
    pub patient_key: Option<String>,
    /// What it is about: references without a version, such as `Flag/…`, `Subscription/…`, `QuarantineItem/…`.
    pub about: Vec<String>,
}

impl Entry {
    /// The AuditEvent.
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.canonical).unwrap_or(Value::Null)
    }
}

/// Records one act of this moment. The id and the salt are random.
pub fn record(act: &Act, gateway: &Gateway, now: Timestamp) -> Entry {
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let moment = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds);
    let id = uuid::Uuid::new_v7(moment).to_string();
    record_as(act, gateway, now, id, rand::random())
}

/// As [`record`], with a given id and salt.
pub fn record_as(act: &Act, gateway: &Gateway, now: Timestamp, id: String, salt: [u8; 32]) -> Entry {
    let recorded = now.to_string();
    let mut event = Event::new(&id, &recorded, gateway);
    let mut about = Vec::new();
    let outcome = describe(*act, &mut event, &mut about);
    event.kind = act.kind();
    event.patient = act.patient();
    let canonical = event.write();
    let leaf = leaf::write(&leaf::Leaf {
        act: act.kind(),
        at: &recorded,
        commitment: &leaf::commitment(&salt, canonical.as_bytes()),
        erases: if let Act::Erased { event, .. } = act { event } else { "" },
        id: &id,
        outcome,
        recipient: event.leaf_recipient,
        tier: event.leaf_tier,
        agreement: event.leaf_agreement,
        bases: event.leaf_bases,
    });
    Entry {
        leaf_hash: super::merkle::leaf_hash(leaf.as_bytes()),
        leaf,
        id,
        recorded: now,
        kind: act.kind(),
        outcome,
        canonical,
        salt,
        patient_key: act.patient().map(str::to_owned),
        about,
    }
}

fn describe<'a>(act: Act<'a>, event: &mut Event<'a>, about: &mut Vec<String>) -> &'static str {
    match act {
        Act::Submission { caller, source, submission, format, made, repeated, .. } => {
            event.import('C');
            event.agent(Agent::source(caller));
            let mut entity = Entity::object("Submission", submission);
            entity.detail("source", source);
            entity.detail("format", format);
            if repeated {
                entity.detail("repeated", "true");
            }
            about.push(format!("Submission/{submission}"));
            event.entity(entity);
            for target in made {
                about.push(target.reference());
                event.entity(Entity::resource(*target));
            }
            "done"
        }
        Act::SubmissionRefused { caller, source, submission, rule, text, quarantine, .. } => {
            event.import('C');
            event.refused(text);
            event.agent(Agent::source(caller.unwrap_or_default()));
            let mut entity = Entity::object("Submission", submission);
            entity.detail("source", source);
            entity.detail("reason", rule);
            about.push(format!("Submission/{submission}"));
            event.entity(entity);
            if let Some(item) = quarantine {
                about.push(format!("QuarantineItem/{item}"));
                event.entity(Entity::object("QuarantineItem", item));
            }
            "refused"
        }
        Act::Decision { decision, recipient, target, trigger, .. } => {
            event.decision();
            match recipient {
                Some(party) => decided(event, Agent::recipient(party), decision),
                None => {
                    event.purpose(&decision.purpose);
                    event.agent(Agent::gateway());
                }
            }
            about.push(target.reference());
            let mut entity = Entity::resource(target);
            entity.detail("recipient", recipient.map_or("gateway", |party| party.id));
            details(decision, &mut entity);
            for obligation in decision.permit().map(|permit| permit.obligations()).unwrap_or_default() {
                entity.detail("obligation", obligation);
            }
            entity.detail("trigger", trigger);
            entities(event, entity, decision);
            let outcome = decision.outcome.code();
            if !matches!(decision.outcome, Outcome::Permit(_)) {
                event.refused(&decision.rationale);
            }
            outcome
        }
        Act::Disclosure { decision, recipient, target, obligations, subscription, event_number, .. } => {
            event.disclosure();
            event.agent(Agent::gateway_source());
            decided(event, Agent::disclosed_to(recipient), decision);
            about.push(target.reference());
            let mut entity = Entity::resource(target);
            entity.detail("recipient", recipient.id);
            details(decision, &mut entity);
            for obligation in obligations {
                entity.detail("obligation", obligation);
            }
            notification(&mut entity, about, subscription, event_number);
            entities(event, entity, decision);
            "done"
        }
        Act::DeliveryFailed { recipient, target, subscription, event_number, status, text, dead, .. } => {
            event.activity('E');
            event.failed(text);
            event.agent(Agent::recipient(recipient));
            about.push(target.reference());
            let mut entity = Entity::resource(target);
            if let Some(status) = status {
                entity.details.push(Detail::owned("status", status.to_string()));
            }
            entity.detail("dead", if dead { "true" } else { "false" });
            notification(&mut entity, about, Some(subscription), event_number);
            event.entity(entity);
            "failed"
        }
        Act::Refused { caller, operation, rule, text, target, .. } => {
            event.alert('E');
            event.refused(text);
            event.agent(Agent::recipient(caller.unwrap_or_default()));
            let mut entity = target.map_or_else(|| Entity::object("Operation", operation), Entity::resource);
            about.extend(target.map(|target| target.reference()));
            entity.detail("operation", operation);
            entity.detail("reason", rule);
            event.entity(entity);
            "refused"
        }
        Act::Read { caller, target, purpose, decision, .. } => {
            event.rest("R", if target.version.is_some() { "vread" } else { "read" });
            event.agent(Agent::gateway_rest("110153"));
            about.push(target.reference());
            let mut entity = Entity::resource(target);
            match decision {
                Some(decision) => {
                    decided(event, Agent::rest(caller, "110152"), decision);
                    details(decision, &mut entity);
                    entities(event, entity, decision);
                }
                None => {
                    event.purpose(purpose);
                    event.agent(Agent::rest(caller, "110152"));
                    event.entity(entity);
                }
            }
            "done"
        }
        Act::Search { caller, query, purpose, .. } => {
            event.rest("E", "search");
            event.purpose(purpose);
            event.agent(Agent::rest(caller, "110153"));
            event.agent(Agent::gateway_rest("110152"));
            event.entity(Entity::query(query));
            "done"
        }
        Act::Changed { caller, change, target, .. } => {
            let (action, interaction) = match change {
                Change::Create => ("C", "create"),
                Change::Update => ("U", "update"),
                Change::Delete => ("D", "delete"),
            };
            event.rest(action, interaction);
            let deleting = change == Change::Delete;
            event.agent(Agent::rest(caller, if deleting { "110150" } else { "110153" }));
            event.agent(Agent::gateway_rest(if deleting { "custodian" } else { "110152" }));
            about.push(target.reference());
            event.entity(Entity::resource(target));
            "done"
        }
        Act::Quarantine { caller, step, item, rule, text, .. } => {
            let (action, word) = match step {
                QuarantineStep::Kept => ('C', "kept"),
                QuarantineStep::Read => ('R', "read"),
                QuarantineStep::Resubmitted => ('U', "resubmitted"),
                QuarantineStep::Discarded => ('D', "discarded"),
            };
            event.activity(action);
            event.agent(caller.map_or_else(Agent::gateway, Agent::user));
            about.push(format!("QuarantineItem/{item}"));
            let mut entity = Entity::object("QuarantineItem", item);
            entity.detail("step", word);
            entity.detail("reason", rule);
            entity.detail("text", text);
            event.entity(entity);
            "done"
        }
        Act::Administration { actor, operation, subject, details } => {
            event.activity('E');
            event.agent(Agent::user(actor));
            let mut entity = subject.map_or_else(|| Entity::object("Operation", operation), Entity::resource);
            about.extend(subject.map(|subject| subject.reference()));
            entity.detail("operation", operation);
            for (name, value) in details {
                entity.detail(name, value);
            }
            event.entity(entity);
            "done"
        }
        Act::BreakGlass { caller, user, role, reason, text, target, review_due, .. } => {
            event.alert('R');
            event.purpose("BTG");
            event.agent(Agent::user(Party { id: user, ..caller }));
            about.push(target.reference());
            let mut entity = Entity::resource(target);
            entity.detail("role", role);
            entity.detail("reason", reason);
            entity.detail("text", text);
            entity.details.push(Detail::owned("review-due", review_due.to_string()));
            event.entity(entity);
            "done"
        }
        Act::Erased { actor, event: erased, ground } => {
            event.activity('D');
            event.agent(Agent::user(actor));
            about.push(format!("AuditEvent/{erased}"));
            let mut entity = Entity::resource(Target::resource("AuditEvent", erased));
            entity.detail("ground", ground);
            event.entity(entity);
            "done"
        }
    }
}

fn notification<'a>(
    entity: &mut Entity<'a>,
    about: &mut Vec<String>,
    subscription: Option<&'a str>,
    event_number: Option<u64>,
) {
    if let Some(subscription) = subscription {
        about.push(format!("Subscription/{subscription}"));
        entity.details.push(Detail::owned("subscription", format!("Subscription/{subscription}")));
    }
    if let Some(number) = event_number {
        entity.details.push(Detail::owned("event-number", number.to_string()));
    }
}

/// The recipient, with the agreements that the decision rests on, and what of it stays in the leaf.
fn decided<'a>(event: &mut Event<'a>, mut recipient: Agent<'a>, decision: &'a Decision) {
    event.purpose(&decision.purpose);
    event.leaf_recipient = recipient.party.organisation;
    event.leaf_tier = decision.tier.map_or("", |tier| tier.code());
    event.leaf_bases = &decision.lawful_bases;
    for policy in &decision.contributed {
        if let PolicyReference::Agreement { id, version, term } = policy {
            recipient.policies.push(format!("{}/agreement/{id}|{version}#{term}", systems::base()));
            event.leaf_agreement.get_or_insert_with(|| format!("{id}|{version}#{term}"));
        }
    }
    event.agent(recipient);
}

/// The decision as machine-readable details; the names are documented in `docs/governance/audit.md`.
fn details<'a>(decision: &'a Decision, entity: &mut Entity<'a>) {
    entity.detail("outcome", decision.outcome.code());
    entity.detail("purpose", &decision.purpose);
    if let Some(tier) = decision.tier {
        entity.detail("tier", tier.code());
    }
    for category in &decision.categories {
        entity.detail("category", category);
    }
    for basis in &decision.lawful_bases {
        entity.detail("lawful-basis", basis);
    }
    for reason in &decision.reasons {
        entity.detail("reason", reason.code.code());
    }
    for policy in &decision.contributed {
        match policy {
            PolicyReference::Agreement { id, version, term } => {
                entity.details.push(Detail::owned("agreement", format!("{id}|{version}#{term}")));
            }
            PolicyReference::Rule(rule) => entity.detail("rule", rule),
        }
    }
    for consent in &decision.consents {
        let said = match (consent.said, consent.overridden) {
            (Say::Deny, true) => "deny, overridden",
            (Say::Deny, false) => "deny",
            (Say::Permit, _) => "permit",
            (Say::Silent | Say::Foreign, _) => "silent",
        };
        let superseded = if consent.superseded { ", superseded" } else { "" };
        let text = format!("Consent/{}/_history/{} {said}{superseded}", consent.id, consent.version);
        entity.details.push(Detail::owned("consent", text));
    }
    if let Some(basis) = &decision.overrode_dissent {
        entity.detail("overrode-dissent", basis);
    }
    if decision.break_glass {
        entity.detail("break-glass", "true");
    }
    entity.detail("policy-version", &decision.policy_version);
    entity.detail("rationale", &decision.rationale);
}

/// The resource, then the Consents the decision rests on.
fn entities<'a>(event: &mut Event<'a>, resource: Entity<'a>, decision: &'a Decision) {
    event.entity(resource);
    for consent in &decision.consents {
        let what = What::Reference(Target::version("Consent", &consent.id, consent.version));
        event.entity(Entity { what, role: "13", details: Vec::new(), query: "" });
    }
}
