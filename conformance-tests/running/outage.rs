//! A partner's outage through the real gateway: HTTP in, and a receiver in a process of its own that is killed and
//! started again on the same port.

use crate::durability::site::{BINARY, Gateway, Site, client, flag_of, submit, subscribe};
use reqwest::Client;
use serde_json::Value;
use sgw::store::{AuditQuery, IntentQuery, IntentState, Leaf, SqliteStore, Store};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A partner's receiver, `sgw receive`.
struct Partner {
    id: &'static str,
    port: u16,
    site: PathBuf,
    child: Option<Child>,
}

impl Partner {
    fn new(id: &'static str, site: &Site) -> Partner {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        Partner { id, port, site: site.folder.clone(), child: None }
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/notifications", self.port)
    }

    fn output(&self) -> PathBuf {
        self.site.join(format!("received-{}.ndjson", self.id))
    }

    /// Starts it, and waits until it listens.
    fn up(&mut self) {
        let mut command = Command::new(BINARY);
        command.args(["receive", "--listen", &format!("127.0.0.1:{}", self.port), "--secret-file"]);
        command.arg(self.site.join(format!("keys/{}.whsec", self.id))).arg("--output").arg(self.output());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next();
        assert!(line.unwrap().unwrap().starts_with("listening on "));
        self.child = Some(child);
    }

    /// Kills it: every connection ends, and new ones are refused by the system.
    fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The event notifications that arrived, in order.
    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.output()).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let bundles = whole.map(|line| serde_json::from_str::<Value>(line).unwrap());
        bundles.filter(|bundle| parameter(bundle, "type") == "event-notification").collect()
    }

    async fn wait_for(&self, count: usize, most: Duration) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let events = self.events();
            if events.len() >= count {
                return events;
            }
            assert!(begun.elapsed() < most, "{} of {count} arrived", events.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.down();
    }
}

/// A value of the status that every notification begins with.
fn parameter<'a>(bundle: &'a Value, name: &str) -> &'a str {
    let all = bundle["entry"][0]["resource"]["parameter"].as_array().unwrap();
    let found = all.iter().find(|one| one["name"] == name);
    found.and_then(|one| one["valueCode"].as_str()).unwrap_or("")
}

/// The number and the focus of the one event of a notification.
fn event(bundle: &Value) -> (String, String) {
    let all = bundle["entry"][0]["resource"]["parameter"].as_array().unwrap();
    let event = all.iter().find(|one| one["name"] == "notification-event").unwrap();
    let parts = event["part"].as_array().unwrap();
    let part = |name: &str| parts.iter().find(|one| one["name"] == name).unwrap();
    let number = part("event-number")["valueString"].as_str().unwrap().to_owned();
    let focus = part("focus")["valueReference"]["reference"].as_str().unwrap();
    let id = focus.split("Flag/").nth(1).unwrap().split('/').next().unwrap();
    (number, id.to_owned())
}

struct Run {
    site: Site,
    gateway: Gateway,
    partner: Partner,
    client: Client,
    subscription: String,
    _folder: tempfile::TempDir,
}

impl Run {
    /// A gateway, and a partner who has subscribed and is down again.
    async fn with(id: &'static str) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::init(&folder.path().join("site"));
        let gateway = Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts");
        let client = client(Duration::from_secs(30));
        let mut partner = Partner::new(id, &site);
        partner.up();
        let key = site.secret(&format!("{id}.key"));
        let subscription = subscribe(&client, &gateway.base, &key, &partner.endpoint(), &site).await;
        partner.down();
        Run { site, gateway, partner, client, subscription, _folder: folder }
    }

    /// Ten alerts, each a Flag of its own, about these patients in turn; the Flags' ids.
    async fn ten(&self, patients: &[&str]) -> Vec<String> {
        let key = self.site.secret("ehr.key");
        let mut flags = Vec::new();
        for number in 0..10 {
            let alert = self.site.alert(&format!("outage-{number}"), patients[number % patients.len()]);
            let answer = submit(&self.client, &self.gateway.base, &key, alert).await;
            flags.push(flag_of(&answer.expect("an acknowledgement").0));
        }
        flags
    }

    /// How many intents of the subscription stand in this state, as an operator sees it.
    async fn deliveries(&self, state: &str) -> usize {
        let url =
            format!("{}/deliveries?subscription={}&state={state}", self.gateway.base, self.subscription);
        let answer = self.client.get(url).bearer_auth(self.site.secret("operator.key")).send().await.unwrap();
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        body["item"].as_array().unwrap().len()
    }

