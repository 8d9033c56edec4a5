//! The vital signs profiles: R4 asks them of every Observation that has one of their LOINC codes.
//!
//! Implements <https://hl7.org/fhir/R4/observation-vitalsigns.html>.

use super::schema::Schema;
use super::walk::Walk;
use crate::fhir::tree::NodeId;
use std::sync::Arc;

/// The profiles and the LOINC codes that ask for each: the one the specification names, and those that mean the same
/// measurement by another method or at another site.
const CODES: &[(&str, &[&str])] = &[
    ("vitalspanel", &["85353-1"]),
    ("resprate", &["9279-1"]),
    ("heartrate", &["8867-4"]),
    (
        "oxygensat",
        &[
            "2708-6", "19224-5", "20564-1", "2709-4", "2710-2", "2713-6", "51733-4", "59408-5", "59417-6",
            "89276-0", "97549-0",
        ],
    ),
    (
        "bodytemp",
        &[
            "8310-5", "60834-9", "60835-6", "60836-4", "60838-0", "60955-2", "61009-7", "75539-7", "75987-8",
            "76010-8", "76011-6", "76278-1", "8309-7", "8328-7", "8329-5", "8330-3", "8331-1", "8332-9",
            "8333-7", "8334-5", "91371-5", "98657-0", "98663-8",
        ],
    ),
    ("bodyheight", &["8302-2", "3137-7", "3138-5", "8306-3", "8308-9"]),
    ("headcircum", &["9843-4", "8287-5"]),
    ("bodyweight", &["29463-7", "3141-9", "3142-7", "75292-3", "79348-9", "8350-1", "8351-9"]),
    ("bmi", &["39156-5", "89270-3"]),
    ("bp", &["85354-9", "35094-2", "8459-0", "76534-7", "55284-4", "8480-6"]),
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
        for (name, _) in CODES.iter().filter(|(_, known)| code.is_some_and(|code| known.contains(&code))) {
            let url = format!("http://hl7.org/fhir/StructureDefinition/{name}");
            found.extend(walk.core.registry.profile(&url));
        }
    }
    found
}
