//! Durable intake beside the machine's own speed of syncing, in one run.
//!
//! `cargo bench --bench intake [-- --seconds N --clients N --dir DIR]`. Slices of probe and intake alternate, because a
//! disk's speed changes from minute to minute; the figures are ratios, printed and never asserted. With
//! `--submissions N` it goes on until so many were submitted through the whole pipeline, and prints the memory used.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a bench that cannot be set up must say so, and prints its figures"
)]

mod exchange;
mod probe;
mod store;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What one slice saw: how many operations in how long, and how long each took.
#[derive(Default)]
pub struct Slice {
    pub took: Duration,
    pub each: Vec<Duration>,
    /// The processor's time that this process used meanwhile.
    pub cpu: Duration,
}

impl Slice {
    fn add(&mut self, other: Self) {
        self.took += other.took;
        self.each.extend(other.each);
        self.cpu += other.cpu;
    }

    fn rate(&self) -> f64 {
        self.each.len() as f64 / self.took.as_secs_f64()
    }

    fn quantile(&mut self, quantile: f64) -> Duration {
        self.each.sort();
        let last = self.each.len().saturating_sub(1);
        self.each.get((last as f64 * quantile) as usize).copied().unwrap_or_default()
    }

    fn line(&mut self, name: &str) -> String {
        let (p50, p99) = (self.quantile(0.5), self.quantile(0.99));
        let cpu = 1000.0 * ms(self.cpu) / self.each.len().max(1) as f64;
        format!(
            "{name:<34}{:>9.0}/s   p50 {:>8.2} ms   p99 {:>8.2} ms   {cpu:>6.0} µs of processor each",
            self.rate(),
            ms(p50),
            ms(p99)
        )
    }

    fn against(&mut self, name: &str, probe: &mut Self, figures: sgw::store::Figures) -> String {
        let allowed = 3.0 * ms(probe.quantile(0.99)) + 10.0;
        format!(
            "{name}: {:.1} x the probe's rate; p99 {:.2} ms of {allowed:.2} ms (3 x the probe's p99 + 10 ms); \
             {:.1} units a commit",
            self.rate() / probe.rate(),
            ms(self.quantile(0.99)),
            figures.units as f64 / figures.commits.max(1) as f64,
        )
    }
}

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn argument(name: &str, otherwise: &str) -> String {
    let given: Vec<String> = std::env::args().collect();
    let place = given.iter().position(|one| one == name);
    place.and_then(|place| given.get(place + 1)).cloned().unwrap_or_else(|| otherwise.to_owned())
}

fn main() {
    let seconds = Duration::from_secs(argument("--seconds", "20").parse().expect("a number of seconds"));
    let clients: usize = argument("--clients", "64").parse().expect("a number of clients");
    let submissions: usize = argument("--submissions", "0").parse().expect("a number of submissions");
    let folder = match argument("--dir", "").as_str() {
        "" => tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the disk to be measured"),
        given => tempfile::tempdir_in(PathBuf::from(given)).expect("a folder in the folder given"),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let (probe_for, intake_for) = (Duration::from_millis(500), Duration::from_millis(2000));

    if submissions == 0 {
        let bench = runtime.block_on(store::Bench::start(folder.path()));
        let (mut probe, mut store) = (Slice::default(), Slice::default());
        let begun = Instant::now();
        while begun.elapsed() < seconds {
            probe.add(probe::slice(folder.path(), probe_for));
            store.add(timed(|| runtime.block_on(bench.slice(clients, intake_for))));
        }
        let figures = runtime.block_on(bench.finish());
        say(&probe.line("fdatasync of 4 KiB appended"));
        say(&store.line(&format!("store alone, {clients} clients")));
        say(&store.against("store alone", &mut probe, figures));
    }

    let bench = runtime.block_on(exchange::Bench::start(folder.path()));
    say(&format!("memory before the first submission: {:.1} MB", resident()));
    let (mut probe, mut intake) = (Slice::default(), Slice::default());
    let begun = Instant::now();
    let mut told = 0;
    while begun.elapsed() < seconds || intake.each.len() < submissions {
        probe.add(probe::slice(folder.path(), probe_for));
        intake.add(timed(|| runtime.block_on(bench.slice(clients, intake_for))));
        if submissions > 0 && intake.each.len() >= told + 10_000 {
            told = intake.each.len();
            say(&format!("memory after {told} submissions: {:.1} MB", resident()));
        }
    }
    let figures = runtime.block_on(bench.finish());
    say(&probe.line("fdatasync of 4 KiB appended"));
    say(&intake.line(&format!("whole intake, {clients} clients")));
    say(&intake.against("whole intake", &mut probe, figures));
}

/// A slice with the processor's time that it used: unlike its rate, that does not change much on a busy machine.
fn timed(work: impl FnOnce() -> Slice) -> Slice {
    let before = processor();
    let mut slice = work();
    slice.cpu = processor().saturating_sub(before);
    slice
}

/// The processor's time that this process has used (`/proc/self/stat`, in the kernel's hundredths of a second).
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or("").split_whitespace().skip(11).take(2);
    Duration::from_millis(10 * fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>())
}

/// The resident memory of this process in MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: f64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0);
    kilobytes / 1024.0
}

/// Writes a line for whoever runs the bench.
#[expect(clippy::print_stdout, reason = "a bench speaks to whoever runs it")]
pub fn say(line: &str) {
    println!("{line}");
}
