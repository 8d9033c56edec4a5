//! Decisions and releases under the starter agreement.

use super::*;
use crate::fhir::systems;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) fn starter() -> Policy {
    let agreements = [
        ("northshire-hub.yaml", include_str!("../../profiles/agreements/northshire-hub.yaml")),
        ("eastmoor-ed.yaml", include_str!("../../profiles/agreements/eastmoor-ed.yaml")),
        ("moorland-homes.yaml", include_str!("../../profiles/agreements/moorland-homes.yaml")),
    ];
    let agreements = agreements.map(|(file, text)| (file.to_owned(), text.to_owned()));
    let partner = |id: &str, organisation: &str| Partner::new(id, organisation, id);
    let mut portal = partner("portal", "RZZ04");
    portal.kind = PartnerKind::PatientPortal;
    let partners = vec![
        partner("hub", "LZZ01"),
        partner("ed", "RZZ02"),
        partner("housing", "HZZ01"),
        portal,
        partner("stranger", "X26"),
    ];
    Policy::from_documents(&agreements, partners)
        .unwrap_or_else(|errors| panic!("{}", errors.iter().map(|e| format!("{e}\n")).collect::<String>()))
}

pub(crate) fn now() -> Timestamp {
    "2026-11-21T09:00:00Z".parse().unwrap()
}

fn coding(system: &str, code: &str) -> Value {
    json!({"system": systems::canonical(&format!("CodeSystem/{system}")), "code": code})
}

pub(crate) fn flag(category: &str, bases: &[&str]) -> Value {
    let extensions: Vec<Value> = bases
        .iter()
        .map(|basis| {
            json!({"url": systems::canonical("StructureDefinition/lawful-basis"),
                   "valueCoding": coding("lawful-basis", basis)})
        })
        .collect();
    json!({"resourceType": "Flag", "id": "f1", "extension": extensions, "status": "active",
        "text": {"status": "generated", "div": "<div>12 Secret Lane</div>"},
        "category": [{"coding": [coding("concern-category", category)]}],
        "code": {"coding": [{"system": systems::SNOMED, "code": "342191000000101", "display": "Subject to CPP"}], "text": "CPP, 12 Secret Lane"},
        "subject": {"identifier": {"system": systems::NHS_NUMBER, "value": "9000000009"}, "display": "A Name"},
        "period": {"start": "2026-10-01"},
        "author": {"identifier": {"system": systems::ODS_ORGANIZATION, "value": "RZZ01"}},
        "encounter": {"reference": "Encounter/e1"}})
}

pub(crate) fn facts<'a>(resource: &'a Value, consents: &'a [StoredConsent<'a>]) -> Facts<'a> {
    Facts {
        resource,
        resource_type: "Flag",
        id: "f1",
        version: 1,
        source_organisation: "RZZ01",
        patient: None,
        consents,
    }
}

fn notify(policy: &Policy, partner: &str, resource: &Value, consents: &[StoredConsent]) -> Decision {
    let partner = policy.partner(partner).unwrap();
    decide(policy, &Request::notify(partner), &facts(resource, consents), now())
}

fn codes(decision: &Decision) -> Vec<&'static str> {
    decision.reasons.iter().map(|reason| reason.code.code()).collect()
}

fn dissent(organisation: &str) -> Value {
    json!({"resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "patient": {"identifier": {"system": systems::NHS_NUMBER, "value": "9000000009"}},
        "dateTime": "2026-10-01",
        "provision": {"type": "deny", "actor": [{
            "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
            "reference": {"identifier": {"system": systems::ODS_ORGANIZATION, "value": organisation}}}]}})
}

