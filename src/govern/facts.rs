//! What a decision looks at: the resource version, its patient, the Consents about them.

use super::labels::{Confidentiality, Labels};
use super::tier::{self, Tier};
use crate::fhir::systems;
use serde_json::Value;

/// One stored Consent version.
#[derive(Clone, Copy, Debug)]
pub struct StoredConsent<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its version.
    pub version: u64,
    /// The resource.
    pub resource: &'a Value,
}

/// What is true at the time of the decision. All of it comes from the store, nothing from the recipient.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The resource version that is asked for.
    pub resource: &'a Value,
    /// Its type, such as `Flag`.
    pub resource_type: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its version.
    pub version: u64,
    /// The organisation (ODS code) whose source sent it.
    pub source_organisation: &'a str,
    /// The patient, when known.
    pub patient: Option<&'a Value>,
    /// Every Consent of the patient that the store holds, of any status.
    pub consents: &'a [StoredConsent<'a>],
}

/// What the rules need of a resource, read once.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    /// Codes of the CodeSystem `concern-category`, known ones.
    pub categories: Vec<&'static str>,
    /// Whether there is a concern category that the gateway does not know, or none.
    pub categories_undefined: bool,
    pub action: Option<&'a str>,
    pub tier: Option<Tier>,
    pub bases: Vec<&'a str>,
    pub labels: Labels<'a>,
    /// The highest confidentiality of resource and patient.
    pub confidentiality: Option<Confidentiality>,
    /// Whether the patient's location must be withheld (patient labelled R or V).
    pub location_restricted: bool,
    /// Identifiers of parties alleged to cause harm.
    pub alleged: Vec<&'a str>,
}

impl<'a> Reading<'a> {
    pub fn of(facts: &Facts<'a>) -> Reading<'a> {
        let resource = facts.resource;
        let mut reading = Reading {
            categories: Vec::new(),
            categories_undefined: false,
            action: None,
            tier: None,
            bases: Vec::new(),
            labels: Labels::of(resource),
            confidentiality: None,
            location_restricted: false,
            alleged: Vec::new(),
        };
        reading.read_categories(resource);
        let mut explicit = None;
        let mut malformed_tier = false;
        for extension in list(resource, "extension") {
            let url = extension.get("url").and_then(Value::as_str).unwrap_or_default();
            match url
                .strip_prefix(systems::base())
                .and_then(|rest| rest.strip_prefix("/StructureDefinition/"))
            {
                Some("lawful-basis") => reading.bases.push(own_code(extension, "lawful-basis").unwrap_or("")),
                Some("action-expected") => reading.action = own_code(extension, "action-expected"),
                Some("sharing-tier") => match own_code(extension, "sharing-tier").and_then(Tier::parse) {
                    Some(tier) => explicit = explicit.max(Some(tier)),
                    None => malformed_tier = true,
                },
                Some("alleged-party") => reading.alleged.extend(party_identifiers(extension)),
                _ => {}
            }
        }
        let derived = tier::derived(reading.categories.iter().copied(), reading.action);
        reading.tier = if malformed_tier { None } else { explicit.or(derived) };
        let patient = facts.patient.map(Labels::of);
        let of_patient = patient.as_ref().and_then(|labels| labels.confidentiality);
        reading.location_restricted = of_patient >= Some(Confidentiality::R)
            || reading.labels.sensitivities.contains(&"LOCIS")
            || patient
                .as_ref()
                .is_some_and(|labels| labels.unknown || labels.sensitivities.contains(&"LOCIS"));
        reading.confidentiality = reading.labels.confidentiality;
        reading.labels.no_patient |= patient.as_ref().is_some_and(|labels| labels.no_patient);
        reading
    }

    fn read_categories(&mut self, resource: &'a Value) {
        for concept in list(resource, "category") {
            for coding in list(concept, "coding") {
                if !is_own(coding.get("system"), "concern-category") {
                    continue;
                }
                match coding.get("code").and_then(Value::as_str).and_then(tier::category) {
                    Some(code) if self.categories.contains(&code) => {}
                    Some(code) => self.categories.push(code),
                    None => self.categories_undefined = true,
                }
            }
        }
        self.categories_undefined |= self.categories.is_empty();
    }
}

/// The members of an array member; nothing when it is absent or not an array.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Whether a coding's system is the gateway's own CodeSystem of this name.
fn is_own(system: Option<&Value>, name: &str) -> bool {
    system
        .and_then(Value::as_str)
        .and_then(|uri| uri.strip_prefix(systems::base()))
        .and_then(|rest| rest.strip_prefix("/CodeSystem/"))
        == Some(name)
}

/// The code of an extension's `valueCoding`, when its system is the gateway's own of this name.
fn own_code<'a>(extension: &'a Value, name: &str) -> Option<&'a str> {
    let coding = extension.get("valueCoding")?;
    is_own(coding.get("system"), name).then(|| coding.get("code").and_then(Value::as_str)).flatten()
}

