//! A supplier's story: a new site's alerts in a Z-segment are added by writing a mapping file, and by nothing else, while
//! the gateway runs; a broken version of the file changes nothing; what waited in quarantine goes through after the
//! mapping is corrected.

use crate::durability::site::{BINARY, Gateway, Site, client};
use serde_json::Value;
use sgw::store::{AuditQuery, SqliteStore, Store};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The example of the mapping guide, for the site's own source.
fn mapping() -> String {
    let guide = include_str!("../../docs/formats/mapping-guide.md");
    let yaml = guide.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(yaml.contains("sources: [pas]"), "the example says whose messages it reads");
    yaml.to_owned()
}

fn message(id: &str, code: &str, patient: &str) -> String {
    format!(
        "MSH|^~\\&|PAS|RZZ01|SGW|RZZ00|20261121090000||ADT^A08|{id}|P|2.4\rEVN|A08|20261121090000\r\
         PID|1||{patient}^^^NHS\rZAL|7|{code}|On a plan|20261101\r"
    )
}

struct Run {
    site: Site,
    gateway: Gateway,
    client: reqwest::Client,
}

impl Run {
    fn file(&self) -> PathBuf {
        self.site.folder.join("mappings/north-trust.yaml")
    }

    /// As an editor or a deployment writes: aside, then in its place.
    fn write(&self, text: &str) {
        let aside = self.site.folder.join("mappings/north-trust.yaml.new");
        fs::write(&aside, text).unwrap();
        fs::rename(aside, self.file()).unwrap();
    }

