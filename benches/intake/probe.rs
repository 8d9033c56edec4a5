//! The machine's own speed: one thread that appends 4 KiB and waits for the disk, again and again.

use super::Slice;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Probes the disk of a folder for a while.
pub fn slice(folder: &Path, length: Duration) -> Slice {
    let path = folder.join("probe");
    let mut file = File::create(&path).expect("a file to probe with");
    let block = [0x5A_u8; 4096];
    let begun = Instant::now();
    let mut each = Vec::new();
    while begun.elapsed() < length {
        let one = Instant::now();
        file.write_all(&block).expect("room on the disk");
        file.sync_data().expect("a sync");
        each.push(one.elapsed());
    }
    let took = begun.elapsed();
    drop(file);
    std::fs::remove_file(&path).expect("the probe's file");
    Slice { took, each, ..Slice::default() }
}
