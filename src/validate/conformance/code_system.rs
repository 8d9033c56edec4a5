//! CodeSystem: its properties, and the properties and number of its concepts.

use crate::fhir::tree::NodeId;
use crate::validate::rules;
use crate::validate::walk::Walk;
use std::collections::HashMap;

/// The properties that the specification defines, with their types.
const KNOWN: &[(&str, &str)] = &[
    ("inactive", "boolean"),
    ("status", "code"),
    ("deprecated", "dateTime"),
    ("deprecationDate", "dateTime"),
    ("retirementDate", "dateTime"),
    ("effectiveDate", "dateTime"),
    ("notSelectable", "boolean"),
    ("parent", "code"),
    ("child", "code"),
    ("partOf", "code"),
    ("synonym", "code"),
    ("comment", "string"),
    ("itemWeight", "decimal"),
];

const BASE: &str = "http://hl7.org/fhir/concept-properties#";

pub(super) fn check(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    let mut types: HashMap<&str, &str> = HashMap::new();
    let mut uris: Vec<&str> = Vec::new();
    for property in tree.named(node, "property") {
        let code = tree.child_value(property, "code").unwrap_or("");
        let kind = tree.child_value(property, "type").unwrap_or("");
        if types.contains_key(code) {
            walk.error(rules::CS_PROPERTY, property, || {
                format!("a property with the code `{code}` is already defined")
            });
        } else {
            types.insert(code, kind);
        }
        let Some(uri) = tree.child_value(property, "uri") else { continue };
        if uris.contains(&uri) {
            walk.error(rules::CS_PROPERTY, property, || {
                format!("a property with the URI `{uri}` is already defined")
            });
        }
        uris.push(uri);
        let Some(name) = uri.strip_prefix(BASE) else { continue };
        match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((known, wanted)) => {
                if *wanted != kind {
                    walk.error(rules::CS_PROPERTY, property, || {
                        format!("`{uri}` is a property of type `{wanted}`, not `{kind}`")
                    });
                }
                let other = KNOWN.iter().any(|(other, _)| *other == code && *other != *known);
                if other {
                    walk.error(rules::CS_PROPERTY, property, || {
                        format!("`{uri}` has the code `{known}`, not `{code}`")
                    });
                }
            }
            None => walk.warning(rules::CS_PROPERTY, property, || {
                format!("`{uri}` is not a property the specification defines")
            }),
        }
    }
    let mut count = 0u64;
    let mut open: Vec<NodeId> = tree.named(node, "concept").collect();
    while let Some(concept) = open.pop() {
        count += 1;
        for property in tree.named(concept, "property") {
            concept_property(walk, property, &types);
        }
        open.extend(tree.named(concept, "concept"));
    }
    let complete = tree.child_value(node, "content") == Some("complete");
    let stated = tree.child_value(node, "count").and_then(|count| count.parse::<u64>().ok());
    if let Some(stated) = stated.filter(|stated| complete && *stated != count && count > 0) {
        walk.warning(rules::CS_CONCEPT, node, || {
            format!("the code system is complete and states {stated} concepts, but has {count}")
        });
    }
    if tree.child(node, "supplements").is_some() && tree.child_value(node, "content") != Some("supplement") {
        walk.warning(rules::CS_CONCEPT, node, || {
            "a code system that supplements another has the content `supplement`".into()
        });
    }
}

fn concept_property(walk: &mut Walk<'_>, property: NodeId, types: &HashMap<&str, &str>) {
    let tree = walk.tree;
    let Some(code) = tree.child_value(property, "code") else { return };
    let value = tree.children(property).find(|child| tree.name(*child).starts_with("value"));
    let Some(written) = value.map(|value| tree.name(value).trim_start_matches("value")) else { return };
    let kind = match (types.get(code), KNOWN.iter().find(|(known, _)| *known == code)) {
        (Some(kind), _) => *kind,
        (None, Some((_, kind))) => kind,
        (None, None) => {
            walk.warning(rules::CS_PROPERTY, property, || format!("the property `{code}` is not defined"));
            return;
        }
    };
    if !kind.is_empty() && !written.eq_ignore_ascii_case(kind) {
        walk.error(rules::CS_PROPERTY, property, || {
            format!("the property `{code}` is of type `{kind}`, not `{written}`")
        });
    }
}
