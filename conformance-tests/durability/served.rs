//! The real binary under `strace`: at the moment of each acknowledgement the disk holds what it acknowledges.

use super::disk::{Disk, Event, Loss};
use super::site::{BINARY, Gateway, PATIENTS, Site, client, flag_of, submit, subscribe};
use sgw::deliver::receiver::Receiver;
use sgw::deliver::webhook::Secret;
use sgw::store::{AuditQuery, IntentQuery, Options, SqliteStore, Store, Synchronous};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const ALERTS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_acknowledgement_leaves_after_the_disk_has_what_it_acknowledges() {
    if !super::can_trace("each_acknowledgement_leaves_after_the_disk_has_what_it_acknowledges") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let site = Site::init(&folder.path().join("site"));
    let receiver = Receiver::start(vec![Secret::parse(&site.secret("hub.whsec")).unwrap()]).await.unwrap();
    let client = client(Duration::from_secs(60));
    let gateway = Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts");
    subscribe(&client, &gateway.base, &site.secret("hub.key"), &receiver.endpoint(), &site).await;
    gateway.stop();
    let before = folder.path().join("before");
    fs::create_dir(&before).unwrap();
    fs::copy(site.folder.join("sgw.db"), before.join("sgw.db")).unwrap();

    let log = folder.path().join("calls");
    let mut traced = super::trace_to(&log);
    traced.arg(BINARY);
    let gateway = Gateway::listening(site.serve(&mut traced)).expect("it starts under strace");
    let key = site.secret("ehr.key");
    let mut flags = Vec::new();
    for number in 0..ALERTS {
        let patient = PATIENTS[number % PATIENTS.len()];
        let alert = site.alert(&format!("traced-{number}"), patient);
        let (body, _) = submit(&client, &gateway.base, &key, alert).await.expect("an acknowledgement");
        flags.push(flag_of(&body));
    }
    drop(gateway);
    let mut disk = Disk::before(&before, &site.folder, &log);
    let mut acknowledged = 0;
    while let Some(event) = disk.next() {
        let Event::Told(_, text) = event else { continue };
        if text.starts_with(b"HTTP/1.1 201") {
            acknowledged += 1;
            holds(&disk, &flags[..acknowledged]).await;
        }
        if acknowledged == ALERTS {
            break;
        }
    }
    assert_eq!(acknowledged, ALERTS, "the log shows every acknowledgement");
    assert!(disk.synced >= ALERTS);
}

/// After a loss of power at this moment, these Flags are there with their audit leaves and intents.
async fn holds(disk: &Disk, flags: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    disk.cut(Loss::All, folder.path());
    let store = open(folder.path()).await;
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    let query = IntentQuery { limit: 1000, ..IntentQuery::default() };
    let intents = store.intents(query).await.unwrap();
    for flag in flags {
        assert!(store.read("Flag", flag).await.unwrap().is_some(), "an acknowledged Flag is lost");
        assert!(intents.iter().any(|intent| intent.resource_id == *flag), "its intent is lost");
        let about = AuditQuery { about: Some(format!("Flag/{flag}")), limit: 10, ..AuditQuery::default() };
        assert!(!store.audit_search(about).await.unwrap().is_empty(), "its audit leaf is lost");
    }
    store.close().await.unwrap();
}

async fn open(folder: &Path) -> SqliteStore {
    let options = Options::at(folder.join("sgw.db")).synchronous(Synchronous::Off);
    SqliteStore::open(options, jiff::Timestamp::now()).await.unwrap()
}
