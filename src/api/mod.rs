//! HTTP, MLLP and watched folders: FHIR REST and operations, submissions, credentials.
//!
//! | address | who | what |
//! |---|---|---|
//! | `POST /submissions/{source}` | source | a payload in the source's own format |
//! | `/fhir/Flag`, `/fhir/Consent` | source, subscriber | create, read, update, versions, search |
//! | `/fhir/Subscription` | subscriber | create, read, update, `$status`, `$events` |
//! | `/fhir/AuditEvent` | auditor | read, search |
//! | `POST /fhir/{type}/$validate` | any | validation without storing |
//! | `POST /fhir/$convert` | source, tester, operator | conversion without storing |
//! | `/fhir/ConceptMap`, `$translate` | any | maps of codes, translation |
//! | `/quarantine` | operator | list, read, resubmit, discard |
//! | `/deliveries` | operator | list, replay |
//! | `/configuration/$reload` | operator | reads registry, agreements and mappings again |
//! | `/metrics` | operator, or this machine | measurements |
//! | `/healthz`, `/readyz`, `/fhir/metadata` | anybody | state, capabilities |

pub mod answer;
mod audit_events;
pub mod auth;
mod body;
mod break_glass;
mod configuration;
mod context;
mod convert;
mod deliveries;
mod explain;
pub mod folder;
mod gate;
mod health;
mod metadata;
pub mod mllp;
mod operations;
mod parameters;
mod quarantine;
mod resources;
mod review;
mod router;
pub mod server;
pub mod settings;
mod shapes;
mod submissions;
mod subscriptions;
mod tasks;
pub mod tls;
mod translate;

pub use configuration::{Reload, ReloadError, Reloaded};
pub use gate::{Gate, Parts};
pub use router::router;
