//! Rules beside the agreements' terms: Tasks, disputes, versions that are not rewritten, and what no file may do.

use super::consent_tests::{ask, consent};
use super::tests::{now, starter};
use super::*;
use crate::fhir::systems;
use serde_json::{Value, json};

fn task(owner: &str) -> Value {
    json!({"resourceType": "Task", "status": "requested",
        "owner": {"identifier": {"system": systems::ODS_ORGANIZATION, "value": owner}}})
}

fn about(resource: &Value) -> Facts<'_> {
    Facts {
        resource,
        resource_type: "Task",
        id: "t",
        version: 1,
        source_organisation: "RZZ00",
        patient: None,
        consents: &[],
    }
}

fn rule(decision: &Decision) -> (&str, Vec<&'static str>) {
    let rule = match decision.contributed.as_slice() {
        [PolicyReference::Rule(rule)] => rule,
        [] => "",
        _ => "several",
    };
    (rule, decision.reasons.iter().map(|reason| reason.code.code()).collect())
}

#[test]
fn a_task_is_for_its_owner_and_for_those_who_run_and_audit_the_gateway() {
    let policy = starter();
    let read = |organisation: &str, role: Role, owner: &str| {
        let caller = Caller {
            credential: "k".into(),
            organisation: organisation.into(),
            roles: vec![role],
            partner: None,
            source: None,
            address: String::new(),
        };
        let resource = task(owner);
        let decision = decide(&policy, &Request::read(&caller, "SAFEGUARDING"), &about(&resource), now());
        let (rule, reasons) = rule(&decision);
        (rule.to_owned(), reasons)
    };
    for role in [Role::Source, Role::Subscriber] {
        assert_eq!(read("RZZ01", role, "RZZ01"), ("task-owner".to_owned(), vec![]));
        assert_eq!(read("RZZ01", role, "RZZ03"), (String::new(), vec!["not-shareable"]));
        assert_eq!(read("", role, ""), (String::new(), vec!["recipient-unknown"]));
    }
    for role in [Role::Operator, Role::Auditor] {
        assert_eq!(read("RZZ00", role, "RZZ01"), ("oversight".to_owned(), vec![]));
    }
    for role in [Role::Tester, Role::BreakGlass] {
        assert_eq!(read("RZZ01", role, "RZZ01"), (String::new(), vec!["recipient-unknown"]));
    }
}

#[test]
fn a_partner_is_told_of_its_own_tasks_and_a_portal_of_none() {
    let policy = starter();
    let told = |partner: &Partner, owner: &str| {
        let resource = task(owner);
        let decision = decide(&policy, &Request::notify(partner), &about(&resource), now());
        decision.reasons.first().map_or("", |reason| reason.code.code())
    };
    let desk = Partner::new("desk", "RZZ01", "Desk");
    assert_eq!((told(&desk, "RZZ01"), told(&desk, "RZZ03")), ("", "not-shareable"));
    let mut portal = desk.clone();
    portal.kind = PartnerKind::PatientPortal;
    assert_eq!(told(&portal, "RZZ01"), "tip-off-risk");
    let mut seen = desk.clone();
    seen.visible_to = vec![Audience::Household];
    assert_eq!(told(&seen, "RZZ01"), "tip-off-risk");
    let mut suspended = desk;
    suspended.suspended = true;
    assert_eq!(told(&suspended, "RZZ01"), "recipient-suspended");
}

#[test]
fn a_disputed_consent_permits_nothing_and_its_dissent_holds() {
    let url = systems::canonical("StructureDefinition/consent-dispute");
    for kind in ["permit", "deny"] {
        let plain = consent(json!({"type": kind}));
        let said = if kind == "permit" { (Say::Permit, Say::Silent) } else { (Say::Deny, Say::Deny) };
        assert_eq!((ask(&plain), dispute(&plain)), (said.0, None));
        for (extension, code) in [
            (json!({"url": url, "valueCoding": {"code": "disputed"}}), "disputed"),
            (json!({"url": url}), "uncertain"),
        ] {
            let mut disputed = plain.clone();
            disputed["extension"] = json!([{"url": "https://example.org/other"}, extension]);
            assert_eq!((ask(&disputed), dispute(&disputed)), (said.1, Some(code)));
        }
        let mut other = plain.clone();
        other["extension"] =
            json!([{"url": "https://elsewhere.example/StructureDefinition/consent-dispute"}]);
        assert_eq!((ask(&other), dispute(&other)), (said.0, None));
    }
}

#[test]
fn provisions_without_end_deny() {
    let mut provision = json!({"type": "permit"});
    for depth in 0..20 {
        provision = json!({"type": if depth % 2 == 0 { "deny" } else { "permit" }, "provision": [provision]});
    }
    assert_eq!(ask(&consent(provision)), Say::Deny);
    // So do additions to a permission, which change its meaning at no depth.
    let mut added = json!({"type": "permit"});
    for _ in 0..20 {
        added = json!({"type": "permit", "provision": [added]});
    }
    assert_eq!(ask(&consent(added)), Say::Deny);
}

const ED: &str = include_str!("../../profiles/agreements/eastmoor-ed.yaml");

fn policy(text: &str) -> Policy {
    Policy::from_documents(&[("ed.yaml".to_owned(), text.to_owned())], Vec::new()).unwrap()
}

