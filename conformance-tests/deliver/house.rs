//! A gateway's store, policy and deliverer with real receivers on loopback, for tests and benches of deliveries.

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::{Value, json};
use sgw::audit::Gateway;
use sgw::deliver::settings::BreakerSettings;
use sgw::deliver::webhook::Secret;
use sgw::deliver::{Deliverer, Parts, Settings};
use sgw::fhir::{origin, systems};
use sgw::govern::{Partner, Policy};
use sgw::route::Topics;
use sgw::store::{
    Committed, IntentQuery, IntentState, NewIntent, Options, Put, SharedStore, SqliteStore,
    SubscriptionChange, SubscriptionState, Synchronous, Work,
};
use sgw::validate::Validator;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";

static VALIDATOR: OnceLock<Arc<Validator>> = OnceLock::new();

/// A secret that gateway and receivers share.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Partners of the starter agreements: `hub` gets everything, `ed` what no dissent forbids, `housing` its minimum.
pub struct House {
    pub store: SharedStore,
    pub policy: Arc<ArcSwap<Policy>>,
    _folder: tempfile::TempDir,
}

pub fn secret() -> Secret {
    Secret::parse(SECRET).unwrap()
}

/// Settings with which a test need not wait: loopback allowed, everything that can be short is.
pub fn settings() -> Settings {
    let mut settings = Settings {
        allow_http: true,
        allow_loopback: true,
        connect_timeout_seconds: 1,
        timeout_seconds: 2,
        max_timeout_seconds: 3,
        lease_seconds: 3,
        breaker: BreakerSettings { failures: 3, first_probe_ms: 50, max_probe_seconds: 1 },
        ..Settings::default()
    };
    settings.retry.delays_seconds = vec![1, 1, 1, 1, 2, 2, 2, 400_000];
    settings
}

fn policy() -> Policy {
    let agreements = ["northshire-hub.yaml", "eastmoor-ed.yaml", "moorland-homes.yaml"].map(|file| {
        let path = format!("{}/profiles/agreements/{file}", env!("CARGO_MANIFEST_DIR"));
        (file.to_owned(), std::fs::read_to_string(path).unwrap())
    });
    let partner = |id: &str, organisation: &str| Partner::new(id, organisation, id);
    let partners = vec![partner("hub", "LZZ01"), partner("ed", "RZZ02"), partner("housing", "HZZ01")];
    Policy::from_documents(&agreements, partners).unwrap()
}

impl House {
    pub async fn new() -> House {
        House::with(Synchronous::Off).await
    }

    pub async fn with(synchronous: Synchronous) -> House {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::at(folder.path().join("sgw.db")).synchronous(synchronous);
        let store: SharedStore = Arc::new(SqliteStore::open(options, Timestamp::now()).await.unwrap());
        House { store, policy: Arc::new(ArcSwap::from_pointee(policy())), _folder: folder }
    }

    pub fn parts(&self, settings: Settings) -> Parts {
        let secrets = ["hub", "ed", "housing"].map(|partner| (partner.to_owned(), vec![secret()]));
        Parts {
            store: self.store.clone(),
            validator: VALIDATOR.get_or_init(|| Arc::new(Validator::builtin())).clone(),
            policy: self.policy.clone(),
            topics: Arc::new(Topics::builtin().unwrap()),
            gateway: Gateway {
                organisation: "RZZ01".into(),
                name: "Test gateway".into(),
                device: "test".into(),
                address: "https://gw.example".into(),
            },
            secrets: BTreeMap::from(secrets),
            fhir_base: "https://gw.example/fhir".into(),
            settings,
        }
    }

    pub async fn deliver(&self, settings: Settings) -> Arc<Deliverer> {
        Deliverer::start(self.parts(settings)).await.unwrap()
    }

    /// Stores a subscription as the exchange does when a partner creates it.
    pub async fn subscribe(&self, id: &str, partner: &str, endpoint: &str, content: &str) {
        self.subscribe_as(subscription(id, endpoint, content), partner).await;
    }

    pub async fn subscribe_as(&self, resource: Value, partner: &str) {
        let id = resource["id"].as_str().unwrap().to_owned();
        let now = Timestamp::now();
        let mut work = Work::at(now);
        work.puts.push(put("Subscription", &id, None, resource, None));
        work.subscriptions.push(SubscriptionChange {
            id,
            owner: Some(partner.into()),
            status: Some("requested".into()),
            ..SubscriptionChange::default()
        });
        self.commit(work).await;
    }

    /// Stores the next version of a Flag about a patient, with an intent for each of these subscriptions.
    pub async fn flag(&self, patient: &str, id: &str, subscriptions: &[&str]) -> u64 {
        self.flag_as(patient, id, "child-protection", subscriptions).await
    }

