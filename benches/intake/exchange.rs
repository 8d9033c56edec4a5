//! The whole intake: an alert in a source's own JSON, converted, validated, decided for three subscribers, committed.

use super::{Slice, ms};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::{Value, json};
use sgw::audit::Gateway;
use sgw::config::Deployment;
use sgw::definitions::Definitions;
use sgw::deliver::{self, Deliverer};
use sgw::exchange::{Exchange, Parts, Payload};
use sgw::govern::{Caller, Role};
use sgw::route::Topics;
use sgw::store::{Figures, Options, Put, SharedStore, SqliteStore, SubscriptionChange, Work};
use sgw::validate::{Settings, Validator};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A gateway's pipeline under load, without its doors.
pub struct Bench {
    exchange: Arc<Exchange>,
    store: SharedStore,
    caller: Arc<Caller>,
    alert: Arc<Value>,
    next: Arc<AtomicU64>,
}

impl Bench {
    /// Puts the pipeline together over a site that `sgw init` writes, with three subscriptions in force.
    pub async fn start(folder: &Path) -> Self {
        let site = folder.join("site");
        let status =
            Command::new(env!("CARGO_BIN_EXE_sgw")).arg("init").arg(&site).output().expect("sgw init");
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        let deployment = Deployment::load(&site.join("sgw.toml")).expect("a sound site");
        let options = Options::at(&deployment.settings.gateway.database);
        let store: SharedStore =
            Arc::new(SqliteStore::open(options, Timestamp::now()).await.expect("a store"));
        subscribe(&store, &site).await;
        let policy = Arc::new(ArcSwap::from_pointee(deployment.policy));
        let topics = Arc::new(Topics::builtin().expect("topics"));
        let gateway = Gateway {
            organisation: "RZZ00".to_owned(),
            name: "Bench".to_owned(),
            device: "sgw".to_owned(),
            address: "127.0.0.1".to_owned(),
        };
        // Deliveries have a bench of their own: here the intents are committed, and wait.
        let deliverer = Deliverer::start(deliver::Parts {
            store: Arc::clone(&store),
            validator: Arc::new(Validator::builtin()),
            policy: Arc::clone(&policy),
            topics: Arc::clone(&topics),
            gateway: gateway.clone(),
            secrets: BTreeMap::new(),
            fhir_base: "http://127.0.0.1:8080/fhir".to_owned(),
            settings: deployment.settings.deliver.clone(),
        })
        .await
        .expect("a deliverer");
        deliverer.drain().await;
        let exchange = Exchange::new(Parts {
            store: Arc::clone(&store),
            validator: Arc::new(Validator::with(
                Definitions::builtin(),
                Settings {
                    allow_extensions: deployment.settings.gateway.allow_extensions.clone(),
                    ..Settings::default()
                },
            )),
            policy,
            topics,
            sources: deployment.sources,
            gateway,
            public_url: "http://127.0.0.1:8080".to_owned(),
            deliverer,
        });
        let caller = Caller {
            credential: "ehr".to_owned(),
            organisation: "RZZ03".to_owned(),
            roles: vec![Role::Source],
            partner: None,
            source: Some("ehr".to_owned()),
            address: String::new(),
        };
        let alert = std::fs::read(site.join("examples/alert.json")).expect("the example");
        let alert = serde_json::from_slice(&alert).expect("JSON");
        Self {
            exchange: Arc::new(exchange),
            store,
            caller: Arc::new(caller),
            alert: Arc::new(alert),
            next: Arc::default(),
        }
    }

    /// Submits with so many clients for a while; each submission is about a patient of its own.
    pub async fn slice(&self, clients: usize, length: Duration) -> Slice {
        let begun = Instant::now();
        let tasks: Vec<_> = (0..clients)
            .map(|_| {
                let (exchange, caller) = (Arc::clone(&self.exchange), Arc::clone(&self.caller));
                let (alert, next) = (Arc::clone(&self.alert), Arc::clone(&self.next));
                tokio::spawn(async move {
                    let mut each = Vec::new();
                    while begun.elapsed() < length {
                        let payload = payload(&alert, next.fetch_add(1, Ordering::Relaxed));
                        let one = Instant::now();
                        let submitted = exchange.submit(&caller, "ehr", payload, Timestamp::now()).await;
                        assert!(submitted.is_ok(), "a submission was refused");
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
        let begun = Instant::now();
        self.store.close().await.expect("an orderly end");
        super::say(&format!("closing took {:.0} ms", ms(begun.elapsed())));
        figures
    }
}

async fn subscribe(store: &SharedStore, site: &Path) {
    let text = std::fs::read(site.join("examples/subscription-hub.json")).expect("the example");
    let mut body: Value = serde_json::from_slice(&text).expect("JSON");
    let mut work = Work::at(Timestamp::now());
    for partner in ["hub", "ed", "housing"] {
        body["id"] = json!(partner);
        body["status"] = json!("active");
        work.puts.push(Put {
            resource_type: "Subscription".to_owned(),
            id: partner.to_owned(),
            version: 1,
            expected: None,
            body: body.to_string(),
            patient_key: None,
            identifiers: Vec::new(),
            last_updated: Timestamp::now(),
            deleted: false,
        });
        work.subscriptions.push(SubscriptionChange {
            id: partner.to_owned(),
            owner: Some(partner.to_owned()),
            status: Some("active".to_owned()),
            ..SubscriptionChange::default()
        });
    }
    store.commit(work).await.expect("subscriptions");
}

fn payload(alert: &Value, number: u64) -> Payload {
    let mut alert = alert.clone();
    alert["messageId"] = json!(format!("bench-{number}"));
    alert["patient"]["nhsNumber"] = json!(nhs_number(number));
    alert["patient"]["identifiers"][0]["value"] = json!(format!("P-{number}"));
    alert["alerts"][0]["id"] = json!(format!("A-{number}"));
    Payload {
        bytes: alert.to_string().into(),
        media_type: "application/json".to_owned(),
        key: None,
        request_id: number.to_string(),
    }
}

/// A number of the test range whose check digit is right (modulus 11).
fn nhs_number(number: u64) -> String {
    let mut candidate = 900_000_000 + number * 11 / 10;
    loop {
        let digits: Vec<u64> = candidate.to_string().bytes().map(|byte| u64::from(byte - b'0')).collect();
        let sum: u64 = digits.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
        match 11 - sum % 11 {
            10 => candidate += 1,
            11 => return format!("{candidate}0"),
            check => return format!("{candidate}{check}"),
        }
    }
}
