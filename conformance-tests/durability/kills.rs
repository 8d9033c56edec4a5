//! The real binary, killed at random moments while it is submitted to, delivers and answers.

use super::disk::roll;
use super::site::{BINARY, Gateway, PATIENTS, Site, client, flag_of, submit, subscribe};
use sgw::deliver::receiver::Receiver;
use sgw::deliver::webhook::Secret;
use sgw::store::{AuditQuery, IntentQuery, IntentState, SqliteStore, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KILLS: usize = 32;

/// What one client sent about its patient, in order, with the Flag that each acknowledgement named.
type Ledger = Vec<(String, String)>;

/// What the clients share: where the gateway is, while it is there, and when to end.
struct Scene {
    base: Mutex<Option<String>>,
    over: AtomicBool,
    repeats: std::sync::atomic::AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_gateway_is_killed_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let site = Arc::new(Site::init(&folder.path().join("site")));
    let receiver = Receiver::start(vec![Secret::parse(&site.secret("hub.whsec")).unwrap()]).await.unwrap();
    let client = client(Duration::from_secs(10));

    let gateway = Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts");
    subscribe(&client, &gateway.base, &site.secret("hub.key"), &receiver.endpoint(), &site).await;
    let base = Mutex::new(Some(gateway.base.clone()));
    let scene = Arc::new(Scene { base, over: AtomicBool::new(false), repeats: 0.into() });
    let senders: Vec<_> = PATIENTS
        .iter()
        .map(|patient| tokio::spawn(send(patient, Arc::clone(&scene), Arc::clone(&site), client.clone())))
        .collect();
    kill_again_and_again(gateway, &scene, &site).await;

    let gateway = Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts");
    *scene.base.lock().unwrap() = Some(gateway.base.clone());
    tokio::time::sleep(Duration::from_millis(500)).await;
    scene.over.store(true, Ordering::Relaxed);
    let mut ledgers: Vec<Ledger> = Vec::new();
    for sender in senders {
        ledgers.push(sender.await.unwrap());
    }
    let sent: usize = ledgers.iter().map(Vec::len).sum();
    let all_arrived = wait_for(&receiver, &ledgers).await;
    gateway.stop();
    let repeats = scene.repeats.load(Ordering::Relaxed);
    eprintln!("{KILLS} kills, {sent} alerts acknowledged, {repeats} of them known from before the kill");
    assert!(sent > KILLS, "only {sent} sent");
    assert!(all_arrived, "an acknowledged alert was never delivered");

    in_order(&receiver, &ledgers);
    kept(&site, &ledgers).await;
    let verified =
        Command::new(BINARY).args(["audit", "verify", "--config"]).arg(site.folder.join("sgw.toml")).output();
    let verified = verified.unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// One client: sends about its patient, one alert after the other, each until it is acknowledged.
async fn send(patient: &'static str, scene: Arc<Scene>, site: Arc<Site>, client: reqwest::Client) -> Ledger {
    let key = site.secret("ehr.key");
    let mut ledger = Ledger::new();
    while !scene.over.load(Ordering::Relaxed) {
        let name = format!("kill-{patient}-{}", ledger.len());
        let alert = site.alert(&name, patient);
        let mut first = true;
        let body = loop {
            let base = scene.base.lock().unwrap().clone();
            if let Some(base) = base
                && let Some((body, repeated)) = submit(&client, &base, &key, alert.clone()).await
            {
                assert!(!(first && repeated), "{name} cannot be known yet");
                scene.repeats.fetch_add(usize::from(repeated), Ordering::Relaxed);
                break body;
            }
            first = false;
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        ledger.push((name, flag_of(&body)));
    }
    ledger
}

async fn kill_again_and_again(first: Gateway, scene: &Scene, site: &Site) {
    let mut dice = std::process::id().into();
    eprintln!("the moments of the kills come from seed {dice}");
    let mut random = |most: u64| (0..10).fold(0, |sum, _| sum * 2 + u64::from(roll(&mut dice))) % most;
    let mut gateway = Some(first);
    for kill in 0..KILLS {
        let mut running = match gateway.take() {
            Some(running) => running,
            None => {
                let mut child = site.serve(&mut Command::new(BINARY));
                if kill % 6 == 5 {
                    // Sometimes it dies while it starts.
                    tokio::time::sleep(Duration::from_millis(random(300))).await;
                    child.kill().unwrap();
                    child.wait().unwrap();
                    continue;
                }
                Gateway::listening(child).expect("it starts after a kill")
            }
        };
        *scene.base.lock().unwrap() = Some(running.base.clone());
        tokio::time::sleep(Duration::from_millis(50 + 2 * random(900))).await;
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        *scene.base.lock().unwrap() = None;
    }
}

async fn wait_for(receiver: &Receiver, ledgers: &[Ledger]) -> bool {
    let wanted: BTreeSet<&str> = ledgers.iter().flatten().map(|(_, flag)| flag.as_str()).collect();
    for _ in 0..600 {
        let arrived: BTreeSet<String> = arrivals(receiver).into_iter().map(|(flag, _)| flag).collect();
        if wanted.iter().all(|flag| arrived.contains(*flag)) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

/// The Flags that arrived, in order of arrival, with the ids of their notifications.
fn arrivals(receiver: &Receiver) -> Vec<(String, String)> {
    let mut arrivals = Vec::new();
    for received in receiver.received() {
        let entries = received.bundle["entry"].as_array().cloned().unwrap_or_default();
        let flags = entries.iter().filter(|entry| entry["resource"]["resourceType"] == "Flag");
        let ids = flags.filter_map(|entry| entry["resource"]["id"].as_str());
        arrivals.extend(ids.map(|id| (id.to_owned(), received.id.clone())));
    }
    arrivals
}

/// Each event arrived under one id, and for each patient the first arrivals are in the order of the submissions.
fn in_order(receiver: &Receiver, ledgers: &[Ledger]) {
    let mut first: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (place, (flag, id)) in arrivals(receiver).into_iter().enumerate() {
        let known = first.entry(flag).or_insert((place, id.clone()));
        assert_eq!(known.1, id, "one event came under two ids");
    }
    for ledger in ledgers {
        let places: Vec<usize> = ledger.iter().map(|(_, flag)| first[flag].0).collect();
        assert!(places.is_sorted(), "a patient's events came out of order: {places:?}");
    }
}

/// Each acknowledged submission is there once, with its audit leaves and its one intent, and nothing else is there.
async fn kept(site: &Site, ledgers: &[Ledger]) {
    let store = SqliteStore::open_read_only(site.folder.join("sgw.db")).await.unwrap();
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    let flags = store.list("Flag", None, 10_000).await.unwrap();
    let versions: BTreeMap<String, u64> = flags.into_iter().map(|flag| (flag.id, flag.version)).collect();
    let query = IntentQuery { limit: 10_000, ..IntentQuery::default() };
    let mut intents: BTreeMap<String, Vec<IntentState>> = BTreeMap::new();
    for intent in store.intents(query).await.unwrap() {
        intents.entry(intent.resource_id).or_default().push(intent.state);
    }
    for (name, flag) in ledgers.iter().flatten() {
        assert_eq!(versions.get(flag), Some(&1), "{name}: once, and changed by no repeat");
        assert_eq!(intents.get(flag), Some(&vec![IntentState::Delivered]), "{name}: one intent, delivered");
        let about = AuditQuery { about: Some(format!("Flag/{flag}")), limit: 100, ..AuditQuery::default() };
        let leaves = store.audit_search(about).await.unwrap();
        assert!(leaves.iter().any(|leaf| leaf.kind.contains("submission")), "{name}: {leaves:?}");
    }
    let acknowledged = ledgers.iter().flatten().count();
    assert_eq!(versions.len(), acknowledged, "every alert was sent until it was acknowledged");
}
