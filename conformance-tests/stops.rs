//! What stops what waits: a consent withdrawn, an agreement expired, a label raised, each through the front door while
//! notifications wait for a partner that is down. Nothing more leaves: not at the retry, not at a replay, not by
//! `$events`, not by a read of an earlier version; and each withheld copy is recorded.

use crate::deliver::house::{secret, subscription};
use crate::exchange::submissions::{FHIR, flag as alert};
use crate::gateway::TestGateway;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use sgw::audit::Party;
use sgw::deliver::receiver::{Answering, Receiver, Reply};
use sgw::exchange::Replacement;
use sgw::fhir::systems;
use sgw::govern::Policy;
use sgw::store::{Intent, IntentQuery, IntentState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

const WAITING: usize = 4;

struct Down {
    gateway: TestGateway,
    receiver: Receiver,
    status: Arc<AtomicU16>,
    subscription: String,
    flags: Vec<Value>,
}

async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if let Some(found) = check().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: not within 20 s");
}

impl Down {
    /// A partner that is down while notifications about one patient wait for it.
    async fn with_waiting_notifications() -> Down {
        let gateway = TestGateway::new().await;
        let status = Arc::new(AtomicU16::new(503));
        let shared = status.clone();
        let answering: Answering = Arc::new(move |received, _| match received.parameter("type") {
            Some("event-notification") => Reply::status(shared.load(Ordering::SeqCst)),
            _ => Reply::status(200),
        });
        let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
        let mut asked = subscription("", &receiver.endpoint(), "full-resource");
        asked.as_object_mut().unwrap().remove("id");
        let made = gateway.post("ed", "/fhir/Subscription", FHIR, asked.to_string()).await.expect(201);
        let subscription = made.json["id"].as_str().unwrap().to_owned();
        until("the subscription is active", async || {
            let state = gateway.store.subscription_state(&subscription).await.unwrap()?;
            (state.status == "active").then_some(())
        })
        .await;
        let mut flags = Vec::new();
        for number in 0..WAITING {
            let mut flag = alert();
            flag["identifier"][0]["value"] = format!("W-{number}").into();
            let made = gateway.post("scr", "/fhir/Flag", FHIR, flag.to_string()).await.expect(201);
            flags.push(made.json);
        }
        let down = Down { gateway, receiver, status, subscription, flags };
        until("the first attempt has failed", async || {
            down.intents().await.iter().any(|intent| intent.attempts > 0).then_some(())
        })
        .await;
        down
    }

    async fn intents(&self) -> Vec<Intent> {
        let query = IntentQuery {
            subscription: Some(self.subscription.clone()),
            limit: 100,
            ..IntentQuery::default()
        };
        self.gateway.store.intents(query).await.unwrap()
    }

    /// The records of decisions to withhold from the partner for this reason, by what asked.
    async fn withheld(&self, reason: &str) -> usize {
        let decisions = self.gateway.audits(Some("decision")).await;
        let fits = |text: &str| text.contains(reason) && text.contains("RZZ02") && text.contains("withhold");
        let waited = |text: &str| text.contains("\"send\"") || text.contains("\"retry\"");
        decisions
            .iter()
            .filter_map(|leaf| leaf.canonical.as_deref())
            .filter(|text| fits(text) && waited(text))
            .count()
    }

    /// The partner is back: nothing reaches it, whatever is tried.
    async fn stays_stopped(self, reason: &str) {
        let at_the_cause = Instant::now();
        let disclosed = self.gateway.audits(Some("disclosure")).await.len();
        let seen = self.receiver.received().len();
        self.status.store(200, Ordering::SeqCst);
        self.all_withheld(reason).await;
        println!(
            "{reason}: {WAITING} waiting notifications withheld {:?} after the cause",
            at_the_cause.elapsed()
        );
        let recorded = self.withheld(reason).await;
        assert!(recorded >= WAITING, "{recorded} records of {WAITING} withheld copies");

        let body =
            json!({"subscription": self.subscription, "withheld": true, "delivered": true}).to_string();
        let replayed =
            self.gateway.post("operator", "/deliveries/$replay", "application/json", body).await.expect(200);
        assert!(replayed.json["replayed"].as_u64().unwrap() >= WAITING as u64, "{}", replayed.text);
        until("every replayed copy is withheld and recorded", async || {
            let again = self.withheld(reason).await;
            (again >= recorded + WAITING).then_some(())
        })
        .await;
        self.all_withheld(reason).await;

        let events = format!("/fhir/Subscription/{}/$events", self.subscription);
        let events = self.gateway.get("ed", &events).await.expect(200);
        assert!(!events.text.contains("\"Flag\""), "{}", events.text);
        for flag in &self.flags {
            let id = flag["id"].as_str().unwrap();
            self.gateway.get("ed", &format!("/fhir/Flag/{id}")).await.expect(404);
            self.gateway.get("ed", &format!("/fhir/Flag/{id}/_history/1")).await.expect(404);
            self.gateway.get("ed", &format!("/fhir/Flag/{id}/_history")).await.expect(404);
        }
        let number = "patient.identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000009";
        let found = self.gateway.get("ed", &format!("/fhir/Flag?{number}")).await.expect(200);
        assert_eq!(found.json["total"], 0);
        let after: Vec<String> =
            self.receiver.received().iter().skip(seen).map(|received| received.bundle.to_string()).collect();
        assert!(after.iter().all(|bundle| !bundle.contains("\"Flag\"")), "{after:?}");
        assert_eq!(
            self.gateway.audits(Some("disclosure")).await.len(),
            disclosed,
            "nothing more was disclosed"
        );
    }

