//! What happens when it fails: again, later, never; and what a withdrawn consent stops.

use super::house::{House, secret, settings};
use jiff::{SignedDuration, Timestamp};
use sgw::audit::Party;
use sgw::deliver::receiver::{Answering, Receiver, Reply};
use sgw::deliver::{EventsQuery, Selection, Settings};
use sgw::store::{AuditQuery, Intent, IntentQuery, IntentState, IntentUpdate, Work};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_secs(10);

/// Answers events with the status that is set, everything else with success.
fn switch(status: u16) -> (Arc<AtomicU16>, Answering) {
    let status = Arc::new(AtomicU16::new(status));
    let shared = status.clone();
    let answering: Answering = Arc::new(move |received, _| match received.parameter("type") {
        Some("event-notification") => Reply::status(shared.load(Ordering::SeqCst)),
        _ => Reply::status(200),
    });
    (status, answering)
}

async fn intents(house: &House, subscription: &str) -> Vec<Intent> {
    let query = IntentQuery { subscription: Some(subscription.into()), limit: 100, ..IntentQuery::default() };
    house.store.intents(query).await.unwrap()
}

async fn audited(house: &House, kind: &str) -> usize {
    let query = AuditQuery { kind: Some(kind.into()), limit: 1_000, ..AuditQuery::default() };
    house.store.audit_search(query).await.unwrap().len()
}

