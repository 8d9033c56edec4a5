//! What one leaf of the log says, as far as a review needs it.

use crate::audit::StoredLeaf;
use jiff::Timestamp;
use serde_json::Value;

/// A decision about sharing, as its record names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// The partner's or credential's id; `gateway` for the decision to hold.
    pub recipient: String,
    /// `permit`, `withhold` or `quarantine`.
    pub outcome: String,
    /// The purpose's code.
    pub purpose: String,
    /// The tier's code.
    pub tier: String,
    /// The categories of concern.
    pub categories: Vec<String>,
    /// The lawful bases.
    pub bases: Vec<String>,
    /// The terms, as `id|version#term`.
    pub agreements: Vec<String>,
    /// Rules of the gateway itself.
    pub rules: Vec<String>,
    /// Why not.
    pub reasons: Vec<String>,
    /// What Consents said.
    pub consents: Vec<String>,
    /// What was applied to the copy.
    pub obligations: Vec<String>,
    /// The basis that overrode a dissent.
    pub overrode: String,
    /// What asked: `intake`, `send`, `retry`, `replay`, `read`, `events`.
    pub trigger: String,
    /// The policy's version.
    pub policy: String,
    /// Whether the emergency path was used.
    pub break_glass: bool,
}

/// What a leaf says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The id of the AuditEvent.
    pub id: String,
    /// The leaf's position.
    pub position: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The kind of act.
    pub act: String,
    /// Whether its content was erased: then only what the leaf itself says is known.
    pub erased: bool,
    /// The other organisation.
    pub organisation: String,
    /// The version of the resource that it is about, such as `Flag/x/_history/2`.
    pub target: String,
    /// The decision, where one was made.
    pub decided: Option<Decided>,
    /// The machine-readable details that are not about a decision.
    pub details: Vec<(String, String)>,
    /// The remark of its outcome.
    pub remark: String,
}

impl Seen {
    /// Reads a leaf; `None` when it is not one of this log.
    pub fn of(leaf: &StoredLeaf) -> Option<Seen> {
        let own: Value = serde_json::from_str(&leaf.leaf).ok()?;
        let mut seen = Seen {
            id: leaf.id.clone(),
            position: leaf.position,
            at: text(&own, "/at").parse().ok()?,
            act: text(&own, "/act").to_owned(),
            erased: leaf.body.is_none(),
            organisation: text(&own, "/recipient").to_owned(),
            target: String::new(),
            decided: None,
            details: Vec::new(),
            remark: String::new(),
        };
        match leaf.body.as_deref().and_then(|body| serde_json::from_str::<Value>(body).ok()) {
            Some(event) => seen.read(&event),
            None => seen.decided = from_leaf(&own, &seen.act),
        }
        Some(seen)
    }

    /// The first detail of this name; empty when there is none.
    pub fn detail(&self, name: &str) -> &str {
        self.details.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn read(&mut self, event: &Value) {
        let observer = text(event, "/source/observer/identifier/value");
        let who = |agent: &&Value| text(agent, "/who/identifier/value") != observer;
        let agents = list(event, "agent");
        // An auditor of the gateway's own organisation is the only other party there is.
        let other = agents.iter().find(who).or_else(|| {
            agents.iter().find(|agent| agent.get("requestor").and_then(Value::as_bool).unwrap_or(false))
        });
        if self.organisation.is_empty() {
            self.organisation = other.map_or("", |agent| text(agent, "/who/identifier/value")).to_owned();
        }
        self.remark = text(event, "/outcomeDesc").to_owned();
        let mut decided = Decided::default();
        for entity in list(event, "entity") {
            let reference = text(entity, "/what/reference");
            let is_consent = text(entity, "/role/code") == "13";
            if self.target.is_empty() && !is_consent {
                self.target = reference.to_owned();
            }
            if self.target.is_empty() && text(entity, "/type/code") != "1" {
                self.target = text(entity, "/what/identifier/value").to_owned();
            }
            for detail in list(entity, "detail") {
                let (name, value) = (text(detail, "/type"), text(detail, "/valueString").to_owned());
                decided.set(name, &value);
                self.details.push((name.to_owned(), value));
            }
        }
        if decided.recipient.is_empty() {
            decided.recipient = other.map_or("", |agent| text(agent, "/altId")).to_owned();
        }
        if self.act == "read" && decided.trigger.is_empty() {
            "read".clone_into(&mut decided.trigger);
        }
        if matches!(self.act.as_str(), "decision" | "disclosure" | "read") && !decided.outcome.is_empty() {
            self.decided = Some(decided);
        }
    }
}

impl Decided {
    fn set(&mut self, name: &str, value: &str) {
        match name {
            "recipient" => value.clone_into(&mut self.recipient),
            "outcome" => value.clone_into(&mut self.outcome),
            "purpose" => value.clone_into(&mut self.purpose),
            "tier" => value.clone_into(&mut self.tier),
            "overrode-dissent" => value.clone_into(&mut self.overrode),
            "trigger" => value.clone_into(&mut self.trigger),
            "policy-version" => value.clone_into(&mut self.policy),
            "break-glass" => self.break_glass = value == "true",
            "category" => self.categories.push(value.to_owned()),
            "lawful-basis" => self.bases.push(value.to_owned()),
            "agreement" => self.agreements.push(value.to_owned()),
            "rule" => self.rules.push(value.to_owned()),
            "reason" => self.reasons.push(value.to_owned()),
            "consent" => self.consents.push(value.to_owned()),
            "obligation" => self.obligations.push(value.to_owned()),
            _ => {}
        }
    }

    /// Whether it is about sharing with somebody: not the decision to hold, nor an organisation's own record.
    pub fn shares(&self) -> bool {
        self.recipient != "gateway"
            && !self.rules.iter().any(|rule| rule == "own-record" || rule == "auditor")
    }

    /// Whether the question had gone away: another version took its place, or the subscription ended.
    pub fn moot(&self) -> bool {
        self.reasons.iter().any(|reason| reason == "superseded" || reason == "subscription-ended")
    }
}

/// What the leaf of an erased record still says about a decision.
fn from_leaf(leaf: &Value, act: &str) -> Option<Decided> {
    let outcome = match act {
        "decision" => text(leaf, "/outcome"),
        "disclosure" => "permit",
        _ => return None,
    };
    let organisation = text(leaf, "/recipient");
    let own = |text: &str| text.to_owned();
    Some(Decided {
        recipient: if organisation.is_empty() { own("gateway") } else { own(organisation) },
        outcome: own(outcome),
        tier: own(text(leaf, "/tier")),
        bases: list(leaf, "basis").iter().filter_map(|basis| basis.as_str().map(str::to_owned)).collect(),
        agreements: Some(text(leaf, "/agreement"))
            .filter(|text| !text.is_empty())
            .map(own)
            .into_iter()
            .collect(),
        ..Decided::default()
    })
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
