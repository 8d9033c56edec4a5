//! What a bad machine does to the real binary: a disk that fails to sync, a disk that is full, a database that is locked
//! or damaged, a clock that went back. Each has a clear answer, nothing is half written, and nothing is acknowledged that
//! is not kept.

use crate::durability::site::{BINARY, Gateway, Site, client, flag_of};
use crate::store::{at, done, submission, subscribed};
use reqwest::Client;
use serde_json::Value;
use sgw::store::{Options, SqliteStore, Store, Work};
use sqlx::{ConnectOptions, Executor};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Answer {
    status: u16,
    retry_after: Option<String>,
    text: String,
}

impl Answer {
    fn flag(&self) -> String {
        assert_eq!(self.status, 201, "{}", self.text);
        flag_of(&self.text)
    }

    /// It was not acknowledged, says so as FHIR does, and asks to come again.
    #[track_caller]
    fn not_now(&self) {
        assert_eq!(self.status, 503, "{}", self.text);
        assert!(self.retry_after.is_some());
        let outcome: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
    }
}

async fn submit(client: &Client, gateway: &Gateway, site: &Site, name: &str) -> Answer {
    let request =
        client.post(format!("{}/submissions/ehr", gateway.base)).bearer_auth(site.secret("ehr.key"));
    let request = request.header("content-type", "application/json").body(site.alert(name, "9000000017"));
    let answer = request.send().await.unwrap();
    let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    Answer { status: answer.status().as_u16(), retry_after, text: answer.text().await.unwrap() }
}

fn site(folder: &Path) -> Site {
    Site::init(&folder.join("site"))
}

fn set(site: &Site, before: &str, after: &str) {
    let settings = site.folder.join("sgw.toml");
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.contains(before), "`{before}` is not in the settings");
    fs::write(&settings, text.replacen(before, after, 1)).unwrap();
}

fn start(site: &Site) -> Gateway {
    Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts")
}

