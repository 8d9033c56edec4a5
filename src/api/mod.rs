//! HTTP and MLLP: FHIR REST and operations, submissions, credentials.

pub mod mllp;
pub mod server;
pub mod settings;
pub mod tls;
