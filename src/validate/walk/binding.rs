//! Bindings to value sets.

use super::Walk;
use crate::fhir::tree::NodeId;
use crate::validate::schema::{Binding, Class};

impl Walk<'_> {
    pub(super) fn bound(&mut self, _node: NodeId, _binding: &Binding, _class: Option<Class>) {}

    pub(super) fn is_member(&mut self, _node: NodeId, _value_set: &str) -> bool {
        false
    }
}
