//! Reports for people and for machines: text, an `OperationOutcome`, NDJSON, JUnit, SARIF 2.1.0 and HTML.
//!
//! A [`Reporter`] is told of one [`Item`] after the other and writes what it can at once. Formats whose opening needs
//! the totals (JUnit, HTML) are gathered and written at the end.

mod html;
mod junit;
mod markup;
mod sarif;
mod text;

use super::Report;
use crate::fhir::Severity;
use serde_json::{Value, json};
use std::io::{self, Write};

/// The formats of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a person at a terminal: one block for each finding with the source line and a caret.
    Text,
    /// One `OperationOutcome`; for several inputs a collection `Bundle` of them.
    Json,
    /// One JSON object for each resource, one a line.
    Ndjson,
    /// JUnit XML, as continuous integration systems read it: one test case for each resource.
    Junit,
    /// SARIF 2.1.0, as code scanning systems read it.
    Sarif,
    /// One self-contained web page.
    Html,
}

/// One validated resource, as reports tell of it.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The input's path as given (a folder joined with the relative path); `-` for the standard input.
    pub input: &'a str,
    /// The line of the resource in an NDJSON input, from 1.
    pub line: Option<u64>,
    /// The verdict.
    pub report: &'a Report,
    /// The text that was validated, from which the text report shows the line of a finding; `None` hides it.
    pub source: Option<&'a str>,
}

/// The totals of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Resources without an error.
    pub valid: u64,
    /// Resources with an error.
    pub invalid: u64,
    /// Findings that are fatal or errors.
    pub errors: u64,
    /// Findings that are warnings.
    pub warnings: u64,
    /// Matters that could not be checked.
    pub unchecked: u64,
}

impl Totals {
    /// Counts one more report.
    pub fn add(&mut self, report: &Report) {
        *(if report.is_valid() { &mut self.valid } else { &mut self.invalid }) += 1;
        for issue in &report.issues {
            match issue.severity {
                Severity::Fatal | Severity::Error => self.errors += 1,
                Severity::Warning => self.warnings += 1,
                Severity::Information => {}
            }
        }
        self.unchecked += report.unchecked.len() as u64;
    }

    /// Adds other totals.
    pub fn merge(&mut self, other: &Totals) {
        self.valid += other.valid;
        self.invalid += other.invalid;
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.unchecked += other.unchecked;
    }
}

/// Writes a report, item by item.
pub struct Reporter<W: Write> {
    out: W,
    format: Format,
    colour: bool,
    several: bool,
    totals: Totals,
    items: u64,
    body: String,
    sarif: sarif::Log,
    junit: junit::Suites,
}

impl<W: Write> Reporter<W> {
    /// A report in `format` onto `out`. `several`: more than one resource may come (JSON then writes a Bundle);
    /// `colour`: the text may hold ANSI colours.
    pub fn new(out: W, format: Format, several: bool, colour: bool) -> Reporter<W> {
        Reporter {
            out,
            format,
            colour,
            several,
            totals: Totals::default(),
            items: 0,
            body: String::new(),
            sarif: sarif::Log::default(),
            junit: junit::Suites::default(),
        }
    }

    /// Tells of one resource. Fails only if `out` does.
    pub fn item(&mut self, item: &Item<'_>) -> io::Result<()> {
        self.totals.add(item.report);
        let first = self.items == 0;
        self.items += 1;
        match self.format {
            Format::Text => text::item(&mut self.out, item, self.colour),
            Format::Json => {
                let outcome = item.report.to_outcome();
                if self.several {
                    self.out.write_all(if first {
                        b"{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[\n"
                    } else {
                        b",\n"
                    })?;
                    let url = format!("urn:uuid:{}", entry_id(item));
                    serde_json::to_writer(
                        &mut self.out,
                        &json!({"fullUrl": url, "resource": named(outcome, item)}),
                    )?;
                    Ok(())
                } else {
                    serde_json::to_writer_pretty(&mut self.out, &outcome)?;
                    self.out.write_all(b"\n")
                }
            }
            Format::Ndjson => ndjson_line(&mut self.out, item),
            Format::Junit => {
                self.junit.item(item);
                Ok(())
            }
            Format::Sarif => self.sarif.item(&mut self.out, item),
            Format::Html => {
                html::item(&mut self.body, item);
                Ok(())
            }
        }
    }

    /// Writes what [`ndjson_line`] made of items elsewhere, whose totals these are.
    pub fn lines(&mut self, lines: &[u8], totals: &Totals) -> io::Result<()> {
        self.totals.merge(totals);
        self.out.write_all(lines)
    }

    /// The totals so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Ends the report and answers the totals.
    pub fn end(mut self) -> io::Result<Totals> {
        match self.format {
            Format::Text => text::summary(&mut self.out, &self.totals, self.colour)?,
            Format::Json if self.several => {
                self.out.write_all(if self.items == 0 {
                    b"{\"resourceType\":\"Bundle\",\"type\":\"collection\"}\n"
                } else {
                    b"\n]}\n"
                })?;
            }
            Format::Json | Format::Ndjson => {}
            Format::Junit => self.junit.write(&mut self.out, &self.totals)?,
            Format::Sarif => self.sarif.end(&mut self.out)?,
            Format::Html => html::page(&mut self.out, &self.body, &self.totals)?,
        }
        self.out.flush()?;
        Ok(self.totals)
    }
}

/// The entry's identity: the same input gives the same identity.
fn entry_id(item: &Item<'_>) -> uuid::Uuid {
    let name = format!("{}#{}", item.input, item.line.unwrap_or(0));
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes())
}

/// The outcome with the input's name in an extension that R4 defines for it.
fn named(mut outcome: Value, item: &Item<'_>) -> Value {
    let name = match item.line {
        Some(line) => format!("{}:{line}", item.input),
        None => item.input.to_owned(),
    };
    if let Some(object) = outcome.as_object_mut() {
        let extension = json!([{"url": "http://hl7.org/fhir/StructureDefinition/operationoutcome-file", "valueString": name}]);
        object.insert("extension".into(), extension);
    }
    outcome
}

/// Writes an object of texts.
fn members<const N: usize>(out: &mut impl Write, members: [(&str, &str); N]) -> io::Result<()> {
    let mut before = "{\"";
    for (name, text) in members {
        write!(out, "{before}{name}\":")?;
        serde_json::to_writer(&mut *out, text)?;
        before = ",\"";
    }
    out.write_all(b"}")
}

/// One line of the `ndjson` report, written without building a tree.
pub fn ndjson_line(out: &mut impl Write, item: &Item<'_>) -> io::Result<()> {
    let report = item.report;
    out.write_all(b"{\"input\":")?;
    serde_json::to_writer(&mut *out, item.input)?;
    if let Some(line) = item.line {
        write!(out, ",\"line\":{line}")?;
    }
    write!(out, ",\"valid\":{},\"profiles\":", report.is_valid())?;
    serde_json::to_writer(&mut *out, &report.profiles)?;
    out.write_all(b",\"issues\":[")?;
    for (index, issue) in report.issues.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        let value = json!({
            "severity": issue.severity.code(), "code": issue.code, "rule": issue.rule, "expression": issue.expression,
            "line": issue.line, "column": issue.column, "text": issue.text,
        });
        serde_json::to_writer(&mut *out, &value)?;
    }
    out.write_all(b"],\"unchecked\":[")?;
    for (index, item) in report.unchecked.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        members(
            out,
            [
                ("what", item.what),
                ("name", &item.name),
                ("expression", &item.expression),
                ("reason", &item.reason),
            ],
        )?;
    }
    out.write_all(b"]}\n")
}
