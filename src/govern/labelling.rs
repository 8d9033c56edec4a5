//! Labels assigned at intake, by rules that are data; and the high-water mark of a Bundle.
//!
//! Sources may raise a label, never lower one: what the rules assign, what the source sent and what the version before
//! had are joined, and exactly one confidentiality stays, the closest (FHIR DS4P).

use super::facts::{Facts, Reading};
use super::labels::{self, Confidentiality, Labels};
use super::policy::{PolicyError, Refusals};
use super::tier::{self, Tier};
use crate::fhir::systems;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The rules that hold where a site has none of its own.
const BUILTIN: &str = include_str!("../../profiles/labels/labels.yaml");
/// The name of a site's own rules, beside its agreements.
pub const FILE: &str = "labels.yaml";

/// One rule. What is empty does not restrict.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Rule {
    id: String,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    tiers: Vec<String>,
    #[serde(default)]
    confidentiality: Option<Confidentiality>,
    #[serde(default)]
    sensitivities: Vec<String>,
    #[serde(default)]
    handling: Vec<String>,
}

/// The rules by which Flags are labelled at intake.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelRules {
    version: String,
    rules: Vec<Rule>,
}

impl LabelRules {
    /// The rules that are shipped.
    pub fn builtin() -> Result<LabelRules, Vec<PolicyError>> {
        LabelRules::parse("profiles/labels/labels.yaml", BUILTIN)
    }

    /// No rules: labels stay as their sources sent them.
    pub fn none() -> LabelRules {
        LabelRules { version: "none".to_owned(), rules: Vec::new() }
    }

    /// Which rules these are.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Reads rules. Errors: not readable, or a category, tier or label that is not known, each with its place.
    pub fn parse(file: &str, text: &str) -> Result<LabelRules, Vec<PolicyError>> {
        let document = Refusals::document(file, text)?;
        let mut refusals = Refusals::default();
        let rules: LabelRules = match serde_json::from_value(document.to_json()) {
            Ok(rules) => rules,
            Err(error) => {
                refusals.add(file, Some(&document), "", "label-rules", error.to_string());
                return Err(refusals.into_errors());
            }
        };
        for (number, rule) in rules.rules.iter().enumerate() {
            let mut check = |member: &str, codes: &[String], known: &dyn Fn(&str) -> bool| {
                for (index, code) in codes.iter().enumerate().filter(|(_, code)| !known(code)) {
                    let pointer = format!("/rules/{number}/{member}/{index}");
                    let text = format!("the rule `{}` names `{code}`, which is not known", rule.id);
                    refusals.add(file, Some(&document), &pointer, "label-unknown", text);
                }
            };
            check("categories", &rule.categories, &|code| tier::category(code).is_some());
            check("tiers", &rule.tiers, &|code| Tier::parse(code).is_some());
            check("sensitivities", &rule.sensitivities, &|code| {
                labels::is_sensitivity(code) || labels::LOCAL_SENSITIVITIES.contains(&code)
            });
            check("handling", &rule.handling, &labels::is_handling_or_refrain);
        }
        refusals.finish(rules)
    }

    /// The Flag with its labels: those of the rules that fit, and its own. Other resources stay as they are.
    pub fn assign(&self, mut resource: Value) -> Value {
        if resource.get("resourceType").and_then(Value::as_str) != Some("Flag") {
            return resource;
        }
        let mut assigned = Assigned::default();
        {
            let reading = Reading::of(&Facts {
                resource: &resource,
                resource_type: "Flag",
                id: "",
                version: 0,
                source_organisation: "",
                patient: None,
                consents: &[],
            });
            for rule in &self.rules {
                let category = rule.categories.is_empty()
                    || reading.categories.iter().any(|one| rule.categories.iter().any(|known| known == one));
                let tier = rule.tiers.is_empty()
                    || reading.tier.is_some_and(|one| rule.tiers.iter().any(|known| known == one.code()));
                if category && tier {
                    assigned.confidentiality = assigned.confidentiality.max(rule.confidentiality);
                    assigned
                        .codes
                        .extend(rule.sensitivities.iter().chain(&rule.handling).map(|code| coding(code)));
                }
            }
        }
        assigned.join(&mut resource);
        resource
    }
}

/// Gives a new version every label that the version before had: labels are never lowered by their source.
pub fn keep_raised(resource: &mut Value, previous: &Value) {
    let mut assigned = Assigned { confidentiality: Labels::of(previous).confidentiality, codes: Vec::new() };
    let codings = previous.pointer("/meta/security").and_then(Value::as_array);
    let kept = codings.into_iter().flatten().filter(|coding| !is_confidentiality(coding));
    assigned.codes.extend(kept.cloned());
    assigned.join(resource);
}

