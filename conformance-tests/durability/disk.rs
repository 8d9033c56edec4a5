//! A disk rebuilt from a log of system calls, as it would be after a loss of power at any moment.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Disks lose power between sectors.
const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// A file: what the disk is sure to hold, and what may be lost.
#[derive(Debug, Clone, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// How many changes are durable already: the number of the first that is pending.
    settled: usize,
}

impl File {
    /// The number of the next change.
    fn next(&self) -> usize {
        self.settled + self.pending.len()
    }

    /// Makes the changes before this number durable. Syncs of two threads overlap: another may have done so already.
    fn settle(&mut self, before: usize) {
        let done: Vec<Change> = self.pending.drain(..before.saturating_sub(self.settled)).collect();
        self.settled += done.len();
        done.iter().for_each(|change| apply(&mut self.durable, change));
    }
}

/// What a loss of power does to what was not synced.
#[derive(Debug, Clone, Copy)]
pub enum Loss {
    /// All of it is gone.
    All,
    /// Some sectors of it arrived, in any order; the number seeds the choice.
    Some(u64),
}

/// What the log says next.
#[derive(Debug)]
pub enum Event {
    /// The program told somebody something: the file or socket, and the first bytes.
    Told(String, Vec<u8>),
    /// Something about the disk, which [`Disk::next`] has taken in already.
    Disk,
}

/// The database's files in one folder, along a log.
pub struct Disk {
    folder: PathBuf,
    files: BTreeMap<PathBuf, File>,
    lines: std::io::Lines<BufReader<fs::File>>,
    syncs: HashMap<String, (PathBuf, usize)>,
    /// How many syncs have completed.
    pub synced: usize,
}

impl Disk {
    /// The disk before the log begins: the files in `before`, which the log names as lying in `folder`.
    pub fn before(before: &Path, folder: &Path, log: &Path) -> Self {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(before).unwrap() {
            let entry = entry.unwrap();
            let durable = fs::read(entry.path()).unwrap();
            files.insert(folder.join(entry.file_name()), File { durable, ..File::default() });
        }
        let lines = BufReader::new(fs::File::open(log).unwrap()).lines();
        Self { folder: folder.to_owned(), files, lines, syncs: HashMap::new(), synced: 0 }
    }

    /// Takes the next line in; `None` at the log's end.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            // A process that is killed leaves its last line unfinished.
            let line = self.lines.next()?.ok()?;
            if let Some(event) = self.take(&line) {
                return Some(event);
            }
        }
    }

    fn take(&mut self, line: &str) -> Option<Event> {
        let (thread, call) = line.split_once(' ')?;
        let call = call.trim_start();
        if call.starts_with("<... ") {
            if let Some((path, before)) = self.syncs.remove(thread)
                && call.ends_with("= 0")
            {
                return Some(self.sync(&path, before));
            }
            return None;
        }
        let (name, arguments) = call.split_once('(')?;
        if name == "unlink" {
            let path = PathBuf::from(text(arguments.split('"').nth(1)?));
            // A sync under way is of the file that is gone, not of one that is made anew under its name.
            self.syncs.retain(|_, (synced, _)| *synced != path);
            return self.files.remove(&path).map(|_| Event::Disk);
        }
        let path = text(arguments.split_once('<')?.1.split_once('>')?.0);
        let file = PathBuf::from(&path);
        let ours = file.starts_with(&self.folder) && path.contains(".db") && !path.ends_with("-shm");
        match name {
            "fdatasync" | "fsync" if ours => {
                // What was written before the sync began is safe once it has ended.
                let before = self.files.entry(file.clone()).or_default().next();
                if arguments.contains("<unfinished") {
                    self.syncs.insert(thread.to_owned(), (file, before));
                    return Some(Event::Disk);
                }
                call.ends_with("= 0").then(|| self.sync(&file, before))
            }
            "pwrite64" if ours => {
                let data = bytes(arguments.split('"').nth(1)?);
                let offset = last_number(arguments)?;
                self.files.entry(file).or_default().pending.push(Change::Write(offset, data));
                Some(Event::Disk)
            }
            "ftruncate" if ours => {
                let length = last_number(arguments)?;
                self.files.entry(file).or_default().pending.push(Change::Truncate(length));
                Some(Event::Disk)
            }
            "write" | "writev" | "sendto" | "sendmsg" => {
                Some(Event::Told(path, bytes(arguments.split('"').nth(1)?)))
            }
            _ if ours => panic!("the simulation does not know `{name}`"),
            _ => None,
        }
    }

    fn sync(&mut self, path: &Path, before: usize) -> Event {
        self.synced += 1;
        if let Some(file) = self.files.get_mut(path) {
            file.settle(before);
        }
        Event::Disk
    }

    /// Writes the files as they are after a loss of power at this moment.
    pub fn cut(&self, loss: Loss, to: &Path) {
        for (path, file) in &self.files {
            let mut content = file.durable.clone();
            if let Loss::Some(seed) = loss {
                let mut dice = seed;
                for change in &file.pending {
                    arrive(&mut content, change, &mut dice);
                }
            }
            fs::write(to.join(path.file_name().unwrap()), content).unwrap();
        }
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Truncate(length) => content.resize(*length, 0),
        Change::Write(offset, data) => {
            let end = offset + data.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*offset..end].copy_from_slice(data);
        }
    }
}

