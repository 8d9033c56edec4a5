//! SARIF 2.1.0 (OASIS), as code scanning systems read it. Results are streamed; the rules they name follow them.

use super::Item;
use crate::fhir::Severity;
use crate::validate::rules;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Write};

/// What has been written so far.
#[derive(Default)]
pub(super) struct Log {
    begun: bool,
    results: u64,
    rules: HashMap<String, usize>,
    order: Vec<String>,
}

impl Log {
    fn begin(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        out.write_all(
            b"{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"columnKind\":\"unicodeCodePoints\",\"results\":[",
        )
    }

    /// Writes the findings of one resource.
    pub(super) fn item(&mut self, out: &mut impl Write, item: &Item<'_>) -> io::Result<()> {
        self.begin(out)?;
        for issue in &item.report.issues {
            let index = match self.rules.get(issue.rule.as_ref()) {
                Some(index) => *index,
                None => {
                    let index = self.order.len();
                    self.rules.insert(issue.rule.to_string(), index);
                    self.order.push(issue.rule.to_string());
                    index
                }
            };
            let level = match issue.severity {
                Severity::Fatal | Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Information => "note",
            };
            let line = item.line.and_then(|line| u32::try_from(line).ok()).or(issue.line);
            let mut physical = json!({"artifactLocation": {"uri": uri(item.input)}});
            if let (Some(line), Some(object)) = (line, physical.as_object_mut()) {
                let mut region = json!({"startLine": line});
                if let (Some(column), Some(region)) = (issue.column, region.as_object_mut()) {
                    region.insert("startColumn".into(), column.into());
                }
                object.insert("region".into(), region);
            }
            let mut location = json!({"physicalLocation": physical});
            if !issue.expression.is_empty()
                && let Some(object) = location.as_object_mut()
            {
                let logical = json!([{"fullyQualifiedName": issue.expression, "kind": "element"}]);
                object.insert("logicalLocations".into(), logical);
            }
            let result = json!({
                "ruleId": issue.rule, "ruleIndex": index, "level": level, "message": {"text": issue.text},
                "locations": [location],
            });
            if self.results > 0 {
                out.write_all(b",\n")?;
            }
            self.results += 1;
            serde_json::to_writer(&mut *out, &result)?;
        }
        Ok(())
    }

    /// Ends the log with the tool and its rules.
    pub(super) fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.begin(out)?;
        let rules: Vec<Value> = self
            .order
            .iter()
            .map(|name| match rules::find(name) {
                Some(rule) => {
                    json!({"id": name, "shortDescription": {"text": rule.text}, "helpUri": rule.section})
                }
                None => json!({"id": name, "shortDescription": {"text": "an invariant of a definition"}}),
            })
            .collect();
        let driver = json!({
            "name": "sgw", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
        });
        writeln!(out, "],\"tool\":{{\"driver\":{driver}}}}}]}}")
    }
}

/// The path as a relative or absolute URI reference: each byte outside the unreserved set is percent-encoded.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
