//! The filters of a ValueSet, over the concepts of a code system.

use super::code_system::{CodeSystem, Concept, Content};
use super::value_set::{Codes, ValueSet};
use crate::definitions::Set;
use crate::definitions::read::text;
use regex::Regex;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Properties that every code system has without declaring them.
const STANDARD: &[&str] = &[
    "code",
    "concept",
    "display",
    "inactive",
    "abstract",
    "notSelectable",
    "status",
    "parent",
    "child",
    "definition",
];

/// The codes that all filters together leave.
pub(super) fn codes(
    system: &str,
    known: Option<&CodeSystem>,
    filters: &[Value],
    problems: &mut Vec<String>,
    value_set: &dyn Fn(&str) -> Option<Arc<ValueSet>>,
) -> Codes {
    let known = match known {
        Some(known) if matches!(known.content, Content::Complete | Content::Fragment) => known,
        _ => return outside(system, filters, problems),
    };
    let all = 0..u32::try_from(known.concepts().len()).unwrap_or(u32::MAX);
    let mut left: Set<u32> = all.collect();
    for filter in filters {
        let field = |name: &str| text(filter, name);
        let (Some(property), Some(op)) = (field("property"), field("op")) else {
            problems.push("a filter has no `property` or no `op`".to_owned());
            return Codes::Untold("a filter of the value set is incomplete".to_owned());
        };
        let value = field("value").unwrap_or_default();
        let kept = match one(known, &property, &op, &value, value_set) {
            Ok(kept) => kept,
            Err(why) => {
                problems.push(why.clone());
                return Codes::Untold(why);
            }
        };
        left.retain(|at| kept.contains(at));
    }
    Codes::Positions(left)
}

fn outside(system: &str, filters: &[Value], problems: &mut Vec<String>) -> Codes {
    if system == "urn:iso:std:iso:3166" {
        let pattern = match filters {
            [one] if text(one, "op").as_deref() == Some("regex") => {
                text(one, "value").and_then(|value| whole(&value))
            }
            _ => None,
        };
        if let Some(pattern) = pattern {
            let codes = crate::definitions::outside::countries().filter(|code| pattern.is_match(code));
            return Codes::Listed(codes.map(Into::into).collect());
        }
    }
    for filter in filters {
        if let (Some("regex"), Some(value)) = (text(filter, "op").as_deref(), text(filter, "value"))
            && whole(&value).is_none()
        {
            problems.push("a filter has a regular expression that cannot be read".to_owned());
        }
    }
    Codes::Untold(format!("the code system `{system}` is not loaded, so that the filters cannot be applied"))
}

fn whole(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).ok()
}

fn one(
    known: &CodeSystem,
    property: &str,
    op: &str,
    value: &str,
    value_set: &dyn Fn(&str) -> Option<Arc<ValueSet>>,
) -> Result<Set<u32>, String> {
    let by = |keep: &dyn Fn(&Concept) -> bool| -> Set<u32> {
        let all = known.concepts().iter().zip(0u32..);
        all.filter(|(concept, _)| keep(concept)).map(|(_, at)| at).collect()
    };
    let root = || {
        known
            .position(value)
            .ok_or_else(|| "a filter names a code that the code system does not have".to_owned())
    };
    let declared = known.properties.iter().any(|(code, _)| code == property);
    let used =
        known.concepts().iter().any(|concept| concept.properties.iter().any(|(name, _)| name == property));
    if !declared && !used && !STANDARD.contains(&property) {
        return Err(format!(
            "a filter names the property `{property}`, which the code system does not define"
        ));
    }
    match op {
        "is-a" | "descendent-of" | "descendant-of" | "is-not-a" | "descendent-leaf" | "child-of" => {
            let at = root()?;
            let below = known.descendants(value).unwrap_or_default();
            Ok(match op {
                "is-a" => below,
                "is-not-a" => {
                    by(&|concept| !known.position(&concept.code).is_some_and(|at| below.contains(&at)))
                }
                "child-of" => by(&|concept| concept.parents.contains(&at)),
                "descendent-leaf" => by(&|concept| {
                    concept.children.is_empty()
                        && known.position(&concept.code).is_some_and(|i| i != at && below.contains(&i))
                }),
                _ => below.into_iter().filter(|one| *one != at).collect(),
            })
        }
        "generalizes" => {
            root()?;
            Ok(by(&|concept| known.subsumes(&concept.code, value) == Some(true)))
        }
        "=" => Ok(by(&|concept| values(known, concept, property).iter().any(|one| one == value))),
        "regex" => {
            let pattern = whole(value).ok_or("a filter has a regular expression that cannot be read")?;
            Ok(by(&|concept| values(known, concept, property).iter().any(|one| pattern.is_match(one))))
        }
        "in" | "not-in" => {
            let set = value.contains(':').then(|| value_set(value)).flatten();
            let listed: HashSet<&str> = value.split(',').map(str::trim).collect();
            let within = |concept: &Concept| {
                values(known, concept, property).iter().any(|one| match &set {
                    Some(set) => set.member(Some(&known.url), None, one).is_yes(),
                    None => listed.contains(one.as_str()),
                })
            };
            Ok(by(&|concept| within(concept) == (op == "in")))
        }
        "exists" => {
            let wanted = value != "false";
            Ok(by(&|concept| values(known, concept, property).is_empty() != wanted))
        }
        other => Err(format!("a filter has the operation `{other}`, which is not known")),
    }
}

/// The values of a property of a concept, as text.
fn values(known: &CodeSystem, concept: &Concept, property: &str) -> Vec<String> {
    let codes = |places: &[u32]| -> Vec<String> {
        places
            .iter()
            .filter_map(|at| known.concepts().get(*at as usize))
            .map(|other| other.code.clone())
            .collect()
    };
    let stated: Vec<String> = concept
        .properties
        .iter()
        .filter(|(name, _)| name == property)
        .map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    if !stated.is_empty() {
        return stated;
    }
    match property {
        "code" | "concept" => vec![concept.code.clone()],
        "display" => concept.display.iter().cloned().collect(),
        "parent" => codes(&concept.parents),
        "child" => codes(&concept.children),
        "inactive" => vec![concept.is_inactive.to_string()],
        "abstract" | "notSelectable" => vec![concept.is_abstract.to_string()],
        _ => Vec::new(),
    }
}
