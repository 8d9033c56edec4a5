//! What arrives: handshake, events, heartbeats, and what `$status` and `$events` answer.

use super::house::{House, secret, settings, subscription, with_number};
use jiff::Timestamp;
use serde_json::Value;
use sgw::deliver::receiver::{Receiver, Reply};
use sgw::deliver::webhook::Secret;
use sgw::deliver::{Deliverer, EventsQuery, Settings};
use sgw::route::{Content, Status};
use sgw::store::{AuditQuery, IntentState};
use sgw::validate::Validator;
use std::sync::Arc;
use std::time::Duration;

const SHORT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn each_partner_gets_what_it_may_have_signed_and_numbered() {
    let house = House::new().await;
    let (hub, housing) =
        (Receiver::start(vec![secret()]).await.unwrap(), Receiver::start(vec![secret()]).await.unwrap());
    house.subscribe("s-hub", "hub", &hub.endpoint(), "full-resource").await;
    house.subscribe("s-housing", "housing", &housing.endpoint(), "full-resource").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("s-hub", "active").await;
    house.wait_status("s-housing", "active").await;
    for n in 0..5 {
        house.flag("local:p|1", &format!("f{n}"), &["s-hub", "s-housing"]).await;
    }
    assert!(hub.wait_for(5, SHORT).await && housing.wait_for(5, SHORT).await);
    let validator = Validator::builtin();
    for receiver in [&hub, &housing] {
        let received = receiver.received();
        assert_eq!(received[0].parameter("type"), Some("handshake"));
        assert_eq!(received[0].parameter("status"), Some("requested"));
        let numbers: Vec<_> = receiver.accepted().iter().map(|r| r.event_number().unwrap()).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        for one in &received {
            let report = validator.validate_value(&one.bundle, &[]);
            assert!(report.is_valid(), "{:?}\n{:#}", report.issues, one.bundle);
        }
        assert_eq!(receiver.refused(), 0);
    }
    assert!(hub.accepted()[0].bundle.to_string().contains("As told by a neighbour"));
    assert!(!housing.accepted()[0].bundle.to_string().contains("As told by a neighbour"));
    house.wait_state("s-hub", IntentState::Delivered, 5).await;
    house.wait_state("s-housing", IntentState::Delivered, 5).await;
    let query = AuditQuery { kind: Some("disclosure".into()), limit: 100, ..AuditQuery::default() };
    assert_eq!(house.store.audit_search(query).await.unwrap().len(), 10, "a disclosure for each delivery");
    deliverer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_leaves_no_gap_and_empty_says_nothing() {
    let house = House::new().await;
    let ed = Receiver::start(vec![secret()]).await.unwrap();
    house.subscribe("s", "ed", &ed.endpoint(), "empty").await;
    let deliverer = house.deliver(settings()).await;
    for (n, category) in
        ["child-protection", "modern-slavery", "neglect", "modern-slavery", "neglect"].iter().enumerate()
    {
        house.flag_as(&format!("local:p|{n}"), &format!("f{n}"), category, &["s"]).await;
    }
    assert!(ed.wait_for(3, SHORT).await);
    house.wait_state("s", IntentState::Withheld, 2).await;
    house.wait_state("s", IntentState::Delivered, 3).await;
    let mut numbers: Vec<_> = ed.accepted().iter().map(|r| r.event_number().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3], "numbers are contiguous whatever was withheld");
    assert!(ed.received().iter().all(|r| !r.bundle.to_string().contains("Flag/")));
    deliverer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_events_are_decided_anew_when_they_are_asked_for() {
    let house = House::new().await;
    let ed = Receiver::start(vec![secret()]).await.unwrap();
    house.subscribe("s", "ed", &ed.endpoint(), "full-resource").await;
    let deliverer = house.deliver(settings()).await;
    house.flag("local:p|1", "f1", &["s"]).await;
    assert!(ed.wait_for(1, SHORT).await);
    house.flag("local:p|2", "f2", &["s"]).await;
    assert!(ed.wait_for(2, SHORT).await);
    house.wait_state("s", IntentState::Delivered, 2).await;
    let ask = async |query: EventsQuery| deliverer.events("s", query, Timestamp::now()).await.unwrap();
    let all = ask(EventsQuery::default()).await;
    assert_eq!(all["entry"].as_array().unwrap().len(), 3);
    assert_eq!(
        all.to_string(),
        ask(EventsQuery::default()).await.to_string(),
        "the same events, the same bytes"
    );
    let second = ask(EventsQuery { since: Some(2), until: Some(2), content: Some(Content::IdOnly) }).await;
    assert_eq!(second["entry"].as_array().unwrap().len(), 2);
    assert!(second["entry"][1].get("resource").is_none());
    house.dissent("local:p|1", "RZZ02").await;
    let after = ask(EventsQuery::default()).await;
    assert_eq!(after["entry"].as_array().unwrap().len(), 2, "the first event keeps its number only");
    assert!(after.to_string().contains("f2") && !after.to_string().contains("f1"));
    let validator = Validator::builtin();
    let ids = ["s".to_owned(), "somebody-else".to_owned()];
    let status = deliverer.status(&ids, &[], "https://gw.example/fhir/Subscription/$status").await.unwrap();
    assert_eq!(status["total"], 1);
    assert_eq!(deliverer.status(&ids, &[Status::Error], "u").await.unwrap()["total"], 0);
    for bundle in [&all, &second, &after, &status] {
        let report = validator.validate_value(bundle, &[]);
        assert!(report.is_valid(), "{:?}\n{bundle:#}", report.issues);
    }
    assert!(deliverer.events("nobody", EventsQuery::default(), Timestamp::now()).await.is_err());
    deliverer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_come_only_when_a_period_is_set() {
    let house = House::new().await;
    let (with, without) =
        (Receiver::start(vec![secret()]).await.unwrap(), Receiver::start(vec![secret()]).await.unwrap());
    house
        .subscribe_as(
            with_number(subscription("a", &with.endpoint(), "id-only"), "heartbeat-period", 1),
            "hub",
        )
        .await;
    house.subscribe("b", "hub", &without.endpoint(), "id-only").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("b", "active").await;
    tokio::time::sleep(Duration::from_millis(2_600)).await;
    let beats = |receiver: &Receiver| {
        receiver.received().iter().filter(|r| r.parameter("type") == Some("heartbeat")).count()
    };
    assert!((1..=3).contains(&beats(&with)), "{}", beats(&with));
    assert_eq!(beats(&without), 0);
    assert_eq!(with.received().last().unwrap().parameter("events-since-subscription-start"), Some("0"));
    deliverer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_handshake_is_an_error_and_nothing_is_sent_until_it_is_asked_for_again() {
    let house = House::new().await;
    let answering = Arc::new(|_: &_, _| Reply::status(404));
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "id-only").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("s", "error").await;
    house.flag("local:p|1", "f1", &["s"]).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(receiver.received().len(), 1, "the handshake, and nothing after it");
    assert_eq!(house.count("s", IntentState::Ready).await, 1, "the event is kept");
    let body: Value = serde_json::from_str(&house.state("s").await.body).unwrap();
    assert_eq!(
        (body["status"].as_str(), body["error"].as_str()),
        (Some("error"), Some("handshake-unauthorised"))
    );
    deliverer.drain().await;
}

/// The gateway signs with both secrets while a partner changes from one to the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_partner_changes_its_secret_without_losing_anything() {
    let house = House::new().await;
    let (fresh, _) = Secret::generate();
    let (old, new) =
        (Receiver::start(vec![secret()]).await.unwrap(), Receiver::start(vec![fresh.clone()]).await.unwrap());
    house.subscribe("old", "hub", &old.endpoint(), "id-only").await;
    house.subscribe("new", "hub", &new.endpoint(), "id-only").await;
    let mut parts = house.parts(Settings { ..settings() });
    parts.secrets.insert("hub".into(), vec![secret(), fresh]);
    let deliverer = Deliverer::start(parts).await.unwrap();
    house.flag("local:p|1", "f1", &["old", "new"]).await;
    assert!(old.wait_for(1, SHORT).await && new.wait_for(1, SHORT).await);
    assert_eq!((old.refused(), new.refused()), (0, 0));
    deliverer.drain().await;
}
