//! Deliveries through real HTTP on loopback: what a partner sees, whatever goes wrong.

mod failures;
pub mod house;
mod notifications;
mod order;
mod takeover;
mod where_to;