fn party_identifiers(extension: &Value) -> impl Iterator<Item = &str> {
    let reference = extension.get("valueReference");
    let identifier = reference.and_then(|r| r.get("identifier")).or_else(|| extension.get("valueIdentifier"));
    let value = identifier.and_then(|i| i.get("value")).and_then(Value::as_str);
    value.into_iter().chain(reference.and_then(|r| r.get("reference")).and_then(Value::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(resource: &Value) -> Reading<'_> {
        read_of(resource, None)
    }

    fn read_of<'a>(resource: &'a Value, patient: Option<&'a Value>) -> Reading<'a> {
        Reading::of(&Facts {
            resource,
            resource_type: "Flag",
            id: "1",
            version: 1,
            source_organisation: "RGT",
            patient,
            consents: &[],
        })
    }

    #[test]
    fn reads_what_the_rules_need() {
        let flag = json!({"resourceType": "Flag",
            "category": [{"coding": [{"system": systems::canonical("CodeSystem/concern-category"), "code": "domestic-abuse"}]}],
            "extension": [
                {"url": systems::canonical("StructureDefinition/lawful-basis"),
                 "valueCoding": {"system": systems::canonical("CodeSystem/lawful-basis"), "code": "gdpr-6-1-e"}},
                {"url": systems::canonical("StructureDefinition/sharing-tier"),
                 "valueCoding": {"system": systems::canonical("CodeSystem/sharing-tier"), "code": "restricted"}}]});
        let reading = read(&flag);
        assert_eq!(reading.categories, ["domestic-abuse"]);
        assert_eq!(reading.bases, ["gdpr-6-1-e"]);
        assert_eq!(reading.tier, Some(Tier::Restricted));
        assert!(!reading.categories_undefined);
    }

    #[test]
    fn an_urgent_review_is_read_and_a_category_counts_once() {
        let own = |kind: &str, code: &str| json!({"system": systems::canonical(kind), "code": code});
        let category = own("CodeSystem/concern-category", "child-in-need");
        let flag = json!({"category": [{"coding": [category]}, {"coding": [category]}],
            "extension": [{"url": systems::canonical("StructureDefinition/action-expected"),
                           "valueCoding": own("CodeSystem/action-expected", "urgent-review")}]});
        let reading = read(&flag);
        assert_eq!(reading.categories, ["child-in-need"]);
        assert_eq!(reading.action, Some("urgent-review"));
        assert_eq!(reading.tier, Some(Tier::SafeguardingCritical));
    }

    #[test]
    fn a_patient_s_location_is_restricted_by_level_by_label_and_by_what_cannot_be_read() {
        let flag = json!({});
        for (system, code, restricted) in [
            (systems::CONFIDENTIALITY, "N", false),
            (systems::CONFIDENTIALITY, "R", true),
            (systems::CONFIDENTIALITY, "X", true),
            (systems::ACT_CODE, "LOCIS", true),
            (systems::ACT_CODE, "SDV", false),
        ] {
            let patient = json!({"meta": {"security": [{"system": system, "code": code}]}});
            assert_eq!(read_of(&flag, Some(&patient)).location_restricted, restricted, "{code}");
        }
        let sent = json!({"meta": {"security": [{"system": systems::ACT_CODE, "code": "LOCIS"}]}});
        assert!(read(&sent).location_restricted);
    }

    #[test]
    fn foreign_systems_do_not_count() {
        let flag = json!({"category": [{"coding": [{"system": "http://other.example", "code": "domestic-abuse"}]}],
            "extension": [{"url": systems::canonical("StructureDefinition/lawful-basis"),
                           "valueCoding": {"system": "http://other.example", "code": "gdpr-6-1-e"}}]});
        let reading = read(&flag);
        assert!(reading.categories_undefined && reading.tier.is_none());
        assert_eq!(reading.bases, [""], "a malformed basis is kept as one that nothing accepts");
    }

    #[test]
    fn a_malformed_tier_is_no_tier() {
        let flag = json!({"category": [{"coding": [{"system": systems::canonical("CodeSystem/concern-category"), "code": "domestic-abuse"}]}],
            "extension": [{"url": systems::canonical("StructureDefinition/sharing-tier"), "valueCoding": {"code": "restricted"}}]});
        assert_eq!(read(&flag).tier, None);
    }
}
