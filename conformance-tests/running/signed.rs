//! Signed agreements in the real binary: what was signed is put in force while it runs, anything else is refused, the last
//! good version stays, and both are recorded.

use crate::durability::site::{BINARY, Gateway, Site, client};
use serde_json::{Value, json};
use sgw::store::{AuditQuery, SqliteStore, Store};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn sign(folder: &Path, key: &Path) -> String {
    let mut command = Command::new(BINARY);
    let command =
        command.args(["agreements", "sign"]).arg(folder).arg("--key").arg(key).args(["--name", "RZZ00/lead"]);
    let signed = command.output().unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    fs::read_to_string(key.with_extension("pub")).unwrap().trim().to_owned()
}

fn change(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replace(from, to)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_agreements_are_put_in_force_while_it_runs_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::init(&folder.path().join("site"));
    let (agreements, key) = (site.folder.join("agreements"), folder.path().join("lead.key"));
    let public = sign(&agreements, &key);
    change(&site.folder.join("sgw.toml"), "agreement_keys = []", &format!("agreement_keys = [\"{public}\"]"));
    let gateway = Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts");
    let client = client(Duration::from_secs(30));
    let post = async |holder: &str, path: &str, body: Value| {
        let request =
            client.post(format!("{}{path}", gateway.base)).bearer_auth(site.secret(&format!("{holder}.key")));
        let answer = request
            .header("content-type", "application/fhir+json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    };
    let in_force = async || {
        let question = json!({"resourceType": "Parameters", "parameter": [
            {"name": "resource", "resource": {"resourceType": "Flag"}}, {"name": "action", "valueCode": "hold"}]});
        let (status, answer) = post("auditor", "/fhir/$decide", question).await;
        assert_eq!(status, 200, "{answer}");
        let at = answer.find("sha256:").unwrap();
        answer[at..at + 23].to_owned()
    };
    let first = in_force().await;
    let ed = agreements.join("eastmoor-ed.yaml");

    change(&ed, "version: \"1.0\"", "version: \"1.1\"");
    change(&ed, "up-to: R", "up-to: V");
    let (status, answer) = post("operator", "/configuration/$reload", json!({})).await;
    assert!(status == 422 && answer.contains("not the one that was signed"), "{answer}");
    fs::write(agreements.join("mine.yaml"), fs::read_to_string(&ed).unwrap()).unwrap();
    let (status, answer) = post("operator", "/configuration/$reload", json!({})).await;
    assert!(status == 422 && answer.contains("was not signed"), "{answer}");
    fs::remove_file(agreements.join("mine.yaml")).unwrap();
    sign(&agreements, &folder.path().join("stranger.key"));
    let (status, answer) = post("operator", "/configuration/$reload", json!({})).await;
    assert!(status == 422 && answer.contains("not signed by the key"), "{answer}");
    assert_eq!(in_force().await, first, "the last good version is still in force");

    sign(&agreements, &key);
    let (status, answer) = post("operator", "/configuration/$reload", json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let second = in_force().await;
    assert_ne!(second, first);
    change(&ed, "up-to: V", "up-to: N");
    sign(&agreements, &key);
    let (status, answer) = post("operator", "/configuration/$reload", json!({})).await;
    assert!(status == 422 && answer.contains("write a new version"), "{answer}");
    assert_eq!(in_force().await, second);

    gateway.stop();
    let store = SqliteStore::open_read_only(site.folder.join("sgw.db")).await.unwrap();
    let recorded = async |kind: &str, text: &str| {
        let query = AuditQuery { kind: Some(kind.to_owned()), limit: 1000, ..AuditQuery::default() };
        let found = store.audit_search(query).await.unwrap();
        found.iter().filter(|leaf| leaf.canonical.as_deref().is_some_and(|one| one.contains(text))).count()
    };
    assert_eq!(recorded("refused", "configuration-reloaded").await, 4);
    assert_eq!(
        recorded("administration", &second).await,
        3,
        "the activation, and two questions that name the version"
    );
    store.close().await.unwrap();

    // A start is no way around it.
    change(&ed, "up-to: N", "up-to: V");
    assert!(Gateway::listening(site.serve(&mut Command::new(BINARY))).is_none());
}