    async fn wait_state(&self, state: &str, count: usize, most: Duration) {
        let begun = Instant::now();
        while self.deliveries(state).await != count {
            assert!(begun.elapsed() < most, "{} `{state}`", self.deliveries(state).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops the gateway and opens what it leaves.
    async fn left(self) -> (SqliteStore, Partner, tempfile::TempDir) {
        self.gateway.stop();
        let store = SqliteStore::open_read_only(self.site.folder.join("sgw.db")).await.unwrap();
        (store, self.partner, self._folder)
    }
}

async fn audited(store: &SqliteStore, kind: &str) -> Vec<Leaf> {
    let query = AuditQuery { kind: Some(kind.to_owned()), limit: 1000, ..AuditQuery::default() };
    store.audit_search(query).await.unwrap()
}

fn mentions(leaf: &Leaf, text: &str) -> bool {
    leaf.canonical.as_deref().unwrap().contains(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_was_down_during_ten_submissions_receives_all_of_them_in_order() {
    let mut run = Run::with("hub").await;
    let flags = run.ten(&["9000000017"]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(run.partner.events().is_empty(), "nobody was there");
    assert_eq!(run.deliveries("delivered").await, 0);
    run.partner.up();
    let events = run.partner.wait_for(10, Duration::from_secs(40)).await;
    let arrived: Vec<(String, String)> = events.iter().map(event).collect();
    let expected: Vec<(String, String)> =
        flags.iter().enumerate().map(|(at, flag)| ((at + 1).to_string(), flag.clone())).collect();
    assert_eq!(arrived, expected, "all of them, in order, numbered without a gap");
    run.wait_state("delivered", 10, Duration::from_secs(10)).await;

    let (store, _partner, _folder) = run.left().await;
    assert_eq!(audited(&store, "disclosure").await.len(), 10);
    let failures = audited(&store, "delivery-failed").await;
    let mut attempts = 0;
    for intent in store.intents(IntentQuery { limit: 100, ..IntentQuery::default() }).await.unwrap() {
        let made = store.attempts(intent.id).await.unwrap();
        attempts += made.iter().filter(|attempt| attempt.outcome == "failed").count();
    }
    assert!(attempts > 0, "it was tried while it was down");
    assert_eq!(failures.len(), attempts, "each attempt is recorded, also one that found nobody");
    assert!(failures.iter().all(|leaf| mentions(leaf, "no-connection")));
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_withdrawn_while_ten_wait_stops_the_rest() {
    let mut run = Run::with("ed").await;
    // The example's Consent is about this child; here it denies the emergency department.
    let (child, other) = ("9000000025", "9000000033");
    let flags = run.ten(&[child, other]).await;
    let consent = fs::read_to_string(run.site.folder.join("examples/consent.json")).unwrap();
    let consent = consent.replace("HZZ01", "RZZ02");
    let request = run.client.post(format!("{}/fhir/Consent", run.gateway.base));
    let request = request.bearer_auth(run.site.secret("scr.key")).body(consent);
    let answer = request.header("content-type", "application/fhir+json").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    run.partner.up();
    run.wait_state("withheld", 5, Duration::from_secs(40)).await;
    let events = run.partner.wait_for(5, Duration::from_secs(40)).await;
    let arrived: Vec<(String, String)> = events.iter().map(event).collect();
    let expected: Vec<(String, String)> = flags
        .iter()
        .skip(1)
        .step_by(2)
        .enumerate()
        .map(|(at, flag)| ((at + 1).to_string(), flag.clone()))
        .collect();
    assert_eq!(arrived.len(), 5, "{arrived:?}");
    for one in &expected {
        assert!(arrived.iter().any(|(_, flag)| *flag == one.1), "the other patient's arrive");
    }
    let text: String = events.iter().map(Value::to_string).collect();
    assert!(!text.contains(child), "nothing about the child whose consent was withdrawn");

    let (store, _partner, _folder) = run.left().await;
    let query = IntentQuery { states: vec![IntentState::Withheld], limit: 100, ..IntentQuery::default() };
    let withheld = store.intents(query).await.unwrap();
    assert_eq!(withheld.len(), 5);
    assert!(withheld.iter().all(|intent| intent.reason.as_deref() == Some("consent-dissent")));
    for intent in &withheld {
        let about = Some(format!("Flag/{}", intent.resource_id));
        let query =
            AuditQuery { about, kind: Some("decision".to_owned()), limit: 100, ..AuditQuery::default() };
        let decisions = store.audit_search(query).await.unwrap();
        let proves = |leaf: &&Leaf| mentions(leaf, "consent-dissent") && leaf.outcome == "withhold";
        assert!(decisions.iter().any(|leaf| proves(&leaf)), "the withheld record is there");
    }
    assert_eq!(audited(&store, "disclosure").await.len(), 5);
    store.close().await.unwrap();
}
