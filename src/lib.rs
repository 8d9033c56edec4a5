//! The safeguarding gateway.
//!
//! The code map, lowest layer first. A module imports only from modules above it in this list; a test reads the
//! `use` lines and fails on an arrow that runs back.
//!
//! - [`document`]: files that people write, with the place of every value. Never knows what they are for.
//! - [`fhir`]: resources as they are on the wire. Never knows a store, HTTP or policy.
//! - [`fhirpath`]: expressions over resources. Never knows which feature asked.
//! - [`definitions`]: what FHIR and its profiles define. Never knows payload formats.
//! - [`validate`]: profiles compiled to checks. Never knows policy or a store.
//! - [`convert`]: local formats to FHIR R4. Never knows who may see the result.
//! - [`govern`]: whether and what may be shared. Never knows sockets or clocks: it takes `now`.
//! - [`audit`]: what was done, provably. Never knows HTTP.
//! - [`oversight`]: what a period's records add up to. Never knows the store: it takes what was read.
//! - [`store`]: the system of record. Never knows payload formats.
//! - [`route`]: who is to be told. Never knows how bytes leave.
//! - [`deliver`]: telling them. Never knows inbound formats.
//! - [`exchange`]: the pipeline. Never knows HTTP or MLLP framing.
//! - [`api`]: HTTP and MLLP. Never knows SQL.
//! - [`telemetry`], [`config`], [`app`]: logs and metrics, settings, composition.

pub mod document;
pub mod fhir;
pub mod fhirpath;
pub mod definitions;
pub mod validate;
pub mod convert;
pub mod govern;
pub mod audit;
pub mod oversight;
pub mod store;
pub mod route;
pub mod deliver;
pub mod exchange;
pub mod api;
pub mod telemetry;
pub mod config;
pub mod app;

/// Many small values live as long as one resource is looked at: this allocator is twice as fast at that as the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
