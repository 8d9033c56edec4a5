//! Every combination of recipient, tier, category, purpose, basis, consent, label and emergency, decided by the gateway
//! and by an independent evaluator that reads the agreements' YAML its own way; and agreements that must be refused.

use serde_json::{Value, json};
use sgw::fhir::systems;
use sgw::govern::{Caller, Emergency, Facts, Partner, Policy, Request, Role, StoredConsent, decide};
use std::collections::BTreeMap;

const FILES: [(&str, &str); 3] = [
    ("northshire-hub.yaml", include_str!("../profiles/agreements/northshire-hub.yaml")),
    ("eastmoor-ed.yaml", include_str!("../profiles/agreements/eastmoor-ed.yaml")),
    ("moorland-homes.yaml", include_str!("../profiles/agreements/moorland-homes.yaml")),
];

fn documents() -> Vec<(String, String)> {
    FILES.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

/// The agreements, of which the emergency department's also accepts the patient's consent as a basis.
fn documents_with_consent() -> Vec<(String, String)> {
    let mut documents = documents();
    let (_, text) = &mut documents[1];
    assert!(text.contains("accept: ["));
    *text = text.replace("accept: [", "accept: [cldc-consent, ");
    documents
}

fn partners() -> Vec<Partner> {
    let mut suspended = Partner::new("suspended", "SUS01", "Suspended");
    suspended.suspended = true;
    vec![
        Partner::new("hub", "LZZ01", "Hub"),
        Partner::new("ed", "RZZ02", "ED"),
        Partner::new("housing", "HZZ01", "Housing"),
        Partner::new("stranger", "X26", "Stranger"),
        suspended,
    ]
}

fn own(kind: &str, code: &str) -> Value {
    json!({"system": systems::canonical(&format!("CodeSystem/{kind}")), "code": code})
}

fn extension(name: &str, code: &str) -> Value {
    json!({"url": systems::canonical(&format!("StructureDefinition/{name}")), "valueCoding": own(name, code)})
}

pub fn flag(category: &str, tier: &str, basis: &str, label: &str) -> Value {
    let mut extensions = Vec::new();
    if !tier.is_empty() {
        extensions.push(extension("sharing-tier", tier));
    }
    if !basis.is_empty() {
        extensions.push(extension("lawful-basis", basis));
    }
    let mut flag = json!({"resourceType": "Flag", "id": "f", "status": "active", "extension": extensions,
        "category": [{"coding": [own("concern-category", category)]}],
        "code": {"text": "x"}, "subject": {"reference": "Patient/p"}});
    if !label.is_empty() {
        let system = if label.len() == 1 { systems::CONFIDENTIALITY } else { systems::ACT_CODE };
        flag["meta"] = json!({"security": [{"system": system, "code": label}]});
    }
    flag
}

pub fn consent(kind: &str, organisation: &str) -> Option<Value> {
    (!kind.is_empty()).then(|| {
        json!({"resourceType": "Consent", "id": "c",
            "status": if kind == "withdrawn" { "inactive" } else { "active" },
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "patient": {"reference": "Patient/p"}, "dateTime": "2026-01-01",
            "provision": {"type": if kind == "permit" { "permit" } else { "deny" }, "actor": [{"reference":
                {"identifier": {"system": systems::ODS_ORGANIZATION, "value": organisation}}}]}})
    })
}

/// The agreements as the independent evaluator reads them: plain YAML, no types of the gateway.
pub struct Terms(Vec<(Value, Value)>);

impl Terms {
    pub fn read() -> Terms {
        Terms::of(&documents())
    }

    fn of(documents: &[(String, String)]) -> Terms {
        let options = || serde_saphyr::options! { strict_booleans: true };
        let read = |text: &str| -> Value { serde_saphyr::from_str_with_options(text, options()).unwrap() };
        let agreements = documents.iter().map(|(_, text)| read(text));
        Terms(
            agreements
                .flat_map(|agreement| {
                    let terms = agreement["terms"].as_array().unwrap().clone();
                    terms.into_iter().map(move |term| (agreement.clone(), term))
                })
                .collect(),
        )
    }
}

fn has(list: &Value, wanted: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|item| item == wanted))
}

