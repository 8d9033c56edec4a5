//! A table's counts as a bar chart: inline SVG, with the numbers in words for whoever does not see it.

use super::html::escape;
use super::pack::Table;

const BAR: u64 = 20;
const STEP: u64 = 34;
const LABELS: u64 = 230;
const WIDTH: u64 = 420;
const MARGIN: u64 = 90;
const LEGEND: u64 = 20;
/// How many letters of a label fit beside a bar.
const LETTERS: usize = 26;
/// Fill and texture of the parts of a bar; they differ in lightness and texture, not in hue alone.
const FILLS: [&str; 6] = ["#1d4e89", "url(#stripes)", "#7a5195", "#8a8d91", "#b5651d", "#00705a"];

/// The texture that the second part of every bar uses; once for each page.
pub(super) const TEXTURES: &str = "<svg width=\"0\" height=\"0\" aria-hidden=\"true\" focusable=\"false\">\
    <defs><pattern id=\"stripes\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
    patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#f2b134\"/>\
    <rect width=\"2.5\" height=\"6\" fill=\"#7a4b00\"/></pattern></defs></svg>";

/// Where the names of the parts stand: the line, the place on it, the name.
fn legend<'c>(columns: impl Iterator<Item = &'c String>) -> Vec<(u64, u64, &'c str)> {
    let (mut line, mut at, mut placed) = (0, LABELS, Vec::new());
    for column in columns {
        let width = 34 + 8 * column.chars().count() as u64;
        if at > LABELS && at + width > LABELS + WIDTH + MARGIN {
            (line, at) = (line + 1, LABELS);
        }
        placed.push((line, at, column.as_str()));
        at += width;
    }
    placed
}

/// The chart of a table; nothing for a table of cases, or one with nothing to draw.
pub(super) fn chart(table: &Table) -> Option<String> {
    let parts = table.columns.len() - usize::from(table.sums);
    if table.cases || parts == 0 || parts > FILLS.len() || table.rows.is_empty() || table.rows.len() > 24 {
        return None;
    }
    let sum = |row: &super::pack::Row| -> u64 {
        row.cells.iter().take(parts).filter(|cell| !cell.withheld).map(|cell| cell.count).sum()
    };
    let longest = table.rows.iter().map(sum).max().filter(|&longest| longest > 0)?;
    let legend = legend(table.columns.iter().take(parts));
    let below = 10 + LEGEND * (1 + legend.last().map_or(0, |(line, _, _)| *line));
    let height = STEP * table.rows.len() as u64 + below;
    let (id, title) = (table.id, escape(table.title));
    let mut drawn = format!(
        "<svg class=\"chart\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" viewBox=\"0 0 {} {height}\" \
         xmlns=\"http://www.w3.org/2000/svg\"><title id=\"{id}-t\">{title}: bar chart</title><desc id=\"{id}-d\">",
        LABELS + WIDTH + MARGIN
    );
    for row in &table.rows {
        let told: Vec<String> = row
            .cells
            .iter()
            .zip(&table.columns)
            .take(parts)
            .map(|(cell, column)| format!("{column} {}", cell.shown()))
            .collect();
        drawn.push_str(&escape(&format!("{}: {}. ", row.labels.join(", "), told.join(", "))));
    }
    drawn.push_str("</desc>");
    for ((line, at, column), fill) in legend.into_iter().zip(FILLS) {
        drawn.push_str(&format!(
            "<rect x=\"{at}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{fill}\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            4 + line * LEGEND,
            at + 17,
            14 + line * LEGEND,
            escape(column)
        ));
    }
    for (line, row) in (0..).zip(&table.rows) {
        let top = below + line * STEP;
        let whole = row.labels.first().map_or("", String::as_str);
        let cut = whole.chars().count() > LETTERS;
        let label: String = whole.chars().take(LETTERS).chain(cut.then_some('\u{2026}')).collect();
        drawn.push_str(&format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LABELS - 8,
            top + 15,
            escape(&label)
        ));
        let mut x = LABELS;
        for (cell, fill) in row.cells.iter().take(parts).zip(FILLS) {
            if !cell.withheld && cell.count > 0 {
                let width = (cell.count * WIDTH / longest).max(1);
                drawn.push_str(&format!(
                    "<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{BAR}\" fill=\"{fill}\"/>"
                ));
                x += width;
            }
        }
        let some_withheld = row.cells.iter().take(parts).any(|cell| cell.withheld);
        let end = if some_withheld { "some withheld".to_owned() } else { sum(row).to_string() };
        drawn.push_str(&format!("<text x=\"{}\" y=\"{}\">{end}</text>", x + 6, top + 15));
    }
    drawn.push_str("</svg>");
    Some(drawn)
}
