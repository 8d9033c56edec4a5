//! Topics, filters, subscription state and notification Bundles.
//!
//! Inside, subscriptions follow the R5 topic model; on the wire, the R4 profiles of the Subscriptions Backport guide
//! 1.1.0 (<https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/>). Everything here is pure: values and `now` in,
//! values out.

mod filter;
mod matching;
pub mod notification;
mod reading;
mod subscription;
mod topic;

pub use filter::{Filter, Modifier, Parameter};
pub use subscription::{Content, Status, Subscription};
pub use topic::{CanFilterBy, Topic, TopicError, Topics, Trigger};

use serde_json::Value;

/// One change to a resource, as a subscription sees it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What happened.
    pub trigger: Trigger,
    /// The version before, if there was one.
    pub previous: Option<&'a Value>,
    /// The version now; none when it was deleted.
    pub current: Option<&'a Value>,
    /// The Patient resource that the change is about, if known: its identifiers count for `patient:identifier`.
    pub patient: Option<&'a Value>,
}