#[derive(Debug)]
pub struct Case<'c> {
    pub recipient: &'c str,
    pub tier: &'c str,
    pub category: &'c str,
    pub purpose: &'c str,
    pub basis: &'c str,
    pub consent: &'c str,
    pub label: &'c str,
    pub emergency: bool,
}

/// What must come out: whether it is permitted.
pub fn expected(terms: &Terms, case: &Case) -> bool {
    let routine = ["child-in-need", "housing-and-social"];
    let closest = ["honour-based-abuse"];
    let tier = match case.tier {
        "" if routine.contains(&case.category) => "routine-coordination",
        "" if closest.contains(&case.category) => "restricted",
        "" => "safeguarding-critical",
        given => given,
    };
    let in_force = ["gdpr-6-1-e", "ca1989-s47", "cldc-consent"].contains(&case.basis);
    let levels = ["U", "L", "M", "N", "R", "V"];
    let level = |code: &str| levels.iter().position(|known| *known == code);
    let assumed = match tier {
        "routine-coordination" => "N",
        "safeguarding-critical" => "R",
        _ => "V",
    };
    terms.0.iter().any(|(agreement, term)| {
        let flags = term["resources"].is_null() || has(&term["resources"], "Flag");
        let covered = term["categories"].as_array().unwrap().iter().any(|name| {
            name == case.category
                || has(&agreement["categories"][name.as_str().unwrap()]["concern"], case.category)
        });
        let purpose = has(&term["purposes"], case.purpose)
            || (case.purpose == "ETREAT" && has(&term["purposes"], "TREAT"));
        let emergency = case.emergency && !term["break-glass"].is_null();
        let sensitive = case.label.len() > 1 && !has(&term["clearance"]["sensitivities"], case.label);
        let actual = if case.label.len() == 1 { case.label } else { assumed };
        let cleared = !sensitive && level(actual) <= level(term["clearance"]["up-to"].as_str().unwrap());
        let overrides = term["consent"] == "statutory-override" && case.basis == "ca1989-s47";
        let agreed = case.consent != "deny" || overrides || emergency;
        let consented = case.basis != "cldc-consent" || case.consent == "permit" || emergency;
        flags
            && has(&term["to"], case.recipient)
            && has(&term["tiers"], tier)
            && covered
            && purpose
            && in_force
            && has(&term["lawful-bases"]["accept"], case.basis)
            && (cleared || emergency)
            && agreed
            && consented
    })
}

