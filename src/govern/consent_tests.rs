//! Consents: hand-made cases, and more than 100,000 generated ones against an evaluator that works another way.
//!
//! The evaluator under test asks one request of one Consent, from the outside in. The independent one reads the whole
//! Consent as a list of rules, innermost last, and asks which rules hold: for each it walks the chain of provisions
//! from the root and multiplies what is known about every criterion.

use super::consent::{Say, evaluate};
use super::labels::{Confidentiality, Labels};
use super::matching::Asked;
use crate::fhir::systems;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const ACTION: &str = "http://terminology.hl7.org/CodeSystem/consentaction";

fn now() -> Timestamp {
    "2026-11-21T09:00:00Z".parse().unwrap()
}

fn resource() -> Value {
    json!({"resourceType": "Flag", "id": "f1", "meta": {"profile": ["https://p.example/StructureDefinition/x"]},
        "category": [{"coding": [{"system": systems::canonical("CodeSystem/concern-category"), "code": "domestic-abuse"}]}],
        "code": {"coding": [{"system": systems::SNOMED, "code": "707087005"}]},
        "subject": {"reference": "Patient/p1", "identifier": {"system": systems::NHS_NUMBER, "value": "9000000009"}},
        "period": {"start": "2026-10-01", "end": "2026-10-31"},
        "author": {"reference": "Practitioner/d1"}})
}

pub(super) fn ask(consent: &Value) -> Say {
    ask_for(consent, "TREAT", Some(Confidentiality::R))
}

fn ask_for(consent: &Value, purpose: &str, confidentiality: Option<Confidentiality>) -> Say {
    static RESOURCE: std::sync::LazyLock<Value> = std::sync::LazyLock::new(resource);
    let resource = &*RESOURCE;
    let labels = Labels { confidentiality, sensitivities: vec!["SDV"], ..Labels::default() };
    let references = ["Organization/hub".to_owned()];
    let asked = Asked {
        organisation: "LZZ01",
        references: &references,
        purpose,
        action: ("disclose", "access"),
        resource,
        resource_type: "Flag",
        id: "f1",
        patient: None,
        labels: &labels,
        confidentiality,
        now: now(),
    };
    evaluate(consent, &asked)
}