#[test]
fn the_hub_has_the_whole_alert_and_housing_its_minimum() {
    let policy = starter();
    let resource = flag("child-protection", &["gdpr-6-1-e", "ca1989-s47"]);
    let decision = notify(&policy, "hub", &resource, &[]);
    assert_eq!(decision.tier, Some(Tier::SafeguardingCritical));
    let released = decision.permit().unwrap().release(&facts(&resource, &[]), now()).unwrap();
    assert_eq!(released.resource["author"], resource["author"]);
    assert_eq!(released.response_time.as_deref(), Some("PT4H"));
    assert_eq!(released.resource, resource, "the hub may have, and pass on, everything");

    let decision = notify(&policy, "housing", &resource, &[]);
    let released = decision.permit().unwrap().release(&facts(&resource, &[]), now()).unwrap();
    let text = released.resource.to_string();
    for secret in ["Secret Lane", "A Name", "RZZ01", "Encounter"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(released.resource["code"], json!({"coding": resource["code"]["coding"]}));
    assert_eq!(released.resource["meta"]["tag"][0]["code"], "SUBSETTED");
    assert!(released.redacted);
}

#[test]
fn a_dissent_withholds_unless_a_statute_overrides_it() {
    let policy = starter();
    let resource = flag("child-protection", &["gdpr-6-1-e"]);
    let (hub, ed) = (dissent("LZZ01"), dissent("RZZ02"));
    let consents = [
        StoredConsent { id: "c1", version: 1, resource: &hub },
        StoredConsent { id: "c2", version: 3, resource: &ed },
    ];
    assert_eq!(codes(&notify(&policy, "ed", &resource, &consents)), ["consent-dissent"]);
    assert_eq!(codes(&notify(&policy, "hub", &resource, &consents)), ["consent-dissent"]);
    assert!(notify(&policy, "housing", &resource, &consents).permit().is_some());
    let duty = flag("child-protection", &["gdpr-6-1-e", "ca1989-s47"]);
    let decision = notify(&policy, "hub", &duty, &consents);
    assert_eq!(decision.overrode_dissent.as_deref(), Some("ca1989-s47"));
    assert!(decision.consents[0].overridden && decision.consents[0].id == "c1");
    assert_eq!(codes(&notify(&policy, "ed", &duty, &consents)), ["consent-dissent"]);
}

#[test]
fn whatever_is_not_covered_is_withheld_and_says_why() {
    let policy = starter();
    let with = |partner: &str, resource: Value| codes(&notify(&policy, partner, &resource, &[]));
    assert_eq!(with("stranger", flag("child-protection", &["gdpr-6-1-e"])), ["no-agreement"]);
    assert_eq!(with("ed", flag("modern-slavery", &["gdpr-6-1-e"])), ["category-not-covered"]);
    assert_eq!(with("hub", flag("child-protection", &[])), ["lawful-basis-missing"]);
    assert_eq!(with("hub", flag("child-protection", &["ca2004-s16LA"])), ["lawful-basis-missing"]);
    assert_eq!(with("hub", flag("child-protection", &["cldc-consent"])), ["lawful-basis-not-accepted"]);
    assert_eq!(with("portal", flag("child-protection", &["gdpr-6-1-e"])), ["tip-off-risk"]);
    let mut labelled = flag("child-protection", &["gdpr-6-1-e"]);
    labelled["meta"] = json!({"security": [{"system": systems::CONFIDENTIALITY, "code": "V"}]});
    assert_eq!(with("ed", labelled), ["label-not-cleared"]);
    let mut closely = flag("child-protection", &["gdpr-6-1-e"]);
    closely["extension"].as_array_mut().unwrap().push(
        json!({"url": systems::canonical("StructureDefinition/sharing-tier"), "valueCoding": coding("sharing-tier", "restricted")}),
    );
    assert_eq!(with("ed", closely), ["tier-not-covered"]);
    assert_eq!(with("hub", json!({})), ["category-not-covered"]);
    assert_eq!(with("hub", json!("not a resource")), ["category-not-covered"]);
}

#[test]
fn an_agreement_past_its_dates_or_review_permits_nothing() {
    let policy = starter();
    let resource = flag("child-protection", &["gdpr-6-1-e"]);
    let at = |moment: &str| {
        let request = Request::notify(policy.partner("hub").unwrap());
        codes(&decide(&policy, &request, &facts(&resource, &[]), moment.parse().unwrap()))
    };
    assert_eq!(at("2026-03-31T23:59:59Z"), ["agreement-not-in-force"]);
    assert_eq!(at("2026-04-01T00:00:00Z"), [""; 0]);
    assert_eq!(at("2029-03-31T23:59:59Z"), [""; 0]);
    assert_eq!(at("2029-04-01T00:00:00Z"), ["agreement-review-overdue"]);
    assert_eq!(at("2031-04-01T00:00:00Z"), ["agreement-not-in-force"]);
    let warnings = policy.warnings("2029-02-15T00:00:00Z".parse().unwrap());
    assert_eq!((warnings.len(), warnings[0].review, warnings[0].days_left), (3, true, 44));
}

#[test]
fn intake_quarantines_what_has_no_category_or_no_basis() {
    let policy = starter();
    let hold = |resource: Value| {
        let decision = decide(&policy, &Request::hold(), &facts(&resource, &[]), now());
        (decision.outcome.code(), codes(&decision))
    };
    assert_eq!(hold(flag("child-protection", &["gdpr-6-1-e"])), ("permit", vec![]));
    assert_eq!(hold(flag("child-protection", &[])), ("quarantine", vec!["lawful-basis-missing"]));
    assert_eq!(hold(flag("made-up", &["gdpr-6-1-e"])), ("quarantine", vec!["category-not-covered"]));
    assert_eq!(
        hold(json!({"resourceType": "Flag"})),
        ("quarantine", vec!["category-not-covered", "lawful-basis-missing"])
    );
}

#[test]
fn a_permit_is_for_one_version_one_set_of_consents_and_one_minute() {
    let policy = starter();
    let resource = flag("child-protection", &["gdpr-6-1-e"]);
    let decision = notify(&policy, "hub", &resource, &[]);
    let permit = decision.permit().unwrap();
    let other = Facts { version: 2, ..facts(&resource, &[]) };
    assert_eq!(permit.release(&other, now()), Err(ReleaseError::OtherResource));
    let later = now().checked_add(PERMIT_LIFE).unwrap();
    assert_eq!(permit.release(&facts(&resource, &[]), later), Err(ReleaseError::Expired));
    let consent = dissent("LZZ01");
    let consents = [StoredConsent { id: "c", version: 1, resource: &consent }];
    assert_eq!(permit.release(&facts(&resource, &consents), now()), Err(ReleaseError::OtherConsents));
    let consent = dissent("RZZ02");
    let of = |id: &'static str, version: u64| [StoredConsent { id, version, resource: &consent }];
    let decision = notify(&policy, "hub", &resource, &of("c", 1));
    let permit = decision.permit().unwrap();
    assert!(permit.release(&facts(&resource, &of("c", 1)), now()).is_ok());
    for other in [of("c", 2), of("d", 1)] {
        assert_eq!(permit.release(&facts(&resource, &other), now()), Err(ReleaseError::OtherConsents));
    }
}

#[test]
fn readers_have_their_own_records_and_auditors_only_the_log() {
    let policy = starter();
    let resource = flag("child-protection", &["gdpr-6-1-e"]);
    let read = |organisation: &str, roles: Vec<Role>, resource_type: &str| {
        let caller = Caller {
            credential: "k".into(),
            organisation: organisation.into(),
            roles,
            partner: None,
            source: None,
            address: String::new(),
        };
        let facts = Facts { resource_type, ..facts(&resource, &[]) };
        codes(&decide(&policy, &Request::read(&caller, "SAFEGUARDING"), &facts, now()))
    };
    assert_eq!(read("RZZ01", vec![Role::Source], "Flag"), [""; 0]);
    assert_eq!(read("LZZ01", vec![Role::Subscriber], "Flag"), [""; 0]);
    assert_eq!(read("LZZ01", vec![Role::Source], "Flag"), ["not-shareable"]);
    assert_eq!(read("LZZ01", vec![Role::Auditor, Role::Operator], "Flag"), ["recipient-unknown"]);
    assert_eq!(read("LZZ01", vec![Role::Auditor], "AuditEvent"), [""; 0]);
    assert_eq!(read("LZZ01", vec![Role::Subscriber], "AuditEvent"), ["not-shareable"]);
    assert_eq!(read("X26", vec![Role::Subscriber], "Flag"), ["no-agreement"]);
    assert_eq!(read("", vec![Role::Source], "Flag"), ["recipient-unknown"]);
}

#[test]
fn location_of_a_restricted_patient_leaves_by_no_exit() {
    let policy = starter();
    let resource = flag("child-protection", &["gdpr-6-1-e"]);
    let patient = json!({"resourceType": "Patient", "meta": {"security": [{"system": systems::CONFIDENTIALITY, "code": "R"}]}});
    let facts = Facts { patient: Some(&patient), ..facts(&resource, &[]) };
    let decision = decide(&policy, &Request::notify(policy.partner("hub").unwrap()), &facts, now());
    let released = decision.permit().unwrap().release(&facts, now()).unwrap();
    assert!(released.obligations.contains(&"location-withheld"));
    let text = released.resource.to_string();
    assert!(!text.contains("Secret Lane") && text.contains("Subject to CPP"), "{text}");
}
