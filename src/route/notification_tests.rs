use super::*;
use crate::fhir::systems;
use crate::route::Topics;

fn subscription(content: Content) -> Subscription {
    let topics = Topics::builtin().unwrap();
    Subscription {
        id: "s1".into(),
        status: Status::Active,
        topic: topics.get(&systems::canonical("SubscriptionTopic/safeguarding-flag")).unwrap().clone(),
        filters: Vec::new(),
        content,
        mime: "application/fhir+json".into(),
        endpoint: "https://partner.example/".into(),
        headers: Vec::new(),
        heartbeat_period: None,
        timeout: None,
        max_count: None,
        end: None,
    }
}

fn context(subscription: &Subscription) -> Context<'_> {
    Context {
        base: "https://gw.example/fhir",
        subscription,
        status: Status::Active,
        events_since_start: 7,
        error: None,
    }
}

fn event(number: u64) -> Event {
    Event {
        number,
        timestamp: "2026-01-02T03:04:05Z".parse().unwrap(),
        focus: Some(Focus {
            resource_type: "Flag".into(),
            id: "f1".into(),
            version: number,
            trigger: Trigger::Update,
            last_modified: "2026-01-02T03:04:05Z".parse().unwrap(),
            resource: Some(json!({"resourceType": "Flag", "id": "f1", "status": "active"})),
        }),
    }
}

fn now() -> Timestamp {
    "2026-01-02T03:04:06Z".parse().unwrap()
}

fn value<'a>(bundle: &'a Value, name: &str) -> Option<&'a Value> {
    bundle
        .pointer("/entry/0/resource/parameter")
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["name"] == name)
}

#[test]
fn every_entry_has_request_and_response_and_counts_are_strings() {
    for content in [Content::Empty, Content::IdOnly, Content::FullResource] {
        let subscription = subscription(content);
        let context = context(&subscription);
        for bundle in [
            handshake(&context, now()),
            heartbeat(&context, now()),
            events(&context, &[event(6), event(7)], now()),
            events_history(&context, &[event(6)], None),
        ] {
            assert_eq!(bundle["type"], "history");
            for entry in bundle["entry"].as_array().unwrap() {
                assert!(
                    entry["request"].is_object()
                        && entry["response"].is_object()
                        && entry["fullUrl"].is_string()
                );
            }
            assert_eq!(value(&bundle, "events-since-subscription-start").unwrap()["valueString"], "7");
            assert_eq!(
                bundle["entry"][0]["request"]["url"],
                "https://gw.example/fhir/Subscription/s1/$status"
            );
        }
    }
}

#[test]
fn each_content_level_says_no_more_than_it_may() {
    let empty = subscription(Content::Empty);
    let bundle = events(&context(&empty), &[event(7)], now());
    assert_eq!(bundle["entry"].as_array().unwrap().len(), 1);
    assert!(value(&bundle, "topic").is_none());
    assert!(!bundle.to_string().contains("f1"), "an empty notification names nothing");

    let id_only = subscription(Content::IdOnly);
    let bundle = events(&context(&id_only), &[event(7)], now());
    assert_eq!(bundle["entry"][1]["fullUrl"], "https://gw.example/fhir/Flag/f1");
    assert!(bundle["entry"][1].get("resource").is_none());
    assert!(bundle.to_string().contains("\"focus\""));

    let full = subscription(Content::FullResource);
    let bundle = events(&context(&full), &[event(7)], now());
    assert_eq!(bundle["entry"][1]["resource"]["resourceType"], "Flag");
    assert_eq!(value(&bundle, "type").unwrap()["valueCode"], "event-notification");
}

#[test]
fn the_handshake_says_requested_and_an_unseen_event_keeps_only_its_number() {
    let full = subscription(Content::FullResource);
    let bundle = handshake(&context(&full), now());
    assert_eq!(value(&bundle, "status").unwrap()["valueCode"], "requested");
    let hidden = Event { focus: None, ..event(3) };
    let bundle = events_history(&context(&full), &[hidden], None);
    assert_eq!(bundle["entry"].as_array().unwrap().len(), 1);
    let part = &value(&bundle, "notification-event").unwrap()["part"];
    assert_eq!(part[0]["valueString"], "3");
    assert_eq!(part.as_array().unwrap().len(), 2);
}

#[test]
fn the_wish_of_a_query_never_exceeds_the_subscription_and_repeats_are_identical() {
    let id_only = subscription(Content::IdOnly);
    let wished = events_history(&context(&id_only), &[event(6)], Some(Content::FullResource));
    assert!(wished["entry"][1].get("resource").is_none());
    assert_eq!(wished.to_string(), events_history(&context(&id_only), &[event(6)], None).to_string());
    let less = events_history(&context(&id_only), &[event(6)], Some(Content::Empty));
    assert_eq!(less["entry"].as_array().unwrap().len(), 1);
}

#[test]
fn a_status_answer_is_a_searchset_with_the_error() {
    let full = subscription(Content::FullResource);
    let failing = Context { status: Status::Error, error: Some("no-response"), ..context(&full) };
    let bundle = status_searchset("https://gw.example/fhir/Subscription/$status", &[failing]);
    assert_eq!((bundle["type"].as_str(), bundle["total"].as_u64()), (Some("searchset"), Some(1)));
    assert!(bundle.to_string().contains("no-response"));
    assert!(status_searchset("u", &[]).get("entry").is_none(), "an empty array is not FHIR");
}
