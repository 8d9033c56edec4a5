//! The pipeline through its front door: submissions, FHIR, quarantine, who may do what, bad input, MLLP, drain.

mod bad_input;
mod identity_changes;
mod mllp;
mod resources;
mod rights;
mod sockets;
pub mod submissions;
