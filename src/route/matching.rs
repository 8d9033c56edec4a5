//! Whether a change is what a subscription's filters ask for.

use super::filter::{Filter, Modifier, Place};
use super::topic::extensions;
use crate::fhir::systems;
use serde_json::Value;

/// Whether the resource meets the filter. `patient` lends its identifiers to `patient:identifier` and
/// `subject:identifier`.
pub(super) fn meets(filter: &Filter, resource: &Value, patient: Option<&Value>) -> bool {
    let any = |test: &dyn Fn(&str) -> bool| filter.values.iter().any(|value| test(value));
    match filter.modifier {
        Some(Modifier::Identifier) => {
            let Place::Reference(member) = filter.parameter.place else { return false };
            any(&|value| by_identifier(value, member, resource, patient))
        }
        Some(Modifier::Not) => !any(&|value| matches_value(filter, value, resource)),
        None => any(&|value| matches_value(filter, value, resource)),
    }
}

fn matches_value(filter: &Filter, wanted: &str, resource: &Value) -> bool {
    match filter.parameter.place {
        Place::Code(member, system) => resource
            .get(member)
            .and_then(Value::as_str)
            .is_some_and(|code| token(wanted, Some(system), Some(code))),
        Place::Concept(member) => each(resource.get(member))
            .flat_map(|concept| each(concept.get("coding")))
            .any(|coding| token(wanted, text(coding, "system"), text(coding, "code"))),
        Place::Identifier(member) => each(resource.get(member)).any(|i| identifier(wanted, i)),
        Place::Reference(member) => each(resource.get(member))
            .filter_map(|r| text(r, "reference"))
            .any(|r| reference(wanted, r, filter.parameter.target)),
        Place::ExtensionCoding(name) => {
            let url = systems::canonical(&format!("StructureDefinition/{name}"));
            extensions(resource)
                .filter(|(u, _)| *u == url)
                .filter_map(|(_, e)| e.get("valueCoding"))
                .any(|coding| token(wanted, text(coding, "system"), text(coding, "code")))
        }
    }
}

fn by_identifier(wanted: &str, member: &str, resource: &Value, patient: Option<&Value>) -> bool {
    let own = each(resource.get(member)).filter_map(|r| r.get("identifier"));
    let known = patient.filter(|_| member != "author").and_then(|p| p.get("identifier"));
    own.chain(each(known)).any(|i| identifier(wanted, i))
}

fn identifier(wanted: &str, identifier: &Value) -> bool {
    token(wanted, text(identifier, "system"), text(identifier, "value"))
}

/// Token comparison: `code`, `system|code`, `|code` (without system), `system|` (any code of it).
fn token(wanted: &str, system: Option<&str>, code: Option<&str>) -> bool {
    let same = |text: &str| code.is_some_and(|code| code == text.replace("\\|", "|"));
    match split_bar(wanted) {
        None => same(wanted),
        Some(("", value)) => system.is_none() && same(value),
        Some((wanted_system, "")) => system == Some(wanted_system),
        Some((wanted_system, value)) => system == Some(wanted_system) && same(value),
    }
}

/// Splits at the first `|` that is not escaped.
fn split_bar(text: &str) -> Option<(&str, &str)> {
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        if c == '|' && previous != '\\' {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        previous = c;
    }
    None
}

/// Reference comparison: `Type/id`, an absolute URL, or a bare id of the `target` type (of any, if that is empty).
/// A version in the resource's reference is not compared.
fn reference(wanted: &str, actual: &str, target: &str) -> bool {
    let actual = actual.split("/_history/").next().unwrap_or(actual);
    if actual == wanted {
        return true;
    }
    let mut tail = actual.rsplit('/');
    let (Some(id), Some(kind)) = (tail.next(), tail.next()) else { return false };
    match wanted.split_once('/') {
        None => wanted == id && (target.is_empty() || kind == target),
        Some((wanted_kind, wanted_id)) if !wanted_id.contains('/') => wanted_kind == kind && wanted_id == id,
        // An absolute URL is compared whole, or with the relative form of the same resource.
        Some(_) => !actual.contains("://") && wanted.ends_with(&format!("/{actual}")),
    }
}

/// The value, or each of its members when it is a list.
fn each(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let list = value.and_then(Value::as_array);
    let single = value.filter(|v| !v.is_array());
    list.into_iter().flatten().chain(single)
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::filter;
    use super::super::topic::Topics;
    use super::*;
    use serde_json::json;

    fn flag() -> Value {
        json!({
            "resourceType": "Flag", "id": "f", "status": "active",
            "extension": [{
                "url": systems::canonical("StructureDefinition/action-expected"),
                "valueCoding": {"system": systems::canonical("CodeSystem/action-expected"), "code": "urgent-review"}
            }],
            "identifier": [{"system": "urn:x", "value": "a|b"}],
            "category": [{"coding": [{"system": systems::canonical("CodeSystem/concern-category"), "code": "child-protection"}]}],
            "code": {"coding": [{"system": systems::SNOMED, "code": "135"}, {"code": "local"}]},
            "subject": {"reference": "Patient/p1", "identifier": {"system": systems::NHS_NUMBER, "value": "9000000009"}},
            "author": {"reference": "https://gw.example/fhir/Organization/o/_history/2"}
        })
    }

    fn met(text: &str) -> bool {
        let topics = Topics::builtin().unwrap();
        let topic = topics.get(&systems::canonical("SubscriptionTopic/safeguarding-flag")).unwrap();
        let patient = json!({"identifier": [{"system": "urn:local", "value": "77"}]});
        filter::parse(text, topic, "p").unwrap().iter().all(|f| meets(f, &flag(), Some(&patient)))
    }

    #[test]
    fn each_parameter_compares_as_search_does() {
        for (text, expected) in [
            ("status=active", true),
            ("status=http://hl7.org/fhir/flag-status|active", true),
            ("status=inactive,active", true),
            ("status=inactive", false),
            ("status:not=inactive", true),
            ("status:not=inactive,active", false),
            ("category=child-protection", true),
            ("category=https://fhir.sgw.example/CodeSystem/concern-category|child-protection", true),
            ("category=https://fhir.sgw.example/CodeSystem/concern-category|", true),
            ("category=urn:other|child-protection", false),
            ("category=|child-protection", false),
            ("category:not=risk-to-staff", true),
            ("code=http://snomed.info/sct|135", true),
            ("code=|local", true),
            ("code=LOCAL", false),
            ("identifier=urn:x|a\\|b", true),
            ("identifier=urn:x|a", false),
            ("action-expected=urgent-review", true),
            ("action-expected=no-action", false),
            ("red-flag-indicator=x", false),
            ("red-flag-indicator:not=x", true),
            ("patient=Patient/p1", true),
            ("patient=p1", true),
            ("patient=https://gw.example/fhir/Patient/p1", true),
            ("patient=Patient/p2", false),
            ("subject=Group/p1", false),
            ("patient:identifier=https://fhir.nhs.uk/Id/nhs-number|9000000009", true),
            ("patient:identifier=9000000017", false),
            ("patient:identifier=urn:local|77", true),
            ("author:identifier=urn:local|77", false),
            ("author=Organization/o", true),
            ("author=https://gw.example/fhir/Organization/o", true),
            ("author=https://evil.example/fhir/Organization/o", false),
            ("Flag?status=active&category=child-protection", true),
            ("Flag?status=active&category=neglect", false),
        ] {
            assert_eq!(met(text), expected, "{text}");
        }
    }
}
