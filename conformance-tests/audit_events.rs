//! Every kind of act makes an AuditEvent that is valid R4, and valid by the profile it claims where that is ours.

use sgw::audit::{Act, Change, Gateway, Party, QuarantineStep, Target, record};
use sgw::govern::{Facts, Partner, Policy, Request, decide};
use sgw::validate::Validator;

#[test]
fn every_act_is_recorded_as_a_valid_audit_event() {
    let gateway = Gateway {
        organisation: "GZZ01".into(),
        name: "Test gateway".into(),
        device: "sgw".into(),
        address: "127.0.0.1:8080".into(),
    };
    let now: jiff::Timestamp = "2026-11-21T09:00:00.123Z".parse().unwrap();
    let party = Party { id: "key-1", organisation: "RZZ01", name: "Hospitals", address: "192.0.2.1" };
    let target = Target::version("Flag", "f1", 2);
    let made = [target, Target::version("Patient", "p1", 1)];
    let patient = Some("nhs:9000000009");
    let agreement = include_str!("../profiles/agreements/northshire-hub.yaml").to_owned();
    let partner = Partner::new("hub", "LZZ01", "Hub");
    let policy = Policy::from_documents(&[("hub.yaml".into(), agreement)], vec![partner.clone()]).unwrap();
    let base = sgw::fhir::systems::base();
    let flag = serde_json::json!({"resourceType": "Flag", "id": "f1",
        "extension": [{"url": format!("{base}/StructureDefinition/lawful-basis"),
            "valueCoding": {"system": format!("{base}/CodeSystem/lawful-basis"), "code": "ca1989-s47"}}],
        "category": [{"coding": [{"system": format!("{base}/CodeSystem/concern-category"), "code": "child-protection"}]}],
        "subject": {"reference": "Patient/p1"}});
    let facts = |source| Facts {
        resource: &flag,
        resource_type: "Flag",
        id: "f1",
        version: 2,
        source_organisation: source,
        patient: None,
        consents: &[],
    };
    let permit = decide(&policy, &Request::notify(&partner), &facts("RZZ01"), now);
    let withheld = decide(&policy, &Request::notify(&partner), &facts("X26"), now);
    let held = decide(&policy, &Request::hold(), &facts("RZZ01"), now);
    assert!(permit.permit().is_some() && withheld.permit().is_none() && held.permit().is_some());
    let acts = [
        Act::Submission {
            caller: party,
            source: "pas",
            submission: "s1",
            format: "hl7v2",
            made: &made,
            repeated: true,
            patient,
        },
        Act::SubmissionRefused {
            caller: None,
            source: "pas",
            submission: "s1",
            rule: "json-syntax",
            text: "not readable",
            quarantine: Some("q1"),
            patient: None,
        },
        Act::Decision { decision: &permit, recipient: Some(party), target, patient, trigger: "send" },
        Act::Decision { decision: &withheld, recipient: Some(party), target, patient, trigger: "retry" },
        Act::Decision {
            decision: &held,
            recipient: None,
            target,
            patient: Some("local:urn:oid:1.2|7"),
            trigger: "intake",
        },
        Act::Disclosure {
            decision: &permit,
            recipient: party.at("https://hub.example/hook"),
            target,
            patient,
            obligations: &["masked"],
            subscription: Some("s1"),
            event_number: Some(7),
        },
        Act::DeliveryFailed {
            recipient: party,
            target,
            patient,
            subscription: "s1",
            event_number: None,
            status: Some(503),
            text: "503",
            dead: true,
        },
        Act::Refused {
            caller: None,
            operation: "read",
            rule: "unauthorized",
            text: "no credential",
            target: None,
            patient: None,
        },
        Act::Refused {
            caller: Some(party),
            operation: "read",
            rule: "forbidden",
            text: "no role",
            target: Some(target),
            patient,
        },
        Act::Read { caller: party, target, patient, purpose: "TREAT", decision: Some(&permit) },
        Act::Read {
            caller: party,
            target: Target::resource("Subscription", "s"),
            patient: None,
            purpose: "HOPERAT",
            decision: None,
        },
        Act::Search {
            caller: party,
            resource_type: "Flag",
            query: "GET /fhir/Flag?subject=x",
            purpose: "TREAT",
            found: 3,
            patient,
        },
        Act::Changed { caller: party, change: Change::Create, target, patient },
        Act::Changed { caller: party, change: Change::Update, target, patient },
        Act::Changed { caller: party, change: Change::Delete, target, patient },
        Act::Quarantine {
            caller: Some(party),
            step: QuarantineStep::Discarded,
            item: "q1",
            rule: "r",
            text: "t",
            patient,
        },
        Act::Quarantine {
            caller: None,
            step: QuarantineStep::Kept,
            item: "q1",
            rule: "r",
            text: "t",
            patient: None,
        },
        Act::Administration {
            actor: party,
            operation: "replay",
            subject: Some(target),
            details: &[("count", "3")],
        },
        Act::BreakGlass {
            caller: party,
            user: "dr-a",
            role: "consultant",
            reason: "BTG",
            text: "unconscious",
            target,
            patient,
            review_due: now,
        },
        Act::Erased { actor: party, event: "e1", ground: "gdpr-17" },
    ];
    let validator = Validator::builtin();
    let (mut wrong, mut claimed) = (Vec::new(), 0);
    for act in &acts {
        let entry = record(act, &gateway, now);
        let profile = entry.event()["meta"]["profile"][0].as_str().unwrap_or_default().to_owned();
        let mut event = entry.event();
        // BALP's profiles are not ours to carry: without them the event is held against R4 alone.
        if !profile.starts_with(base)
            && let Some(meta) = event.as_object_mut()
        {
            meta.remove("meta");
        }
        // What claims one of BALP's is held against the gateway's own, rebuilt from the same facts.
        let rebuilt = profile.rsplit('.').next().unwrap_or_default().to_lowercase().replace("patient", "");
        let own = sgw::fhir::systems::canonical(&format!("StructureDefinition/audit-{rebuilt}"));
        let claims_balp = profile.starts_with("https://profiles.ihe.net/");
        claimed += u32::from(claims_balp);
        let profiles = [own.as_str()];
        let report = validator.validate_value(&event, if claims_balp { &profiles } else { &[] });
        for issue in report.issues.iter().filter(|issue| issue.severity.refuses()) {
            wrong.push(format!(
                "{} ({profile}): {} {}: {}",
                act.kind(),
                issue.rule,
                issue.expression,
                issue.text
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(claimed, 6, "two reads, a search, a create, an update and a delete");
}