/// The high-water mark of these resources: the closest confidentiality and every sensitivity among them, as
/// `meta.security` of the Bundle that holds them. Obligations and refrains are left out: on a Bundle they would reveal
/// that something is masked or withheld. `None` when no resource is labelled.
pub fn high_water<'a>(resources: impl IntoIterator<Item = &'a Value>) -> Option<Value> {
    let mut highest = None;
    let mut codes: Vec<Value> = Vec::new();
    for resource in resources {
        let labels = Labels::of(resource);
        highest = highest.max(labels.confidentiality);
        for code in labels.sensitivities {
            let one = coding(code);
            if !codes.contains(&one) {
                codes.push(one);
            }
        }
    }
    let level = highest.map(|level| json!({"system": systems::CONFIDENTIALITY, "code": level.code()}));
    let all: Vec<Value> = level.into_iter().chain(codes).collect();
    (!all.is_empty()).then_some(Value::Array(all))
}

/// Labels to be joined with those of a resource.
#[derive(Debug, Default)]
struct Assigned {
    confidentiality: Option<Confidentiality>,
    codes: Vec<Value>,
}

impl Assigned {
    fn join(self, resource: &mut Value) {
        let own = Labels::of(resource).confidentiality;
        let highest = self.confidentiality.max(own);
        let unreadable = resource.pointer("/meta/security").is_some_and(|list| !list.is_array());
        let Some(members) = resource.as_object_mut().filter(|_| !unreadable) else { return };
        if highest.is_none() && self.codes.is_empty() {
            return;
        }
        let meta = members.entry("meta").or_insert_with(|| Value::Object(Map::new()));
        let Some(meta) = meta.as_object_mut() else { return };
        let security = meta.entry("security").or_insert_with(|| Value::Array(Vec::new()));
        let Some(list) = security.as_array_mut() else { return };
        if let Some(level) = highest {
            // One stays: the closest, where it stood if the source sent it. An unknown code is left for the validator.
            let lower = |one: &Value| is_confidentiality(one) && of(one).is_some_and(|found| found < level);
            list.retain(|one| !lower(one));
            if !list.iter().any(|one| is_confidentiality(one) && of(one) == Some(level)) {
                list.insert(0, json!({"system": systems::CONFIDENTIALITY, "code": level.code()}));
            }
        }
        let same = |one: &Value, other: &Value| {
            one.get("system") == other.get("system") && one.get("code") == other.get("code")
        };
        for code in self.codes {
            if !list.iter().any(|one| same(one, &code)) {
                list.push(code);
            }
        }
    }
}

fn is_confidentiality(coding: &Value) -> bool {
    coding.get("system").and_then(Value::as_str) == Some(systems::CONFIDENTIALITY)
}

fn of(coding: &Value) -> Option<Confidentiality> {
    coding.get("code").and_then(Value::as_str).and_then(Confidentiality::parse)
}

