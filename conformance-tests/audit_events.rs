//! Every kind of act makes an AuditEvent that is valid R4, and valid by the profile it claims where that is ours; the
//! event is canonical, and its leaf commits to it and names nobody.

use jiff::Timestamp;
use serde_json::Value;
use sgw::audit::{Act, Change, Entry, Gateway, Party, QuarantineStep, Target, commitment, merkle, record};
use sgw::govern::{Facts, Partner, Policy, Request, decide};
use sgw::validate::Validator;

/// One act of every kind, recorded; with texts that are hard to write canonically.
fn every_act(visit: &mut dyn FnMut(&Act<'_>, Entry)) {
    let gateway = Gateway {
        organisation: "GZZ01".into(),
        name: "Test gateway".into(),
        device: "sgw".into(),
        address: "127.0.0.1:8080".into(),
    };
    let now: Timestamp = "2026-11-21T09:00:00.123Z".parse().unwrap();
    let party = Party { id: "key-1", organisation: "RZZ01", name: "A \"quoted\" name", address: "192.0.2.1" };
    let target = Target::version("Flag", "the-flag", 2);
    let made = [target, Target::version("Patient", "p1", 1)];
    let patient = Some("nhs:9000000009");
    let agreement = include_str!("../profiles/agreements/northshire-hub.yaml").to_owned();
    let partner = Partner::new("hub", "LZZ01", "Hub");
    let policy = Policy::from_documents(&[("hub.yaml".into(), agreement)], vec![partner.clone()]).unwrap();
    let base = sgw::fhir::systems::base();
    let flag = serde_json::json!({"resourceType": "Flag", "id": "the-flag",
        "extension": [{"url": format!("{base}/StructureDefinition/lawful-basis"),
            "valueCoding": {"system": format!("{base}/CodeSystem/lawful-basis"), "code": "ca1989-s47"}}],
        "category": [{"coding": [{"system": format!("{base}/CodeSystem/concern-category"), "code": "child-protection"}]}],
        "subject": {"reference": "Patient/p1"}});
    let facts = |source| Facts {
        resource: &flag,
        resource_type: "Flag",
        id: "the-flag",
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
            text: "line\n\u{1}\\",
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
            query: "GET /fhir/Flag?subject=é",
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
    for act in &acts {
        visit(act, record(act, &gateway, now));
    }
}

/// RFC 8785 for values without fractional numbers: all that these events hold.
fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            let one =
                |name: &&String| format!("{}:{}", Value::from(name.as_str()), canonical(&members[*name]));
            format!("{{{}}}", names.iter().map(one).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[test]
fn every_event_and_leaf_is_canonical_and_committed_to() {
    every_act(&mut |act, entry| {
        assert_eq!(canonical(&entry.event()), entry.canonical, "{}", act.kind());
        let leaf: Value = serde_json::from_str(&entry.leaf).unwrap();
        assert_eq!(canonical(&leaf), entry.leaf);
        assert_eq!(leaf["commitment"], commitment(&entry.salt, entry.canonical.as_bytes()));
        assert_eq!(merkle::leaf_hash(entry.leaf.as_bytes()), entry.leaf_hash);
        assert!(!entry.leaf.contains("9000000009") && !entry.leaf.contains("the-flag"), "{}", entry.leaf);
        assert_eq!(entry.event()["id"], entry.id.as_str());
        for member in ["type", "recorded", "agent", "source", "entity", "outcome"] {
            assert!(entry.event().get(member).is_some(), "{member} of {}", act.kind());
        }
    });
}

#[test]
fn every_act_is_recorded_as_a_valid_audit_event() {
    let base = sgw::fhir::systems::base();
    let validator = Validator::builtin();
    let (mut wrong, mut claimed) = (Vec::new(), 0);
    every_act(&mut |act, entry| {
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
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(claimed, 6, "two reads, a search, a create, an update and a delete");
}
