//! A watched folder: whole files only, each record for itself, a result beside each file, nothing twice.

use crate::gateway::{TestGateway, fixture};
use serde_json::Value;
use sgw::api::folder::settings::{FolderSettings, WatchedFolder};
use sgw::api::folder::{self, FolderError};
use sgw::store::Leaf;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A folder that is being watched.
pub struct Watched {
    pub folder: TempDir,
    stop: CancellationToken,
    task: JoinHandle<bool>,
    _end: DropGuard,
}

/// A file that came to its end: where, and the lines of its result.
#[derive(Debug)]
pub struct Ended {
    pub folder: String,
    pub file: PathBuf,
    pub lines: Vec<Value>,
}

impl Ended {
    pub fn total(&self) -> &Value {
        &self.lines.last().unwrap()["total"]
    }

    pub fn outcomes(&self) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line["outcome"].as_str()).collect()
    }
}

pub fn quick() -> FolderSettings {
    FolderSettings { poll_milliseconds: 10, settle_milliseconds: 30, ..FolderSettings::default() }
}

impl Watched {
    pub fn new(gateway: &TestGateway, source: &str) -> Watched {
        Watched::on(TempDir::new().unwrap(), gateway, source, quick())
    }

    pub fn on(folder: TempDir, gateway: &TestGateway, source: &str, settings: FolderSettings) -> Watched {
        let watched = WatchedFolder { source: source.to_owned(), path: folder.path().to_owned() };
        let stop = CancellationToken::new();
        let watch = folder::open(&watched, gateway.exchange.clone(), settings, stop.clone()).unwrap();
        let end = stop.clone().drop_guard();
        Watched { folder, stop, task: tokio::spawn(watch.serve()), _end: end }
    }

