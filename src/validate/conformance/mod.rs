//! Rules of conformance resources beyond their definitions: what a tester's own profiles and terminology must keep to.

mod code_system;
mod concept_map;
mod operation;
mod questionnaire;
mod response;
mod structure;
mod value_set;

use super::walk::Walk;
use crate::fhir::tree::NodeId;

/// Checks a resource by the rules of its kind.
pub(super) fn check(walk: &mut Walk<'_>, node: NodeId, type_name: &str) {
    match type_name {
        "ValueSet" => value_set::check(walk, node),
        "CodeSystem" => code_system::check(walk, node),
        "ConceptMap" => concept_map::check(walk, node),
        "StructureDefinition" => structure::check(walk, node),
        "OperationDefinition" => operation::check(walk, node),
        "Questionnaire" => questionnaire::check(walk, node),
        "QuestionnaireResponse" => response::check(walk, node),
        _ => {}
    }
}
