//! A site on a disk, and the real binary that serves it.

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The test range's numbers of four patients.
pub const PATIENTS: [&str; 4] = ["9000000009", "9000000017", "9000000025", "9000000033"];

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_sgw");

/// A site that `sgw init` wrote.
pub struct Site {
    pub folder: PathBuf,
    alert: Value,
}

impl Site {
    /// Lets the binary write a site whose gateway listens on ports that the system chooses.
    pub fn init(folder: &Path) -> Self {
        let output = Command::new(BINARY)
            .arg("init")
            .arg(folder)
            .args(["--listen", "127.0.0.1:0", "--mllp", "127.0.0.1:0"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let alert = fs::read(folder.join("examples/alert.json")).unwrap();
        Self { folder: folder.to_owned(), alert: serde_json::from_slice(&alert).unwrap() }
    }

    /// A key or secret that `sgw init` wrote.
    pub fn secret(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join("keys").join(file)).unwrap().trim().to_owned()
    }

    /// The arguments that serve the site.
    pub fn serve(&self, command: &mut Command) -> Child {
        command.arg("serve").arg("--config").arg(self.folder.join("sgw.toml"));
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        command.stdout(Stdio::piped()).stderr(log).spawn().unwrap()
    }

    /// An alert of its own about a patient.
    pub fn alert(&self, name: &str, patient: &str) -> String {
        let mut alert = self.alert.clone();
        alert["messageId"] = json!(name);
        alert["patient"]["nhsNumber"] = json!(patient);
        alert["patient"]["identifiers"][0]["value"] = json!(format!("P-{patient}"));
        alert["alerts"][0]["id"] = json!(name);
        alert.to_string()
    }
}

/// A gateway that runs.
pub struct Gateway {
    pub child: Child,
    pub base: String,
}

impl Gateway {
    /// Waits until it says where it listens; `None` when it ends before.
    pub fn listening(mut child: Child) -> Option<Self> {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        loop {
            let line = lines.next()?.ok()?;
            if let Some(address) = line.strip_prefix("listening for HTTP on ") {
                let base = format!("http://{}", address.trim());
                // What it says later must find somebody who reads it.
                std::thread::spawn(move || lines.for_each(drop));
                return Some(Self { child, base });
            }
        }
    }

    /// Tells it to stop, and waits for its orderly end.
    pub fn stop(mut self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Under `strace` the gateway is the child of this child, and would live on without it.
        let id = self.child.id();
        let traced = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        for one in traced.split_whitespace() {
            let _ = Command::new("kill").args(["-KILL", one]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that waits so long for an answer.
pub fn client(most: Duration) -> reqwest::Client {
    // Another test may have chosen the same provider before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(most).build().unwrap()
}

/// Submits an alert; the answer's body when it was acknowledged, and whether it was known before.
pub async fn submit(
    client: &reqwest::Client,
    base: &str,
    key: &str,
    alert: String,
) -> Option<(String, bool)> {
    let request = client.post(format!("{base}/submissions/ehr")).bearer_auth(key);
    let answer = request.header("content-type", "application/json").body(alert).send().await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.text().await.ok()?;
    match status {
        201 => Some((body, false)),
        200 => Some((body, true)),
        429 | 503 => None,
        other => panic!("{other}: {body}"),
    }
}

/// Subscribes the hub, and waits for the handshake.
pub async fn subscribe(
    client: &reqwest::Client,
    base: &str,
    key: &str,
    endpoint: &str,
    site: &Site,
) -> String {
    let text = fs::read(site.folder.join("examples/subscription-hub.json")).unwrap();
    let mut subscription: Value = serde_json::from_slice(&text).unwrap();
    subscription["channel"]["endpoint"] = json!(endpoint);
    let request = client.post(format!("{base}/fhir/Subscription")).bearer_auth(key);
    let request = request.header("content-type", "application/fhir+json").body(subscription.to_string());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let id = body["id"].as_str().unwrap().to_owned();
    let begun = Instant::now();
    loop {
        let read =
            client.get(format!("{base}/fhir/Subscription/{id}")).bearer_auth(key).send().await.unwrap();
        let body: Value = serde_json::from_slice(&read.bytes().await.unwrap()).unwrap();
        if body["status"] == "active" {
            return id;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no handshake: {body}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The Flag that a transaction response names.
pub fn flag_of(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let entries = answer["entry"].as_array().unwrap();
    let locations = entries.iter().filter_map(|entry| entry["response"]["location"].as_str());
    let mut flags = locations.filter_map(|place| place.strip_prefix("Flag/")?.split('/').next());
    flags.next().unwrap().to_owned()
}
