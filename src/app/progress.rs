//! How far a long conversion has come, told on standard error.

use super::complain;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time between two lines.
const RHYTHM: Duration = Duration::from_secs(1);

/// After how many records the clock is looked at.
const STRIDE: u64 = 256;

/// The progress of one file.
pub(super) struct Progress {
    /// How many bytes have been read, for whoever reads them.
    pub(super) read: Arc<AtomicU64>,
    file: String,
    length: u64,
    records: u64,
    refused: u64,
    begun: Instant,
    told: Instant,
    wanted: bool,
    spoken: bool,
}

impl Progress {
    /// Progress through a file of this length; told when it is asked for or standard error is a terminal.
    pub(super) fn new(file: &Path, length: u64, asked: bool) -> Progress {
        let now = Instant::now();
        Progress {
            read: Arc::default(),
            file: file.display().to_string(),
            length,
            records: 0,
            refused: 0,
            begun: now,
            told: now,
            wanted: asked || std::io::stderr().is_terminal(),
            spoken: false,
        }
    }

    /// Counts a record, and tells if it is time.
    pub(super) fn record(&mut self, refused: bool) {
        self.records += 1;
        self.refused += u64::from(refused);
        if self.wanted && self.records.is_multiple_of(STRIDE) && self.told.elapsed() >= RHYTHM {
            self.told = Instant::now();
            self.spoken = true;
            self.tell();
        }
    }

    /// Tells how it ended, if anything was told before.
    pub(super) fn end(&self) {
        if self.spoken {
            self.tell();
        }
    }

    fn tell(&self) {
        let read = self.read.load(Ordering::Relaxed);
        let percent = (read * 100).checked_div(self.length).unwrap_or(100).min(100);
        let seconds = self.begun.elapsed().as_secs().max(1);
        complain(&format!(
            "{}: {percent} %, {} MB of {} MB, {} records ({} refused), {} records/s",
            self.file,
            read >> 20,
            self.length >> 20,
            self.records,
            self.refused,
            self.records / seconds,
        ));
    }
}

/// A reader that says how much it has read.
pub(super) struct Counting<R> {
    /// What is read from.
    pub(super) inner: R,
    /// Where the count is kept.
    pub(super) read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
