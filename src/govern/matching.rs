//! Whether one provision of a Consent matches a request: yes, no, or it cannot be told.

use super::facts::list;
use super::labels::{self, Confidentiality, Labels};
use super::{period, purpose};
use crate::fhir::systems;
use jiff::Timestamp;
use serde_json::Value;

/// A three-valued answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    No,
    Unknown,
}

use Match::{No, Unknown, Yes};

impl Match {
    fn of(answer: bool) -> Match {
        if answer { Yes } else { No }
    }
}

/// What is asked of a Consent.
pub(crate) struct Asked<'a> {
    /// The recipient's organisation (ODS code).
    pub organisation: &'a str,
    /// References by which Consents may name the recipient.
    pub references: &'a [String],
    pub purpose: &'a str,
    /// The code of `consentaction` for the request, and one that is close but not the same.
    pub action: (&'a str, &'a str),
    pub resource: &'a Value,
    pub resource_type: &'a str,
    pub id: &'a str,
    pub patient: Option<&'a Value>,
    pub labels: &'a Labels<'a>,
    pub confidentiality: Option<Confidentiality>,
    pub now: Timestamp,
}

const NAMES: &[&str] = &[
    "id",
    "type",
    "period",
    "actor",
    "action",
    "securityLabel",
    "purpose",
    "class",
    "code",
    "dataPeriod",
    "data",
    "provision",
    "extension",
];

/// Whether every criterion of the provision, which denies or permits, matches.
pub(crate) fn matches(provision: &Value, denies: bool, asked: &Asked) -> Match {
    let Some(members) = provision.as_object() else { return Unknown };
    let mut result = Yes;
    for (name, value) in members {
        let one = match name.as_str() {
            "period" => in_period(value, asked.now),
            "dataPeriod" => data_in_period(value, asked),
            "actor" => any(value, |item| actor(item, asked)),
            "action" => any(value, |item| action(item, asked)),
            "securityLabel" => any(value, |item| label(item, denies, asked)),
            "purpose" => any(value, |item| purpose_of(item, asked)),
            "class" => any(value, |item| class(item, asked)),
            "code" => any(value, |item| code(item, asked)),
            "data" => any(value, |item| data(item, asked)),
            other if NAMES.contains(&other) || other.starts_with('_') => Yes,
            _ => Unknown,
        };
        match one {
            No => return No,
            Unknown => result = Unknown,
            Yes => {}
        }
    }
    result
}

/// Repeats are ORed; an empty or malformed list cannot be told.
fn any(value: &Value, mut test: impl FnMut(&Value) -> Match) -> Match {
    let Some(items) = value.as_array().filter(|items| !items.is_empty()) else { return Unknown };
    let mut result = No;
    for item in items {
        match test(item) {
            Yes => return Yes,
            Unknown => result = Unknown,
            No => {}
        }
    }
    result
}

fn in_period(value: &Value, now: Timestamp) -> Match {
    match period::bounds(value) {
        None => Unknown,
        Some((start, end)) => {
            Match::of(start.is_none_or(|start| start <= now) && end.is_none_or(|end| now < end))
        }
    }
}

/// Within the period: yes; apart: no; partly, or the data has no time: it cannot be told.
fn data_in_period(value: &Value, asked: &Asked) -> Match {
    let Some((start, end)) = period::bounds(value) else { return Unknown };
    let of_data = match asked.resource.get("period") {
        Some(found) => period::bounds(found),
        None => {
            let updated = asked.resource.get("meta").and_then(|meta| meta.get("lastUpdated"));
            let moment = updated.and_then(Value::as_str).and_then(period::interval);
            moment.map(|(first, after)| (Some(first), Some(after)))
        }
    };
    let Some((first, after)) = of_data else { return Unknown };
    if first.is_none() && after.is_none() {
        return Unknown;
    }
    let starts_in = start.is_none_or(|start| first.is_some_and(|first| start <= first));
    let ends_in = end.is_none_or(|end| after.is_some_and(|after| after <= end));
    let apart = end.is_some_and(|end| first.is_some_and(|first| end <= first))
        || start.is_some_and(|start| after.is_some_and(|after| after <= start));
    match (apart, starts_in && ends_in) {
        (true, _) => No,
        (false, true) => Yes,
        (false, false) => Unknown,
    }
}

/// The actor is the recipient, named by ODS code or by a registered reference. Roles other than recipient, and
/// references that name nobody we know, cannot be told.
fn actor(item: &Value, asked: &Asked) -> Match {
    if !item.is_object() {
        return Unknown;
    }
    let recipient_role = match item.get("role") {
        None => true,
        Some(role) => list(role, "coding").any(|coding| {
            matches!(coding.get("code").and_then(Value::as_str), Some("IRCP" | "PRCP" | "RCT" | "AGNT"))
        }),
    };
    if !recipient_role {
        return Unknown;
    }
    let Some(reference) = item.get("reference") else { return Unknown };
    if let Some(identifier) = reference.get("identifier") {
        let system = identifier.get("system").and_then(Value::as_str);
        let value = identifier.get("value").and_then(Value::as_str);
        return match (system, value) {
            (Some(systems::ODS_ORGANIZATION), Some(value)) => {
                Match::of(value.eq_ignore_ascii_case(asked.organisation))
            }
            _ => Unknown,
        };
    }
    match reference.get("reference").and_then(Value::as_str) {
        Some(text) if asked.references.iter().any(|known| known == text) => Yes,
        _ => Unknown,
    }
}