#[test]
fn the_gateway_and_an_independent_evaluator_decide_alike_on_every_combination() {
    let documents = documents_with_consent();
    let policy = Policy::from_documents(&documents, partners()).unwrap();
    let terms = Terms::of(&documents);
    let now = "2026-11-21T09:00:00Z".parse().unwrap();
    let (mut cases, mut permits) = (0_u32, 0_u32);
    let mut mismatches = Vec::new();
    for partner in policy.partners() {
        let caller = Caller {
            credential: "k".into(),
            organisation: partner.organisation.clone(),
            roles: vec![Role::Subscriber],
            partner: Some(partner.id.clone()),
            source: None,
            address: String::new(),
        };
        for tier in ["", "routine-coordination", "safeguarding-critical", "restricted"] {
            for category in [
                "child-protection",
                "child-in-need",
                "domestic-abuse",
                "housing-and-social",
                "honour-based-abuse",
            ] {
                for basis in ["", "gdpr-6-1-e", "ca1989-s47", "cldc-consent", "ca2004-s16LA", "made-up"] {
                    for label in ["", "N", "R", "V", "SDV", "HIV"] {
                        let resource = flag(category, tier, basis, label);
                        for consent_kind in ["", "permit", "deny", "withdrawn"] {
                            let body = consent(consent_kind, &partner.organisation);
                            let stored: Vec<StoredConsent> = body
                                .iter()
                                .map(|resource| StoredConsent { id: "c", version: 1, resource })
                                .collect();
                            let facts = Facts {
                                resource: &resource,
                                resource_type: "Flag",
                                id: "f",
                                version: 1,
                                source_organisation: "RZZ01",
                                patient: None,
                                consents: &stored,
                            };
                            for purpose in ["SAFEGUARDING", "TREAT", "ETREAT", "HRESCH", ""] {
                                for emergency in [false, true] {
                                    let claim = Emergency {
                                        user: "dr-a",
                                        role: "consultant",
                                        reason: "BTG",
                                        text: "unconscious",
                                        patient_key: "nhs:9000000009",
                                        of_resource: "nhs:9000000009",
                                        until: "2026-11-21T10:00:00Z".parse().unwrap(),
                                    };
                                    let case = Case {
                                        recipient: &partner.organisation,
                                        tier,
                                        category,
                                        purpose,
                                        basis,
                                        consent: consent_kind,
                                        label,
                                        emergency,
                                    };
                                    let mut notify = Request::notify(partner);
                                    notify.purpose = purpose;
                                    let mut read = Request::read(&caller, purpose);
                                    if emergency {
                                        notify = notify.in_emergency(claim);
                                        read = read.in_emergency(claim);
                                    }
                                    let wanted = expected(&terms, &case);
                                    for request in [notify, read] {
                                        let decision = decide(&policy, &request, &facts, now);
                                        let permitted = decision.permit().is_some();
                                        cases += 1;
                                        permits += u32::from(permitted);
                                        let explained = permitted == decision.reasons.is_empty()
                                            && !decision.rationale.is_empty();
                                        if permitted != wanted || !explained {
                                            mismatches.push(format!(
                                                "{} {tier} {category} {basis} {label} {consent_kind} {purpose} {emergency}: {}",
                                                partner.id, decision.rationale
                                            ));
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(
        mismatches.is_empty(),
        "{} of {cases}: {:#?}",
        mismatches.len(),
        &mismatches[..mismatches.len().min(5)]
    );
    assert!(permits > 1_000 && cases > 250_000, "{permits} of {cases}");
}

#[test]
fn an_empty_absent_or_malformed_claim_agreement_or_consent_denies() {
    let policy = Policy::from_documents(&documents(), partners()).unwrap();
    let now = "2026-11-21T09:00:00Z".parse().unwrap();
    let good = flag("child-protection", "", "gdpr-6-1-e", "");
    let facts = |resource: &Value, consents: &[Value], source: &str, policy: &Policy| {
        let stored: Vec<StoredConsent> =
            consents.iter().map(|resource| StoredConsent { id: "c", version: 1, resource }).collect();
        let facts = Facts {
            resource,
            resource_type: "Flag",
            id: "f",
            version: 1,
            source_organisation: source,
            patient: None,
            consents: &stored,
        };
        let ed = Partner::new("ed", "RZZ02", "ED");
        decide(policy, &Request::notify(&ed), &facts, now).permit().is_some()
    };
    assert!(facts(&good, &[], "RZZ01", &policy));
    assert!(!facts(&good, &[], "", &policy), "no source");
    assert!(!facts(&good, &[], "RZZ01", &Policy::nothing()), "no agreement");
    for broken in
        [Value::Null, json!([]), json!({}), json!("Flag"), json!({"category": "x"}), json!({"extension": {}})]
    {
        assert!(!facts(&broken, &[], "RZZ01", &policy), "{broken}");
    }
    let mut consent = consent("deny", "RZZ02").unwrap();
    for member in ["provision", "scope"] {
        let mut broken = consent.clone();
        broken[member] = json!({"type": 7});
        assert!(!facts(&good, &[broken], "RZZ01", &policy), "an active consent with a broken {member}");
    }
    consent["provision"]["actor"] = json!([{}]);
    assert!(!facts(&good, &[consent], "RZZ01", &policy), "an actor that names nobody");
    let unknown = Partner::new("ed", "", "ED");
    let nobody = Facts {
        resource: &good,
        resource_type: "Flag",
        id: "f",
        version: 1,
        source_organisation: "RZZ01",
        patient: None,
        consents: &[],
    };
    assert!(decide(&policy, &Request::notify(&unknown), &nobody, now).permit().is_none());
}

#[test]
fn a_faulty_agreement_is_refused_with_file_line_and_rule() {
    let ed = FILES[1].1;
    let cases: BTreeMap<&str, (&str, &str, &str)> = BTreeMap::from([
        ("party-unknown", ("to: [RZZ02]", "to: [RZZ09]", "RZZ09")),
        ("basis-unknown", ("gdpr-6-1-d, gdpr-6-1-e", "gdpr-6-1-d, us-hipaa-treatment", "us-hipaa-treatment")),
        ("tier-unknown", ("tiers: [routine-coordination", "tiers: [open-to-all", "open-to-all")),
        ("category-unknown", ("missed-contact, discharge", "missed-bus, discharge", "missed-bus")),
        ("purpose-unknown", ("[SAFEGUARDING, TREAT]", "[SAFEGUARDING, CURIOSITY]", "CURIOSITY")),
        ("label-unknown", ("[SDV, VIO, CHILD", "[SDV, SECRET, CHILD", "SECRET")),
        ("jurisdiction-unknown", ("jurisdiction: england", "jurisdiction: atlantis", "atlantis")),
        ("period-reversed", ("until: 2031-03-31", "until: 2025-03-31", "ends before it starts")),
        (
            "signatory-missing",
            ("  - {organisation: RZZ02, role: Caldicott Guardian, signed: 2026-03-09}\n", "", "RZZ02"),
        ),
        ("minimum-dataset", ("minimum-dataset: whole-alert", "minimum-dataset: half-alert", "half-alert")),
        ("yaml", ("id: eastmoor-ed", "id: [eastmoor-ed", "line")),
        ("agreement-schema", ("consent: dissent-withholds", "consent: whatever", "whatever")),
    ]);
    for (rule, (from, to, named)) in cases {
        assert!(ed.contains(from), "{rule}: `{from}` is not in the agreement");
        let errors =
            Policy::from_documents(&[("ed.yaml".into(), ed.replacen(from, to, 1))], Vec::new()).unwrap_err();
        // An unknown jurisdiction is refused by the schema before its bases are looked for.
        let rule = if rule == "jurisdiction-unknown" { "agreement-schema" } else { rule };
        let found = errors.iter().find(|error| error.rule == rule);
        let found = found.unwrap_or_else(|| panic!("{rule}: {errors:?}"));
        assert!(found.text.contains(named), "{rule}: {found}");
        assert!(found.file == "ed.yaml" && found.line.is_some(), "{rule}: {found}");
    }
    let misspelt = ed.replacen("    purposes:", "    purpose:", 1);
    assert_ne!(misspelt, ed);
    let errors = Policy::from_documents(&[("ed.yaml".into(), misspelt)], Vec::new()).unwrap_err();
    let told = "unknown name `purpose`; did you mean `purposes`?";
    assert!(errors.iter().any(|error| error.text == told && error.line.is_some()), "{errors:?}");
    let twice =
        [("a.yaml".to_owned(), ed.to_owned()), ("b.yaml".to_owned(), ed.replace("eastmoor-ed", "again"))];
    let errors = Policy::from_documents(&twice, Vec::new()).unwrap_err();
    assert_eq!((errors[0].rule, errors[0].file.as_str()), ("agreements-overlap", "b.yaml"));
}

#[test]
fn a_united_states_agreement_needs_no_english_assumption() {
    let ed = FILES[1].1;
    let start = ed.find("      accept: [").unwrap();
    let end = start + ed[start..].find(']').unwrap() + 1;
    let text = ed
        .replace("jurisdiction: england", "jurisdiction: united-states")
        .replace(&ed[start..end], "      accept: [us-hipaa-abuse-neglect, us-42cfr2-consent]");
    let text = text.replace("consent: dissent-withholds", "consent: required");
    let policy = Policy::from_documents(&[("us.yaml".into(), text)], partners()).unwrap();
    let resource = flag("domestic-abuse", "", "us-42cfr2-consent", "");
    let now = "2026-11-21T09:00:00Z".parse().unwrap();
    let told = |consents: &[StoredConsent]| {
        let facts = Facts {
            resource: &resource,
            resource_type: "Flag",
            id: "f",
            version: 1,
            source_organisation: "RZZ01",
            patient: None,
            consents,
        };
        let decision = decide(&policy, &Request::notify(policy.partner("ed").unwrap()), &facts, now);
        let notices = decision.permit().map(|permit| permit.release(&facts, now).unwrap().notices);
        (decision.reasons.first().map(|reason| reason.code.code()), notices)
    };
    assert_eq!(told(&[]), (Some("consent-missing"), None));
    let given = consent("permit", "RZZ02").unwrap();
    let (reason, notices) = told(&[StoredConsent { id: "c", version: 1, resource: &given }]);
    assert_eq!(reason, None);
    assert!(notices.unwrap()[0].contains("42 CFR part 2 prohibits"), "the re-disclosure notice goes with it");
}
