//! CSV: a header, then one record a row; read as a stream, so that an extract of any size needs the memory of one row.

use super::tree::{Notation, ROOT, Tree};
use super::{Limits, Unreadable};
use std::borrow::Cow;
use std::io::Read;

/// The rows of a CSV source.
pub struct Rows<R> {
    reader: csv::Reader<R>,
    header: Vec<String>,
    record: csv::StringRecord,
    row: u64,
    limit: usize,
}

impl<R: Read> Rows<R> {
    /// Reads the header. The errors are no header, two columns of one name, and text that is not UTF-8.
    pub fn open(input: R, limits: &Limits) -> Result<Rows<R>, Unreadable> {
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(input);
        let header = reader.headers().map_err(|e| broken(&e, 1))?;
        let header: Vec<String> =
            header.iter().map(|h| h.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        if header.iter().all(String::is_empty) {
            return Err(Unreadable::Csv { row: 1, reason: "there is no header" });
        }
        let mut names = header.clone();
        names.sort();
        if names.windows(2).any(|w| matches!(w, [a, b] if a == b && !a.is_empty())) {
            return Err(Unreadable::Csv { row: 1, reason: "two columns have the same name" });
        }
        Ok(Rows { reader, header, record: csv::StringRecord::new(), row: 1, limit: limits.bytes })
    }

    /// The columns' names, as the header writes them.
    pub fn columns(&self) -> &[String] {
        &self.header
    }

    /// The next row as a tree, given to `read`; `None` at the end. A row that cannot be read is an error of that row:
    /// the next one may still be read.
    pub fn next<T>(&mut self, read: impl FnOnce(&Tree<'_>, u32) -> T) -> Option<Result<T, Unreadable>> {
        self.row += 1;
        match self.reader.read_record(&mut self.record) {
            Ok(false) => None,
            Err(error) => Some(Err(broken(&error, self.row))),
            Ok(true) if self.record.as_slice().len() > self.limit => {
                Some(Err(Unreadable::Csv { row: self.row, reason: "the row is too large" }))
            }
            Ok(true) => {
                let mut tree = Tree::new(Notation::Csv, self.header.len() + 2);
                let number = u32::try_from(self.row).unwrap_or(u32::MAX);
                let row = tree.push(ROOT, "row", number, 0);
                for (column, (name, cell)) in (1u32..).zip(self.header.iter().zip(&self.record)) {
                    let id = tree.push(row, name, column, 0);
                    if let Some(node) = tree.node_mut(id).filter(|_| !cell.trim().is_empty()) {
                        node.text = Some(Cow::Borrowed(cell));
                    }
                }
                Some(Ok(read(&tree, row)))
            }
        }
    }
}

fn broken(error: &csv::Error, row: u64) -> Unreadable {
    let reason = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8",
        csv::ErrorKind::UnequalLengths { .. } => "it has not as many cells as the header",
        csv::ErrorKind::Io(_) => "it cannot be read",
        _ => "it is not CSV",
    };
    Unreadable::Csv { row, reason }
}
