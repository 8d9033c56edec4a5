//! HL7 v2 over MLLP: framing, acknowledgements, one listener for each source.

pub mod acknowledge;
pub mod frame;
pub mod header;
mod listener;

pub use listener::{ListenerError, serve};
