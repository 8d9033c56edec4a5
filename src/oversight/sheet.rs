//! A pack as two CSV files: one line for each number, and one for each record that a number counts.

use super::pack::Pack;

/// The numbers: section, table, row, column, count (empty where it is withheld), and whether it is withheld.
pub fn tables(pack: &Pack) -> String {
    let mut lines: Vec<Vec<String>> =
        vec![cells(&["section", "table", "row", "column", "count", "withheld"])];
    each(pack, |section, table, row, column, cell| {
        let count = if cell.withheld { String::new() } else { cell.count.to_string() };
        let withheld = if cell.withheld { "yes" } else { "" };
        lines.push(cells(&[section, table, row, column, &count, withheld]));
    });
    write(&lines)
}

/// The records: section, table, row, column, id, position, when, kind of act.
pub fn records(pack: &Pack) -> String {
    let mut lines: Vec<Vec<String>> =
        vec![cells(&["section", "table", "row", "column", "record", "position", "recorded", "act"])];
    each(pack, |section, table, row, column, cell| {
        for id in &cell.records {
            let Some(record) = pack.records.get(id) else { continue };
            let position = record.position.to_string();
            lines.push(cells(&[section, table, row, column, id, &position, &record.recorded, &record.act]));
        }
    });
    write(&lines)
}

fn each(pack: &Pack, mut take: impl FnMut(&str, &str, &str, &str, &super::pack::Cell)) {
    for section in &pack.sections {
        for table in &section.tables {
            for row in &table.rows {
                let labels = row.labels.join(" | ");
                for (column, cell) in table.columns.iter().zip(&row.cells) {
                    take(section.id, table.id, &labels, column, cell);
                }
                if table.columns.is_empty() {
                    take(section.id, table.id, &labels, "", &super::pack::Cell::default());
                }
            }
        }
    }
}

/// A cell that a spreadsheet would take for a formula is made text.
fn cells(values: &[&str]) -> Vec<String> {
    let plain = |value: &&str| match value.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{value}"),
        _ => (*value).to_owned(),
    };
    values.iter().map(plain).collect()
}

fn write(lines: &[Vec<String>]) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for line in lines {
        // Writing to memory does not fail.
        let _infallible = writer.write_record(line);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
