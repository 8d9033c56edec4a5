//! `POST /fhir/$decide`: what the gateway would decide, and why. For auditors; nothing is disclosed, nothing is sent.
//!
//! The question and the answer are `Parameters`; `docs/governance/decisions.md` lists their names.

use super::answer::{ApiError, fhir, malformed};
use super::body::{require_acceptable, require_fhir};
use super::gate::{Authenticated, Gate};
use crate::convert::identity;
use crate::exchange::{About, Claim, Explained, Question, Refusal};
use crate::fhir::json::{self, Limits};
use crate::fhir::{Issue, systems};
use crate::govern::{Action, Decision, PolicyReference, Role, Say};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// How long a claim lasts that says no end.
const CLAIM_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// `POST /fhir/$decide`.
pub(super) async fn explain(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Auditor], "$decide").await?;
    require_acceptable(&headers, query.as_deref())?;
    require_fhir(&headers)?;
    let bytes = gate.body(caller, &headers, body, "$decide").await?;
    let now = Timestamp::now();
    let question = match parameters(&bytes).and_then(|list| question(list, now)) {
        Ok(question) => question,
        Err(error) => return Err(gate.refused(caller, "$decide", error).await),
    };
    let answers = gate.exchange.explain(caller, &question, now).await?;
    Ok(fhir(StatusCode::OK, &rendered(&answers, question.action)))
}

/// The `parameter` entries of a `Parameters` resource.
pub(super) fn parameters(bytes: &[u8]) -> Result<Vec<Value>, ApiError> {
    let mut read = json::parse(bytes, &Limits::default()).map_err(|error| {
        let issue = Issue::error("structure", error.rule, error.pointer.clone(), error.text.clone())
            .at(error.line, error.column);
        ApiError::Refused(Refusal::Unreadable { issues: vec![issue] })
    })?;
    if read.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
        return Err(malformed("the body is not a `Parameters`"));
    }
    match read.get_mut("parameter").map(Value::take) {
        Some(Value::Array(list)) => Ok(list),
        _ => Err(malformed("`Parameters` has no `parameter`")),
    }
}

fn question(list: Vec<Value>, now: Timestamp) -> Result<Question, ApiError> {
    let (mut reference, mut resource, mut patient) = (None, None, None);
    let mut consents = Vec::new();
    let mut source = String::new();
    let mut question = Question {
        about: About::Stored { resource_type: String::new(), id: String::new(), version: None },
        recipient: None,
        action: Action::Notify,
        purpose: None,
        emergency: None,
        at: None,
    };
    for mut parameter in list {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let own = parameter.get_mut("resource").map(Value::take);
        let text = || text_of(&parameter).ok_or_else(|| malformed(format!("`{name}` has no value")));
        match name.as_str() {
            "resource" if own.is_some() => resource = own,
            "resource" => reference = Some(text()?),
            "patient" => patient = Some(own.ok_or_else(|| malformed("`patient` must be a resource"))?),
            "consent" => consents.push(own.ok_or_else(|| malformed("`consent` must be a resource"))?),
            "source" => source = text()?,
            "recipient" => question.recipient = Some(text()?),
            "purpose" => question.purpose = Some(text()?),
            "action" => question.action = action(&text()?)?,
            "at" => question.at = Some(moment(&text()?)?),
            "emergency" => question.emergency = Some(claim(&parameter, now)?),
            _ => return Err(malformed(format!("the parameter `{name}` is not known here"))),
        }
    }
    question.about = match (reference, resource) {
        (Some(reference), None) if patient.is_none() && consents.is_empty() && source.is_empty() => {
            stored(&reference)?
        }
        (Some(_), None) => {
            return Err(malformed("what the gateway holds is decided on what it holds: give no other facts"));
        }
        (None, Some(resource)) => About::Given { resource, patient, consents, source },
        _ => return Err(malformed("exactly one `resource` is needed, a reference or a resource")),
    };
    Ok(question)
}

fn stored(reference: &str) -> Result<About, ApiError> {
    let wrong = || malformed("`resource` must be `Type/id` or `Type/id/_history/version`");
    let mut parts = reference.split('/');
    let (Some(resource_type), Some(id)) = (parts.next(), parts.next()) else { return Err(wrong()) };
    let version = match (parts.next(), parts.next(), parts.next()) {
        (None, _, _) => None,
        (Some("_history"), Some(version), None) => Some(version.parse().map_err(|_| wrong())?),
        _ => return Err(wrong()),
    };
    Ok(About::Stored { resource_type: resource_type.to_owned(), id: id.to_owned(), version })
}

fn action(code: &str) -> Result<Action, ApiError> {
    match code {
        "hold" => Ok(Action::Hold),
        "notify" => Ok(Action::Notify),
        "read" => Ok(Action::Read),
        _ => Err(malformed("`action` must be `hold`, `notify` or `read`")),
    }
}

pub(super) fn moment(text: &str) -> Result<Timestamp, ApiError> {
    text.parse().map_err(|_| malformed("a moment must be a date and time with its offset"))
}

