//! Rules of conformance resources beyond their definitions: what a tester's own profiles and terminology must keep to.

mod code_system;
mod concept_map;
mod operation;
mod questionnaire;
mod response;
mod search_parameter;
mod structure;
mod value_set;

use super::references::is_absolute;
use super::rules;
use super::walk::Walk;
use crate::fhir::tree::NodeId;

/// The resources that are known by a canonical URL.
const CANONICAL: &[&str] = &[
    "ActivityDefinition",
    "CapabilityStatement",
    "ChargeItemDefinition",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "EffectEvidenceSynthesis",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "GraphDefinition",
    "ImplementationGuide",
    "Library",
    "Measure",
    "MessageDefinition",
    "NamingSystem",
    "OperationDefinition",
    "PlanDefinition",
    "Questionnaire",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "RiskEvidenceSynthesis",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "TerminologyCapabilities",
    "TestScript",
    "ValueSet",
];

/// Checks a resource by the rules of its kind.
pub(super) fn check(walk: &mut Walk<'_>, node: NodeId, type_name: &str) {
    if CANONICAL.contains(&type_name)
        && let Some(url) = walk.tree.child(node, "url")
        && walk.tree.value(url).is_some_and(|url| !url.is_empty() && !is_absolute(url))
    {
        walk.error(rules::CANONICAL_ABSOLUTE, url, || {
            "the canonical URL of a resource must be absolute".into()
        });
    }
    match type_name {
        "ValueSet" => value_set::check(walk, node),
        "CodeSystem" => code_system::check(walk, node),
        "ConceptMap" => concept_map::check(walk, node),
        "StructureDefinition" => structure::check(walk, node),
        "OperationDefinition" => operation::check(walk, node),
        "SearchParameter" => search_parameter::check(walk, node),
        "Questionnaire" => questionnaire::check(walk, node),
        "QuestionnaireResponse" => response::check(walk, node),
        _ => {}
    }
}
