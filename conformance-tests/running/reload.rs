//! Registry, agreements and mappings read again while the gateway runs: by a signal and by an operator's request.

use crate::durability::site::{BINARY, Gateway, Site, client};
use reqwest::{Client, Response};
use serde_json::Value;
use sgw::api::auth;
use sgw::store::{AuditQuery, Leaf, SqliteStore, Store};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

struct Run {
    site: Site,
    gateway: Gateway,
    client: Client,
    _folder: tempfile::TempDir,
}

impl Run {
    fn start() -> Run {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::init(&folder.path().join("site"));
        let gateway = Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts");
        Run { site, gateway, client: client(Duration::from_secs(30)), _folder: folder }
    }

    fn registry(&self) -> String {
        fs::read_to_string(self.site.folder.join("registry.yaml")).unwrap()
    }

    fn write(&self, registry: &str) {
        fs::write(self.site.folder.join("registry.yaml"), registry).unwrap();
    }

    async fn submit(&self, key: &str, name: &str) -> u16 {
        let alert = self.site.alert(name, "9000000009");
        let request = self.client.post(format!("{}/submissions/ehr", self.gateway.base)).bearer_auth(key);
        let request = request.header("content-type", "application/json").body(alert);
        request.send().await.unwrap().status().as_u16()
    }

    async fn reload(&self, holder: &str) -> (u16, Value) {
        let url = format!("{}/configuration/$reload", self.gateway.base);
        let key = self.site.secret(&format!("{holder}.key"));
        json(self.client.post(url).bearer_auth(key).send().await.unwrap()).await
    }

    fn hang_up(&self) {
        let told = Command::new("kill").args(["-HUP", &self.gateway.child.id().to_string()]).status();
        assert!(told.unwrap().success());
    }

    /// Stops the gateway, and gives what it recorded of this kind.
    async fn recorded(self, kind: &str) -> Vec<Leaf> {
        self.gateway.stop();
        let store = SqliteStore::open_read_only(self.site.folder.join("sgw.db")).await.unwrap();
        let query = AuditQuery { kind: Some(kind.to_owned()), limit: 1000, ..AuditQuery::default() };
        let found = store.audit_search(query).await.unwrap();
        store.close().await.unwrap();
        found
    }
}

async fn json(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

fn text(leaf: &Leaf) -> &str {
    leaf.canonical.as_deref().unwrap()
}

/// The registry with another key for the source `ehr`.
fn with_key(registry: &str, key: &str) -> String {
    let hash: String = auth::hash(key).iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = registry.lines().map(|line| {
        if !line.contains("{ id: ehr, ") {
            return line.to_owned();
        }
        let (before, _) = line.split_once("sha256:").unwrap();
        format!("{before}sha256: \"{hash}\" }}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_changed_while_the_gateway_runs() {
    let run = Run::start();
    let (old, new) = (run.site.secret("ehr.key"), "sgw_another-key-of-the-community-record");
    assert_eq!(run.submit(&old, "before").await, 201);
    run.write(&with_key(&run.registry(), new));
    assert_eq!(run.submit(new, "too-early").await, 401, "nothing is read before it is asked for");
    run.hang_up();
    let begun = Instant::now();
    while run.submit(new, "after").await == 401 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the signal had no effect");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(run.submit(&old, "revoked").await, 401, "the old key has no further use");
    let acts = run.recorded("administration").await;
    let act = acts.iter().find(|leaf| text(leaf).contains("configuration-reloaded")).unwrap();
    assert!(text(act).contains("credentials-changed"), "{}", text(act));
    assert!(text(act).contains("host:SIGHUP"), "{}", text(act));
    assert!(!text(act).contains(&auth::hash(new).iter().map(|b| format!("{b:02x}")).collect::<String>()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_configuration_stays_in_force() {
    let run = Run::start();
    let key = run.site.secret("ehr.key");
    let good = run.registry();
    run.write(&good.replace("roles: [auditor]", "roles: [auditer]"));
    run.hang_up();
    let (status, outcome) = run.reload("operator").await;
    assert_eq!(status, 422, "{outcome}");
    let said =
        outcome["issue"][0]["details"]["text"].as_str().or(outcome["issue"][0]["diagnostics"].as_str());
    let said = said.unwrap_or_default();
    assert!(said.contains("registry.yaml:") && said.contains("auditor"), "{outcome}");
    assert_eq!(run.submit(&key, "still-served").await, 201);

    assert_eq!(run.reload("auditor").await.0, 403, "only an operator may");
    // A source is taken away: it may not submit any more, although its old key was good a moment before.
    let without: Vec<&str> = good.lines().filter(|line| !line.contains("{ id: tester, ")).collect();
    run.write(&without.join("\n"));
    let settings = run.site.folder.join("sgw.toml");
    let other =
        fs::read_to_string(&settings).unwrap().replace("max_connections = 1024", "max_connections = 1000");
    fs::write(&settings, other).unwrap();
    let (status, answer) = run.reload("operator").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["changes"][0]["change"], "credentials-removed", "{answer}");
    assert_eq!(answer["changes"][0]["names"], "tester", "{answer}");
    assert_eq!(answer["changes"].as_array().unwrap().len(), 1, "nothing else has changed: {answer}");
    assert_eq!(answer["needsRestart"], serde_json::json!(["http.max_connections"]), "{answer}");
    let tester = run.site.secret("tester.key");
    let url = format!("{}/fhir/Flag/$validate", run.gateway.base);
    let refused = run.client.post(url).bearer_auth(tester).body("{}").send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);

    let refusals = run.recorded("refused").await;
    let count = refusals.iter().filter(|leaf| text(leaf).contains("configuration-reloaded")).count();
    assert_eq!(count, 2, "the signal and the request that could not be followed are recorded");
}
