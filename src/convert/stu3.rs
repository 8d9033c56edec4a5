//! FHIR STU3 (CareConnect) resources as R4: what was renamed, moved or changed in shape between the two.
//!
//! Only what differs is touched (<https://hl7.org/fhir/R4/consent.html#maps>, <https://hl7.org/fhir/R4/auditevent.html>,
//! <https://hl7.org/fhir/R4/flag.html>); a resource that is R4 already stays as it is.

use crate::fhir::systems;
use serde_json::{Map, Value, json};

const HEADINGS: &str = "https://fhir.nhs.uk/CodeSystem/RecordStandardHeadings";
const VERIFIED: &str =
    "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-NHSNumberVerificationStatus-1";
const UK_CORE_VERIFIED: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
const UK_CORE_VERIFICATION: &str =
    "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland";

/// Members of an STU3 Consent's root, and of its exceptions, that a provision has in R4.
const PROVISION: [&str; 8] =
    ["period", "actor", "action", "securityLabel", "purpose", "class", "dataPeriod", "data"];

/// Turns a resource of STU3 into one of R4. The error is an STU3 Consent that does not say whether it permits or denies.
pub fn to_r4(resource: &mut Map<String, Value>) -> Result<(), &'static str> {
    match resource.get("resourceType").and_then(Value::as_str) {
        Some("Flag") => flag(resource),
        Some("Consent") => return consent(resource),
        Some("Patient") => patient(resource),
        Some("AuditEvent") => audit_event(resource),
        _ => {}
    }
    Ok(())
}

/// A Flag's one category is no array in STU3, and a tag of the record standard headings says that it stands under
/// Safeguarding.
fn flag(flag: &mut Map<String, Value>) {
    if flag.get("category").is_some_and(Value::is_object)
        && let Some(category) = flag.get_mut("category")
    {
        *category = json!([category.take()]);
    }
    let tags = flag.get("meta").and_then(|m| m.get("tag")).and_then(Value::as_array);
    let safeguarding = tags.into_iter().flatten().any(|t| {
        let text = |name: &str| t.get(name).and_then(Value::as_str).unwrap_or_default();
        text("system") == HEADINGS && text("code").starts_with("safeguarding")
    });
    if safeguarding && !flag.contains_key("category") {
        let system = systems::canonical("CodeSystem/concern-category");
        flag.insert(
            "category".into(),
            json!([{"coding": [{"system": system, "code": "other-safeguarding"}]}]),
        );
    }
}

fn patient(patient: &mut Map<String, Value>) {
    for identifier in patient.get_mut("identifier").and_then(Value::as_array_mut).into_iter().flatten() {
        let extensions = identifier.get_mut("extension").and_then(Value::as_array_mut);
        for extension in extensions.into_iter().flatten() {
            if extension.get("url").and_then(Value::as_str) != Some(VERIFIED) {
                continue;
            }
            let code = extension.pointer("/valueCodeableConcept/coding/0/code").cloned();
            if let Some(code) = code {
                let coding = json!({"system": UK_CORE_VERIFICATION, "code": code});
                *extension = json!({"url": UK_CORE_VERIFIED, "valueCodeableConcept": {"coding": [coding]}});
            }
        }
    }
}

/// STU3 says a base policy (opt in, opt out) with exceptions; R4 says a provision with nested ones, each of which turns
/// the one above it round.
fn consent(consent: &mut Map<String, Value>) -> Result<(), &'static str> {
    let old = ["consentingParty", "except", "sourceIdentifier"];
    let moved = PROVISION.iter().any(|m| consent.contains_key(*m));
    let stated = consent.get("policyRule").is_some_and(Value::is_string);
    if !(moved || stated || old.iter().any(|m| consent.contains_key(*m))) {
        return Ok(());
    }
    if let Some(party) = consent.shift_remove("consentingParty") {
        consent.insert("performer".into(), party);
    }
    if let Some(identifier) = consent.shift_remove("sourceIdentifier") {
        consent.insert("sourceReference".into(), json!({"identifier": identifier}));
    }
    let uri = consent.get("policyRule").and_then(Value::as_str).unwrap_or_default().to_owned();
    let exceptions = match consent.shift_remove("except") {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let mut kinds: Vec<&str> =
        exceptions.iter().filter_map(|e| e.get("type").and_then(Value::as_str)).collect();
    kinds.dedup();
    let (kind, rule) = match (uri.rsplit('/').next(), kinds.as_slice()) {
        (Some("opt-in"), _) => ("permit", "OPTIN"),
        (Some("opt-out"), _) => ("deny", "OPTOUT"),
        (_, ["deny"]) => ("permit", "OPTIN"),
        (_, ["permit"]) => ("deny", "OPTOUT"),
        _ => return Err("the Consent does not say whether it permits or denies"),
    };
    let concept = json!({"coding": [{"system": systems::ACT_CODE, "code": rule}]});
    consent.insert("policyRule".into(), concept);
    if !uri.is_empty() && !uri.ends_with("/opt-in") && !uri.ends_with("/opt-out") {
        let policies = consent.entry("policy").or_insert_with(|| json!([]));
        if let Some(policies) = policies.as_array_mut() {
            policies.push(json!({"uri": uri}));
        }
    }
    let mut provision = Map::new();
    provision.insert("type".into(), kind.into());
    for member in PROVISION {
        if let Some(value) = consent.shift_remove(member) {
            provision.insert(member.into(), value);
        }
    }
    let nested: Vec<Value> = exceptions.into_iter().map(exception).collect();
    if !nested.is_empty() {
        provision.insert("provision".into(), Value::Array(nested));
    }
    consent.insert("provision".into(), Value::Object(provision));
    consent.entry("scope").or_insert_with(|| {
        let system = "http://terminology.hl7.org/CodeSystem/consentscope";
        json!({"coding": [{"system": system, "code": "patient-privacy"}]})
    });
    consent
        .entry("category")
        .or_insert_with(|| json!([{"coding": [{"system": systems::ACT_CODE, "code": "INFA"}]}]));
    Ok(())
}

