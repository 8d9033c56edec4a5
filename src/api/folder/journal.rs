//! The result of a file: one line for each record, written when the record's fate is committed, and a last line with
//! the totals. It is also the memory of how far a file had come when the gateway stopped.

use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

/// How many records met which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub records: u64,
    pub accepted: u64,
    pub repeated: u64,
    pub quarantined: u64,
    pub refused: u64,
}

impl Totals {
    fn count(&mut self, outcome: &str) {
        self.records += 1;
        match outcome {
            "accepted" => self.accepted += 1,
            "repeated" => self.repeated += 1,
            "quarantined" => self.quarantined += 1,
            _ => self.refused += 1,
        }
    }

    /// Whether every record was taken, and there was one.
    pub(super) fn all_taken(&self) -> bool {
        self.records > 0 && self.quarantined == 0 && self.refused == 0
    }

    pub(super) fn to_json(self) -> Value {
        json!({
            "records": self.records,
            "accepted": self.accepted,
            "repeated": self.repeated,
            "quarantined": self.quarantined,
            "refused": self.refused,
        })
    }
}

/// A result being written.
pub(super) struct Journal {
    file: File,
    totals: Totals,
    ended: bool,
    broken: bool,
}

impl Journal {
    /// Opens a result, or goes on with one; what the end of the process left of a last line is taken away.
    pub(super) fn open(path: &Path) -> io::Result<Journal> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(path)?;
        let mut journal = Journal { file, totals: Totals::default(), ended: false, broken: false };
        let mut sound = 0;
        let mut reader = BufReader::new(&journal.file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            let read = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<Value>(line).ok());
            let Some(value) = read else { break };
            if let Some(outcome) = value.get("outcome").and_then(Value::as_str) {
                journal.totals.count(outcome);
            } else {
                journal.ended = value.get("total").is_some();
                journal.broken = value.pointer("/total/issues").is_some();
            }
            sound += u64::try_from(length).unwrap_or(u64::MAX);
        }
        journal.file.set_len(sound)?;
        journal.file.seek(SeekFrom::End(0))?;
        Ok(journal)
    }

    /// What has been written.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether the last line has been written.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether the file as a whole could not be read to its end.
    pub(super) fn broken(&self) -> bool {
        self.broken
    }

    /// Writes the line of a record.
    pub(super) fn record(&mut self, line: &Value) -> io::Result<()> {
        writeln!(self.file, "{line}")?;
        self.totals.count(line.get("outcome").and_then(Value::as_str).unwrap_or_default());
        Ok(())
    }

    /// Writes the last line; `broken` when the file could not be read to its end.
    pub(super) fn end(&mut self, total: &Value, broken: bool) -> io::Result<()> {
        writeln!(self.file, "{}", json!({"total": total}))?;
        self.ended = true;
        self.broken = broken;
        self.file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_result_is_gone_on_with_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        let mut journal = Journal::open(&path).unwrap();
        for outcome in ["accepted", "repeated", "quarantined", "refused"] {
            journal.record(&json!({"record": 1, "outcome": outcome})).unwrap();
        }
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{{\"record\":5,\"outc")).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        let totals = Totals { records: 4, accepted: 1, repeated: 1, quarantined: 1, refused: 1 };
        assert_eq!((journal.totals(), journal.ended()), (totals, false));
        assert!(!totals.all_taken());
        journal.end(&totals.to_json(), false).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with(&whole));
        let journal = Journal::open(&path).unwrap();
        assert_eq!((journal.totals(), journal.ended()), (totals, true));
    }
}
