//! One self-contained web page: no script, no outside file, readable by a screen reader and in print.

use super::markup::escape;
use super::{Item, Totals};
use std::fmt::Write as _;
use std::io::{self, Write};

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:75rem;padding:1rem;color:#1d2328;background:#fff}\
h1,h2{line-height:1.2}section{border-top:1px solid #b1b8be;margin-top:1.5rem}table{border-collapse:collapse;width:100%}\
th,td{border:1px solid #b1b8be;padding:.35rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
th,.rule,.error,.warning,.information{white-space:nowrap}.place{min-width:11rem}\
caption{text-align:left;font-weight:600;padding:.35rem 0}thead th{background:#eef1f3}code{font-size:.9em}\
.verdict{font-weight:700;padding:.1rem .5rem;border-radius:.25rem;color:#fff}.valid{background:#00622f}.invalid{background:#a51d12}\
.error{color:#a51d12;font-weight:700}.warning{color:#7a4b00;font-weight:700}.information{color:#00437b}\
@media (prefers-color-scheme:dark){body{color:#e8eaec;background:#15181b}thead th{background:#22272c}.error{color:#ff9b8f}.warning{color:#ffc46b}.information{color:#8ec5ff}}";

/// Adds one resource to the page's body.
pub(super) fn item(body: &mut String, item: &Item<'_>) {
    let report = item.report;
    let verdict = if report.is_valid() { "valid" } else { "invalid" };
    let name = match item.line {
        Some(line) => format!("{}, line {line}", item.input),
        None => item.input.to_owned(),
    };
    let name = escape(&name);
    let _ = writeln!(body, "<section><h2>{name} <span class=\"verdict {verdict}\">{verdict}</span></h2>");
    if !report.profiles.is_empty() {
        body.push_str("<p>Profiles applied:</p><ul>");
        for profile in &report.profiles {
            let _ = write!(body, "<li><code>{}</code></li>", escape(profile));
        }
        body.push_str("</ul>\n");
    }
    if report.issues.is_empty() {
        body.push_str("<p>No finding.</p>\n");
    } else {
        let _ = write!(
            body,
            "<table><caption>Findings in {name}</caption><thead><tr><th scope=\"col\">Severity</th><th scope=\"col\">Rule</th>\
             <th scope=\"col\">Place</th><th scope=\"col\">Line and column</th><th scope=\"col\">What is wrong</th></tr></thead><tbody>"
        );
        for issue in &report.issues {
            let class = if issue.severity.refuses() { "error" } else { issue.severity.code() };
            let place = match (issue.line, issue.column) {
                (Some(line), Some(column)) => format!("{line}:{column}"),
                _ => String::new(),
            };
            let _ = write!(
                body,
                "<tr><td class=\"{class}\">{}</td><td class=\"rule\"><code>{}</code></td><td class=\"place\"><code>{}</code></td><td>{place}</td><td>{}</td></tr>",
                issue.severity.code(),
                escape(&issue.rule),
                escape(&issue.expression),
                escape(&issue.text)
            );
        }
        body.push_str("</tbody></table>\n");
    }
    if !report.unchecked.is_empty() {
        let _ = write!(
            body,
            "<table><caption>Not checked in {name}</caption><thead><tr><th scope=\"col\">What</th><th scope=\"col\">Name</th>\
             <th scope=\"col\">Place</th><th scope=\"col\">Why</th></tr></thead><tbody>"
        );
        for unchecked in &report.unchecked {
            let _ = write!(
                body,
                "<tr><td>{}</td><td><code>{}</code></td><td><code>{}</code></td><td>{}</td></tr>",
                unchecked.what,
                escape(&unchecked.name),
                escape(&unchecked.expression),
                escape(&unchecked.reason)
            );
        }
        body.push_str("</tbody></table>\n");
    }
    body.push_str("</section>\n");
}

/// Writes the page.
pub(super) fn page(out: &mut impl Write, body: &str, totals: &Totals) -> io::Result<()> {
    let verdict = if totals.invalid == 0 { "valid" } else { "invalid" };
    let word = if totals.invalid == 0 { "All valid" } else { "Not all valid" };
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en-GB\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Validation report: {word}</title><style>{STYLE}</style></head><body><main><h1>Validation report</h1>\n\
         <p><span class=\"verdict {verdict}\">{word}</span></p>\n\
         <table><caption>Summary</caption><thead><tr><th scope=\"col\">Resources</th><th scope=\"col\">Valid</th><th scope=\"col\">Invalid</th>\
         <th scope=\"col\">Errors</th><th scope=\"col\">Warnings</th><th scope=\"col\">Not checked</th></tr></thead>\
         <tbody><tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr></tbody></table>\n{body}</main></body></html>",
        totals.valid + totals.invalid,
        totals.valid,
        totals.invalid,
        totals.errors,
        totals.warnings,
        totals.unchecked
    )
}
