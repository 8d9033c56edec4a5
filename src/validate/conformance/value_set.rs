//! ValueSet: the systems, concepts and filters of its compose.

use crate::definitions::terminology::CodeSystem;
use crate::fhir::tree::NodeId;
use crate::validate::references::is_absolute;
use crate::validate::rules;
use crate::validate::walk::Walk;

pub(super) fn check(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    let Some(compose) = tree.child(node, "compose") else { return };
    for name in ["include", "exclude"] {
        for part in tree.named(compose, name) {
            include(walk, part);
        }
    }
}

fn include(walk: &mut Walk<'_>, part: NodeId) {
    let tree = walk.tree;
    let core = walk.core;
    let Some(system) = tree.child_value(part, "system").filter(|system| !system.is_empty()) else { return };
    if !is_absolute(system) {
        walk.error(rules::VS_SYSTEM, part, || {
            "the system must be absolute; a contained code system is named by its full URL and the extension `valueset-system`".into()
        });
        return;
    }
    if system.contains('|') {
        walk.error(rules::VS_SYSTEM, part, || {
            "the system of an include has no version in it: that stands in `version`".into()
        });
        return;
    }
    let Some(defined) = core.definitions.code_system(system) else {
        if core.definitions.knows("ValueSet", system) {
            walk.error(rules::VS_SYSTEM, part, || format!("`{system}` is a value set, not a code system"));
        }
        return;
    };
    let complete = defined.content == crate::definitions::terminology::Content::Complete;
    for concept in tree.named(part, "concept") {
        let Some(code) = tree.child_value(concept, "code") else { continue };
        if complete && defined.lookup(code).is_none() {
            walk.warning(rules::VS_CODE, concept, || format!("`{system}` has no code `{code}`"));
        }
    }
    for filter in tree.named(part, "filter") {
        check_filter(walk, filter, &defined);
    }
}

fn check_filter(walk: &mut Walk<'_>, filter: NodeId, system: &CodeSystem) {
    let tree = walk.tree;
    let core = walk.core;
    let (Some(property), Some(value)) =
        (tree.child_value(filter, "property"), tree.child_value(filter, "value"))
    else {
        return;
    };
    let op = tree.child_value(filter, "op").unwrap_or("");
    let Some((_, kind)) = system.properties.iter().find(|(code, _)| code == property) else { return };
    if op == "exists" {
        if !matches!(value, "true" | "false") {
            walk.error(rules::VS_CODE, filter, || {
                "the value of an `exists` filter must be `true` or `false`".into()
            });
        }
        return;
    }
    if op == "regex" {
        if regex::Regex::new(value).is_err() {
            walk.error(rules::VS_CODE, filter, || {
                "the value of a `regex` filter must be a regular expression".into()
            });
        }
        return;
    }
    let values: Vec<&str> =
        if matches!(op, "in" | "not-in") { value.split(',').map(str::trim).collect() } else { vec![value] };
    for value in values {
        let wrong = match kind.as_str() {
            "Coding" => match value.rsplit_once('#') {
                Some((url, code)) if is_absolute(url) => {
                    let url = url.split('|').next().unwrap_or(url);
                    match core.definitions.has_code(url, code) {
                        crate::definitions::Membership::No(why) => {
                            Some(format!("names a code that is not valid: {why}"))
                        }
                        _ => None,
                    }
                }
                _ => Some("must be in the format `system(|version)#code`".to_owned()),
            },
            "code" => (system.content == crate::definitions::terminology::Content::Complete
                && system.lookup(value).is_none())
            .then(|| "is not a code of the code system".to_owned()),
            "integer" => crate::fhir::primitive::Primitive::Integer
                .check(value)
                .is_err()
                .then(|| "must be an integer".to_owned()),
            "decimal" => crate::fhir::primitive::Primitive::Decimal
                .check(value)
                .is_err()
                .then(|| "must be a decimal".to_owned()),
            "boolean" => (!matches!(value, "true" | "false")).then(|| "must be `true` or `false`".to_owned()),
            "dateTime" => crate::fhir::primitive::Primitive::DateTime
                .check(value)
                .is_err()
                .then(|| "must be a dateTime".to_owned()),
            _ => None,
        };
        if let Some(wrong) = wrong {
            walk.error(rules::VS_CODE, filter, || {
                format!("the value of a filter on the property `{property}` {wrong}")
            });
        }
    }
}
