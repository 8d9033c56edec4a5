//! What a validation answers: the findings, the profiles applied, and what could not be checked.

use crate::fhir::{Issue, Severity, outcome};
use serde_json::{Value, json};

/// Something that validation could not check, said aloud instead of passed over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unchecked {
    /// What kind of check was left out: `profile`, `code-system`, `value-set`, `reference`, `invariant`, `slicing`.
    pub what: &'static str,
    /// The definition it concerns: a canonical, a code system's URI, or the key of an invariant.
    pub name: String,
    /// The first place in the resource where it mattered, as a FHIRPath.
    pub expression: String,
    /// Why it could not be checked: lower case, no full stop, never a patient's value.
    pub reason: String,
}

impl Unchecked {
    /// This entry as JSON, as the `ndjson` report prints it.
    pub fn to_json(&self) -> Value {
        json!({"what": self.what, "name": self.name, "expression": self.expression, "reason": self.reason})
    }
}

/// The answer to one validation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings, in the order of the resource.
    pub issues: Vec<Issue>,
    /// The canonicals of all profiles that were applied to the resource itself, the base definition first.
    pub profiles: Vec<String>,
    /// What could not be checked.
    pub unchecked: Vec<Unchecked>,
}

impl Report {
    /// A report that holds one finding and nothing else: the content could not be read.
    pub fn unreadable(issue: Issue) -> Report {
        Report { issues: vec![issue], profiles: Vec::new(), unchecked: Vec::new() }
    }

    /// Whether no finding is fatal or an error. What is listed in `unchecked` does not make a resource invalid.
    pub fn is_valid(&self) -> bool {
        !self.issues.iter().any(|issue| issue.severity.refuses())
    }

    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.issues.iter().filter(|issue| issue.severity == severity).count()
    }

    /// The findings as an `OperationOutcome` (<https://hl7.org/fhir/R4/operationoutcome.html>), with one
    /// informational issue for each unchecked matter.
    pub fn to_outcome(&self) -> Value {
        let mut issues = self.issues.clone();
        issues.extend(self.unchecked.iter().map(|item| {
            Issue::new(
                Severity::Information,
                "incomplete",
                super::rules::NOT_CHECKED.name,
                item.expression.clone(),
                format!("{} `{}` was not checked: {}", item.what, item.name, item.reason),
            )
        }));
        outcome(&issues)
    }
}