    fn sgw(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY).args(arguments).current_dir(self.site.folder.join("mappings")).output().unwrap()
    }

    async fn post(&self, holder: &str, path: &str, media: &str, body: String) -> (u16, Value) {
        let url = format!("{}{path}", self.gateway.base);
        let request = self.client.post(url).bearer_auth(self.site.secret(&format!("{holder}.key")));
        let answer = request.header("content-type", media).body(body).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn submit(&self, id: &str, code: &str) -> (u16, Value) {
        let text = message(id, code, "9000000009");
        self.post("pas", "/submissions/pas", "x-application/hl7-v2+er7", text).await
    }

    /// The version of the mapping that made what this answer names, from the Provenance.
    async fn made_with(&self, answer: &Value) -> String {
        let at = location(answer, "Provenance").expect("a Provenance");
        let url = format!("{}/fhir/{at}", self.gateway.base);
        let read = self.client.get(url).bearer_auth(self.site.secret("pas.key")).send().await.unwrap();
        assert_eq!(read.status().as_u16(), 200);
        let read: Value = serde_json::from_slice(&read.bytes().await.unwrap()).unwrap();
        read["policy"][0].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    /// Tries with new messages until one is read with this version.
    async fn until_live(&self, version: &str) -> Value {
        let begun = Instant::now();
        for number in 0.. {
            let (status, answer) =
                self.submit(&format!("LIVE-{}-{number}", version.replace('|', "-")), "CP1").await;
            assert_eq!(status, 201, "{answer}");
            if location(&answer, "Flag").is_some() && self.made_with(&answer).await == version {
                eprintln!("`{version}` was live after {} ms", begun.elapsed().as_millis());
                return answer;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "`{version}` is not live: {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        unreachable!()
    }
}

fn location(answer: &Value, kind: &str) -> Option<String> {
    let entries = answer["entry"].as_array()?;
    let mut places = entries.iter().filter_map(|entry| entry["response"]["location"].as_str());
    places.find(|at| at.starts_with(&format!("{kind}/"))).map(str::to_owned)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn start(folder: &tempfile::TempDir) -> Run {
    let site = Site::init(&folder.path().join("site"));
    fs::create_dir(site.folder.join("mappings")).unwrap();
    let settings = site.folder.join("sgw.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("mappings = []", "mappings = [\"mappings\"]")).unwrap();
    let gateway = Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts");
    Run { site, gateway, client: client(Duration::from_secs(30)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_sites_alert_is_added_by_a_mapping_file_alone_while_the_gateway_runs() {
    let folder = tempfile::tempdir().unwrap();
    let run = start(&folder);
    let (_, before) = run.submit("BEFORE", "CP1").await;
    assert_eq!(location(&before, "Flag"), None, "the segment means nothing yet: {before}");

    // Written, checked and explained with the command, before anything is live.
    let trial = folder.path().join("trial");
    fs::create_dir(&trial).unwrap();
    fs::write(trial.join("north-trust.yaml"), mapping()).unwrap();
    fs::write(trial.join("message.hl7"), message("X", "CP1", "9000000009")).unwrap();
    let at = |file: &str| trial.join(file).to_str().unwrap().to_owned();
    let checked = run.sgw(&["mapping", "check", &at("north-trust.yaml")]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked));
    let explain =
        ["mapping", "explain", "--mappings", &at(""), "--mapping", "north-trust-zal", &at("message.hl7")];
    let explained = run.sgw(&explain);
    assert_eq!(explained.status.code(), Some(0), "{}", text(&explained));
    let told = text(&explained);
    assert!(
        told.contains("#period.start  <-  ZAL[1]-4  (line "),
        "from the element to its value and rule: {told}"
    );
    assert!(told.contains("  ZAL[1]-2  mapped to Flag/"), "and the reverse: {told}");

    // Live by being there.
    run.write(&mapping());
    run.until_live("north-trust-zal|1.0.0").await;

    // A code that the table does not have waits for a person.
    let (status, refused) = run.submit("UNKNOWN", "CP9").await;
    assert_eq!(status, 422, "{refused}");
    let quarantined = refused["extension"][0]["valueString"].as_str().unwrap().to_owned();
    let resubmit = format!("/quarantine/{quarantined}/$resubmit");
    assert_eq!(
        run.post("operator", &resubmit, "application/json", String::new()).await.0,
        422,
        "still unknown"
    );

    // A broken version changes nothing, and is told with its place.
    let row = "CP0: {ends: CP1}";
    let broken = mapping().replace("1.0.0", "1.1.0").replace(row, "CP0: {ends: CP7}");
    run.write(&broken);
    let checked = run.sgw(&["mapping", "check", "north-trust.yaml"]);
    assert_eq!(checked.status.code(), Some(1));
    let line = broken.lines().position(|line| line.contains("CP7")).unwrap() + 1;
    assert!(text(&checked).starts_with(&format!("north-trust.yaml:{line}:")), "{}", text(&checked));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (status, answer) = run.submit("MEANWHILE", "CP1").await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(run.made_with(&answer).await, "north-trust-zal|1.0.0", "the last good version is in force");

    // The next good one is live, and what waited goes through as it came.
    let new = "CP9: {category: child-protection, display: On a plan elsewhere, action: urgent-review}";
    run.write(&mapping().replace("1.0.0", "1.2.0").replace(row, &format!("{row}\n      {new}")));
    run.until_live("north-trust-zal|1.2.0").await;
    let (status, answer) = run.post("operator", &resubmit, "application/json", String::new()).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(run.made_with(&answer).await, "north-trust-zal|1.2.0");

    run.gateway.stop();
    let store = SqliteStore::open_read_only(run.site.folder.join("sgw.db")).await.unwrap();
    let acts = |kind: &str| AuditQuery { kind: Some(kind.to_owned()), limit: 1000, ..AuditQuery::default() };
    let refusals = store.audit_search(acts("refused")).await.unwrap();
    let broken_told = refusals.iter().filter_map(|leaf| leaf.canonical.as_deref());
    let place = format!("north-trust.yaml:{line}:");
    assert_eq!(broken_told.filter(|event| event.contains(&place)).count(), 1, "the refusal is recorded once");
    let changes = store.audit_search(acts("administration")).await.unwrap();
    let live: Vec<&str> = changes
        .iter()
        .filter_map(|leaf| leaf.canonical.as_deref())
        .filter(|event| event.contains("host:mappings-changed") && event.contains("north-trust-zal"))
        .collect();
    assert_eq!(live.len(), 2, "each version that came in force is recorded");
    assert!(!acts_contain(&changes, "1.1.0"), "the broken one never was");
    store.close().await.unwrap();
}

fn acts_contain(leaves: &[sgw::store::Leaf], text: &str) -> bool {
    leaves.iter().any(|leaf| {
        leaf.canonical.as_deref().is_some_and(|e| e.contains("north-trust-zal") && e.contains(text))
    })
}
