//! A review pack as data: sections of tables, in which every number names its records.

use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// The format's name.
pub const FORMAT: &str = "sgw-review/1";

/// A review pack. Written as JSON it is the pack for machines.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pack {
    /// [`FORMAT`].
    pub format: &'static str,
    /// The period's name.
    pub period: String,
    /// Its first moment.
    pub from: String,
    /// The first moment after it.
    pub until: String,
    /// The organisation that runs the gateway (ODS code).
    pub organisation: String,
    /// The gateway's name.
    pub gateway: String,
    /// When the pack was made.
    pub made: String,
    /// The log that it was made from.
    pub log: LogState,
    /// Counts below this one are withheld; 0 when none are.
    pub smallest: u64,
    /// Its parts.
    pub sections: Vec<Section>,
    /// The records that its numbers count, by id; empty once small numbers were withheld.
    pub records: BTreeMap<String, RecordLine>,
}

/// The state of the log that a pack was made from.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LogState {
    /// How many leaves it had.
    pub leaves: u64,
    /// How many of them were recorded in the period.
    pub in_period: u64,
    /// How many of these have had their content erased: they are counted as far as their leaves tell.
    pub erased: u64,
    /// The size that the newest signed checkpoint covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_size: Option<u64>,
    /// Its root, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_root: Option<String>,
}

/// One record that a number counts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecordLine {
    /// Its position in the log.
    pub position: u64,
    /// When it was recorded.
    pub recorded: String,
    /// The kind of act.
    pub act: String,
}

/// A part of a pack.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Section {
    /// A stable name.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is counted, and how to read it.
    pub about: &'static str,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// A table of counts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Table {
    /// A stable name, unique in the pack.
    pub id: &'static str,
    /// Its caption.
    pub title: &'static str,
    /// What the labels of a row are.
    pub heads: Vec<&'static str>,
    /// What the cells of a row count; the last is their sum where `sums` says so.
    pub columns: Vec<String>,
    /// Whether the last column is the sum of those before it.
    pub sums: bool,
    /// The rows.
    pub rows: Vec<Row>,
    /// What the rows add up to, where each record stands in one row only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Row>,
    /// Whether rows are single cases; such a table never leaves the organisation.
    pub cases: bool,
}

/// A row.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// Its labels, one for each head of the table.
    pub labels: Vec<String>,
    /// Its counts, one for each column.
    pub cells: Vec<Cell>,
}

/// A count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The number.
    pub count: u64,
    /// Whether it is withheld.
    pub withheld: bool,
    /// The ids of the records that it counts.
    pub records: Vec<String>,
    /// Cells with the same name here state the same number, and are withheld together.
    pub same: Option<String>,
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'c> {
            #[serde(skip_serializing_if = "Option::is_none")]
            count: Option<u64>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            withheld: bool,
            #[serde(skip_serializing_if = "<[String]>::is_empty")]
            records: &'c [String],
        }
        let count = (!self.withheld).then_some(self.count);
        Shown { count, withheld: self.withheld, records: &self.records }.serialize(serializer)
    }
}

impl Cell {
    /// The count of these records.
    pub fn of(records: Vec<String>) -> Cell {
        Cell { count: records.len() as u64, records, ..Cell::default() }
    }

    /// The number as people read it.
    pub fn shown(&self) -> String {
        if self.withheld { "withheld".to_owned() } else { self.count.to_string() }
    }
}

/// A single case: its labels, and the records that tell it.
pub(crate) type Case = (Vec<String>, Vec<String>);

/// Records gathered under labels and columns, to become a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    rows: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
}

impl Gathered {
    /// Counts a record.
    pub fn add(&mut self, labels: &[&str], column: &str, record: &str) {
        let labels = labels.iter().map(|label| named(label)).collect();
        let cells = self.rows.entry(labels).or_default();
        cells.entry(column.to_owned()).or_default().push(record.to_owned());
    }

    /// Counts a record under each of these labels; under `none` when there are none.
    pub fn add_each(&mut self, labels: &[String], column: &str, record: &str) {
        if labels.is_empty() {
            self.add(&[""], column, record);
        }
        let mut known: Vec<&String> = Vec::new();
        for label in labels {
            if !known.contains(&label) {
                self.add(&[label], column, record);
                known.push(label);
            }
        }
    }

    /// The table. The columns named come first; others that were counted follow in order. With `partition`, each
    /// record stands in one row only, so the rows add up to a total.
    pub fn table(
        self,
        id: &'static str,
        title: &'static str,
        heads: &[&'static str],
        columns: &[&str],
        partition: Option<&str>,
    ) -> Table {
        let mut names: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
        for column in self.rows.values().flat_map(BTreeMap::keys) {
            if !names.contains(column) {
                names.push(column.clone());
            }
        }
        let sums = names.len() > 1;
        let mut rows: Vec<Row> = Vec::new();
        for (labels, mut found) in self.rows {
            let mut cells: Vec<Cell> =
                names.iter().map(|name| Cell::of(found.remove(name).unwrap_or_default())).collect();
            if sums {
                cells.push(Cell::of(cells.iter().flat_map(|cell| cell.records.clone()).collect()));
            }
            rows.push(Row { labels, cells });
        }
        if sums {
            names.push("all".to_owned());
        }
        let total = partition.map(|key| {
            let cell = |(index, name): (usize, &String)| {
                let parts = rows.iter().filter_map(|row| row.cells.get(index));
                let records = parts.flat_map(|cell| cell.records.clone()).collect();
                Cell { same: Some(format!("{key}/{name}")), ..Cell::of(records) }
            };
            let mut labels = vec!["all".to_owned()];
            labels.resize(heads.len(), String::new());
            Row { labels, cells: names.iter().enumerate().map(cell).collect() }
        });
        Table { id, title, heads: heads.to_vec(), columns: names, sums, rows, total, cases: false }
    }
}

fn named(label: &str) -> String {
    if label.is_empty() { "none".to_owned() } else { label.to_owned() }
}

impl Table {
    /// A table of single cases, each with the records that tell it.
    pub(crate) fn of_cases(
        id: &'static str,
        title: &'static str,
        heads: &[&'static str],
        cases: Vec<Case>,
    ) -> Table {
        let row = |(labels, records)| Row { labels, cells: vec![Cell::of(records)] };
        Table {
            id,
            title,
            heads: heads.to_vec(),
            columns: vec!["records".to_owned()],
            sums: false,
            rows: cases.into_iter().map(row).collect(),
            total: None,
            cases: true,
        }
    }
}
