//! JUnit XML, as continuous integration systems read it: one suite for each input, one case for each resource.

use super::markup::escape;
use super::{Item, Totals};
use std::fmt::Write as _;
use std::io::{self, Write};

#[derive(Default)]
struct Suite {
    name: String,
    tests: u64,
    failures: u64,
    cases: String,
}

/// The suites gathered so far.
#[derive(Default)]
pub(super) struct Suites {
    suites: Vec<Suite>,
}

impl Suites {
    /// Gathers one resource.
    pub(super) fn item(&mut self, item: &Item<'_>) {
        if self.suites.last().is_none_or(|suite| suite.name != item.input) {
            self.suites.push(Suite { name: item.input.to_owned(), ..Suite::default() });
        }
        let Some(suite) = self.suites.last_mut() else { return };
        suite.tests += 1;
        let name = match item.line {
            Some(line) => format!("line {line}"),
            None => "resource".to_owned(),
        };
        let (class, name) = (escape(item.input), escape(&name));
        let _ = write!(suite.cases, "    <testcase classname=\"{class}\" name=\"{name}\" time=\"0\">");
        let refusing: Vec<_> = item.report.issues.iter().filter(|issue| issue.severity.refuses()).collect();
        if let Some(first) = refusing.first() {
            suite.failures += 1;
            let _ = write!(
                suite.cases,
                "\n      <failure type=\"{}\" message=\"{}\">",
                escape(&first.rule),
                escape(&first.text)
            );
            for issue in &refusing {
                let _ = writeln!(suite.cases, "{}", line_of(issue));
            }
            suite.cases.push_str("</failure>\n    ");
        }
        let rest: Vec<_> = item.report.issues.iter().filter(|issue| !issue.severity.refuses()).collect();
        if !rest.is_empty() || !item.report.unchecked.is_empty() {
            suite.cases.push_str("\n      <system-out>");
            for issue in rest {
                let _ = writeln!(suite.cases, "{}", line_of(issue));
            }
            for unchecked in &item.report.unchecked {
                let (what, name) = (unchecked.what, escape(&unchecked.name));
                let _ = writeln!(suite.cases, "unchecked {what} {name}: {}", escape(&unchecked.reason));
            }
            suite.cases.push_str("</system-out>\n    ");
        }
        suite.cases.push_str("</testcase>\n");
    }

    /// Writes the document.
    pub(super) fn write(&self, out: &mut impl Write, totals: &Totals) -> io::Result<()> {
        writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        let tests = totals.valid + totals.invalid;
        writeln!(
            out,
            "<testsuites name=\"sgw validate\" tests=\"{tests}\" failures=\"{}\" errors=\"0\" time=\"0\">",
            totals.invalid
        )?;
        for suite in &self.suites {
            writeln!(
                out,
                "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\" time=\"0\">\n{}  </testsuite>",
                escape(&suite.name),
                suite.tests,
                suite.failures,
                suite.cases
            )?;
        }
        writeln!(out, "</testsuites>")
    }
}

fn line_of(issue: &crate::fhir::Issue) -> String {
    let place = match (issue.line, issue.column) {
        (Some(line), Some(column)) => format!(" ({line}:{column})"),
        _ => String::new(),
    };
    format!(
        "{} [{}] {}{place}: {}",
        issue.severity.code(),
        escape(&issue.rule),
        escape(&issue.expression),
        escape(&issue.text)
    )
}
