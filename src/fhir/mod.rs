//! Resources as they are on the wire: lossless JSON and XML, primitives, references, `OperationOutcome`, code systems.

pub mod canonical;
pub mod identity;
mod instant;
pub mod issue;
pub mod origin;
pub mod json;
pub mod primitive;
pub mod systems;
pub mod tree;
pub mod xml;

pub use instant::instant;
pub use issue::{Issue, Severity, outcome};