fn action(item: &Value, asked: &Asked) -> Match {
    let mut result = Unknown;
    for coding in list(item, "coding") {
        if coding.get("system").and_then(Value::as_str)
            != Some("http://terminology.hl7.org/CodeSystem/consentaction")
        {
            continue;
        }
        match coding.get("code").and_then(Value::as_str) {
            Some(code) if code == asked.action.0 => return Yes,
            Some(code) if code == asked.action.1 => return Unknown,
            Some("collect" | "access" | "use" | "disclose" | "correct") => result = No,
            _ => {}
        }
    }
    result
}

/// A confidentiality label in a permission covers that level and lower, as core says of it; in a dissent that level and
/// higher, as Privacy Consent on FHIR reads it ("normal, but not restricted"): who denies what is restricted denies
/// what is very restricted too. Other labels cover what they include.
fn label(item: &Value, denies: bool, asked: &Asked) -> Match {
    let code = item.get("code").and_then(Value::as_str).unwrap_or_default();
    match item.get("system").and_then(Value::as_str) {
        Some(systems::CONFIDENTIALITY) => match (Confidentiality::parse(code), asked.confidentiality) {
            (Some(named), Some(actual)) => Match::of(if denies { actual >= named } else { actual <= named }),
            _ => Unknown,
        },
        Some(systems::ACT_CODE) if labels::is_sensitivity(code) => {
            if asked.labels.sensitivities.iter().any(|actual| labels::includes(code, actual)) {
                Yes
            } else if asked.labels.unknown {
                Unknown
            } else {
                No
            }
        }
        Some(system) if system.strip_prefix(systems::base()) == Some("/CodeSystem/sensitivity") => {
            Match::of(asked.labels.sensitivities.contains(&code))
        }
        _ => Unknown,
    }
}

fn purpose_of(item: &Value, asked: &Asked) -> Match {
    let code = item.get("code").and_then(Value::as_str).unwrap_or_default();
    match item.get("system").and_then(Value::as_str) {
        Some(system) if purpose::is_system(system) && purpose::is_known(code) => {
            Match::of(purpose::includes(code, asked.purpose))
        }
        _ => Unknown,
    }
}

fn class(item: &Value, asked: &Asked) -> Match {
    let code = item.get("code").and_then(Value::as_str).unwrap_or_default();
    match item.get("system").and_then(Value::as_str) {
        Some("http://hl7.org/fhir/resource-types" | "http://hl7.org/fhir/fhir-types") => {
            Match::of(code == asked.resource_type || code == "Resource" || code == "DomainResource")
        }
        Some("urn:ietf:rfc:3986" | "http://hl7.org/fhir/ValueSet/consent-content-class")
            if code.contains("StructureDefinition/") =>
        {
            let claimed = asked.resource.get("meta").map(|meta| list(meta, "profile")).into_iter().flatten();
            let mut claimed = claimed.filter_map(Value::as_str);
            Match::of(claimed.any(|profile| profile.split('|').next() == Some(code)))
        }
        _ => Unknown,
    }
}

/// One of the resource's own codings, in `code` or `category`.
fn code(item: &Value, asked: &Asked) -> Match {
    let mut coded = false;
    for wanted in list(item, "coding") {
        let system = wanted.get("system").and_then(Value::as_str);
        let Some(value) = wanted.get("code").and_then(Value::as_str) else { continue };
        coded = true;
        let concepts = asked.resource.get("code").into_iter().chain(list(asked.resource, "category"));
        for actual in concepts.flat_map(|concept| list(concept, "coding")) {
            if actual.get("code").and_then(Value::as_str) == Some(value)
                && actual.get("system").and_then(Value::as_str) == system
            {
                return Yes;
            }
        }
    }
    if coded { No } else { Unknown }
}

fn data(item: &Value, asked: &Asked) -> Match {
    let reference = item.get("reference").and_then(|reference| reference.get("reference"));
    let Some(reference) = reference.and_then(Value::as_str) else { return Unknown };
    let is_it = names(reference, asked.resource_type, asked.id);
    match item.get("meaning").and_then(Value::as_str) {
        Some("instance") => Match::of(is_it),
        Some("related") if is_it => Yes,
        Some("dependents") => Match::of(is_it || refers_to(asked.resource, reference)),
        Some("authoredby") => {
            let authors = ["author", "performer", "recorder", "asserter"];
            Match::of(authors.iter().filter_map(|name| asked.resource.get(*name)).any(|author| {
                let one = |author: &Value| {
                    author.get("reference").and_then(Value::as_str).is_some_and(|text| same(text, reference))
                };
                one(author) || author.as_array().into_iter().flatten().any(one)
            }))
        }
        // Whether the resource that `related` names refers to this one cannot be seen from here.
        _ => Unknown,
    }
}

/// Whether a reference, with or without a version, names this resource.
fn names(reference: &str, resource_type: &str, id: &str) -> bool {
    let bare = reference.split("/_history/").next().unwrap_or(reference);
    bare.strip_prefix(resource_type).and_then(|rest| rest.strip_prefix('/')) == Some(id)
}

fn same(one: &str, other: &str) -> bool {
    let bare = |text: &str| text.split("/_history/").next().unwrap_or_default().to_owned();
    bare(one) == bare(other)
}

/// Whether it refers to the resource at any depth; resources are no deeper than what is read as JSON.
fn refers_to(value: &Value, reference: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| refers_to(item, reference)),
        Value::Object(members) => members.iter().any(|(name, member)| {
            (name == "reference" && member.as_str().is_some_and(|text| same(text, reference)))
                || refers_to(member, reference)
        }),
        _ => false,
    }
}
