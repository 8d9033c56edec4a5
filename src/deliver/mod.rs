//! Claim, decide again, send, retry, dead-letter and replay; the egress guard.

pub mod egress;
pub mod schedule;
pub mod settings;
pub mod webhook;

pub use settings::Settings;
