//! The gateway's own definitions, embedded from `profiles/`.

use super::library::Artefact;
use crate::fhir::systems;
use serde_json::Value;

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../profiles/", $path)))),*]
    };
}

/// Every definition under `profiles/`; a test compares the list with the folders.
static FILES: &[(&str, &str)] = embedded![
    "codesystems/action-expected.json",
    "codesystems/audit-act.json",
    "codesystems/cda-section.json",
    "codesystems/cin-assessment-factor.json",
    "codesystems/cin-category-of-abuse.json",
    "codesystems/cin-event.json",
    "codesystems/concern-category.json",
    "codesystems/consent-authority.json",
    "codesystems/consent-dispute.json",
    "codesystems/epic-fyi-type.json",
    "codesystems/event-kind.json",
    "codesystems/hl7v2-alert.json",
    "codesystems/hl7v2-document.json",
    "codesystems/hl7v2-event.json",
    "codesystems/information-status.json",
    "codesystems/lawful-basis.json",
    "codesystems/mhsds-restrictive-intervention-type.json",
    "codesystems/purpose-of-use.json",
    "codesystems/reason-dropped.json",
    "codesystems/reason-not-shared.json",
    "codesystems/red-flag-indicator.json",
    "codesystems/review-outcome.json",
    "codesystems/rule.json",
    "codesystems/sensitivity.json",
    "codesystems/sharing-tier.json",
    "codesystems/ssda903-legal-status.json",
    "codesystems/systmone-case-type.json",
    "codesystems/task-code.json",
    "structuredefinitions/action-expected.json",
    "structuredefinitions/alleged-party.json",
    "structuredefinitions/audit-create.json",
    "structuredefinitions/audit-delete.json",
    "structuredefinitions/audit-query.json",
    "structuredefinitions/audit-read.json",
    "structuredefinitions/audit-update.json",
    "structuredefinitions/backport-channel-type.json",
    "structuredefinitions/backport-filter-criteria.json",
    "structuredefinitions/backport-heartbeat-period.json",
    "structuredefinitions/backport-max-count.json",
    "structuredefinitions/backport-payload-content.json",
    "structuredefinitions/backport-timeout.json",
    "structuredefinitions/capabilitystatement-subscriptiontopic-canonical.json",
    "structuredefinitions/consent-authority.json",
    "structuredefinitions/consent-dispute.json",
    "structuredefinitions/expected-delivery.json",
    "structuredefinitions/information-status.json",
    "structuredefinitions/lawful-basis.json",
    "structuredefinitions/owner.json",
    "structuredefinitions/red-flag-indicator.json",
    "structuredefinitions/review-due.json",
    "structuredefinitions/safeguarding-consent.json",
    "structuredefinitions/safeguarding-decision.json",
    "structuredefinitions/safeguarding-disclosure.json",
    "structuredefinitions/safeguarding-flag.json",
    "structuredefinitions/safeguarding-subscription.json",
    "structuredefinitions/sharing-tier.json",
    "structuredefinitions/uk-core-nhs-number-verification-status.json",
    "valuesets/action-expected.json",
    "valuesets/audit-act.json",
    "valuesets/concern-category.json",
    "valuesets/consent-authority.json",
    "valuesets/consent-dispute.json",
    "valuesets/information-status.json",
    "valuesets/lawful-basis.json",
    "valuesets/purpose-of-use.json",
    "valuesets/reason-dropped.json",
    "valuesets/reason-not-shared.json",
    "valuesets/red-flag-indicator.json",
    "valuesets/review-outcome.json",
    "valuesets/sensitivity.json",
    "valuesets/sharing-tier.json",
    "valuesets/task-code.json",
];

/// The embedded definitions under the canonical base in force.
pub(super) fn artefacts() -> impl Iterator<Item = Artefact> {
    FILES.iter().filter_map(|(path, text)| {
        let body: Value = if systems::base() == systems::DEFAULT_BASE {
            serde_json::from_str(text).ok()?
        } else {
            serde_json::from_str(&text.replace(systems::DEFAULT_BASE, systems::base())).ok()?
        };
        let named = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Artefact {
            resource_type: named("resourceType")?,
            url: named("url")?,
            version: named("version"),
            origin: format!("profiles/{path}"),
            body,
        })
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_definition_under_profiles_is_embedded_and_readable() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
        let mut on_disk = Vec::new();
        for folder in ["codesystems", "structuredefinitions", "valuesets"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.ends_with(".json") {
                    on_disk.push(format!("{folder}/{name}"));
                }
            }
        }
        on_disk.sort();
        let listed: Vec<String> = super::FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, on_disk);
        assert_eq!(super::artefacts().count(), listed.len());
    }
}