/// A consent withdrawn while ten events wait for a partner that is down stops them all, and the log says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_consent_withdrawn_while_events_wait_stops_the_rest() {
    let house = House::new().await;
    let first = Receiver::start(vec![secret()]).await.unwrap();
    let address = first.address().to_string();
    house.subscribe("s", "ed", &first.endpoint(), "full-resource").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("s", "active").await;
    first.stop().await;
    for _ in 0..10 {
        house.flag("local:p|1", "f1", &["s"]).await;
        house.flag("local:p|2", "f2", &["s"]).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    house.dissent("local:p|1", "RZZ02").await;
    let back =
        Receiver::start_at(&address, vec![secret()], Arc::new(|_, _| Reply::status(200))).await.unwrap();
    assert!(back.wait_for(10, SHORT).await);
    house.wait_state("s", IntentState::Withheld, 10).await;
    house.wait_state("s", IntentState::Delivered, 10).await;
    assert!(
        back.received().iter().all(|r| !r.bundle.to_string().contains("f1")),
        "nothing about the first patient"
    );
    assert_eq!(audited(&house, "disclosure").await, 10);
    assert_eq!(audited(&house, "decision").await, 10, "a record for each that was withheld");
    for intent in intents(&house, "s").await.iter().filter(|i| i.state == IntentState::Withheld) {
        assert_eq!(intent.reason.as_deref(), Some("consent-dissent"));
    }
    deliverer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gone_switches_the_subscription_off() {
    let house = House::new().await;
    let (_, answering) = switch(410);
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "id-only").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("s", "active").await;
    for _ in 0..3 {
        house.flag("local:p|1", "f1", &["s"]).await;
    }
    house.wait_status("s", "off").await;
    house.wait_state("s", IntentState::Ended, 3).await;
    house.flag("local:p|2", "f2", &["s"]).await;
    house.wait_state("s", IntentState::Ended, 4).await;
    assert_eq!(receiver.received().len(), 2, "the handshake and one event");
    deliverer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receivers_wish_when_to_come_back_is_honoured() {
    let house = House::new().await;
    let asked = Arc::new(AtomicU16::new(0));
    let counted = asked.clone();
    let answering: Answering = Arc::new(move |received, _| match received.parameter("type") {
        Some("event-notification") if counted.fetch_add(1, Ordering::SeqCst) == 0 => {
            Reply::status(503).header("retry-after", "2")
        }
        _ => Reply::status(200),
    });
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "id-only").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("s", "active").await;
    house.flag("local:p|1", "f1", &["s"]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    house.flag("local:p|2", "f2", &["s"]).await;
    assert!(receiver.wait_for(2, SHORT).await);
    let received = receiver.received();
    let waited = received[2].at.duration_since(received[1].at);
    assert!(
        waited >= SignedDuration::from_millis(1_990),
        "{waited:?}: nothing is sent before, not even for others"
    );
    assert!(waited < SignedDuration::from_secs(4), "{waited:?}");
    deliverer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn given_up_after_the_schedule_and_delivered_by_a_replay() {
    let house = House::new().await;
    let (status, answering) = switch(500);
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "id-only").await;
    house.flag("local:p|1", "f1", &["s"]).await;
    house.flag("local:p|1", "f1", &["s"]).await;
    // The first attempt was five days ago: the schedule is over.
    let head = intents(&house, "s").await.remove(0);
    let now = Timestamp::now();
    let mut work = Work::at(now);
    let first_attempt = Some(Some(now - SignedDuration::from_hours(120)));
    work.intent_updates.push(IntentUpdate { intent: head.id, first_attempt, ..IntentUpdate::default() });
    house.commit(work).await;
    let deliverer = house.deliver(settings()).await;
    house.wait_state("s", IntentState::Dead, 1).await;
    assert_eq!(house.store.attempts(head.id).await.unwrap().len(), 1);
    assert!(audited(&house, "delivery-failed").await >= 1, "a dead letter is in the audit log");
    status.store(200, Ordering::SeqCst);
    assert!(receiver.wait_for(1, SHORT).await, "the next event follows the dead one");
    let selection = Selection { subscription: Some("s".into()), ..Selection::default() };
    let operator = Party { id: "operator", organisation: "RZZ01", ..Party::default() };
    assert_eq!(deliverer.replay(&selection, operator, Timestamp::now()).await.unwrap(), 1);
    assert!(receiver.wait_for(2, SHORT).await);
    let replayed = receiver.accepted().pop().unwrap();
    assert_eq!(
        (replayed.id, replayed.bundle["entry"].as_array().unwrap().len()),
        (head.event_id.to_string(), 2)
    );
    assert_eq!(receiver.accepted()[1].event_number(), Some(1), "with the number that it had");
    // A delivered event, by its id: the receiver knows it.
    house.wait_state("s", IntentState::Delivered, 2).await;
    let selection = Selection { event: Some(head.event_id), ..Selection::default() };
    assert_eq!(deliverer.replay(&selection, operator, Timestamp::now()).await.unwrap(), 1);
    house.wait_state("s", IntentState::Delivered, 2).await;
    let end = Instant::now() + SHORT;
    while !receiver.received().last().unwrap().repeated && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(receiver.received().last().unwrap().repeated);
    deliverer.drain().await;
}

/// After long failure the status says so; events are still kept and, when the partner is back, still delivered.
#[tokio::test(flavor = "multi_thread")]
async fn long_failure_is_an_error_that_only_the_subscriber_resets() {
    let house = House::new().await;
    let (status, answering) = switch(500);
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "id-only").await;
    let deliverer = house.deliver(Settings { error_after_seconds: 1, ..settings() }).await;
    house.wait_status("s", "active").await;
    house.flag("local:p|1", "f1", &["s"]).await;
    house.wait_status("s", "error").await;
    for _ in 0..3 {
        house.flag("local:p|2", "f2", &["s"]).await;
    }
    let end = Instant::now() + SHORT;
    while house.state("s").await.events < 4 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(house.state("s").await.events, 4, "events are counted though none can be delivered");
    let asked = deliverer.events("s", EventsQuery::default(), Timestamp::now()).await.unwrap();
    assert!(asked.to_string().contains("\"4\""), "and can be asked for");
    status.store(200, Ordering::SeqCst);
    assert!(receiver.wait_for(4, SHORT).await);
    house.wait_state("s", IntentState::Delivered, 4).await;
    assert_eq!(house.state("s").await.status, "error");
    assert_eq!(house.state("s").await.events, 4);
    assert_eq!(receiver.accepted()[1].parameter("status"), Some("error"));
    deliverer.drain().await;
}
