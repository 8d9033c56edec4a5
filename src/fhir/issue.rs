//! One finding about a resource or a payload, and the `OperationOutcome` that carries findings to a client.
//!
//! Implements <https://hl7.org/fhir/R4/operationoutcome.html>. A finding names the place and the rule; its text
//! never holds a patient's data.

use serde_json::{Map, Value, json};
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

    /// This finding as one `OperationOutcome.issue`.
    pub fn to_json(&self) -> Value {
        let mut issue = Map::new();
        if let (Some(line), Some(column)) = (self.line, self.column) {
            issue.insert(
                "extension".into(),
                json!([
                    {"url": "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line", "valueInteger": line},
                    {"url": "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col", "valueInteger": column},
                ]),
            );
        }
        issue.insert("severity".into(), self.severity.code().into());
        issue.insert("code".into(), self.code.into());
        let mut details = Map::new();
        if !self.rule.is_empty() {
            let system = super::systems::canonical("CodeSystem/rule");
            details.insert("coding".into(), json!([{"system": system, "code": self.rule}]));
        }
        details.insert("text".into(), self.text.clone().into());
        issue.insert("details".into(), Value::Object(details));
        issue.insert("diagnostics".into(), self.text.clone().into());
        if !self.expression.is_empty() {
            issue.insert("expression".into(), json!([self.expression]));
        }
        Value::Object(issue)
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
