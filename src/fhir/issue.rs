//! One finding about a resource or a payload, and the `OperationOutcome` that carries findings to a client.
//!
//! Implements <https://hl7.org/fhir/R4/operationoutcome.html>. A finding names the place and the rule; its text
//! never holds a patient's data.

use fhir_sdk::r4b::codes::{IssueSeverity, IssueType};
use fhir_sdk::r4b::resources::OperationOutcomeIssue;
use fhir_sdk::r4b::types::{CodeableConcept, Coding, Extension, ExtensionValue};
use serde_json::{Value, json};
use std::borrow::Cow;

/// How grave a finding is (`OperationOutcome.issue.severity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The content could not be read at all.
    Fatal,
    /// The content is wrong and must not be used.
    Error,
    /// The content may be used, but someone should look.
    Warning,
    /// A remark.
    Information,
}

impl Severity {
    /// The FHIR code of this severity.
    pub fn code(self) -> &'static str {
        match self {
            Severity::Fatal => "fatal",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Information => "information",
        }
    }

    fn typed(self) -> IssueSeverity {
        match self {
            Severity::Fatal => IssueSeverity::Fatal,
            Severity::Error => IssueSeverity::Error,
            Severity::Warning => IssueSeverity::Warning,
            Severity::Information => IssueSeverity::Information,
        }
    }

    /// Whether a finding of this severity makes the content invalid.
    pub fn refuses(self) -> bool {
        matches!(self, Severity::Fatal | Severity::Error)
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// How grave it is.
    pub severity: Severity,
    /// The FHIR issue type, such as `structure`, `required`, `value`, `invariant`, `code-invalid`, `processing`.
    pub code: &'static str,
    /// The stable, documented name of the rule that was broken, such as `cardinality-min` or `ele-1`.
    pub rule: Cow<'static, str>,
    /// What is wrong: lower case, no full stop, identifiers in backticks, never a patient's value.
    pub text: String,
    /// The place: a FHIRPath (`Flag.code.coding[0]`) or a place in the source (`PID[1]-7`); empty for the whole.
    pub expression: String,
    /// The same place in the other text: in the source for a place in the result, in the result for one in the source.
    pub also: Vec<String>,
    /// The line in the input, from 1, where known.
    pub line: Option<u32>,
    /// The column in the input, from 1, in characters, where known.
    pub column: Option<u32>,
}

impl Issue {
    /// A finding without a line and column.
    pub fn new(
        severity: Severity,
        code: &'static str,
        rule: impl Into<Cow<'static, str>>,
        expression: impl Into<String>,
        text: impl Into<String>,
    ) -> Issue {
        Issue {
            severity,
            code,
            rule: rule.into(),
            text: text.into(),
            expression: expression.into(),
            also: Vec::new(),
            line: None,
            column: None,
        }
    }

    /// An error, see [`Issue::new`].
    pub fn error(
        code: &'static str,
        rule: impl Into<Cow<'static, str>>,
        expression: impl Into<String>,
        text: impl Into<String>,
    ) -> Issue {
        Issue::new(Severity::Error, code, rule, expression, text)
    }

    /// A warning, see [`Issue::new`].
    pub fn warning(
        code: &'static str,
        rule: impl Into<Cow<'static, str>>,
        expression: impl Into<String>,
        text: impl Into<String>,
    ) -> Issue {
        Issue::new(Severity::Warning, code, rule, expression, text)
    }

    /// The same finding with its place in the input.
    pub fn at(mut self, line: u32, column: u32) -> Issue {
        self.line = Some(line);
        self.column = Some(column);
        self
    }

    /// This finding as one `OperationOutcome.issue`, built through the typed model so that its codes are FHIR's.
    pub fn to_json(&self) -> Value {
        let mut coding = Coding::builder().system(super::systems::canonical("CodeSystem/rule"));
        coding = coding.code(self.rule.clone().into_owned());
        let coding = coding.build().ok().filter(|_| !self.rule.is_empty());
        let details = CodeableConcept::builder()
            .coding(coding.into_iter().map(Some).collect())
            .text(self.text.clone())
            .build();
        let mut issue = OperationOutcomeIssue::builder()
            .severity(self.severity.typed())
            .code(self.code.parse().unwrap_or(IssueType::Processing))
            .diagnostics(self.text.clone())
            .extension(self.place());
        if let Ok(details) = details {
            issue = issue.details(details);
        }
        if !self.expression.is_empty() {
            let places = std::iter::once(&self.expression).chain(&self.also);
            issue = issue.expression(places.cloned().map(Some).collect());
        }
        let built = issue.build().ok().and_then(|issue| serde_json::to_value(issue).ok());
        built.unwrap_or_else(|| json!({"severity": self.severity.code(), "code": "exception"}))
    }

    /// Line and column as HL7's extensions of an issue.
    fn place(&self) -> Vec<Extension> {
        let base = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue";
        [("line", self.line), ("col", self.column)]
            .into_iter()
            .filter_map(|(name, number)| {
                let number = i32::try_from(number?).ok()?;
                let extension = Extension::builder().url(format!("{base}-{name}"));
                extension.value(ExtensionValue::Integer(number)).build().ok()
            })
            .collect()
    }
}

/// An `OperationOutcome` of these findings; with none, one `informational` issue that says all is well.
pub fn outcome(issues: &[Issue]) -> Value {
    let list: Vec<Value> = if issues.is_empty() {
        vec![
            json!({"severity": "information", "code": "informational", "details": {"text": "no issue found"}}),
        ]
    } else {
        issues.iter().map(Issue::to_json).collect()
    };
    json!({"resourceType": "OperationOutcome", "issue": list})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_becomes_an_issue_with_rule_place_line_and_column() {
        let issue =
            Issue::error("required", "cardinality-min", "Flag.code", "`code` is missing").at(3, 7).to_json();
        assert_eq!(issue["severity"], "error");
        assert_eq!(issue["code"], "required");
        assert_eq!(issue["details"]["coding"][0]["code"], "cardinality-min");
        assert_eq!(issue["expression"], json!(["Flag.code"]));
        assert_eq!(issue["extension"][0]["valueInteger"].as_i64(), Some(3));
        assert_eq!(issue["extension"][1]["valueInteger"].as_i64(), Some(7));
    }

    #[test]
    fn no_finding_is_said_to_be_none() {
        assert_eq!(outcome(&[])["issue"][0]["severity"], "information");
    }
}