    pub async fn flag_as(&self, patient: &str, id: &str, category: &str, subscriptions: &[&str]) -> u64 {
        let before = self.store.read("Flag", id).await.unwrap().map(|stored| stored.version);
        let now = Timestamp::now();
        let mut work = Work::at(now);
        let put = put("Flag", id, before, flag(patient, id, category), Some(patient));
        let version = put.version;
        work.puts.push(put);
        let trigger = if before.is_none() { "create" } else { "update" };
        work.intents = subscriptions
            .iter()
            .map(|subscription| NewIntent {
                subscription: (*subscription).to_owned(),
                patient_key: Some(patient.to_owned()),
                resource_type: "Flag".into(),
                resource_id: id.to_owned(),
                version,
                topic: systems::canonical("SubscriptionTopic/safeguarding-flag"),
                trigger: trigger.into(),
                created: now,
                due: now,
            })
            .collect();
        self.commit(work).await;
        version
    }

    /// The patient forbids that this organisation is told.
    pub async fn dissent(&self, patient: &str, organisation: &str) {
        let id = format!("consent-{}", patient.replace([':', '|'], "-"));
        let before = self.store.read("Consent", &id).await.unwrap().map(|stored| stored.version);
        let mut work = Work::at(Timestamp::now());
        work.puts.push(put("Consent", &id, before, dissent(patient, organisation), Some(patient)));
        self.commit(work).await;
    }

    pub async fn commit(&self, work: Work) {
        assert!(matches!(self.store.commit(work).await.unwrap(), Committed::Done(_)));
    }

    pub async fn state(&self, subscription: &str) -> SubscriptionState {
        self.store.subscription_state(subscription).await.unwrap().unwrap()
    }

    /// Waits until a subscription has this status.
    pub async fn wait_status(&self, subscription: &str, status: &str) {
        for _ in 0..1_000 {
            if self.state(subscription).await.status == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("`{subscription}` is {:?}, not `{status}`", self.state(subscription).await);
    }

    /// Waits until so many intents of a subscription are in this state.
    pub async fn wait_state(&self, subscription: &str, state: IntentState, count: usize) {
        for _ in 0..1_500 {
            if self.count(subscription, state).await == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of `{subscription}` are {state:?}, not {count}", self.count(subscription, state).await);
    }

    pub async fn count(&self, subscription: &str, state: IntentState) -> usize {
        let query = IntentQuery {
            subscription: Some(subscription.to_owned()),
            states: vec![state],
            limit: 10_000,
            ..IntentQuery::default()
        };
        self.store.intents(query).await.unwrap().len()
    }
}

pub fn put(
    resource_type: &str,
    id: &str,
    before: Option<u64>,
    mut resource: Value,
    patient: Option<&str>,
) -> Put {
    let now = Timestamp::now();
    let version = before.map_or(1, |version| version + 1);
    resource["meta"]["versionId"] = version.to_string().into();
    resource["meta"]["lastUpdated"] = sgw::fhir::instant(now).into();
    resource["meta"]["source"] = origin::stamp("RZZ01", "test").into();
    Put {
        resource_type: resource_type.into(),
        id: id.into(),
        version,
        expected: before,
        body: resource.to_string(),
        patient_key: patient.map(str::to_owned),
        identifiers: Vec::new(),
        last_updated: now,
        deleted: false,
    }
}

pub fn subscription(id: &str, endpoint: &str, content: &str) -> Value {
    json!({
        "resourceType": "Subscription", "id": id, "status": "requested", "reason": "safeguarding",
        "criteria": systems::canonical("SubscriptionTopic/safeguarding-flag"),
        "channel": {
            "type": "rest-hook", "endpoint": endpoint, "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": format!("{BACKPORT}backport-payload-content"), "valueCode": content}]},
            "header": ["X-Partner: test"]
        }
    })
}

/// The same with one of the channel's numbers, such as `heartbeat-period`.
pub fn with_number(mut subscription: Value, name: &str, number: u32) -> Value {
    subscription["channel"]["extension"] =
        json!([{"url": format!("{BACKPORT}backport-{name}"), "valueUnsignedInt": number}]);
    subscription
}

fn coding(system: &str, code: &str) -> Value {
    json!({"system": systems::canonical(&format!("CodeSystem/{system}")), "code": code})
}

pub fn flag(patient: &str, id: &str, category: &str) -> Value {
    json!({
        "resourceType": "Flag", "id": id, "meta": {},
        "extension": [{
            "url": systems::canonical("StructureDefinition/lawful-basis"),
            "valueCoding": coding("lawful-basis", "gdpr-6-1-e")
        }],
        "status": "active",
        "category": [{"coding": [coding("concern-category", category)]}],
        "code": {"coding": [{"system": systems::SNOMED, "code": "342191000000101"}], "text": "As told by a neighbour"},
        "subject": {"identifier": {"system": "urn:test", "value": patient}},
        "period": {"start": "2026-10-01"},
        "author": {"identifier": {"system": systems::ODS_ORGANIZATION, "value": "RZZ01"}}
    })
}

fn dissent(patient: &str, organisation: &str) -> Value {
    let recipient = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]});
    json!({
        "resourceType": "Consent", "meta": {}, "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"identifier": {"system": "urn:test", "value": patient}},
        "dateTime": "2026-10-01",
        "provision": {"type": "deny", "actor": [{
            "role": recipient,
            "reference": {"identifier": {"system": systems::ODS_ORGANIZATION, "value": organisation}}
        }]}
    })
}
