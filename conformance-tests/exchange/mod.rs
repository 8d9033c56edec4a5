//! The pipeline through its front door: submissions, FHIR, quarantine, who may do what, bad input, MLLP, drain.

mod bad_input;
mod resources;
mod rights;
mod submissions;