pub(super) fn consent(provision: Value) -> Value {
    json!({"resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"system": SCOPE, "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/p1"}, "dateTime": "2026-01-01", "provision": provision})
}

fn actor(ods: &str) -> Value {
    json!({"role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
        "reference": {"identifier": {"system": systems::ODS_ORGANIZATION, "value": ods}}})
}

#[test]
fn only_an_active_privacy_consent_of_this_patient_speaks() {
    let base = consent(json!({"type": "deny"}));
    assert_eq!(ask(&base), Say::Deny);
    for status in ["draft", "proposed", "rejected", "inactive", "entered-in-error"] {
        let mut other = base.clone();
        other["status"] = status.into();
        assert_eq!(ask(&other), Say::Silent, "{status}");
    }
    let mut research = base.clone();
    research["scope"]["coding"][0]["code"] = "research".into();
    assert_eq!(ask(&research), Say::Silent);
    let mut foreign = base.clone();
    foreign["patient"] = json!({"identifier": {"system": systems::NHS_NUMBER, "value": "9000000017"}});
    assert_eq!(ask(&foreign), Say::Foreign);
    foreign["patient"]["identifier"]["value"] = "9000000009".into();
    assert_eq!(ask(&foreign), Say::Deny);
}

#[test]
fn what_cannot_be_understood_denies() {
    let permit = consent(json!({"type": "permit"}));
    assert_eq!(ask(&permit), Say::Permit);
    for (member, value) in [
        ("scope", json!({"coding": []})),
        ("provision", json!("permit")),
        ("provision", json!({"type": "perhaps"})),
        ("provision", json!({"type": "perhaps", "actor": [actor("X26")]})),
        ("provision", json!({"type": "permit", "provision": {"type": "deny"}})),
        ("provision", json!({"type": "permit", "provision": [{"type": "both"}]})),
        ("provision", Value::Null),
        ("provision", json!({})),
        ("modifierExtension", json!([{"url": "https://x.example"}])),
    ] {
        let mut broken = permit.clone();
        broken[member] = value.clone();
        assert_eq!(ask(&broken), Say::Deny, "{member} {value}");
    }
    let mut deep = json!({"type": "permit"});
    for depth in 0..40 {
        deep = json!({"type": if depth % 2 == 0 { "deny" } else { "permit" }, "provision": [deep]});
    }
    assert_eq!(ask(&consent(deep)), Say::Deny);
}

#[test]
fn the_policy_rule_stands_in_for_a_root_without_a_type() {
    for (code, said) in
        [("OPTIN", Say::Permit), ("IMPLIED", Say::Permit), ("OPTOUT", Say::Deny), ("EMRGONLY", Say::Deny)]
    {
        let mut base = consent(json!({}));
        base["policyRule"] = json!({"coding": [{"system": systems::ACT_CODE, "code": code}]});
        assert_eq!(ask(&base), said, "{code}");
        base["provision"] = json!({"provision": [{"actor": [actor("LZZ01")]}]});
        let flipped = match code {
            "OPTIN" | "IMPLIED" => Say::Deny,
            "OPTOUT" => Say::Permit,
            _ => Say::Deny,
        };
        assert_eq!(ask(&base), flipped, "{code}");
    }
}

#[test]
fn criteria_narrow_a_provision() {
    let deny = |criterion: Value| {
        let mut provision = json!({"type": "deny"});
        provision.as_object_mut().unwrap().extend(criterion.as_object().unwrap().clone());
        ask(&consent(provision))
    };
    let coding = |system: &str, code: &str| json!({"system": system, "code": code});
    for (criterion, said) in [
        (json!({"actor": [actor("LZZ01")]}), Say::Deny),
        (json!({"actor": [actor("X26"), actor("lzz01")]}), Say::Deny),
        (json!({"actor": [actor("X26")]}), Say::Silent),
        (json!({"actor": [{"role": {}, "reference": {"reference": "Organization/hub"}}]}), Say::Deny),
        (json!({"period": {"start": "2026-11-21", "end": "2026-11-21"}}), Say::Deny),
        (json!({"period": {"end": "2026-11-20"}}), Say::Silent),
        (json!({"period": {"start": "2026-12"}}), Say::Silent),
        (json!({"purpose": [coding(systems::ACT_REASON, "TREAT")]}), Say::Deny),
        (json!({"purpose": [coding(systems::ACT_REASON, "ETREAT")]}), Say::Silent),
        (json!({"action": [{"coding": [coding(ACTION, "disclose")]}]}), Say::Deny),
        (json!({"action": [{"coding": [coding(ACTION, "collect")]}]}), Say::Silent),
        (json!({"action": [{"coding": [coding(ACTION, "access")]}]}), Say::Deny),
        (json!({"class": [coding("http://hl7.org/fhir/resource-types", "Flag")]}), Say::Deny),
        (json!({"class": [coding("http://hl7.org/fhir/resource-types", "Observation")]}), Say::Silent),
        (
            json!({"class": [coding("urn:ietf:rfc:3986", "https://p.example/StructureDefinition/x")]}),
            Say::Deny,
        ),
        (json!({"code": [{"coding": [coding(systems::SNOMED, "707087005")]}]}), Say::Deny),
        (json!({"code": [{"coding": [coding(systems::SNOMED, "1")]}]}), Say::Silent),
        (json!({"securityLabel": [coding(systems::CONFIDENTIALITY, "R")]}), Say::Deny),
        (json!({"securityLabel": [coding(systems::CONFIDENTIALITY, "V")]}), Say::Silent),
        (json!({"securityLabel": [coding(systems::CONFIDENTIALITY, "N")]}), Say::Deny),
        (json!({"securityLabel": [coding(systems::ACT_CODE, "SDV")]}), Say::Deny),
        (json!({"securityLabel": [coding(systems::ACT_CODE, "HIV")]}), Say::Silent),
        (json!({"dataPeriod": {"start": "2026-10-01", "end": "2026-10-31"}}), Say::Deny),
        (json!({"dataPeriod": {"end": "2026-09"}}), Say::Silent),
        (json!({"dataPeriod": {"start": "2026-10-15"}}), Say::Deny),
        (json!({"data": [{"meaning": "instance", "reference": {"reference": "Flag/f1"}}]}), Say::Deny),
        (json!({"data": [{"meaning": "instance", "reference": {"reference": "Flag/f2"}}]}), Say::Silent),
        (json!({"data": [{"meaning": "dependents", "reference": {"reference": "Patient/p1"}}]}), Say::Deny),
        (
            json!({"data": [{"meaning": "authoredby", "reference": {"reference": "Practitioner/d1"}}]}),
            Say::Deny,
        ),
        (
            json!({"data": [{"meaning": "authoredby", "reference": {"reference": "Practitioner/d2"}}]}),
            Say::Silent,
        ),
        (json!({"data": [{"meaning": "related", "reference": {"reference": "CarePlan/c1"}}]}), Say::Deny),
    ] {
        assert_eq!(deny(criterion.clone()), said, "{criterion}");
    }
}

#[test]
fn a_permission_that_starts_later_or_hangs_on_the_unknown_is_none() {
    let mut later = consent(json!({"type": "permit"}));
    later["dateTime"] = "2026-12-01".into();
    assert_eq!(ask(&later), Say::Silent);
    later["dateTime"] = "2026-11-21T09:00:00Z".into();
    assert_eq!(ask(&later), Say::Permit, "from the moment it is given");
    later["dateTime"] = "2026-12-01".into();
    later["provision"]["type"] = "deny".into();
    assert_eq!(ask(&later), Say::Deny, "a dissent dated later by a wrong clock still holds");
    let unknown = json!({"reference": {"reference": "Organization/who"}});
    assert_eq!(ask(&consent(json!({"type": "permit", "actor": [unknown]}))), Say::Silent);
    assert_eq!(ask(&consent(json!({"type": "deny", "actor": [unknown]}))), Say::Deny);
    let root = json!({"type": "deny", "actor": [unknown], "provision": [{"type": "permit"}]});
    assert_eq!(ask(&consent(root)), Say::Silent, "an exception to what may not apply permits nothing");
}

/// A criterion, and what is known about it: yes (1), no (0), cannot be told (2).
fn criteria() -> Vec<(&'static str, Value, u8)> {
    let coding = |system: &str, code: &str| json!([{"system": system, "code": code}]);
    vec![
        ("none", Value::Null, 1),
        ("actor", json!([actor("LZZ01")]), 1),
        ("actor", json!([actor("X26")]), 0),
        ("actor", json!([{"reference": {"reference": "Organization/who"}}]), 2),
        ("period", json!({"start": "2026-01-01"}), 1),
        ("period", json!({"end": "2025-12-31"}), 0),
        ("period", json!({"start": "soon"}), 2),
        ("purpose", coding(systems::ACT_REASON, "TREAT"), 1),
        ("purpose", coding(systems::ACT_REASON, "HRESCH"), 0),
        ("purpose", coding("https://elsewhere.example", "TREAT"), 2),
        ("securityLabel", coding(systems::CONFIDENTIALITY, "R"), 1),
        ("securityLabel", coding(systems::ACT_CODE, "HIV"), 0),
        ("class", coding("http://hl7.org/fhir/resource-types", "Flag"), 1),
        ("class", coding("http://hl7.org/fhir/resource-types", "Patient"), 0),
        ("class", coding("https://elsewhere.example", "x"), 2),
        ("code", json!([{"coding": [{"system": systems::SNOMED, "code": "707087005"}]}]), 1),
        ("code", json!([{"coding": [{"system": systems::SNOMED, "code": "7"}]}]), 0),
        ("data", json!([{"meaning": "instance", "reference": {"reference": "Flag/f1"}}]), 1),
        ("data", json!([{"meaning": "related", "reference": {"reference": "CarePlan/1"}}]), 2),
    ]
}

/// A provision of the model: what is known of its criteria, its exceptions, and additions of its own type.
#[derive(Clone)]
struct Model {
    written: Value,
    known: BTreeMap<&'static str, u8>,
    exceptions: Vec<Model>,
    additions: Vec<Model>,
}

impl Model {
    fn knows(&self, answer: u8) -> bool {
        self.known.values().any(|known| *known == answer)
    }

    /// The provision, and each addition as a provision of its own beside it: a permission with the criteria of the
    /// outer one that it does not name itself.
    fn beside(&self, permits: bool) -> Vec<Model> {
        let mut all = vec![Model { additions: Vec::new(), ..self.clone() }];
        for addition in &self.additions {
            let mut whole = addition.clone();
            if permits {
                whole.known = self.known.clone();
                whole.known.extend(addition.known.clone());
            }
            all.extend(whole.beside(permits));
        }
        all
    }

    /// The same with every addition in its place beside the provision that it was written in.
    fn spread(&self, permits: bool) -> Vec<Model> {
        let mut all = self.beside(permits);
        for model in &mut all {
            model.exceptions = model.exceptions.iter().flat_map(|inner| inner.spread(!permits)).collect();
        }
        all
    }
}

/// The independent evaluator. A rule is the path of provisions to it; it holds when every provision on the path does.
/// What is not known is tried both ways and the answer that discloses less is taken, once for the whole Consent.
fn independent(root: &Model, root_permits: bool) -> Say {
    let mut paths: Vec<(Vec<&Model>, bool)> = Vec::new();
    fn collect<'m>(
        model: &'m Model,
        mut path: Vec<&'m Model>,
        permits: bool,
        paths: &mut Vec<(Vec<&'m Model>, bool)>,
    ) {
        path.push(model);
        paths.push((path.clone(), permits));
        for exception in &model.exceptions {
            collect(exception, path.clone(), !permits, paths);
        }
    }
    let roots = root.spread(root_permits);
    for root in &roots {
        collect(root, Vec::new(), root_permits, &mut paths);
    }
    // Whether a provision holds: every criterion does; in doubt, as its own type would have it.
    let holds = |model: &Model, permits: bool| {
        if model.knows(0) { false } else { !(model.knows(2) && permits) }
    };
    let applying: Vec<&(Vec<&Model>, bool)> = paths
        .iter()
        .filter(|(path, _)| {
            path.iter().enumerate().all(|(depth, model)| holds(model, root_permits == (depth % 2 == 0)))
        })
        .collect();
    // Rules with no applying exception below them speak; where they disagree, denial wins.
    let mut speaking = applying.iter().filter(|(path, _)| {
        !applying.iter().any(|(longer, _)| {
            longer.len() == path.len() + 1 && longer.iter().zip(path).all(|(a, b)| std::ptr::eq(*a, *b))
        })
    });
    let verdicts: Vec<bool> = speaking.by_ref().map(|(_, permits)| *permits).collect();
    let in_doubt = !root.knows(0) && root.knows(2);
    match (verdicts.is_empty(), verdicts.iter().all(|permits| *permits)) {
        (true, _) => Say::Silent,
        (false, true) if in_doubt => Say::Silent,
        (false, true) => Say::Permit,
        (false, false) => Say::Deny,
    }
}

/// A small generator, so that the cases are the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

fn provision(dice: &mut Dice, criteria: &[(&'static str, Value, u8)], permits: bool, depth: usize) -> Model {
    let mut written = json!({"type": if permits { "permit" } else { "deny" }});
    let mut known = BTreeMap::new();
    for _ in 0..dice.roll(3) {
        let (name, value, answer) = &criteria[dice.roll(criteria.len())];
        if *name != "none" && written.get(*name).is_none() {
            written[*name] = value.clone();
            known.insert(*name, *answer);
        }
    }
    let (mut exceptions, mut additions, mut list) = (Vec::new(), Vec::new(), Vec::new());
    if depth < 3 {
        for _ in 0..dice.roll(3) {
            let adds = dice.roll(4) == 0;
            let inner = provision(dice, criteria, permits == adds, depth + 1);
            list.push(inner.written.clone());
            if adds { additions.push(inner) } else { exceptions.push(inner) }
        }
    }
    if !list.is_empty() {
        written["provision"] = Value::Array(list);
    }
    Model { written, known, exceptions, additions }
}

#[test]
fn an_independent_evaluator_agrees_on_150_000_generated_consents() {
    let criteria = criteria();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut counts = [0_usize; 3];
    for case in 0..150_000 {
        let permits = dice.roll(2) == 0;
        let model = provision(&mut dice, &criteria, permits, 0);
        let expected = independent(&model, permits);
        let actual = ask(&consent(model.written.clone()));
        assert_eq!(actual, expected, "case {case}: {}", model.written);
        counts[match actual {
            Say::Permit => 0,
            Say::Deny => 1,
            _ => 2,
        }] += 1;
    }
    assert!(counts.iter().all(|count| *count > 10_000), "each answer is met often: {counts:?}");
}

#[test]
fn every_single_criterion_under_every_type_and_exception_agrees() {
    let criteria = criteria();
    for permits in [true, false] {
        for outer in &criteria {
            for inner in &criteria {
                for innermost in &criteria {
                    let of =
                        |criterion: &(&'static str, Value, u8), permits: bool, exceptions: Vec<Model>| {
                            let mut written = json!({"type": if permits { "permit" } else { "deny" }});
                            let mut known = BTreeMap::new();
                            if criterion.0 != "none" {
                                written[criterion.0] = criterion.1.clone();
                                known.insert(criterion.0, criterion.2);
                            }
                            if !exceptions.is_empty() {
                                written["provision"] = exceptions.iter().map(|m| m.written.clone()).collect();
                            }
                            Model { written, known, exceptions, additions: Vec::new() }
                        };
                    let model =
                        of(outer, permits, vec![of(inner, !permits, vec![of(innermost, permits, vec![])])]);
                    let expected = independent(&model, permits);
                    assert_eq!(ask(&consent(model.written.clone())), expected, "{}", model.written);
                }
            }
        }
    }
}
