//! Resources as they are on the wire: lossless JSON and XML, primitives, references, `OperationOutcome`, code systems.

pub mod identity;
pub mod issue;
pub mod systems;

pub use issue::{Issue, Severity, outcome};
