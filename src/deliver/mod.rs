//! Claim, decide again, send, retry, dead-letter and replay; the egress guard.
//!
//! The store holds intents, never payloads. A [`Deliverer`] leads subscriptions by leases, with a fence that keeps a
//! late worker from recording anything, and runs one worker for each. A worker takes the first waiting intent of each
//! patient, decides about each anew ([`crate::govern::decide`]), gives those that are permitted for the first time
//! their event numbers, builds each notification from what the permit releases, signs and sends it, and records the
//! attempt with its audit leaf in one unit of work.
//!
//! What is promised:
//! - An event is sent at least once, with the same `webhook-id` each time; within a patient, in order.
//! - A failing event holds up its own patient's events for that subscriber, and nothing else.
//! - A receiver that hangs or is down is probed, and holds up no other; once it is back, what waits is sent at once.
//! - Nothing is sent without a permit made for this attempt; what is withheld leaves no gap in the event numbers.
//! - Deliveries are tried for at least 76 hours, then kept as dead letters that can be replayed.
//!
//! Each notification carries one event, so that its `webhook-id` names it; this satisfies any maximum count.
//! What subscribers may rely on is told in `docs/subscribers.md`.
//!
//! Modules by themselves: [`egress`] (where to), [`webhook`] (signatures), [`schedule`] (when again), [`breaker`] (is it
//! down), [`outcome`] (what an answer means), [`receiver`] (how a partner receives).

mod attempt;
pub mod breaker;
mod contact;
mod deliverer;
pub mod egress;
mod facts;
pub mod outcome;
mod prepare;
mod query;
pub mod receiver;
mod record;
mod replay;
pub mod schedule;
pub mod sender;
pub mod settings;
pub mod shaping;
mod shared;
mod standing;
pub mod webhook;
mod worker;

pub use deliverer::{Deliverer, StartError};
pub use query::{EVENTS_LIMIT, EventsQuery, QueryError};
pub use replay::Selection;
pub use settings::Settings;
pub use shared::Parts;
