//! The copy that leaves is proved valid again: what redaction made of a valid resource must be one too.

use super::facts::Facts;
use super::permit::{Permit, ReleaseError, Released};
use crate::validate::Validator;
use jiff::Timestamp;

impl Permit {
    /// As [`Permit::release`], and validates a redacted copy again, against R4 and the profiles that it claims.
    ///
    /// # Errors
    /// As [`Permit::release`]; and [`ReleaseError::Invalid`] when redaction made something invalid, which then does not
    /// leave.
    pub fn release_valid(
        &self,
        facts: &Facts,
        validator: &Validator,
        now: Timestamp,
    ) -> Result<Released, ReleaseError> {
        let released = self.release(facts, now)?;
        if !released.redacted {
            return Ok(released);
        }
        let report = validator.validate_value(&released.resource, &[]);
        match report.issues.iter().find(|issue| issue.severity.refuses()) {
            None => Ok(released),
            Some(issue) => Err(ReleaseError::Invalid(issue.rule.clone().into_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::systems;
    use crate::govern::{Partner, Policy, Request, decide};
    use serde_json::{Value, json};

    fn own(kind: &str, code: &str) -> Value {
        json!({"system": systems::canonical(&format!("CodeSystem/{kind}")), "code": code})
    }

    fn flag() -> Value {
        json!({"resourceType": "Flag", "id": "f1",
            "meta": {"profile": [systems::canonical("StructureDefinition/safeguarding-flag")]},
            "extension": [{"url": systems::canonical("StructureDefinition/lawful-basis"),
                "valueCoding": own("lawful-basis", "ca2004-s11")}],
            "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},
            "status": "active",
            "category": [{"coding": [own("concern-category", "housing-and-social")]}],
            "code": {"text": "Eviction"},
            "subject": {"reference": "Patient/p1", "display": "A Name",
                "identifier": {"system": systems::NHS_NUMBER, "value": "9000000009"}},
            "period": {"start": "2026-11-01"}})
    }

    fn released(minimum: &str) -> Result<Released, ReleaseError> {
        let text = include_str!("../../profiles/agreements/moorland-homes.yaml");
        let kept = "[status, category, code.coding, subject.identifier, period, extension(action-expected)]";
        let text = text.replace(kept, minimum);
        let partner = Partner::new("housing", "HZZ01", "Moorland Homes");
        let policy = Policy::from_documents(&[("h.yaml".into(), text)], vec![partner.clone()]).unwrap();
        let resource = flag();
        let facts = Facts {
            resource: &resource,
            resource_type: "Flag",
            id: "f1",
            version: 1,
            source_organisation: "RZZ01",
            patient: None,
            consents: &[],
        };
        let now = "2026-11-21T09:00:00Z".parse().unwrap();
        let decision = decide(&policy, &Request::notify(&partner), &facts, now);
        let permit = decision.permit().unwrap_or_else(|| panic!("{}", decision.rationale));
        permit.release_valid(&facts, &Validator::builtin(), now)
    }

    #[test]
    fn a_redacted_copy_is_proved_valid_before_it_leaves() {
        let copy = released("[status, category, code.coding, subject.identifier, period]").unwrap();
        assert!(copy.redacted && copy.resource.get("text").is_none());
        assert_eq!(copy.resource["subject"], json!({"identifier": flag()["subject"]["identifier"]}));
    }

    #[test]
    fn what_redaction_has_made_invalid_does_not_leave() {
        // A minimum dataset that keeps the codings of a category but not their systems breaks the profile claimed.
        let refused = released("[status, category.coding.code, code.coding, subject.identifier, period]");
        assert!(matches!(refused, Err(ReleaseError::Invalid(_))), "{refused:?}");
    }
}
