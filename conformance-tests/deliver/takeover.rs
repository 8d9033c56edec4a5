//! A worker dies; another takes over. A deliverer stops; nothing is cut.

use super::house::{House, secret, settings};
use sgw::deliver::Settings;
use sgw::deliver::receiver::{Answering, Receiver, Reply};
use sgw::store::IntentState;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_another_worker_delivers_the_same_event_under_the_same_id() {
    let house = House::new().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    // The first attempt is answered late, after the worker that made it has died.
    let answering: Answering = Arc::new(move |received, _| match received.parameter("type") {
        Some("event-notification") if counted.fetch_add(1, Ordering::SeqCst) == 0 => {
            Reply::status(200).after(Duration::from_secs(20))
        }
        _ => Reply::status(200),
    });
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "id-only").await;
    let crashed = house.deliver(settings()).await;
    house.wait_status("s", "active").await;
    house.flag("local:p|1", "f1", &["s"]).await;
    while calls.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    crashed.abandon();
    let begun = Instant::now();
    let successor = house.deliver(settings()).await;
    house.wait_state("s", IntentState::Delivered, 1).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let events: Vec<_> = receiver.received().into_iter().filter(|r| r.event_number().is_some()).collect();
    assert_eq!(events.len(), 2);
    assert_eq!((&events[0].id, events[0].event_number()), (&events[1].id, events[1].event_number()));
    successor.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_deliverers_share_the_work_and_send_nothing_twice() {
    let house = House::new().await;
    let receiver = Receiver::start(vec![secret()]).await.unwrap();
    for n in 0..4 {
        house.subscribe(&format!("s{n}"), "hub", &receiver.endpoint(), "id-only").await;
    }
    let (first, second) = (house.deliver(settings()).await, house.deliver(settings()).await);
    for n in 0..20 {
        house.flag(&format!("local:p|{n}"), &format!("f{n}"), &["s0", "s1", "s2", "s3"]).await;
    }
    assert!(receiver.wait_for(80, Duration::from_secs(20)).await, "{}", receiver.accepted().len());
    first.drain().await;
    house.flag("local:p|1", "f1", &["s0", "s1", "s2", "s3"]).await;
    assert!(
        receiver.wait_for(84, Duration::from_secs(20)).await,
        "the leases that were given back are taken"
    );
    second.drain().await;
    assert_eq!(receiver.received().iter().filter(|r| r.repeated).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_lets_what_is_under_way_finish_and_be_recorded() {
    let house = House::new().await;
    let answering: Answering = Arc::new(|_, _| Reply::status(200).after(Duration::from_millis(300)));
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "id-only").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("s", "active").await;
    for n in 0..50 {
        house.flag(&format!("local:p|{n}"), &format!("f{n}"), &["s"]).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    deliverer.drain().await;
    let sent = receiver.received().len() - 1;
    assert!((1..50).contains(&sent), "{sent}");
    assert_eq!(house.count("s", IntentState::Delivered).await, sent, "everything sent is recorded");
}

/// Failures and crashes at random: nothing is lost, every patient's events come in order, numbers stay whole.
#[tokio::test(flavor = "multi_thread")]
async fn crashes_at_random_lose_nothing_and_invert_nothing() {
    let house = House::new().await;
    let answering: Answering = Arc::new(|_, _| {
        let dice: u8 = rand::random();
        Reply::status(if dice < 40 { 500 } else { 200 }).after(Duration::from_millis(u64::from(dice % 40)))
    });
    let always: Answering = Arc::new(move |received, before| match received.parameter("type") {
        Some("event-notification") => answering(received, before),
        _ => Reply::status(200),
    });
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], always).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "full-resource").await;
    let quick = || Settings { lease_seconds: 1, ..settings() };
    let mut deliverer = house.deliver(quick()).await;
    house.wait_status("s", "active").await;
    let (patients, rounds) = (5, 6);
    for round in 0..rounds {
        for patient in 0..patients {
            house.flag(&format!("local:p|{patient}"), &format!("f{patient}"), &["s"]).await;
        }
        tokio::time::sleep(Duration::from_millis(u64::from(rand::random::<u8>()))).await;
        if round % 2 == 0 {
            deliverer.abandon();
            deliverer = house.deliver(quick()).await;
        }
    }
    house.wait_state("s", IntentState::Delivered, patients * rounds).await;
    deliverer.drain().await;
    // A receiver drops what it knows; what remains is each version once, in order.
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut numbers: BTreeMap<u64, String> = BTreeMap::new();
    for one in receiver.accepted() {
        let flag = one.focus().unwrap();
        let version = flag["meta"]["versionId"].as_str().unwrap().parse().unwrap();
        seen.entry(flag["id"].as_str().unwrap().to_owned()).or_default().push(version);
        let number = one.event_number().unwrap();
        assert!(
            numbers.insert(number, one.id.clone()).is_none_or(|id| id == one.id),
            "one event, one number"
        );
    }
    assert!(
        seen.len() == patients && seen.values().all(|versions| *versions == [1, 2, 3, 4, 5, 6]),
        "{seen:?}"
    );
    assert_eq!(
        numbers.keys().copied().collect::<Vec<_>>(),
        (1..=(patients * rounds) as u64).collect::<Vec<_>>()
    );
}
