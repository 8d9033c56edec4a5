use super::*;
use crate::fhir::systems;
use crate::route::Trigger;
use crate::route::reading::BACKPORT;
use serde_json::json;

fn resource() -> Value {
    json!({
        "resourceType": "Subscription", "id": "s1", "status": "requested", "reason": "safeguarding",
        "criteria": systems::canonical("SubscriptionTopic/safeguarding-flag"),
        "_criteria": {"extension": [
            {"url": format!("{BACKPORT}backport-filter-criteria"), "valueString": "Flag?status=active"}
        ]},
        "channel": {
            "extension": [
                {"url": format!("{BACKPORT}backport-heartbeat-period"), "valueUnsignedInt": 60},
                {"url": format!("{BACKPORT}backport-timeout"), "valueUnsignedInt": 20},
                {"url": format!("{BACKPORT}backport-max-count"), "valuePositiveInt": 5}
            ],
            "type": "rest-hook",
            "endpoint": "https://partner.example/hook?x=1",
            "payload": "application/fhir+json; fhirVersion=4.0",
            "_payload": {"extension": [{"url": format!("{BACKPORT}backport-payload-content"), "valueCode": "full-resource"}]},
            "header": ["Authorization: Bearer abc"]
        }
    })
}

fn parse(resource: &Value) -> Result<Subscription, Vec<Issue>> {
    Subscription::parse(resource, &Topics::builtin().unwrap())
}

#[test]
fn a_backport_subscription_is_read() {
    let subscription = parse(&resource()).unwrap();
    assert_eq!(subscription.id, "s1");
    assert_eq!(subscription.content, Content::FullResource);
    assert_eq!(subscription.headers, [("Authorization".to_owned(), "Bearer abc".to_owned())]);
    assert_eq!(
        (subscription.heartbeat_period, subscription.timeout, subscription.max_count),
        (Some(60), Some(20), Some(5))
    );
    assert_eq!(subscription.filters.len(), 1);
}

/// What is not supported is refused, with the path of the element and the rule.
#[test]
fn what_is_not_supported_is_refused_with_its_path() {
    let payload_content = "/channel/_payload/extension/0/valueCode";
    for (pointer, value, path, rule) in [
        (
            "/criteria",
            json!("https://elsewhere.example/topic"),
            "Subscription.criteria",
            "subscription-topic-unknown",
        ),
        ("/criteria", json!("Flag?status=active"), "Subscription.criteria", "subscription-topic-unknown"),
        ("/status", json!("asleep"), "Subscription.status", "subscription-status"),
        (
            "/_criteria/extension/0/valueString",
            json!("shoe=1"),
            "Subscription.criteria.extension[0]",
            "subscription-filter-unsupported",
        ),
        (
            "/_criteria/extension/0",
            json!({"url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-Subscription.topic", "valueString": "x"}),
            "Subscription.criteria.extension[0]",
            "subscription-extension",
        ),
        ("/channel/type", json!("websocket"), "Subscription.channel.type", "subscription-channel"),
        ("/channel/type", json!("email"), "Subscription.channel.type", "subscription-channel"),
        (
            "/channel/payload",
            json!("application/fhir+xml"),
            "Subscription.channel.payload",
            "subscription-payload-mime",
        ),
        (
            "/channel/payload",
            json!("application/fhir+json; fhirVersion=5.0"),
            "Subscription.channel.payload",
            "subscription-payload-mime",
        ),
        (
            payload_content,
            json!("everything"),
            "Subscription.channel.payload.extension",
            "subscription-payload-content",
        ),
        (
            "/channel/_payload/extension",
            json!([]),
            "Subscription.channel.payload.extension",
            "subscription-payload-content",
        ),
        (
            "/channel/endpoint",
            json!("ftp://partner.example/"),
            "Subscription.channel.endpoint",
            "subscription-endpoint",
        ),
        (
            "/channel/endpoint",
            json!("https://u:p@partner.example/"),
            "Subscription.channel.endpoint",
            "subscription-endpoint",
        ),
        ("/channel/endpoint", json!("https://"), "Subscription.channel.endpoint", "subscription-endpoint"),
        (
            "/channel/endpoint",
            json!("https://partner.example/#x"),
            "Subscription.channel.endpoint",
            "subscription-endpoint",
        ),
        ("/channel/header/0", json!("no colon"), "Subscription.channel.header[0]", "subscription-header"),
        (
            "/channel/header/0",
            json!("Webhook-Signature: v1,x"),
            "Subscription.channel.header[0]",
            "subscription-header",
        ),
        (
            "/channel/header/0",
            json!("Content-Length: 1"),
            "Subscription.channel.header[0]",
            "subscription-header",
        ),
        ("/channel/header/0", json!("X: a\r\nY: b"), "Subscription.channel.header[0]", "subscription-header"),
        (
            "/channel/extension/1/valueUnsignedInt",
            json!(0),
            "Subscription.channel.extension[1]",
            "subscription-number",
        ),
        (
            "/channel/extension/2/url",
            json!("urn:unknown"),
            "Subscription.channel.extension[2]",
            "subscription-extension",
        ),
    ] {
        let mut changed = resource();
        *changed.pointer_mut(pointer).unwrap() = value;
        let issues = parse(&changed).unwrap_err();
        assert!(issues.iter().any(|i| i.rule == rule && i.expression == path), "{pointer}: {issues:?}");
    }
    assert_eq!(parse(&json!({"resourceType": "Flag"})).unwrap_err()[0].rule, "subscription-type");
    assert!(parse(&json!({"resourceType": "Subscription"})).unwrap_err().len() >= 4);
}

#[test]
fn a_change_matches_by_topic_trigger_and_filter_before_or_after() {
    let subscription = parse(&resource()).unwrap();
    let active = json!({"resourceType": "Flag", "status": "active"});
    let ended = json!({"resourceType": "Flag", "status": "inactive"});
    let consent = json!({"resourceType": "Consent", "status": "active"});
    let change = |trigger, previous, current| Change { trigger, previous, current, patient: None };
    assert!(subscription.matches(&change(Trigger::Create, None, Some(&active))));
    assert!(!subscription.matches(&change(Trigger::Create, None, Some(&ended))));
    assert!(subscription.matches(&change(Trigger::Update, Some(&active), Some(&ended))));
    assert!(subscription.matches(&change(Trigger::Delete, Some(&active), None)));
    assert!(!subscription.matches(&change(Trigger::Create, None, Some(&consent))));
    let off = Subscription { status: Status::Off, ..subscription.clone() };
    assert!(!off.matches(&change(Trigger::Create, None, Some(&active))));
    let failing = Subscription { status: Status::Error, ..subscription };
    assert!(failing.matches(&change(Trigger::Create, None, Some(&active))));
}
