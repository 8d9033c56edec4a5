//! The proof that a resource was validated.

use super::{Report, Unchecked};
use serde_json::Value;

/// A resource that was found valid. Only [`super::Validator::check`] makes one.
#[derive(Clone, Debug)]
pub struct Validated {
    resource: Value,
    report: Report,
}

impl Validated {
    pub(super) fn new(resource: Value, report: Report) -> Validated {
        Validated { resource, report }
    }

    /// The resource.
    pub fn resource(&self) -> &Value {
        &self.resource
    }

    /// The resource, given away; the proof is spent.
    pub fn into_resource(self) -> Value {
        self.resource
    }

    /// The canonicals of the profiles it was found to meet, the base definition first.
    pub fn profiles(&self) -> &[String] {
        &self.report.profiles
    }

    /// What could not be checked.
    pub fn unchecked(&self) -> &[Unchecked] {
        &self.report.unchecked
    }

    /// The whole report: warnings and remarks.
    pub fn report(&self) -> &Report {
        &self.report
    }
}
