//! Filters of a subscription: read from the backport's `filter-criteria` extension, checked against the topic.

use super::topic::Topic;
use crate::fhir::Issue;

/// Where a parameter's values are found in a resource, and how they compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A code at this member, without a system of its own; the implied system is named.
    Code(&'static str, &'static str),
    /// A CodeableConcept, or a list of them.
    Concept(&'static str),
    /// An Identifier, or a list of them.
    Identifier(&'static str),
    /// A Reference, or a list of them.
    Reference(&'static str),
    /// The Coding in the gateway's own extension of this name.
    ExtensionCoding(&'static str),
}

/// A search parameter that filters can use: a closed set, because each needs its place in the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, as in `category=…`.
    pub name: &'static str,
    pub(super) resource_type: &'static str,
    pub(super) place: Place,
    /// The type that a bare id means, for a reference.
    pub(super) target: &'static str,
}

const fn parameter(
    resource_type: &'static str,
    name: &'static str,
    place: Place,
    target: &'static str,
) -> Parameter {
    Parameter { name, resource_type, place, target }
}

const PARAMETERS: [Parameter; 19] = [
    parameter("Flag", "patient", Place::Reference("subject"), "Patient"),
    parameter("Flag", "subject", Place::Reference("subject"), ""),
    parameter("Flag", "category", Place::Concept("category"), ""),
    parameter("Flag", "code", Place::Concept("code"), ""),
    parameter("Flag", "status", Place::Code("status", "http://hl7.org/fhir/flag-status"), ""),
    parameter("Flag", "identifier", Place::Identifier("identifier"), ""),
    parameter("Flag", "author", Place::Reference("author"), ""),
    parameter("Flag", "action-expected", Place::ExtensionCoding("action-expected"), ""),
    parameter("Flag", "red-flag-indicator", Place::ExtensionCoding("red-flag-indicator"), ""),
    parameter("Flag", "sharing-tier", Place::ExtensionCoding("sharing-tier"), ""),
    parameter("Consent", "patient", Place::Reference("patient"), "Patient"),
    parameter("Consent", "status", Place::Code("status", "http://hl7.org/fhir/consent-state-codes"), ""),
    parameter("Consent", "category", Place::Concept("category"), ""),
    parameter("Consent", "scope", Place::Concept("scope"), ""),
    parameter("Consent", "identifier", Place::Identifier("identifier"), ""),
    parameter("Consent", "organization", Place::Reference("organization"), "Organization"),
    parameter("Task", "patient", Place::Reference("for"), "Patient"),
    parameter("Task", "status", Place::Code("status", "http://hl7.org/fhir/task-status"), ""),
    parameter("Task", "code", Place::Concept("code"), ""),
];

impl Parameter {
    /// The parameter of this name for this resource type, if filters can use it.
    pub fn find(resource_type: &str, name: &str) -> Option<Parameter> {
        PARAMETERS.into_iter().find(|p| p.resource_type == resource_type && p.name == name)
    }
}

/// A search modifier that filters can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modifier {
    /// `:not`: no value of the element matches.
    Not,
    /// `:identifier`: the reference is compared by its identifier.
    Identifier,
}

impl Modifier {
    /// The FHIR code.
    pub fn code(self) -> &'static str {
        match self {
            Modifier::Not => "not",
            Modifier::Identifier => "identifier",
        }
    }

    /// The modifier with this FHIR code, if filters can use it.
    pub fn from_code(code: &str) -> Option<Modifier> {
        match code {
            "not" => Some(Modifier::Not),
            "identifier" => Some(Modifier::Identifier),
            _ => None,
        }
    }
}

/// One filter: a parameter whose value is any of those listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The parameter.
    pub parameter: Parameter,
    /// Its modifier.
    pub modifier: Option<Modifier>,
    /// The values, of which one must match (none, with [`Modifier::Not`]).
    pub values: Vec<String>,
}

/// Reads one `filter-criteria` text in any of its forms (`param=v`, `param:mod=v`, `Type.param=v`,
/// `Type.param:mod=v`, and `Type?param=v&param=v` as the guide's examples write it) against what `topic` allows.
///
/// Each problem becomes an issue at `path`; the filters that could be read are returned.
pub(super) fn parse(text: &str, topic: &Topic, path: &str) -> Result<Vec<Filter>, Vec<Issue>> {
    let mut filters = Vec::new();
    let mut issues = Vec::new();
    let (query_type, query) = match text.split_once('?') {
        Some((name, query)) if name.chars().all(|c| c.is_ascii_alphabetic()) => (Some(name), query),
        _ => (None, text),
    };
    if let Some(name) = query_type
        && name != topic.resource_type
        && !name.is_empty()
    {
        issues.push(wrong_type(name, topic, path));
    }
    let pieces: Vec<&str> = if query_type.is_some() { query.split('&').collect() } else { vec![query] };
    for piece in pieces {
        match parse_one(piece, query_type.is_some(), topic, path) {
            Ok(filter) => filters.push(filter),
            Err(issue) => issues.push(issue),
        }
    }
    if issues.is_empty() { Ok(filters) } else { Err(issues) }
}