/// What a member of an STU3 Consent became in R4.
pub(super) fn renamed(member: &str) -> &str {
    match member {
        "consentingParty" => "performer",
        "sourceIdentifier" => "sourceReference.identifier",
        "except" => "provision.provision",
        "period" => "provision.period",
        "actor" => "provision.actor",
        "action" => "provision.action",
        "securityLabel" => "provision.securityLabel",
        "purpose" => "provision.purpose",
        "dataPeriod" => "provision.dataPeriod",
        "data" => "provision.data",
        other => other,
    }
}

fn exception(mut exception: Value) -> Value {
    // The codes of an exception are codings in STU3 and concepts in R4.
    for code in exception.get_mut("code").and_then(Value::as_array_mut).into_iter().flatten() {
        if code.get("coding").is_none() {
            *code = json!({"coding": [code.take()]});
        }
    }
    exception
}

fn audit_event(event: &mut Map<String, Value>) {
    for agent in event.get_mut("agent").and_then(Value::as_array_mut).into_iter().flatten() {
        who(agent, "who", "reference", "userId");
    }
    if let Some(source) = event.get_mut("source") {
        who(source, "observer", "reference", "identifier");
    }
    for entity in event.get_mut("entity").and_then(Value::as_array_mut).into_iter().flatten() {
        who(entity, "what", "reference", "identifier");
    }
}

/// Puts a reference and an identifier of STU3 into the one reference of R4.
fn who(holder: &mut Value, member: &str, reference: &str, identifier: &str) {
    let Some(holder) = holder.as_object_mut() else { return };
    let target = match holder.shift_remove(reference) {
        Some(Value::Object(target)) => Some(target),
        _ => None,
    };
    let identifier = holder.shift_remove(identifier);
    if target.is_none() && identifier.is_none() {
        return;
    }
    let mut target = target.unwrap_or_default();
    if let Some(identifier) = identifier {
        target.entry("identifier").or_insert(identifier);
    }
    holder.entry(member).or_insert(Value::Object(target));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(mut value: Value) -> Value {
        to_r4(value.as_object_mut().unwrap()).unwrap();
        value
    }

    #[test]
    fn a_consent_with_exceptions_becomes_nested_provisions() {
        let consent = converted(json!({"resourceType": "Consent", "status": "active",
            "patient": {"reference": "Patient/1"}, "consentingParty": [{"reference": "Patient/1"}],
            "policyRule": "http://hl7.org/fhir/ConsentPolicy/opt-in", "period": {"start": "2018-01-01"},
            "except": [{"type": "deny", "actor": [{"role": {"text": "x"}, "reference": {"reference": "Organization/2"}}],
                "code": [{"system": "http://snomed.info/sct", "code": "1"}]}]}));
        assert_eq!(consent["provision"]["type"], "permit");
        assert_eq!(consent["provision"]["period"]["start"], "2018-01-01");
        assert_eq!(consent["provision"]["provision"][0]["type"], "deny");
        assert_eq!(consent["provision"]["provision"][0]["code"][0]["coding"][0]["code"], "1");
        assert_eq!(consent["performer"][0]["reference"], "Patient/1");
        assert!(["except", "consentingParty", "period"].iter().all(|m| consent.get(*m).is_none()));
        let mut silent = json!({"resourceType": "Consent", "status": "active", "purpose": []});
        assert!(to_r4(silent.as_object_mut().unwrap()).is_err());
    }

    #[test]
    fn an_audit_event_gets_the_references_of_r4() {
        let event = converted(json!({"resourceType": "AuditEvent",
            "agent": [{"userId": {"value": "u1"}, "reference": {"reference": "Practitioner/3"}, "requestor": true}],
            "source": {"identifier": {"value": "s1"}}, "entity": [{"identifier": {"value": "e1"}}]}));
        assert_eq!(event["agent"][0]["who"]["identifier"]["value"], "u1");
        assert_eq!(event["agent"][0]["who"]["reference"], "Practitioner/3");
        assert_eq!(event["source"]["observer"]["identifier"]["value"], "s1");
        assert_eq!(event["entity"][0]["what"]["identifier"]["value"], "e1");
    }

    #[test]
    fn what_is_r4_already_stays() {
        let consent = json!({"resourceType": "Consent", "status": "active",
            "policyRule": {"coding": [{"code": "OPTIN"}]}, "provision": {"type": "deny"}});
        assert_eq!(converted(consent.clone()), consent);
    }
}
