//! The vital signs profiles: R4 asks them of every Observation that has one of their LOINC codes.
//!
//! Implements <https://hl7.org/fhir/R4/observation-vitalsigns.html>.

use super::schema::Schema;
use super::walk::Walk;
use crate::fhir::tree::NodeId;
use std::sync::Arc;

/// The LOINC codes and the profile each asks for.
const CODES: &[(&str, &str)] = &[
    ("85353-1", "vitalspanel"),
    ("9279-1", "resprate"),
    ("8867-4", "heartrate"),
    ("2708-6", "oxygensat"),
    ("8310-5", "bodytemp"),
    ("8302-2", "bodyheight"),
    ("9843-4", "headcircum"),
    ("29463-7", "bodyweight"),
    ("39156-5", "bmi"),
    ("85354-9", "bp"),
    ("8480-6", "vitalsigns"),
    ("8462-4", "vitalsigns"),
    ("8478-0", "vitalsigns"),
];

/// The vital signs profiles that a resource must meet because of its code.
pub(super) fn profiles(walk: &Walk<'_>, node: NodeId) -> Vec<Arc<Schema>> {
    let tree = walk.tree;
    if tree.resource_type(node) != Some("Observation") {
        return Vec::new();
    }
    let Some(code) = tree.child(node, "code") else { return Vec::new() };
    let mut found = Vec::new();
    for coding in tree.named(code, "coding") {
        if tree.child_value(coding, "system") != Some("http://loinc.org") {
            continue;
        }
        let code = tree.child_value(coding, "code");
        for (_, name) in CODES.iter().filter(|(known, _)| Some(*known) == code) {
            let url = format!("http://hl7.org/fhir/StructureDefinition/{name}");
            found.extend(walk.core.registry.profile(&url));
        }
    }
    found
}