/// A label's coding: the project's own sensitivities in their CodeSystem, all others in v3 ActCode.
fn coding(code: &str) -> Value {
    if labels::LOCAL_SENSITIVITIES.contains(&code) {
        json!({"system": systems::canonical("CodeSystem/sensitivity"), "code": code})
    } else {
        json!({"system": systems::ACT_CODE, "code": code})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(category: &str, security: &[(&str, &str)]) -> Value {
        let security: Vec<Value> =
            security.iter().map(|(system, code)| json!({"system": system, "code": code})).collect();
        let mut flag = json!({"resourceType": "Flag", "category": [{"coding":
            [{"system": systems::canonical("CodeSystem/concern-category"), "code": category}]}]});
        if !security.is_empty() {
            flag["meta"] = json!({"security": security});
        }
        flag
    }

    fn codes(resource: &Value) -> Vec<&str> {
        let list = resource.pointer("/meta/security").and_then(Value::as_array);
        list.into_iter().flatten().map(|one| one["code"].as_str().unwrap()).collect()
    }

    #[test]
    fn rules_label_by_category_and_tier() {
        let rules = LabelRules::builtin().unwrap();
        for (category, expected) in [
            ("child-in-need", vec!["N", "CHILDSAFE"]),
            ("child-protection", vec!["R", "CHILDSAFE"]),
            ("domestic-abuse", vec!["R", "SDV"]),
            ("honour-based-abuse", vec!["V", "NOPAT"]),
            ("adult-safeguarding", vec!["R", "ADULTSAFE"]),
            ("made-up", vec![]),
        ] {
            assert_eq!(codes(&rules.assign(flag(category, &[]))), expected, "{category}");
        }
        let consent = json!({"resourceType": "Consent"});
        assert_eq!(rules.assign(consent.clone()), consent);
        assert_eq!(LabelRules::none().assign(flag("child-in-need", &[])), flag("child-in-need", &[]));
        assert_eq!((rules.version(), LabelRules::none().version()), ("1.0", "none"));
    }

    #[test]
    fn a_source_may_raise_a_label_and_never_lower_one() {
        let rules = LabelRules::builtin().unwrap();
        let conf = systems::CONFIDENTIALITY;
        let raised = rules.assign(flag("child-in-need", &[(conf, "V"), (systems::ACT_CODE, "HIV")]));
        assert_eq!(codes(&raised), ["V", "HIV", "CHILDSAFE"]);
        let lowered = rules.assign(flag("child-protection", &[(conf, "U")]));
        assert_eq!(codes(&lowered), ["R", "CHILDSAFE"]);
        let several = rules.assign(flag("child-protection", &[(conf, "N"), (conf, "R"), (conf, "L")]));
        assert_eq!(codes(&several), ["R", "CHILDSAFE"]);
        let unknown = rules.assign(flag("child-protection", &[(conf, "X")]));
        assert_eq!(codes(&unknown), ["R", "X", "CHILDSAFE"], "left for the validator to refuse");
        assert_eq!(rules.assign(raised.clone()), raised, "assigning twice changes nothing");
        let mut next = rules.assign(flag("child-in-need", &[]));
        keep_raised(&mut next, &raised);
        assert_eq!(codes(&next), ["V", "CHILDSAFE", "HIV"]);
        let mut higher = flag("child-in-need", &[(conf, "V")]);
        keep_raised(&mut higher, &flag("child-in-need", &[(conf, "N")]));
        assert_eq!(codes(&higher), ["V"]);
        let mut bare = flag("child-in-need", &[]);
        keep_raised(&mut bare, &flag("child-in-need", &[]));
        assert_eq!(bare, flag("child-in-need", &[]));
        let mut broken = json!({"resourceType": "Flag", "meta": {"security": 7}});
        keep_raised(&mut broken, &raised);
        assert_eq!(broken["meta"]["security"], 7);
    }

    #[test]
    fn what_is_assigned_stands_beside_what_was_there() {
        let rules = |rule: &str| {
            LabelRules::parse("l.yaml", &format!("version: '1'\nrules:\n  - {{id: r, {rule}}}\n")).unwrap()
        };
        let codes_alone = rules("sensitivities: [VIO]");
        assert_eq!(codes(&codes_alone.assign(flag("x", &[]))), ["VIO"]);
        assert_eq!(codes(&codes_alone.assign(flag("x", &[(systems::ACT_CODE, "SDV")]))), ["SDV", "VIO"]);
        let level_alone = rules("confidentiality: R");
        assert_eq!(codes(&level_alone.assign(flag("x", &[]))), ["R"]);
        let sent = flag("x", &[(systems::ACT_CODE, "SDV"), (systems::CONFIDENTIALITY, "R")]);
        assert_eq!(level_alone.assign(sent.clone()), sent, "the level stays where it stood");
    }

    #[test]
    fn a_bundle_has_the_high_water_mark_and_no_label_that_would_reveal() {
        let conf = systems::CONFIDENTIALITY;
        let one = flag("x", &[(conf, "N"), (systems::ACT_CODE, "SDV"), (systems::ACT_CODE, "MASK")]);
        let own = systems::canonical("CodeSystem/sensitivity");
        let other = flag(
            "x",
            &[
                (conf, "V"),
                (systems::ACT_CODE, "NODSCLCD"),
                (&own, "CHILDSAFE"),
                (systems::ACT_CODE, "SDV"),
                (systems::ACT_CODE, "NOPAT"),
            ],
        );
        let marked = json!({"meta": {"security": high_water([&one, &other]).unwrap()}});
        assert_eq!(codes(&marked), ["V", "SDV", "CHILDSAFE"]);
        assert_eq!(marked["meta"]["security"][2]["system"], own);
        assert_eq!(high_water([&json!({})]), None);
        assert_eq!(high_water([]), None);
    }

    #[test]
    fn faulty_rules_are_refused_with_their_place() {
        for (rule, named) in [
            ("categories: [child-in-neeed]", "child-in-neeed"),
            ("tiers: [open]", "open"),
            ("sensitivities: [SECRET]", "SECRET"),
            ("handling: [SHOUT]", "SHOUT"),
            ("confidentiality: X", "X"),
            ("colour: red", "colour"),
        ] {
            let text = format!("version: '1'\nrules:\n  - id: r\n    {rule}\n");
            let errors = LabelRules::parse("labels.yaml", &text).unwrap_err();
            assert!(errors[0].text.contains(named), "{rule}: {errors:?}");
            assert!(errors[0].file == "labels.yaml");
            if errors[0].rule == "label-unknown" {
                assert_eq!(errors[0].line, Some(4), "{rule}");
            }
        }
        assert_eq!(LabelRules::parse("labels.yaml", "a: [").unwrap_err()[0].rule, "yaml");
    }
}
