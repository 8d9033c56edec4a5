//! A subscription as a partner writes it: the R4 profile of the Subscriptions Backport guide 1.1.0
//! (`backport-subscription`), read and checked.

use super::filter::Filter;
use super::reading::Reader;
use super::topic::{Topic, Topics};
use super::{Change, matching};
use crate::fhir::Issue;
use jiff::Timestamp;
use serde_json::Value;

/// How much a notification says (`backport-payload-content`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// That something happened.
    Empty,
    /// Which resources it happened to.
    IdOnly,
    /// The resources themselves.
    FullResource,
}

impl Content {
    /// The FHIR code.
    pub fn code(self) -> &'static str {
        match self {
            Content::Empty => "empty",
            Content::IdOnly => "id-only",
            Content::FullResource => "full-resource",
        }
    }

    /// The content level with this FHIR code.
    pub fn from_code(code: &str) -> Option<Content> {
        match code {
            "empty" => Some(Content::Empty),
            "id-only" => Some(Content::IdOnly),
            "full-resource" => Some(Content::FullResource),
            _ => None,
        }
    }
}

/// Where a subscription stands (`Subscription.status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The handshake is still to be made.
    Requested,
    /// Notifications are sent.
    Active,
    /// Deliveries fail; events are still counted and kept.
    Error,
    /// Nothing is sent or counted.
    Off,
}

impl Status {
    /// The FHIR code.
    pub fn code(self) -> &'static str {
        match self {
            Status::Requested => "requested",
            Status::Active => "active",
            Status::Error => "error",
            Status::Off => "off",
        }
    }

    /// The status with this FHIR code.
    pub fn from_code(code: &str) -> Option<Status> {
        match code {
            "requested" => Some(Status::Requested),
            "active" => Some(Status::Active),
            "error" => Some(Status::Error),
            "off" => Some(Status::Off),
            _ => None,
        }
    }

    /// Whether events that match are kept for it: all but `off`. A subscription in `error` goes on counting.
    pub fn counts_events(self) -> bool {
        self != Status::Off
    }
}

/// A subscription that the gateway can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The logical id; empty before the store has given one.
    pub id: String,
    /// Its status.
    pub status: Status,
    /// The topic.
    pub topic: Topic,
    /// All must be met.
    pub filters: Vec<Filter>,
    /// How much notifications say.
    pub content: Content,
    /// The media type of the notifications, as the subscriber wrote it.
    pub mime: String,
    /// Where notifications go.
    pub endpoint: String,
    /// Headers to send with each notification: name and value.
    pub headers: Vec<(String, String)>,
    /// Seconds of silence after which a heartbeat is sent; none: no heartbeats.
    pub heartbeat_period: Option<u32>,
    /// Seconds after which an unanswered notification has failed.
    pub timeout: Option<u32>,
    /// The most events in one notification.
    pub max_count: Option<u32>,
    /// When it ends by itself.
    pub end: Option<Timestamp>,
}

impl Subscription {
    /// Reads a Subscription resource against the topics that are served.
    ///
    /// What the gateway does not support is an error that names its path, never passed over: topic, filter, channel
    /// type, media type, payload content, FHIR version, header, extension.
    pub fn parse(resource: &Value, topics: &Topics) -> Result<Subscription, Vec<Issue>> {
        let mut issues = Vec::new();
        let read = Reader::new(resource, &mut issues).read(topics);
        match read {
            Some(subscription) if issues.is_empty() => Ok(subscription),
            _ => Err(issues),
        }
    }

    /// Whether the change is one that the subscriber asked to be told of.
    ///
    /// A change also counts when only the version *before* it met the filters: whoever was told that a Flag is active
    /// must learn that it has ended, whatever the filter says about `status`.
    pub fn matches(&self, change: &Change<'_>) -> bool {
        self.status.counts_events()
            && self.topic.triggers.contains(&change.trigger)
            && [change.current, change.previous].into_iter().flatten().any(|version| {
                version.get("resourceType").and_then(Value::as_str) == Some(self.topic.resource_type.as_str())
                    && self.filters.iter().all(|f| matching::meets(f, version, change.patient))
            })
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