    pub fn leave(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// Waits for the end of a file that was left under this name.
    pub async fn ended(&self, name: &str) -> Ended {
        for _ in 0..1500 {
            if let Some(ended) = ended(self.folder.path(), name).pop() {
                return ended;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("`{name}` was not brought to its end")
    }

    pub async fn stop(self) -> TempDir {
        self.stop.cancel();
        assert!(self.task.await.unwrap());
        self.folder
    }
}

/// The files of this name that came to their end, with their results.
pub fn ended(folder: &Path, name: &str) -> Vec<Ended> {
    let mut found = Vec::new();
    for end in ["done", "failed"] {
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder.join(end)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let result = PathBuf::from(format!("{}.result.ndjson", file.display()));
            if file.to_str().unwrap().ends_with(&format!("_{name}")) && result.exists() {
                let text = fs::read_to_string(result).unwrap();
                let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                found.push(Ended { folder: end.to_owned(), file, lines });
            }
        }
    }
    found
}

/// A table of plans, one row for each of these pairs of NHS number and plan.
pub fn plans(rows: &[(&str, &str)]) -> String {
    let header = "nhs_number,cppl_cp_plan_id,cppl_person_id,cppl_referral_id,cppl_cp_plan_start_date,cppl_cp_plan_end_date,cppl_cp_plan_initial_category,cppl_cp_plan_latest_category\n";
    let row = |(number, plan): &(&str, &str)| format!("{number},{plan},P-{number},R-1,2026-02-01,,NEG,EMO\n");
    header.to_owned() + &rows.iter().map(row).collect::<String>()
}

fn text(leaf: &Leaf) -> &str {
    leaf.canonical.as_deref().unwrap()
}

#[tokio::test]
async fn each_row_of_a_table_is_a_submission_of_its_own() {
    let gateway = TestGateway::new().await;
    let watched = Watched::new(&gateway, "ssd-cp-plans");
    let mut table = plans(&[("9000000009", "A"), ("9000000008", "B"), ("9000000017", "C")]);
    table.push_str("9000000025,D\n");
    watched.leave("plans.csv", &table);
    let ended = watched.ended("plans.csv").await;
    assert_eq!(ended.folder, "failed", "two rows were not taken");
    assert_eq!(ended.outcomes(), ["accepted", "quarantined", "accepted", "refused"]);
    assert_eq!(fs::read_to_string(&ended.file).unwrap(), table, "the file is as it came");
    let total = ended.total();
    assert_eq!((&total["records"], &total["accepted"]), (&4.into(), &2.into()));
    assert_eq!(total["file"], "plans.csv");
    assert_eq!(total["mapping"].as_str().unwrap().split('|').next(), Some("ssd-cp-plans"));
    // Places are those of the file, not of the row's own payload.
    assert_eq!(ended.lines[1]["at"], "row 3");
    assert!(ended.lines[1]["issues"].to_string().contains("row 3"), "{}", ended.lines[1]);
    assert!(ended.lines[3]["issues"].to_string().contains("row 5"), "{}", ended.lines[3]);
    let result = fs::read_to_string(format!("{}.result.ndjson", ended.file.display())).unwrap();
    assert!(!result.contains("9000000008"), "a result holds no patient's value");

    assert_eq!(gateway.store.list("Flag", None, 10).await.unwrap().len(), 2);
    assert_eq!(gateway.audits(Some("submission")).await.len(), 2);
    assert_eq!(gateway.audits(Some("submission-refused")).await.len(), 2);
    let files = gateway.audits(Some("administration")).await;
    let body = files.iter().find(|leaf| text(leaf).contains("file-taken")).expect("a record of the file");
    assert!(text(body).contains(total["sha256"].as_str().unwrap()));
    assert!(!text(body).contains("plans.csv"), "a file's name may name a patient");

    // What is kept in quarantine is a table of that row, which can be read, corrected and sent again.
    let id = ended.lines[1]["quarantine"].as_str().unwrap();
    let kept = gateway.get("operator", &format!("/quarantine/{id}/payload")).await.expect(200);
    assert_eq!(kept.text, plans(&[("9000000008", "B")]));
}

#[tokio::test]
async fn a_file_left_again_changes_nothing() {
    let gateway = TestGateway::new().await;
    let watched = Watched::new(&gateway, "ssd-cp-plans");
    watched.leave("a.csv", plans(&[("9000000009", "A")]));
    assert_eq!(watched.ended("a.csv").await.folder, "done");
    watched.leave("b.csv", plans(&[("9000000009", "A")]));
    let again = watched.ended("b.csv").await;
    assert_eq!(again.folder, "done");
    let flags = gateway.store.list("Flag", None, 10).await.unwrap();
    assert_eq!((flags.len(), flags[0].version), (1, 1), "the same content makes no new version");
}

#[tokio::test]
async fn messages_of_a_batch_and_objects_one_a_line_are_submissions() {
    let gateway = TestGateway::new().await;
    let hl7 = Watched::new(&gateway, "pas");
    let one = String::from_utf8(fixture("convert/hl7v2-a08-child-protection/input.hl7")).unwrap();
    let other = one.replace("RXX-000017", "RXX-000018");
    hl7.leave("batch.hl7", format!("FHS|^~\\&|PAS\rBHS|^~\\&|PAS\r{one}\r{other}\rBTS|2\rFTS|1\r"));
    let batch = hl7.ended("batch.hl7").await;
    assert_eq!((batch.folder.as_str(), batch.outcomes()), ("done", vec!["accepted", "accepted"]));
    assert_eq!(batch.lines[1]["at"], "message 2");
    assert!(batch.total()["envelope"]["values"].as_u64().unwrap() >= 4, "its envelope is accounted for");

    let json = Watched::new(&gateway, "ehr");
    let mut alert: Value = serde_json::from_slice(&fixture("convert/json-alert/input.json")).unwrap();
    let first = alert.to_string();
    alert["messageId"] = "another".into();
    json.leave("alerts.ndjson", format!("{first}\n{alert}\n"));
    assert_eq!(json.ended("alerts.ndjson").await.outcomes(), ["accepted", "accepted"]);
    let pretty = fixture("convert/json-alert/input.json");
    json.leave("alert.json", pretty);
    let repeat = json.ended("alert.json").await;
    assert!(
        ["repeated", "quarantined"].contains(&repeat.outcomes()[0]),
        "its message id is known: {repeat:?}"
    );
}

#[tokio::test]
async fn files_that_are_being_written_are_left_alone() {
    let gateway = TestGateway::new().await;
    let settings = FolderSettings { settle_milliseconds: 300, ..quick() };
    let watched = Watched::on(TempDir::new().unwrap(), &gateway, "ssd-cp-plans", settings);
    let table = plans(&[("9000000009", "A"), ("9000000017", "B")]);
    watched.leave("named.csv.part", &table);
    let (first, rest) = table.split_at(table.len() - 40);
    watched.leave("slow.csv", first);
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut file =
            fs::OpenOptions::new().append(true).open(watched.folder.path().join("slow.csv")).unwrap();
        std::io::Write::write_all(&mut file, b"").unwrap();
        file.set_modified(std::time::SystemTime::now()).unwrap();
    }
    assert!(ended(watched.folder.path(), "slow.csv").is_empty(), "it was touched all the time");
    watched.leave("slow.csv", format!("{first}{rest}"));
    assert_eq!(watched.ended("slow.csv").await.total()["accepted"], 2);
    let from = watched.folder.path().join("named.csv.part");
    assert!(from.exists());
    fs::rename(from, watched.folder.path().join("named.csv")).unwrap();
    assert_eq!(watched.ended("named.csv").await.folder, "done");
}

#[tokio::test]
async fn what_cannot_be_taken_as_a_whole_fails_with_its_reason() {
    let gateway = TestGateway::new().await;
    let settings = FolderSettings { max_file_bytes: 4096, ..quick() };
    let watched = Watched::on(TempDir::new().unwrap(), &gateway, "cin-census", settings);
    let cases: [(&str, Vec<u8>, &str); 3] = [
        ("broken.xml", b"<Message><Children>".to_vec(), "xml"),
        ("large.xml", vec![b'x'; 5000], "too-large"),
        ("wrong.xml", b"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>".to_vec(), "xml"),
    ];
    for (name, content, rule) in cases {
        watched.leave(name, content);
        let ended = watched.ended(name).await;
        assert_eq!(ended.folder, "failed", "{name}");
        let issues = ended.total()["issues"].to_string();
        assert!(issues.contains(rule), "{name}: {issues}");
    }
    let csv = Watched::new(&gateway, "ssd-cp-plans");
    csv.leave("empty.csv", "");
    assert_eq!(csv.ended("empty.csv").await.folder, "failed");
    csv.leave("header.csv", plans(&[]));
    assert!(csv.ended("header.csv").await.total()["issues"].to_string().contains("empty"));
    let refused = gateway.audits(Some("administration")).await;
    assert_eq!(refused.iter().filter(|leaf| text(leaf).contains("file-refused")).count(), 5);
    assert!(gateway.store.list("Flag", None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_file_loses_and_doubles_nothing() {
    let gateway = TestGateway::new().await;
    let names: Vec<String> = (0..60).map(|number| format!("PLAN-{number}")).collect();
    let rows: Vec<(&str, &str)> = names.iter().map(|name| ("9000000009", name.as_str())).collect();
    let mut folder = TempDir::new().unwrap();
    fs::write(folder.path().join("long.csv"), plans(&rows)).unwrap();
    let mut stops = 0;
    let ended = loop {
        let watched = Watched::on(folder, &gateway, "ssd-cp-plans", quick());
        tokio::time::sleep(Duration::from_millis(60 + stops * 3)).await;
        folder = watched.stop().await;
        if let Some(ended) = ended(folder.path(), "long.csv").pop() {
            break ended;
        }
        stops += 1;
        assert!(stops < 500);
    };
    assert!(stops > 0, "it was stopped at least once");
    assert_eq!(ended.outcomes(), vec!["accepted"; 60], "after {stops} stops");
    assert_eq!(gateway.audits(Some("submission")).await.len(), 60);
    assert_eq!(gateway.store.list("Flag", None, 100).await.unwrap().len(), 60);
}

#[tokio::test]
async fn a_folder_of_an_unknown_source_is_refused() {
    let gateway = TestGateway::new().await;
    let watched = WatchedFolder { source: "nobody".into(), path: "/nowhere".into() };
    let opened = folder::open(&watched, gateway.exchange.clone(), quick(), CancellationToken::new());
    assert!(matches!(opened, Err(FolderError::UnknownSource(_))));
    let file = tempfile::NamedTempFile::new().unwrap();
    let watched = WatchedFolder { source: "pas".into(), path: file.path().to_owned() };
    let opened = folder::open(&watched, gateway.exchange.clone(), quick(), CancellationToken::new());
    assert!(matches!(opened, Err(FolderError::Unusable { .. })));
}
