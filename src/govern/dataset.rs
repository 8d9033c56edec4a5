//! Minimum datasets: which elements of a resource may leave.
//!
//! An element is written as its path below the resource, such as `status`, `code.coding` or `subject.identifier`; an
//! extension as `extension(action-expected)` (one of the project's own) or `extension(https://…)`. A path keeps all
//! that is below it; `*`, alone, keeps the whole resource. What a resource cannot be valid or understood without stays whether it is named or not:
//! `resourceType`, `id`, `meta`, `implicitRules`, `language`, every `modifierExtension`, and the elements of
//! [`mandatory`]. Everything else that is not named goes.

use crate::fhir::systems;
use std::collections::BTreeMap;

/// The allow-list of one resource type, as a tree over element names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataset {
    /// Whether everything below stays.
    pub(crate) whole: bool,
    pub(crate) members: BTreeMap<String, Dataset>,
    pub(crate) extensions: Vec<String>,
}

/// What cannot be left out of a resource of this type, or `None` for a type that is never released.
pub fn mandatory(resource_type: &str) -> Option<&'static [&'static str]> {
    Some(match resource_type {
        "Flag" => &[
            "status",
            "category",
            "code",
            "subject.reference",
            "subject.type",
            "subject.identifier",
            "period",
        ],
        "Consent" => &[
            "status",
            "scope",
            "category",
            "patient.reference",
            "patient.type",
            "patient.identifier",
            "dateTime",
            "organization",
            "policy",
            "policyRule",
            "provision",
        ],
        "Patient" => &["identifier"],
        "AuditEvent" => &["type", "subtype", "action", "recorded", "outcome", "agent", "source", "entity"],
        "Organization" => &["identifier", "name"],
        "Practitioner" => &["identifier"],
        "PractitionerRole" => &["practitioner", "organization"],
        "Provenance" => &["target", "recorded", "agent"],
        _ => return None,
    })
}

/// Why an element of a minimum dataset cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    /// It is not a path of element names.
    #[error("`{0}` is not a path of element names")]
    Path(String),
    /// The resource type is not one that is released.
    #[error("`{0}` is not a resource type that is shared")]
    ResourceType(String),
}

impl Dataset {
    /// Compiles the allow-list of one resource type; its mandatory elements are added.
    pub fn compile(resource_type: &str, elements: &[String]) -> Result<Dataset, DatasetError> {
        let kept =
            mandatory(resource_type).ok_or_else(|| DatasetError::ResourceType(resource_type.to_owned()))?;
        if elements == ["*"] {
            return Ok(Dataset::everything());
        }
        let mut dataset = Dataset::default();
        for element in elements {
            dataset.add(element)?;
        }
        for element in kept {
            let first = element.split('.').next().unwrap_or_default();
            let named = elements.iter().any(|e| e.split('.').next() == Some(first));
            if !named {
                dataset.add(element)?;
            }
        }
        Ok(dataset)
    }

    /// The whole resource.
    pub fn everything() -> Dataset {
        Dataset { whole: true, ..Dataset::default() }
    }

    fn add(&mut self, element: &str) -> Result<(), DatasetError> {
        let wrong = || DatasetError::Path(element.to_owned());
        let (path, extension) = match element.split_once("extension(") {
            Some((before, rest)) => {
                let url = rest.strip_suffix(')').filter(|url| !url.is_empty()).ok_or_else(wrong)?;
                (before.trim_end_matches('.'), Some(url))
            }
            None => (element, None),
        };
        let mut at = self;
        for name in path.split('.').filter(|_| !path.is_empty()) {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(wrong());
            }
            at = at.members.entry(name.to_owned()).or_default();
        }
        match extension {
            Some(url) if url.contains(':') => at.extensions.push(url.to_owned()),
            Some(name) => at.extensions.push(systems::canonical(&format!("StructureDefinition/{name}"))),
            None if path.is_empty() => return Err(wrong()),
            None => at.whole = true,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mandatory_elements_stay_unless_narrowed() {
        let narrowed = Dataset::compile("Flag", &["code.coding".into(), "extension(action-expected)".into()]);
        let narrowed = narrowed.unwrap();
        assert!(!narrowed.members["code"].whole && narrowed.members["code"].members["coding"].whole);
        assert!(narrowed.members["status"].whole && narrowed.members["subject"].members["identifier"].whole);
        assert!(!narrowed.members["subject"].members.contains_key("display"));
        assert_eq!(narrowed.extensions, [systems::canonical("StructureDefinition/action-expected")]);
    }

    #[test]
    fn each_type_that_is_shared_keeps_what_it_means_nothing_without() {
        for (resource_type, kept) in [
            ("Patient", vec!["identifier"]),
            (
                "AuditEvent",
                vec!["action", "agent", "entity", "outcome", "recorded", "source", "subtype", "type"],
            ),
            ("Organization", vec!["identifier", "name"]),
            ("Practitioner", vec!["identifier"]),
            ("PractitionerRole", vec!["organization", "practitioner"]),
            ("Provenance", vec!["agent", "recorded", "target"]),
        ] {
            let dataset = Dataset::compile(resource_type, &[]).unwrap();
            assert!(!dataset.whole, "{resource_type}");
            let mut found: Vec<&str> = dataset.members.keys().map(String::as_str).collect();
            found.sort_unstable();
            assert_eq!(found, kept, "{resource_type}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_path() {
        for element in ["", ".", "code..coding", "code[0]", "extension()", "extension(x", "a b", "_status"] {
            assert!(Dataset::compile("Flag", &[element.to_owned()]).is_err(), "{element}");
        }
        assert!(Dataset::compile("Binary", &[]).is_err());
    }
}
