//! The report for a person: a verdict for each resource, each finding with its line and a caret, a summary.

use super::{Item, Totals};
use crate::fhir::Severity;
use std::io::{self, Write};

/// The longest piece of a source line that is shown around a finding, in characters.
const SHOWN: usize = 110;

struct Style {
    colour: bool,
}

impl Style {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// One resource.
pub(super) fn item(out: &mut impl Write, item: &Item<'_>, colour: bool) -> io::Result<()> {
    let style = Style { colour };
    let report = item.report;
    let verdict =
        if report.is_valid() { style.paint("32;1", "valid") } else { style.paint("31;1", "invalid") };
    write!(out, "{}", printable(item.input))?;
    if let Some(line) = item.line {
        write!(out, ":{line}")?;
    }
    writeln!(out, ": {verdict}")?;
    for profile in &report.profiles {
        writeln!(out, "  profile {}", printable(profile))?;
    }
    for issue in &report.issues {
        let severity = match issue.severity {
            Severity::Fatal | Severity::Error => style.paint("31;1", issue.severity.code()),
            Severity::Warning => style.paint("33;1", issue.severity.code()),
            Severity::Information => style.paint("36", "note"),
        };
        writeln!(out, "  {severity}[{}]: {}", printable(&issue.rule), printable(&issue.text))?;
        let place = match (issue.line, issue.column) {
            (Some(line), Some(column)) => format!("line {line}, column {column}"),
            _ => String::new(),
        };
        let separator = if place.is_empty() || issue.expression.is_empty() { "" } else { ", " };
        if !(place.is_empty() && issue.expression.is_empty()) {
            writeln!(out, "    at {}{separator}{place}", printable(&issue.expression))?;
        }
        if let (Some(source), Some(line), Some(column)) = (item.source, issue.line, issue.column) {
            caret(out, source, line, column, &style)?;
        }
    }
    for unchecked in &report.unchecked {
        writeln!(
            out,
            "  {}: {} `{}` at {}: {}",
            style.paint("35", "unchecked"),
            unchecked.what,
            printable(&unchecked.name),
            printable(&unchecked.expression),
            printable(&unchecked.reason)
        )?;
    }
    Ok(())
}

/// The source line of a finding, cut to a readable width, and a caret below the column.
fn caret(out: &mut impl Write, source: &str, line: u32, column: u32, style: &Style) -> io::Result<()> {
    let Some(text) = source.split('\n').nth(line.saturating_sub(1) as usize) else { return Ok(()) };
    let column = column.saturating_sub(1) as usize;
    let start = column.saturating_sub(SHOWN / 2);
    let shown: String = text
        .trim_end_matches('\r')
        .chars()
        .skip(start)
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    writeln!(out, "    {number} | {shown}")?;
    writeln!(out, "    {gutter} | {}{}", " ".repeat(column - start), style.paint("31;1", "^"))
}

/// The text without control characters: a hostile name cannot steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The closing lines.
pub(super) fn summary(out: &mut impl Write, totals: &Totals, colour: bool) -> io::Result<()> {
    let style = Style { colour };
    let all = totals.valid + totals.invalid;
    let word = if totals.invalid == 0 {
        style.paint("32;1", "all valid")
    } else {
        style.paint("31;1", "not all valid")
    };
    writeln!(
        out,
        "{word}: {} of {all} valid; errors {}, warnings {}, unchecked {}",
        totals.valid, totals.errors, totals.warnings, totals.unchecked
    )
}
