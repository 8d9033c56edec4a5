//! Each condition of a term by itself: one thing changed, and the answer with it.

use super::tests::{facts, flag, now};
use super::{
    Action, Caller, Decision, Emergency, Facts, Partner, PartnerKind, Policy, Request, Role, StoredConsent,
    decide,
};
use crate::fhir::systems;
use serde_json::{Value, json};

pub(super) const ED: &str = include_str!("../../profiles/agreements/eastmoor-ed.yaml");
const HUB: &str = include_str!("../../profiles/agreements/northshire-hub.yaml");

pub(super) fn policy(text: &str) -> Policy {
    let partners = vec![Partner::new("ed", "RZZ02", "ED"), Partner::new("hub", "LZZ01", "Hub")];
    Policy::from_documents(&[("one.yaml".to_owned(), text.to_owned())], partners).unwrap()
}

pub(super) fn ask(policy: &Policy, partner: &str, facts: &Facts) -> Decision {
    decide(policy, &Request::notify(policy.partner(partner).unwrap()), facts, now())
}

pub(super) fn why(decision: &Decision) -> Vec<&'static str> {
    decision.reasons.iter().map(|reason| reason.code.code()).collect()
}

fn child() -> Value {
    flag("child-protection", &["gdpr-6-1-e"])
}

/// The agreement with the child's category narrowed by what is written here.
fn narrowed(by: &str) -> Policy {
    let whole = "  child-at-risk:\n    concern: [child-protection,";
    assert!(ED.contains(whole));
    policy(&ED.replace(whole, &format!("  child-at-risk:\n    {by}\n    concern: [child-protection,")))
}

#[test]
fn a_category_is_narrowed_by_code_profile_and_label() {
    let mut special = child();
    special["meta"] = json!({"profile": ["https://p.example/StructureDefinition/special|1.0"],
        "security": [{"system": systems::ACT_CODE, "code": "SDV"}]});
    for (by, fits) in [
        (format!("codes: [\"{}|342191000000101\"]", systems::SNOMED), true),
        (format!("codes: [\"{}|999\", \"{}|342191000000101\"]", systems::SNOMED, systems::SNOMED), true),
        (format!("codes: [\"{}|999\"]", systems::SNOMED), false),
        ("codes: [\"https://elsewhere.example|342191000000101\"]".to_owned(), false),
        (
            format!("codes: [\"{}|child-protection\"]", systems::canonical("CodeSystem/concern-category")),
            true,
        ),
        ("profiles: [\"https://p.example/StructureDefinition/special\"]".to_owned(), true),
        ("profiles: [\"https://p.example/StructureDefinition/other\"]".to_owned(), false),
        ("labels: [SDV]".to_owned(), true),
        ("labels: [VIO]".to_owned(), false),
        ("labels: [SDV]\n    profiles: [\"https://p.example/StructureDefinition/other\"]".to_owned(), false),
        (format!("labels: [VIO]\n    codes: [\"{}|342191000000101\"]", systems::SNOMED), false),
    ] {
        let decision = ask(&narrowed(&by), "ed", &facts(&special, &[]));
        assert_eq!(decision.permit().is_some(), fits, "{by}: {}", decision.rationale);
        if !fits {
            assert_eq!(why(&decision), ["category-not-covered"]);
        }
    }
}