/// Lets some sectors of a change arrive.
fn arrive(content: &mut Vec<u8>, change: &Change, dice: &mut u64) {
    match change {
        Change::Truncate(_) if roll(dice) => apply(content, change),
        Change::Truncate(_) => {}
        Change::Write(offset, data) => {
            let whole = roll(dice);
            for (number, part) in data.chunks(SECTOR).enumerate() {
                if whole || roll(dice) {
                    apply(content, &Change::Write(offset + number * SECTOR, part.to_vec()));
                }
            }
        }
    }
}

/// A coin, from a seed (splitmix64).
pub fn roll(dice: &mut u64) -> bool {
    *dice = dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *dice;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) & 1 == 0
}

fn last_number(arguments: &str) -> Option<usize> {
    let list = arguments.split(" <unfinished").next()?.rsplit_once(')').map_or(arguments, |(list, _)| list);
    list.split(" <unfinished").next()?.rsplit(',').next()?.trim().trim_end_matches(')').parse().ok()
}

/// The bytes of a string that `strace -xx` wrote.
fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
    let decode = |four: &[u8]| digit(four[2]) * 16 + digit(four[3]);
    hex.as_bytes().chunks_exact(4).map(decode).collect()
}

fn text(hex: &str) -> String {
    if hex.starts_with("\\x") { String::from_utf8_lossy(&bytes(hex)).into_owned() } else { hex.to_owned() }
}

#[test]
fn syncs_that_overlap_make_durable_what_was_written_before_each_began() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let lines = [
        "1 pwrite64(3</d/a.db>, \"\\x61\", 1, 0) = 1",
        "1 fdatasync(3</d/a.db> <unfinished ...>",
        "2 pwrite64(3</d/a.db>, \"\\x62\", 1, 1) = 1",
        "2 fdatasync(3</d/a.db> <unfinished ...>",
        "3 pwrite64(3</d/a.db>, \"\\x63\", 1, 2) = 1",
        "2 <... fdatasync resumed>) = 0",
        "1 <... fdatasync resumed>) = 0",
    ];
    fs::write(&log, lines.join("\n")).unwrap();
    let before = folder.path().join("before");
    fs::create_dir(&before).unwrap();
    let mut disk = Disk::before(&before, Path::new("/d"), &log);
    while disk.next().is_some() {}
    let file = &disk.files[Path::new("/d/a.db")];
    assert_eq!((file.durable.as_slice(), file.pending.len(), disk.synced), (b"ab".as_slice(), 1, 2));
}
