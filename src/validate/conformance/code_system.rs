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
    content(walk, node, count);
}

/// What the code system says of its content is so.
fn content(walk: &mut Walk<'_>, node: NodeId, count: u64) {
    let tree = walk.tree;
    let content = tree.child_value(node, "content").unwrap_or("");
    let supplements = tree.child(node, "supplements").is_some();
    let stated = tree.child(node, "count");
    let number = stated.and_then(|stated| tree.value(stated)?.parse::<u64>().ok());
    if let (Some(stated), Some(number)) = (stated, number)
        && content == "complete"
        && number != count
    {
        walk.error(rules::CS_CONCEPT, stated, || {
            format!("the code system is complete and states {number} concepts, but has {count}")
        });
    }
    if supplements && content != "supplement" {
        walk.error(rules::CS_CONCEPT, node, || {
            "a code system that supplements another has the content `supplement`".into()
        });
    }
    if content == "supplement" && !supplements {
        walk.error(rules::CS_CONCEPT, node, || {
            "a supplement names the code system that it supplements".into()
        });
    }
    if content == "not-present" && count > 0 {
        walk.error(rules::CS_CONCEPT, node, || {
            "the code system says that its concepts are not present, but has some".into()
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
