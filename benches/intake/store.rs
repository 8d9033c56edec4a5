//! The store alone, with units of work as large as those of a real submission.

use super::Slice;
use jiff::Timestamp;
use sgw::store::{
    BusinessIdentifier, Figures, IdempotencyKey, NewIntent, NewLeaf, NewSubmission, Options, Put,
    SqliteStore, Store, SubscriptionChange, Work,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A store under load.
pub struct Bench {
    store: Arc<SqliteStore>,
    next: Arc<AtomicU64>,
}

impl Bench {
    /// Opens a durable store with three subscriptions.
    pub async fn start(folder: &Path) -> Self {
        let options = Options::at(folder.join("sgw.db"));
        let store = SqliteStore::open(options, Timestamp::now()).await.expect("a store");
        let subscriptions = ["hub", "ed", "homes"].map(|id| SubscriptionChange {
            id: id.to_owned(),
            owner: Some(id.to_owned()),
            status: Some("active".to_owned()),
            ..SubscriptionChange::default()
        });
        let work = Work { subscriptions: subscriptions.to_vec(), ..Work::at(Timestamp::now()) };
        store.commit(work).await.expect("subscriptions");
        Self { store: Arc::new(store), next: Arc::default() }
    }

    /// Submits with so many clients for a while.
    pub async fn slice(&self, clients: usize, length: Duration) -> Slice {
        let begun = Instant::now();
        let tasks: Vec<_> = (0..clients)
            .map(|_| {
                let (store, next) = (Arc::clone(&self.store), Arc::clone(&self.next));
                tokio::spawn(async move {
                    let mut each = Vec::new();
                    while begun.elapsed() < length {
                        let work = submission(next.fetch_add(1, Ordering::Relaxed));
                        let one = Instant::now();
                        store.commit(work).await.expect("a commit");
                        each.push(one.elapsed());
                    }
                    each
                })
            })
            .collect();
        let mut each = Vec::new();
        for task in tasks {
            each.extend(task.await.expect("a client"));
        }
        Slice { took: begun.elapsed(), each, ..Slice::default() }
    }

    /// Closes the store.
    pub async fn finish(self) -> Figures {
        let figures = self.store.figures().await.expect("figures");
        self.store.close().await.expect("an orderly end");
        figures
    }
}

fn put(resource_type: &str, id: String, patient: Option<&str>, bytes: usize) -> Put {
    let value = id.clone();
    let identifiers = patient.map(|_| BusinessIdentifier { system: "urn:bench".to_owned(), value });
    Put {
        resource_type: resource_type.to_owned(),
        version: 1,
        expected: None,
        body: format!(r#"{{"resourceType":"{resource_type}","id":"{id}","text":"{}"}}"#, "x".repeat(bytes)),
        patient_key: patient.map(str::to_owned),
        identifiers: identifiers.into_iter().collect(),
        id,
        last_updated: Timestamp::now(),
        deleted: false,
    }
}

fn leaf(patient: &str, about: &str) -> NewLeaf {
    NewLeaf {
        id: Uuid::now_v7().to_string(),
        recorded: Timestamp::now(),
        kind: "decision".to_owned(),
        outcome: "permit".to_owned(),
        canonical: "y".repeat(1900),
        salt: [1; 32],
        leaf: "z".repeat(220),
        leaf_hash: [2; 32],
        patient_key: Some(patient.to_owned()),
        about: vec![about.to_owned()],
    }
}

/// Patient, Flag and Provenance; the records of the submission, of the decision to hold and of three decisions to
/// share; three intents; the answer. About 16 kB.
fn submission(number: u64) -> Work {
    let now = Timestamp::now();
    let patient = format!("nhs:{number:010}");
    let flag = Uuid::new_v4().to_string();
    let about = format!("Flag/{flag}");
    let intents = ["hub", "ed", "homes"].map(|subscription| NewIntent {
        subscription: subscription.to_owned(),
        patient_key: Some(patient.clone()),
        resource_type: "Flag".to_owned(),
        resource_id: flag.clone(),
        version: 1,
        topic: "https://fhir.sgw.example/SubscriptionTopic/safeguarding-flag".to_owned(),
        trigger: "create".to_owned(),
        created: now,
        due: now,
    });
    Work {
        key: Some(IdempotencyKey {
            scope: "msh-10:bench".to_owned(),
            key: number.to_string(),
            digest: [3; 32],
        }),
        answer: Some("a".repeat(1500)),
        submission: Some(NewSubmission {
            id: Uuid::now_v7().to_string(),
            source: "bench".to_owned(),
            received: now,
            media_type: "application/json".to_owned(),
            outcome: "accepted".to_owned(),
            detail: Some("l".repeat(1000)),
            patient_key: Some(patient.clone()),
            ..NewSubmission::default()
        }),
        puts: vec![
            put("Patient", Uuid::new_v4().to_string(), Some(&patient), 700),
            put("Flag", flag, Some(&patient), 1800),
            put("Provenance", Uuid::new_v4().to_string(), None, 900),
        ],
        audits: (0..5).map(|_| leaf(&patient, &about)).collect(),
        intents: intents.to_vec(),
        ..Work::at(now)
    }
}
