//! Codings: their system, code and display.

use super::Walk;
use crate::fhir::tree::NodeId;

impl Walk<'_> {
    pub(super) fn system(&mut self, _node: NodeId, _value: &str) {}

    pub(super) fn demands(
        &mut self,
        _node: NodeId,
        _element: &crate::validate::schema::Element,
        _schema: &crate::validate::schema::Schema,
    ) {
    }
}