/// A claim to the emergency path: `user`, `role`, `reason`, `text`, `patient` and, if wanted, `until`. What is left out
/// is empty, and an empty claim is accepted nowhere.
pub(super) fn claim(parameter: &Value, now: Timestamp) -> Result<Claim, ApiError> {
    let until = now.checked_add(CLAIM_LIFE).unwrap_or(now);
    let mut claim = Claim { until, ..Claim::default() };
    for part in parameter.get("part").and_then(Value::as_array).into_iter().flatten() {
        let text = text_of(part).unwrap_or_default();
        match part.get("name").and_then(Value::as_str) {
            Some("user") => claim.user = text,
            Some("role") => claim.role = text,
            Some("reason") => claim.reason = text,
            Some("text") => claim.text = text,
            Some("patient") => claim.patient_key = patient_key(part).unwrap_or_default(),
            Some("until") => claim.until = moment(&text)?,
            other => {
                let name = other.unwrap_or_default();
                return Err(malformed(format!("the part `{name}` is not known here")));
            }
        }
    }
    Ok(claim)
}

/// The key of the patient that a parameter's `valueIdentifier` names.
pub(super) fn patient_key(parameter: &Value) -> Option<String> {
    let identifier = parameter.get("valueIdentifier")?;
    json!({"identifier": [identifier]}).as_object().and_then(identity::patient_key)
}

/// The text of a parameter, whichever type it came as.
pub(super) fn text_of(parameter: &Value) -> Option<String> {
    let plain = ["valueString", "valueCode", "valueUri", "valueInstant", "valueDateTime", "valueId"];
    let value = plain.into_iter().find_map(|name| parameter.get(name)).or_else(|| {
        let deep = [
            "/valueCoding/code",
            "/valueReference/reference",
            "/valueReference/identifier/value",
            "/valueIdentifier/value",
        ];
        deep.into_iter().find_map(|pointer| parameter.pointer(pointer))
    })?;
    value.as_str().map(str::to_owned)
}

fn rendered(answers: &[Explained], action: Action) -> Value {
    let decisions: Vec<Value> =
        answers.iter().map(|one| json!({"name": "decision", "part": parts(one, action)})).collect();
    match decisions.is_empty() {
        true => json!({"resourceType": "Parameters"}),
        false => json!({"resourceType": "Parameters", "parameter": decisions}),
    }
}

fn own(code_system: &str, code: &str) -> Value {
    json!({"system": systems::canonical(&format!("CodeSystem/{code_system}")), "code": code})
}

fn parts(one: &Explained, action: Action) -> Vec<Value> {
    let decision: &Decision = &one.decision;
    let mut parts = vec![json!({"name": "outcome", "valueCode": decision.outcome.code()})];
    let mut text = |name: &str, value: &str| {
        if !value.is_empty() {
            parts.push(json!({"name": name, "valueString": value}));
        }
    };
    text("recipient", &one.recipient);
    text("organisation", &one.organisation);
    text("action", action.code());
    text("purpose", &decision.purpose);
    text("policy-version", &decision.policy_version);
    text("rationale", &decision.rationale);
    for reason in &decision.reasons {
        let coding = own("reason-not-shared", reason.code.code());
        parts.push(json!({"name": "reason", "part": [
            {"name": "code", "valueCoding": coding},
            {"name": "text", "valueString": reason.text}]}));
    }
    for policy in &decision.contributed {
        parts.push(match policy {
            PolicyReference::Agreement { id, version, term } => json!({"name": "policy", "part": [
                {"name": "agreement", "valueString": id},
                {"name": "version", "valueString": version},
                {"name": "term", "valueString": term}]}),
            PolicyReference::Rule(rule) => {
                json!({"name": "policy", "part": [{"name": "rule", "valueCode": rule}]})
            }
        });
    }
    for consent in &decision.consents {
        let said = match consent.said {
            Say::Permit => "permit",
            Say::Deny => "deny",
            Say::Silent | Say::Foreign => "silent",
        };
        parts.push(json!({"name": "consent", "part": [
            {"name": "consent", "valueString": format!("Consent/{}/_history/{}", consent.id, consent.version)},
            {"name": "said", "valueCode": said},
            {"name": "overridden", "valueBoolean": consent.overridden},
            {"name": "superseded", "valueBoolean": consent.superseded},
            {"name": "review-overdue", "valueBoolean": consent.review_overdue}]}));
    }
    if let Some(tier) = decision.tier {
        parts.push(json!({"name": "tier", "valueCoding": own("sharing-tier", tier.code())}));
    }
    for basis in &decision.lawful_bases {
        parts.push(json!({"name": "lawful-basis", "valueCoding": own("lawful-basis", basis)}));
    }
    if let Some(basis) = &decision.overrode_dissent {
        parts.push(json!({"name": "overrode-dissent", "valueCoding": own("lawful-basis", basis)}));
    }
    parts.push(json!({"name": "break-glass", "valueBoolean": decision.break_glass}));
    if let Some(permit) = decision.permit() {
        for obligation in permit.obligations() {
            parts.push(json!({"name": "obligation", "valueCode": obligation}));
        }
        if let Some(time) = permit.response_time() {
            parts.push(json!({"name": "response-time", "valueString": time}));
        }
        parts.push(json!({"name": "permit-expires", "valueInstant": permit.expires().to_string()}));
    }
    parts
}