    async fn all_withheld(&self, reason: &str) {
        until("all are withheld", async || {
            let intents = self.intents().await;
            let of =
                |intent: &&Intent| self.flags.iter().any(|flag| flag["id"] == intent.resource_id.as_str());
            let withheld = intents.iter().filter(of).all(|intent| {
                intent.state == IntentState::Withheld && intent.reason.as_deref() == Some(reason)
            });
            withheld.then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_withdrawn_while_notifications_wait_stops_them_for_good() {
    let down = Down::with_waiting_notifications().await;
    let mut dissent: Value =
        serde_json::from_slice(&crate::gateway::fixture("convert/fhir-consent-restricts-partner/input.json"))
            .unwrap();
    dissent["provision"]["actor"][0]["reference"]["identifier"]["value"] = "RZZ02".into();
    dissent["provision"]["period"] = json!({"start": "2026-01-01"});
    dissent["dateTime"] = "2026-11-01".into();
    dissent["organization"] =
        json!([{"identifier": {"system": systems::ODS_ORGANIZATION, "value": "RZZ04"}}]);
    down.gateway.post("scr", "/fhir/Consent", FHIR, dissent.to_string()).await.expect(201);
    down.stays_stopped("consent-dissent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_expired_while_notifications_wait_stops_them_for_good() {
    let down = Down::with_waiting_notifications().await;
    let text = include_str!("../profiles/agreements/eastmoor-ed.yaml")
        .replace("until: 2031-03-31", "until: 2026-10-31");
    let text = text.replace("version: \"1.0\"", "version: \"1.1\"");
    let partners = down.gateway.exchange.policy().partners().to_vec();
    let policy = Policy::from_documents(&[("eastmoor-ed.yaml".to_owned(), text)], partners).unwrap();
    let replacement = Replacement { policy: Some(policy), ..Replacement::default() };
    let actor = Party { id: "operator", organisation: "RZZ00", ..Party::default() };
    let exchange = &down.gateway.exchange;
    exchange.put_in_force(actor, "agreements-activated", &[], replacement, Timestamp::now()).await.unwrap();
    down.stays_stopped("agreement-not-in-force").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_raised_while_notifications_wait_stops_them_for_good() {
    let down = Down::with_waiting_notifications().await;
    for flag in &down.flags {
        let mut raised = flag.clone();
        raised["meta"]["security"] = json!([{"system": systems::CONFIDENTIALITY, "code": "V"}]);
        let path = format!("/fhir/Flag/{}", flag["id"].as_str().unwrap());
        let put = down.gateway.request(Method::PUT, &path).key("scr").header("content-type", FHIR);
        let stored = put.body(raised.to_string()).send().await.expect(200);
        let codes = stored.json["meta"]["security"].as_array().unwrap();
        let levels = codes.iter().filter(|code| code["system"] == systems::CONFIDENTIALITY);
        assert_eq!(levels.map(|code| code["code"].as_str().unwrap()).collect::<Vec<_>>(), ["V"]);
        // The source cannot take it back.
        let put = down.gateway.request(Method::PUT, &path).key("scr").header("content-type", FHIR);
        let lowered = put.body(flag.to_string()).send().await.expect(200);
        assert!(lowered.json["meta"]["security"].to_string().contains("\"V\""));
    }
    down.stays_stopped("label-not-cleared").await;
}
