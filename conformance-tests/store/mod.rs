//! The store through its front door: what a unit of work promises, under concurrency and on a bad disk.

mod commits;
mod deliveries;
mod files;
mod properties;

use jiff::Timestamp;
use sgw::store::{
    BusinessIdentifier, Committed, Done, IdempotencyKey, NewIntent, NewLeaf, NewSubmission, Options, Put,
    SqliteStore, Store, StoreError, SubscriptionChange, Synchronous, Work,
};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A time in the tests' day; microseconds after its beginning.
pub fn at(micros: i64) -> Timestamp {
    let day: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
    Timestamp::from_microsecond(day.as_microsecond() + micros).unwrap()
}

/// A store that does not wait for the disk, for tests that do not cut the power.
pub async fn quick(folder: &Path) -> SqliteStore {
    open(Options::at(folder.join("sgw.db")).synchronous(Synchronous::Off)).await.unwrap()
}

/// Opens a store at the beginning of the tests' day.
pub async fn open(options: Options) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(options, at(0)).await
}

/// An id that no other part of the test binary has.
pub fn fresh(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A version of a Flag about a patient.
pub fn flag(id: &str, expected: Option<u64>, patient: &str) -> Put {
    let version = expected.map_or(1, |version| version + 1);
    Put {
        resource_type: "Flag".to_owned(),
        id: id.to_owned(),
        version,
        expected,
        body: format!(r#"{{"resourceType":"Flag","id":"{id}","meta":{{"versionId":"{version}"}}}}"#),
        patient_key: Some(patient.to_owned()),
        identifiers: vec![BusinessIdentifier { system: "urn:test".to_owned(), value: id.to_owned() }],
        last_updated: at(0),
        deleted: false,
    }
}

/// An audit leaf.
pub fn leaf(about: &str) -> NewLeaf {
    NewLeaf {
        id: fresh("leaf"),
        recorded: at(0),
        kind: "submission".to_owned(),
        outcome: "success".to_owned(),
        canonical: r#"{"resourceType":"AuditEvent"}"#.to_owned(),
        salt: [7; 32],
        leaf: r#"{"v":1}"#.to_owned(),
        leaf_hash: [9; 32],
        patient_key: Some("nhs:9000000009".to_owned()),
        about: vec![about.to_owned()],
    }
}

/// An intent to tell a subscription about a Flag.
pub fn intent(subscription: &str, patient: &str, flag: &str) -> NewIntent {
    NewIntent {
        subscription: subscription.to_owned(),
        patient_key: Some(patient.to_owned()),
        resource_type: "Flag".to_owned(),
        resource_id: flag.to_owned(),
        version: 1,
        topic: "safeguarding-flag".to_owned(),
        trigger: "create".to_owned(),
        created: at(0),
        due: at(0),
    }
}

/// A key in the scope of the tests.
pub fn key(name: &str, digest: u8) -> IdempotencyKey {
    IdempotencyKey { scope: "header:test".to_owned(), key: name.to_owned(), digest: [digest; 32] }
}

/// A whole submission: key, answer, Flag, audit leaf, intent.
pub fn submission(name: &str, patient: &str, subscriptions: &[&str]) -> Work {
    Work {
        key: Some(key(name, 1)),
        answer: Some(format!("answer to {name}")),
        submission: Some(NewSubmission {
            id: format!("submission-{name}"),
            source: "test".to_owned(),
            received: at(0),
            media_type: "application/json".to_owned(),
            outcome: "accepted".to_owned(),
            ..NewSubmission::default()
        }),
        puts: vec![flag(&format!("flag-{name}"), None, patient)],
        audits: vec![leaf(&format!("Flag/flag-{name}"))],
        intents: subscriptions
            .iter()
            .map(|subscription| intent(subscription, patient, &format!("flag-{name}")))
            .collect(),
        ..Work::at(at(0))
    }
}

/// The state of a new subscription.
pub fn subscribed(id: &str) -> SubscriptionChange {
    SubscriptionChange {
        id: id.to_owned(),
        owner: Some("hub".to_owned()),
        status: Some("active".to_owned()),
        ..SubscriptionChange::default()
    }
}

/// Commits work that must not be a repeat.
pub async fn done(store: &dyn Store, work: Work) -> Done {
    match store.commit(work).await.unwrap() {
        Committed::Done(done) => done,
        Committed::Repeated { .. } => panic!("the work was taken for a repeat"),
    }
}