#[test]
fn a_term_may_ask_for_a_basis_of_each_kind() {
    let accept = "      accept: [";
    let both = policy(&ED.replacen(accept, "      require: [article-6, statute]\n      accept: [", 1));
    for (bases, said) in [
        (vec!["gdpr-6-1-e", "ca1989-s47"], vec![]),
        (vec!["ca1989-s47", "gdpr-6-1-e"], vec![]),
        (vec!["gdpr-6-1-e"], vec!["lawful-basis-not-accepted"]),
        (vec!["ca1989-s47"], vec!["lawful-basis-not-accepted"]),
        (vec!["gdpr-9-2-g"], vec!["lawful-basis-not-accepted"]),
        (vec!["made-up"], vec!["lawful-basis-missing"]),
    ] {
        let resource = flag("child-protection", &bases);
        assert_eq!(why(&ask(&both, "ed", &facts(&resource, &[]))), said, "{bases:?}");
    }
    let one = policy(&ED.replacen(accept, "      require: [statute]\n      accept: [", 1));
    for (basis, fits) in [("ca1989-s47", true), ("gdpr-6-1-e", false)] {
        let resource = flag("child-protection", &[basis]);
        assert_eq!(ask(&one, "ed", &facts(&resource, &[])).permit().is_some(), fits, "{basis}");
    }
    let twice = flag("child-protection", &["gdpr-6-1-e", "made-up", "gdpr-6-1-e"]);
    let decision = ask(&policy(ED), "ed", &facts(&twice, &[]));
    assert_eq!(decision.lawful_bases, ["gdpr-6-1-e"], "known ones, each once");
}

#[test]
fn what_is_no_flag_is_shared_by_kind_purpose_and_clearance() {
    let hub = policy(HUB);
    let consent = json!({"resourceType": "Consent", "id": "f1", "status": "active"});
    let about = |resource_type: &'static str| Facts { resource_type, ..facts(&consent, &[]) };
    assert!(ask(&hub, "hub", &about("Consent")).permit().is_some());
    assert_eq!(why(&ask(&hub, "hub", &about("Patient"))), ["not-shareable"]);
    let mut request = Request::notify(hub.partner("hub").unwrap());
    request.purpose = "TREAT";
    assert_eq!(why(&decide(&hub, &request, &about("Consent"), now())), ["purpose-not-permitted"]);
    request.purpose = "CURIOSITY";
    assert_eq!(why(&decide(&hub, &request, &about("Consent"), now())), ["purpose-not-permitted"]);
    let elsewhere = Facts { source_organisation: "X26", ..about("Consent") };
    let refused = ask(&hub, "hub", &elsewhere);
    assert_eq!(why(&refused), ["no-agreement"]);
    assert_eq!(refused.contributed, [], "an agreement with others is not named");
}

#[test]
fn labels_are_cleared_one_by_one() {
    let ed = policy(ED);
    for (system, code, cleared) in [
        (systems::CONFIDENTIALITY, "U", true),
        (systems::CONFIDENTIALITY, "R", true),
        (systems::CONFIDENTIALITY, "V", false),
        (systems::CONFIDENTIALITY, "X", false),
        (systems::ACT_CODE, "SDV", true),
        (systems::ACT_CODE, "HIV", false),
        (systems::ACT_CODE, "SECRET", false),
        (systems::ACT_CODE, "MASK", true),
        (&systems::canonical("CodeSystem/sensitivity"), "CHILDSAFE", true),
        (&systems::canonical("CodeSystem/sensitivity"), "TIPOFF", false),
    ] {
        let mut resource = child();
        resource["meta"] = json!({"security": [{"system": system, "code": code}]});
        let decision = ask(&ed, "ed", &facts(&resource, &[]));
        assert_eq!(decision.permit().is_some(), cleared, "{code}: {}", decision.rationale);
    }
    // A wider sensitivity that is cleared includes the narrower one; not the other way round.
    let wide = policy(&ED.replace("[SDV, VIO,", "[SUD, VIO,"));
    for (code, cleared) in [("OPIOIDUD", true), ("SUD", true), ("SPI", false)] {
        let mut resource = child();
        resource["meta"] = json!({"security": [{"system": systems::ACT_CODE, "code": code}]});
        assert_eq!(ask(&wide, "ed", &facts(&resource, &[])).permit().is_some(), cleared, "{code}");
    }
    // Without a label the tier stands in for it.
    let up_to = |level: &str| policy(&ED.replace("up-to: R", &format!("up-to: {level}")));
    let routine = flag("missed-contact", &["gdpr-6-1-e"]);
    for (level, critical, day_to_day) in
        [("V", true, true), ("R", true, true), ("N", false, true), ("M", false, false)]
    {
        let policy = up_to(level);
        assert_eq!(ask(&policy, "ed", &facts(&child(), &[])).permit().is_some(), critical, "{level}");
        assert_eq!(ask(&policy, "ed", &facts(&routine, &[])).permit().is_some(), day_to_day, "{level}");
    }
}

