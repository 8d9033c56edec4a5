//! One test binary: what holds for the whole house, and what testers may run against any gateway.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a test may fail loudly; the settings of clippy reach test functions only, not what they share"
)]

mod definitions;
mod architecture;
mod audit_events;
mod decisions;
mod hazards;
mod deliver;
mod differential;
mod documented;
mod fhirpath;
mod audit;
mod hardness;
mod proof;
mod durability;
mod emergencies;
mod profiles;
mod readme;
mod reports;
mod questionnaires;
mod robustness;
mod running;
mod store;
mod validation_published;
mod validation_rules;
mod bundles;
mod client;
mod convert;
mod shapes;
mod exchange;
mod explain;
mod stops;
mod tip_off;
mod gateway;
mod ways_in;
