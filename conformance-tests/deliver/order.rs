//! Order within a patient, and nobody delayed by anybody else.

use super::house::{House, secret, settings};
use sgw::deliver::receiver::{Answering, Received, Receiver, Reply};
use sgw::store::IntentState;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Patient and version of each accepted event, in the order of arrival.
fn versions(receiver: &Receiver) -> BTreeMap<String, Vec<u64>> {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for one in receiver.accepted() {
        let flag = one.focus().unwrap();
        let version = flag["meta"]["versionId"].as_str().unwrap().parse().unwrap();
        found.entry(flag["id"].as_str().unwrap().to_owned()).or_default().push(version);
    }
    found
}

fn of(received: &Received, flag: &str) -> bool {
    received.focus().is_some_and(|focus| focus["id"] == flag)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patients_events_arrive_in_order_whatever_fails() {
    let house = House::new().await;
    let answering: Answering = Arc::new(|received, _| match received.parameter("type") {
        Some("event-notification") => {
            let dice: u8 = rand::random();
            Reply::status(match dice % 10 {
                0 => 500,
                1 => 503,
                2 => 422,
                _ => 200,
            })
            .after(Duration::from_millis(u64::from(dice % 7)))
        }
        _ => Reply::status(200),
    });
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "full-resource").await;
    let deliverer = house.deliver(settings()).await;
    let (patients, rounds) = (6, 5);
    for _ in 0..rounds {
        for patient in 0..patients {
            house.flag(&format!("local:p|{patient}"), &format!("f{patient}"), &["s"]).await;
        }
    }
    assert!(
        receiver.wait_for(patients * rounds, Duration::from_secs(60)).await,
        "{}",
        receiver.accepted().len()
    );
    house.wait_state("s", IntentState::Delivered, patients * rounds).await;
    for (flag, seen) in versions(&receiver) {
        assert_eq!(seen, [1, 2, 3, 4, 5], "{flag}");
    }
    let mut ids: BTreeMap<String, u64> = BTreeMap::new();
    for one in receiver.received() {
        if let Some(number) = one.event_number() {
            assert_eq!(
                *ids.entry(one.id.clone()).or_insert(number),
                number,
                "an event keeps its id and its number"
            );
        }
    }
    let mut numbers: Vec<u64> = ids.into_values().collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=(patients * rounds) as u64).collect::<Vec<_>>());
    deliverer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_patient_holds_up_only_itself() {
    let house = House::new().await;
    let answering: Answering =
        Arc::new(|received, _| Reply::status(if of(received, "bad") { 500 } else { 200 }));
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "full-resource").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("s", "active").await;
    for n in 0..4 {
        house.flag("local:p|bad", "bad", &["s"]).await;
        house.flag(&format!("local:p|{n}"), &format!("f{n}"), &["s"]).await;
    }
    let begun = Instant::now();
    assert!(receiver.wait_for(4, Duration::from_secs(5)).await);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(house.count("s", IntentState::Waiting).await, 3, "what follows the poisoned event waits");
    assert!(
        receiver
            .received()
            .iter()
            .filter(|r| of(r, "bad"))
            .all(|r| r.focus().unwrap()["meta"]["versionId"] == "1")
    );
    deliverer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_hangs_holds_up_nobody_else() {
    let house = House::new().await;
    let answering: Answering = Arc::new(|received, _| match received.parameter("type") {
        Some("event-notification") => Reply::status(200).after(Duration::from_secs(60)),
        _ => Reply::status(200),
    });
    let hung = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    let well = Receiver::start(vec![secret()]).await.unwrap();
    house.subscribe("hung", "ed", &hung.endpoint(), "id-only").await;
    house.subscribe("well", "hub", &well.endpoint(), "id-only").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("hung", "active").await;
    house.wait_status("well", "active").await;
    let begun = Instant::now();
    for n in 0..60 {
        house.flag(&format!("local:p|{n}"), &format!("f{n}"), &["hung", "well"]).await;
    }
    assert!(well.wait_for(60, Duration::from_secs(5)).await);
    assert!(begun.elapsed() < Duration::from_millis(1_900), "before the first of the others has timed out");
    let probes = hung.received().len();
    assert!(probes <= 1 + settings().in_flight, "{probes} attempts");
    deliverer.drain().await;
}

/// A partner that is down during ten submissions receives all of them, in order, soon after it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_was_down_receives_everything_in_order_when_it_is_back() {
    let house = House::new().await;
    let first = Receiver::start(vec![secret()]).await.unwrap();
    let address = first.address().to_string();
    house.subscribe("s", "hub", &first.endpoint(), "full-resource").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("s", "active").await;
    first.stop().await;
    for _ in 0..10 {
        house.flag("local:p|1", "f1", &["s"]).await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let query = sgw::store::IntentQuery { subscription: Some("s".into()), limit: 1, ..Default::default() };
    let head = house.store.intents(query).await.unwrap().remove(0);
    assert!((2..=12).contains(&head.attempts), "probed, not hammered: {}", head.attempts);
    let back =
        Receiver::start_at(&address, vec![secret()], Arc::new(|_, _| Reply::status(200))).await.unwrap();
    assert!(back.wait_for(10, Duration::from_secs(4)).await, "{}", back.accepted().len());
    assert_eq!(versions(&back)["f1"], (1..=10).collect::<Vec<_>>());
    let numbers: Vec<_> = back.accepted().iter().map(|r| r.event_number().unwrap()).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    deliverer.drain().await;
}