#[test]
fn a_version_in_force_is_not_rewritten() {
    let old = policy(ED);
    assert!(old.rewritten(&policy(ED)).is_empty());
    assert!(old.rewritten(&Policy::nothing()).is_empty(), "it may be taken away");
    let longer = ED.replace("until: 2031-03-31", "until: 2032-03-31");
    let found = old.rewritten(&policy(&longer));
    assert!(
        found.len() == 1 && found[0].contains("eastmoor-ed") && found[0].contains("new version"),
        "{found:?}"
    );
    assert!(old.rewritten(&policy(&longer.replace("version: \"1.0\"", "version: \"1.1\""))).is_empty());
    for status in ["suspended", "retired"] {
        let stopped = ED.replace("status: in-force", &format!("status: {status}"));
        assert!(old.rewritten(&policy(&stopped)).is_empty(), "it may be {status}");
        let sneaked = longer.replace("status: in-force", &format!("status: {status}"));
        assert_eq!(old.rewritten(&policy(&sneaked)).len(), 1);
    }
    let draft = ED.replace("status: in-force", "status: draft");
    assert_eq!(old.rewritten(&policy(&draft)).len(), 1, "what was in force is no draft");
    assert!(policy(&draft).rewritten(&old).is_empty(), "a draft may become anything");
}

#[test]
fn an_agreement_that_runs_in_a_circle_is_refused_with_its_place() {
    let circle = ED.replace("parties:\n", "parties: &all\n  - *all\n");
    assert_ne!(circle, ED);
    let errors = Policy::from_documents(&[("ed.yaml".to_owned(), circle)], Vec::new()).unwrap_err();
    assert!(
        errors[0].file == "ed.yaml" && errors[0].line.is_some() && errors[0].rule == "yaml",
        "{errors:?}"
    );
}

#[test]
fn a_site_has_label_rules_of_its_own_beside_its_agreements() {
    let rules = "version: site-1\nrules:\n  - {id: all, confidentiality: V}\n".to_owned();
    let agreement = ("x/ed.yaml".to_owned(), ED.to_owned());
    let own = Policy::from_documents(&[agreement.clone(), ("x/labels.yaml".to_owned(), rules)], Vec::new())
        .unwrap();
    assert_eq!((own.label_rules().version(), own.agreements().len()), ("site-1", 1));
    let shipped = Policy::from_documents(std::slice::from_ref(&agreement), Vec::new()).unwrap();
    assert_eq!(shipped.label_rules().version(), "1.0");
    assert_ne!(own.version(), shipped.version(), "the policy's version covers the label rules");
    let faulty =
        ("x/labels.yaml".to_owned(), "version: '1'\nrules:\n  - {id: a, tiers: [open]}\n".to_owned());
    let errors = Policy::from_documents(&[agreement, faulty], Vec::new()).unwrap_err();
    assert_eq!((errors[0].rule, errors[0].line), ("label-unknown", Some(3)));
}

#[test]
fn an_emergency_permit_says_when_its_review_is_due() {
    let policy = starter();
    let mut resource = super::tests::flag("child-protection", &["gdpr-6-1-e"]);
    resource["meta"] = json!({"security": [{"system": systems::ACT_CODE, "code": "HIV"}]});
    let facts = super::tests::facts(&resource, &[]);
    let ed = policy.partner("ed").unwrap();
    let emergency = Emergency {
        user: "dr-a",
        role: "consultant",
        reason: "BTG",
        text: "collapsed",
        patient_key: "nhs:9000000009",
        of_resource: "nhs:9000000009",
        until: "2026-11-21T09:00:01Z".parse().unwrap(),
    };
    let decided = |emergency| decide(&policy, &Request::notify(ed).in_emergency(emergency), &facts, now());
    let decision = decided(emergency);
    assert!(decision.break_glass);
    assert_eq!(decision.permit().and_then(Permit::review_days), Some(3));
    let late = Emergency { until: now(), ..emergency };
    assert_eq!(rule_codes(&decided(late)), ["label-not-cleared"], "it has ended");
    for other in [
        Emergency { user: "", ..emergency },
        Emergency { patient_key: "", of_resource: "", ..emergency },
        Emergency { of_resource: "nhs:9000000017", ..emergency },
    ] {
        assert_eq!(rule_codes(&decided(other)), ["label-not-cleared"]);
    }
}

fn rule_codes(decision: &Decision) -> Vec<&'static str> {
    decision.reasons.iter().map(|reason| reason.code.code()).collect()
}

#[test]
fn two_terms_overlap_by_tier_and_category_for_flags_and_without_them_for_the_rest() {
    let hub = include_str!("../../profiles/agreements/northshire-hub.yaml");
    let at = hub.find("  - id: consents").unwrap();
    let again = hub[at..].replace("id: consents", "id: more");
    let with = |more: &str| {
        let files = [("hub.yaml".to_owned(), format!("{hub}{more}"))];
        Policy::from_documents(&files, Vec::new()).err().unwrap_or_default()
    };
    let tiers = "tiers: [routine-coordination, safeguarding-critical, restricted]";
    assert!(again.contains(tiers));
    // A Consent has no tier: two terms with different ones would both decide about it.
    let other_tier = hub.replace(&hub[at..], &hub[at..].replace(tiers, "tiers: [restricted]"));
    let files =
        [("hub.yaml".to_owned(), other_tier + &again.replace(tiers, "tiers: [routine-coordination]"))];
    let errors = Policy::from_documents(&files, Vec::new()).unwrap_err();
    assert!(errors.iter().any(|error| error.rule == "agreements-overlap"), "{errors:?}");
    assert!(with(&again).iter().any(|error| error.rule == "agreements-overlap"));
    // Other purposes, and Flags of no category in common, are another matter.
    assert_eq!(with(&again.replace("[SAFEGUARDING]", "[HRESCH]")), []);
    let flags = again.replace("resources: [Consent]", "resources: [Flag]");
    assert_eq!(with(&flags.replace("categories: []", "categories: [other-safeguarding]")).len(), 1);
    assert_eq!(with(&flags), [], "a term about no category decides about no Flag");
}
