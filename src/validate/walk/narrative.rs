//! The narrative.

use super::Walk;
use crate::fhir::tree::NodeId;

impl Walk<'_> {
    pub(super) fn narrative(&mut self, _node: NodeId) {}
}