fn stated() -> Emergency<'static> {
    Emergency {
        user: "dr-a",
        role: "consultant",
        reason: "BTG",
        text: "unconscious",
        patient_key: "nhs:9000000009",
        of_resource: "nhs:9000000009",
        until: "2026-11-21T09:00:01Z".parse().unwrap(),
    }
}

#[test]
fn an_emergency_is_believed_only_as_a_whole() {
    let ed = policy(ED);
    let mut closed = child();
    closed["meta"] = json!({"security": [{"system": systems::CONFIDENTIALITY, "code": "V"}]});
    let with = |emergency: Emergency, resource: &Value| {
        let request = Request::notify(ed.partner("ed").unwrap()).in_emergency(emergency);
        decide(&ed, &request, &facts(resource, &[]), now())
    };
    let decision = with(stated(), &closed);
    assert!(decision.permit().is_some() && decision.break_glass);
    assert!(decision.rationale.contains("emergency path"), "{}", decision.rationale);
    assert!(!with(stated(), &child()).break_glass, "what is permitted anyway needs no emergency");
    for emergency in [
        Emergency { user: "", ..stated() },
        Emergency { role: "porter", ..stated() },
        Emergency { reason: "TREAT", ..stated() },
        Emergency { text: " ", ..stated() },
        Emergency { patient_key: "", of_resource: "", ..stated() },
        Emergency { patient_key: "nhs:9000000017", ..stated() },
        Emergency { of_resource: "nhs:9000000017", ..stated() },
        Emergency { until: now(), ..stated() },
        Emergency { until: "2026-11-21T08:59:59Z".parse().unwrap(), ..stated() },
    ] {
        let decision = with(emergency, &closed);
        assert_eq!(
            (why(&decision), decision.break_glass),
            (vec!["label-not-cleared"], false),
            "{emergency:?}"
        );
    }
    let dissent = json!({"resourceType": "Consent", "status": "active", "dateTime": "2026-01-01",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/p1"}, "provision": {"type": "deny"}});
    let stored = [StoredConsent { id: "c", version: 2, resource: &dissent }];
    let request = Request::notify(ed.partner("ed").unwrap());
    let resource = child();
    let facts = facts(&resource, &stored);
    assert_eq!(why(&decide(&ed, &request, &facts, now())), ["consent-dissent"]);
    let decision = decide(&ed, &request.in_emergency(stated()), &facts, now());
    assert!(decision.permit().is_some() && decision.break_glass && decision.overrode_dissent.is_none());
    assert!(decision.consents[0].overridden, "a dissent that an emergency passed is told as such");
    let mut permission = dissent.clone();
    permission["provision"]["type"] = "permit".into();
    let both = [stored[0], StoredConsent { id: "d", version: 1, resource: &permission }];
    for consents in [&stored[..], &both] {
        let facts = Facts { consents, ..facts };
        let said =
            decide(&ed, &Request::notify(ed.partner("ed").unwrap()).in_emergency(stated()), &facts, now());
        assert!(said.permit().is_some() && !said.rationale.contains("consent permits"), "{}", said.rationale);
    }
    // Where a Consent is required, the emergency stands in for it, and says so; with one it is not needed.
    let required = policy(&ED.replace("consent: dissent-withholds", "consent: required"));
    let asked = |consents: &[StoredConsent], emergency: Option<Emergency<'_>>| {
        let facts = Facts { consents, ..facts };
        let request = Request { emergency, ..Request::notify(required.partner("ed").unwrap()) };
        let decision = decide(&required, &request, &facts, now());
        (why(&decision), decision.break_glass, decision.rationale)
    };
    assert_eq!(asked(&[], None).0, ["consent-missing"]);
    let (reasons, broken, _) = asked(&[], Some(stated()));
    assert!(reasons.is_empty() && broken);
    let mut consent = dissent.clone();
    consent["provision"]["type"] = "permit".into();
    let given = [StoredConsent { id: "c", version: 2, resource: &consent }];
    let (reasons, broken, said) = asked(&given, None);
    assert!(reasons.is_empty() && !broken && said.contains("A consent permits it"), "{said}");
    assert!(!asked(&given, Some(stated())).1);
    // Of an overdue review: a dissent where the term says so, and never a permission then.
    let overdue =
        json!([{"url": systems::canonical("StructureDefinition/review-due"), "valueDate": "2026-11-20"}]);
    consent["extension"] = overdue;
    let stale = [StoredConsent { id: "c", version: 3, resource: &consent }];
    assert!(asked(&stale, None).0.is_empty());
    let strict = policy(
        &ED.replace("consent: dissent-withholds", "consent: required\n    overdue-consent-withholds: true"),
    );
    let decision = ask(&strict, "ed", &Facts { consents: &stale, ..facts });
    assert_eq!(why(&decision), ["consent-dissent"]);
    assert!(decision.consents[0].review_overdue);
    consent["extension"][0]["valueDate"] = "2026-11-21".into();
    let fresh = [StoredConsent { id: "c", version: 4, resource: &consent }];
    let decision = ask(&strict, "ed", &Facts { consents: &fresh, ..facts });
    assert!(decision.permit().is_some() && !decision.consents[0].review_overdue, "due today is not overdue");
}

#[test]
fn a_rationale_says_who_what_why_under_which_agreement_and_on_what() {
    let hub = policy(HUB);
    let resource = flag("child-protection", &["ca1989-s47", "gdpr-6-1-e"]);
    let decision = ask(&hub, "hub", &facts(&resource, &[]));
    assert_eq!(
        decision.rationale,
        "Permitted to LZZ01 for SAFEGUARDING by agreement northshire-hub version 1.0, term enquiry: Flag of tier \
         safeguarding-critical, on ca1989-s47, gdpr-6-1-e."
    );
    let ed = policy(ED);
    let decision = ask(&ed, "ed", &facts(&resource, &[]));
    assert!(decision.rationale.ends_with(" No further sharing."), "{}", decision.rationale);
    let refused = ask(&ed, "ed", &Facts { source_organisation: "X26", ..facts(&resource, &[]) });
    assert_eq!(
        refused.rationale,
        "Withheld from RZZ02: no agreement lets this organisation receive from that source."
    );
    let held = decide(&ed, &Request::hold(), &facts(&resource, &[]), now());
    assert_eq!(
        held.rationale,
        "Held: the category is defined and a lawful basis was given (ca1989-s47, gdpr-6-1-e)."
    );
    let nothing = flag("child-protection", &[]);
    let quarantined = decide(&ed, &Request::hold(), &facts(&nothing, &[]), now());
    assert_eq!(quarantined.rationale, "Quarantined: no lawful basis in force was given.");
}

#[test]
fn whoever_is_named_or_seen_by_the_household_is_not_told() {
    let alleged = |extension: Value| {
        let mut resource = child();
        let mut extension = extension;
        extension["url"] = systems::canonical("StructureDefinition/alleged-party").into();
        resource["extension"].as_array_mut().unwrap().push(extension);
        resource
    };
    let mut ed = Partner::new("ed", "RZZ02", "ED");
    ed.people = vec!["N123".to_owned()];
    ed.references = vec!["Practitioner/p9".to_owned()];
    let files = [("one.yaml".to_owned(), ED.to_owned())];
    let policy = Policy::from_documents(&files, vec![ed.clone()]).unwrap();
    for (extension, told) in [
        (json!({"valueIdentifier": {"value": "N123"}}), false),
        (json!({"valueReference": {"identifier": {"value": "N123"}}}), false),
        (json!({"valueReference": {"identifier": {"value": "rzz02"}}}), false),
        (json!({"valueReference": {"reference": "Practitioner/p9"}}), false),
        (json!({"valueReference": {"reference": "Practitioner/p1"}}), true),
        (json!({"valueIdentifier": {"value": "N124"}}), true),
    ] {
        let resource = alleged(extension.clone());
        let decision = ask(&policy, "ed", &facts(&resource, &[]));
        assert_eq!(decision.permit().is_some(), told, "{extension}: {}", decision.rationale);
        if !told {
            assert_eq!(why(&decision), ["tip-off-risk"]);
            assert_eq!(decision.contributed, [super::PolicyReference::Rule("tip-off-protection")]);
        }
    }
    let visible = |change: &dyn Fn(&mut Partner)| {
        let mut partner = Partner::new("ed", "RZZ02", "ED");
        change(&mut partner);
        Policy::from_documents(&files, vec![partner]).unwrap()
    };
    let portal = visible(&|partner| partner.kind = PartnerKind::PatientPortal);
    let household = visible(&|partner| partner.visible_to = vec![super::Audience::Household]);
    let mut quiet = flag("missed-contact", &["gdpr-6-1-e"]);
    for policy in [&portal, &household] {
        assert_eq!(why(&ask(policy, "ed", &facts(&child(), &[]))), ["tip-off-risk"]);
        assert!(ask(policy, "ed", &facts(&quiet, &[])).permit().is_some());
    }
    let private = json!({"resourceType": "Patient", "meta": {"security": [{"system": systems::ACT_CODE, "code": "NOPAT"}]}});
    let hidden = Facts { patient: Some(&private), ..facts(&quiet, &[]) };
    assert_eq!(why(&ask(&portal, "ed", &hidden)), ["tip-off-risk"], "the patient's own label counts");
    quiet["meta"] = json!({"security": [{"system": systems::ACT_CODE, "code": "NOPAT"}]});
    assert_eq!(why(&ask(&portal, "ed", &facts(&quiet, &[]))), ["tip-off-risk"]);
    let local = systems::canonical("CodeSystem/sensitivity");
    quiet["meta"] = json!({"security": [{"system": local, "code": "TIPOFF"}]});
    assert_eq!(why(&ask(&household, "ed", &facts(&quiet, &[]))), ["tip-off-risk"]);
}

#[test]
fn a_permit_names_everything_it_is_for() {
    let ed = policy(ED);
    let resource = child();
    let decision = ask(&ed, "ed", &facts(&resource, &[]));
    let permit = decision.permit().unwrap();
    assert_eq!((permit.recipient(), permit.purpose()), ("RZZ02", "SAFEGUARDING"));
    assert_eq!(permit.resource(), ("Flag", "f1", 1));
    assert_eq!(permit.policy_version(), ed.version());
    assert_eq!(permit.expires(), "2026-11-21T09:01:00Z".parse::<jiff::Timestamp>().unwrap());
    assert_eq!((permit.response_time(), permit.review_days()), (Some("PT1H"), Some(3)));
    assert_eq!(permit.obligations(), ["no-onward-sharing"]);
    let caller = Caller {
        credential: "k".into(),
        organisation: "RZZ01".into(),
        roles: vec![Role::Source],
        partner: None,
        source: None,
        address: String::new(),
    };
    let decision = decide(&ed, &Request::read(&caller, "TREAT"), &facts(&resource, &[]), now());
    let own = decision.permit().unwrap();
    assert_eq!((own.recipient(), own.purpose(), own.obligations().len()), ("RZZ01", "TREAT", 0));
    assert_eq!((own.response_time(), own.review_days()), (None, None));
}

#[test]
fn actions_have_the_names_that_records_and_answers_use() {
    assert_eq!([Action::Hold, Action::Notify, Action::Read].map(Action::code), ["hold", "notify", "read"]);
}