/// Runs the binary with these arguments and the site's settings to its end.
fn run(site: &Site, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).arg("--config").arg(site.folder.join("sgw.toml")).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Everything in the database and in the audit log holds together.
#[track_caller]
fn sound(site: &Site) {
    for arguments in [["store", "check"], ["audit", "verify"]] {
        let output = run(site, &arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    }
}

async fn holds(database: &Path, flag: &str) -> bool {
    let store = SqliteStore::open_read_only(database).await.unwrap();
    let found = store.read("Flag", flag).await.unwrap().is_some();
    store.close().await.unwrap();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_is_never_acknowledged_and_stops_the_writer() {
    let traceable = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !traceable.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED a_failed_sync_is_never_acknowledged: `strace` is not installed or may not trace");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (site, client) = (site(folder.path()), client(Duration::from_secs(30)));
    let gateway = start(&site);
    let kept = submit(&client, &gateway, &site, "before").await.flag();
    // From now on the disk fails: every sync of the process is answered with EIO.
    let mut strace = Command::new("strace")
        .args(["-f", "-p", &gateway.child.id().to_string(), "-o", "/dev/null"])
        .args(["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let attached = BufReader::new(strace.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(attached.contains("attached"), "{attached}");
    let failed = submit(&client, &gateway, &site, "failed").await;
    failed.not_now();
    strace.kill().unwrap();
    strace.wait().unwrap();
    // The disk is well again, but what it holds is in doubt: nobody is told that anything was kept.
    submit(&client, &gateway, &site, "after").await.not_now();
    let ready = client.get(format!("{}/readyz", gateway.base)).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    let alive = client.get(format!("{}/healthz", gateway.base)).send().await.unwrap();
    assert_eq!(alive.status().as_u16(), 200);
    drop(gateway);
    let log = fs::read_to_string(site.folder.join("log")).unwrap();
    assert!(log.contains("the store stops writing"), "{log}");
    assert!(!log.contains("panicked"), "{log}");

    let gateway = start(&site);
    let again = submit(&client, &gateway, &site, "failed").await;
    assert!(matches!(again.status, 200 | 201), "{}", again.text);
    submit(&client, &gateway, &site, "after").await.flag();
    gateway.stop();
    assert!(holds(&site.folder.join("sgw.db"), &kept).await, "what was acknowledged is there");
    sound(&site);
}

/// A file system of its own; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    /// `None` where the machine does not allow mounting.
    fn mount(place: PathBuf, megabytes: u32) -> Option<Small> {
        fs::create_dir_all(&place).unwrap();
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        let status =
            mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&place).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then_some(Small(place))
    }

    fn grow(&self, megabytes: u32) {
        let size = format!("remount,size={megabytes}m");
        assert!(Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_whole_submissions_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Small::mount(folder.path().join("disk"), 2) else {
        eprintln!(
            "SKIPPED a_full_disk_refuses_whole_submissions: a small file system cannot be mounted here"
        );
        return;
    };
    let (site, client) = (site(folder.path()), client(Duration::from_secs(30)));
    let database = disk.0.join("sgw.db");
    set(&site, "database = \"sgw.db\"", &format!("database = \"{}\"", database.display()));
    let gateway = start(&site);
    let mut flags = Vec::new();
    let refused = loop {
        let answer = submit(&client, &gateway, &site, &format!("full-{}", flags.len())).await;
        if answer.status != 201 {
            break answer;
        }
        flags.push(answer.flag());
        assert!(flags.len() < 500, "two megabytes hold so much?");
    };
    refused.not_now();
    assert!(!flags.is_empty());
    // What cannot be recorded does not happen: when the last room is used up, an auditor's read is refused as well.
    let url = format!("{}/fhir/AuditEvent?_count=1", gateway.base);
    let mut last = 200;
    for _ in 0..500 {
        let read = client.get(&url).bearer_auth(site.secret("auditor.key")).send().await.unwrap();
        last = read.status().as_u16();
        if last != 200 {
            break;
        }
    }
    assert_eq!(last, 503, "no audit, no act");
    disk.grow(64);
    let name = format!("full-{}", flags.len());
    let begun = Instant::now();
    loop {
        let answer = submit(&client, &gateway, &site, &name).await;
        if answer.status != 503 {
            flags.push(answer.flag());
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "there is room again: {}", answer.text);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    gateway.stop();
    for flag in &flags {
        assert!(holds(&database, flag).await, "what was acknowledged is there");
    }
    sound(&site);
    assert!(!fs::read_to_string(site.folder.join("log")).unwrap().contains("panicked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_database_is_waited_for_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (site, client) = (site(folder.path()), client(Duration::from_secs(30)));
    set(&site, "busy_timeout_seconds = 5", "busy_timeout_seconds = 1");
    let gateway = start(&site);
    let path = site.folder.join("sgw.db");
    let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    submit(&client, &gateway, &site, "locked").await.not_now();
    other.execute("ROLLBACK").await.unwrap();
    submit(&client, &gateway, &site, "locked").await.flag();
    gateway.stop();
    sound(&site);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_database_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let (site, client) = (site(folder.path()), client(Duration::from_secs(30)));
    let gateway = start(&site);
    for number in 0..5 {
        submit(&client, &gateway, &site, &format!("damaged-{number}")).await.flag();
    }
    gateway.stop();
    let path = site.folder.join("sgw.db");
    let good = fs::read(&path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // A page in the middle: neither the header nor the schema.
    file.write_all_at(&[0xA5; 4096], (good.len() as u64 / 4096 / 2) * 4096).unwrap();
    drop(file);
    let output = run(&site, &["serve"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains("database") && text.contains("damaged"), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    assert!(!run(&site, &["store", "check"]).status.success());
    fs::write(&path, good).unwrap();
    let gateway = start(&site);
    submit(&client, &gateway, &site, "restored").await.flag();
    gateway.stop();
    sound(&site);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_went_back_stops_the_start_until_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let (site, client) = (site(folder.path()), client(Duration::from_secs(30)));
    let path = site.folder.join("sgw.db");
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let shift = tomorrow.as_microsecond() - at(0).as_microsecond();
    let store = SqliteStore::open(Options::at(&path), at(0)).await.unwrap();
    done(&store, Work { subscriptions: vec![subscribed("s")], ..Work::at(at(0)) }).await;
    let mut work = submission("tomorrow", "nhs:9000000009", &[]);
    work.now = at(shift);
    // Not part of the log that is signed: only the time counts here.
    work.audits.clear();
    if let Some(submission) = &mut work.submission {
        submission.received = at(shift);
    }
    done(&store, work).await;
    store.close().await.unwrap();
    let output = run(&site, &["serve"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("accept_clock_step"), "{}", said(&output));
    set(&site, "accept_clock_step = false", "accept_clock_step = true");
    let gateway = start(&site);
    submit(&client, &gateway, &site, "accepted").await.flag();
    gateway.stop();
    sound(&site);
}