fn parse_one(piece: &str, encoded: bool, topic: &Topic, path: &str) -> Result<Filter, Issue> {
    let Some((left, right)) = piece.split_once('=') else {
        return Err(Issue::error(
            "value",
            "subscription-filter-syntax",
            path,
            "a filter is written `param=value`, `param:modifier=value`, `Type.param=value` or `Type?param=value`",
        ));
    };
    let (name, modifier) = match left.split_once(':') {
        Some((name, modifier)) => (name, Some(modifier)),
        None => (left, None),
    };
    let name = match name.split_once('.') {
        Some((resource_type, name)) if resource_type.starts_with(|c: char| c.is_ascii_uppercase()) => {
            if resource_type != topic.resource_type {
                return Err(wrong_type(resource_type, topic, path));
            }
            name
        }
        _ => name,
    };
    let Some(allowed) = topic.filters.iter().find(|f| f.parameter.name == name) else {
        let known: Vec<String> = topic.filters.iter().map(|f| format!("`{}`", f.parameter.name)).collect();
        return Err(Issue::error(
            "not-supported",
            "subscription-filter-unsupported",
            path,
            format!("the topic cannot be filtered by `{}`; it can by {}", safe(name), known.join(", ")),
        ));
    };
    let modifier = match modifier {
        None => None,
        Some(code) => {
            let known = Modifier::from_code(code).filter(|m| allowed.modifiers.contains(m));
            Some(known.ok_or_else(|| {
                Issue::error(
                    "not-supported",
                    "subscription-filter-modifier",
                    path,
                    format!("the modifier `{}` cannot be used with `{name}`", safe(code)),
                )
            })?)
        }
    };
    let right =
        if encoded { percent_decode(right).ok_or_else(|| bad_encoding(path))? } else { right.to_owned() };
    let values = split_values(&right);
    if values.is_empty() || values.iter().any(String::is_empty) {
        return Err(Issue::error("value", "subscription-filter-value", path, "a filter needs a value"));
    }
    Ok(Filter { parameter: allowed.parameter, modifier, values })
}

fn wrong_type(name: &str, topic: &Topic, path: &str) -> Issue {
    Issue::error(
        "not-supported",
        "subscription-filter-type",
        path,
        format!("the topic is about `{}`, not `{}`", topic.resource_type, safe(name)),
    )
}

fn bad_encoding(path: &str) -> Issue {
    Issue::error("value", "subscription-filter-syntax", path, "the filter's percent encoding is wrong")
}

/// A name from the outside as an issue may repeat it: short, and nothing but name characters.
fn safe(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(40).collect()
}

/// Splits at commas; `\,` is a comma, `\\` a backslash, `\|` and `\$` stay escaped for the comparison of tokens.
fn split_values(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        let next = match c {
            ',' => {
                values.push(String::new());
                continue;
            }
            '\\' => match characters.next() {
                Some('|') => "\\|".to_owned(),
                Some(escaped) => escaped.to_string(),
                None => "\\".to_owned(),
            },
            other => other.to_string(),
        };
        if let Some(last) = values.last_mut() {
            last.push_str(&next);
        }
    }
    values
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::super::topic::Topics;
    use super::*;
    use crate::fhir::systems;

    fn parse_flag(text: &str) -> Result<Vec<Filter>, Vec<Issue>> {
        let topics = Topics::builtin().unwrap();
        parse(text, topics.get(&systems::canonical("SubscriptionTopic/safeguarding-flag")).unwrap(), "p")
    }

    #[test]
    fn every_form_means_the_same() {
        for text in ["status=active", "Flag.status=active", "Flag?status=active", "?status=active"] {
            let filters = parse_flag(text).unwrap();
            assert_eq!(filters.len(), 1, "{text}");
            assert_eq!((filters[0].parameter.name, filters[0].modifier), ("status", None));
            assert_eq!(filters[0].values, ["active"]);
        }
        for text in [
            "category:not=risk-to-staff",
            "Flag.category:not=risk-to-staff",
            "Flag?category:not=risk-to-staff",
        ] {
            assert_eq!(parse_flag(text).unwrap()[0].modifier, Some(Modifier::Not), "{text}");
        }
        let two = parse_flag("Flag?status=active&code=http://snomed.info/sct%7C134,b\\,c").unwrap();
        assert_eq!(two[1].values, ["http://snomed.info/sct|134", "b,c"]);
    }

    #[test]
    fn what_the_topic_does_not_allow_is_refused_with_its_rule() {
        for (text, rule) in [
            ("shoe-size=9", "subscription-filter-unsupported"),
            ("status", "subscription-filter-syntax"),
            ("", "subscription-filter-syntax"),
            ("status=", "subscription-filter-value"),
            ("status=a,,b", "subscription-filter-value"),
            ("status:above=a", "subscription-filter-modifier"),
            ("identifier:not=a", "subscription-filter-modifier"),
            ("Consent.status=active", "subscription-filter-type"),
            ("Consent?status=active", "subscription-filter-type"),
            ("Flag?status=%zz", "subscription-filter-syntax"),
            ("Flag?status=%e", "subscription-filter-syntax"),
        ] {
            assert_eq!(parse_flag(text).unwrap_err()[0].rule, rule, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_fail(text in ".{0,60}") {
            let _ = parse_flag(&text);
            let _ = parse_flag(&format!("Flag?{text}"));
            let _ = parse_flag(&format!("status={text}"));
        }
    }
}
