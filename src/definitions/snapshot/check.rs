//! What a differential must not do: widen what its base narrowed.

use super::apply::Work;
use super::node::Node;
use crate::definitions::Strength;
use crate::definitions::read::{list, text};
use serde_json::{Map, Value};

fn most(max: Option<&Value>) -> Option<u64> {
    match max {
        None => Some(u64::MAX),
        Some(Value::String(text)) if text == "*" => Some(u64::MAX),
        Some(Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_u64(),
    }
}

/// Looks at an element of the differential before it is merged into `node`.
pub(super) fn narrows(work: &mut Work<'_>, node: &Node, id: &str, element: &Map<String, Value>) {
    let base = &node.element;
    let is_root = !id.contains('.');
    let is_slice = !node.slice.is_empty();
    if let (Some(min), Some(known)) =
        (element.get("min").and_then(Value::as_u64), base.get("min").and_then(Value::as_u64))
        && min < known
        && !is_slice
        && !is_root
    {
        let text = format!("the least number of occurrences is {min}, below the {known} of the base");
        work.violate("snapshot-cardinality", id, text);
    }
    if let Some(max) = element.get("max") {
        match (most(Some(max)), most(base.get("max"))) {
            (None, _) => {
                work.violate("snapshot-cardinality", id, "the greatest number of occurrences is no number")
            }
            (Some(own), Some(known)) if own > known && !is_root => {
                work.violate(
                    "snapshot-cardinality",
                    id,
                    "the greatest number of occurrences is above that of the base",
                );
            }
            _ => {}
        }
    }
    types(work, base, id, element);
    let strength = |map: &Map<String, Value>| Strength::of(map.get("binding")?.get("strength")?.as_str()?);
    if let (Some(own), Some(known)) = (strength(element), strength(base))
        && known == Strength::Required
        && own < known
    {
        work.violate("snapshot-binding", id, "the binding is weaker than the required binding of the base");
    }
    for prefix in ["fixed", "pattern"] {
        let find = |map: &Map<String, Value>| {
            let named = |(name, _): &(&String, &Value)| {
                name.strip_prefix(prefix)
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
            };
            map.iter().find(named).map(|(_, value)| value.clone())
        };
        if prefix == "fixed"
            && let (Some(own), Some(known)) = (find(element), find(base))
            && own != known
        {
            work.violate("snapshot-fixed", id, "the fixed value is not the one of the base");
        }
    }
}

fn types(work: &mut Work<'_>, base: &Map<String, Value>, id: &str, element: &Map<String, Value>) {
    let known: Vec<&Value> = base.get("type").and_then(Value::as_array).into_iter().flatten().collect();
    if known.is_empty() || work.specialises {
        return;
    }
    for one in element.get("type").and_then(Value::as_array).into_iter().flatten() {
        let Some(code) = text(one, "code") else { continue };
        let bare =
            |code: &str| code.rsplit('/').next().unwrap_or_default().trim_start_matches("System.").to_owned();
        let allowed = known.iter().any(|base| {
            text(base, "code").is_some_and(|base| {
                base == code
                    || matches!(base.as_str(), "Element" | "*" | "Resource")
                    || work.definitions.is_a(&bare(&code), &bare(&base))
                    || base.starts_with("http://hl7.org/fhirpath/")
            })
        });
        if !allowed {
            work.violate("snapshot-type", id, format!("the type `{code}` is not one of the base's types"));
        }
        let targets = list(one, "targetProfile");
        let base_targets: Vec<&Value> = known
            .iter()
            .filter(|base| text(base, "code").as_deref() == Some(code.as_str()))
            .flat_map(|base| list(base, "targetProfile"))
            .collect();
        if base_targets.is_empty() {
            continue;
        }
        for target in targets.iter().filter_map(Value::as_str) {
            if base_targets.iter().any(|base| base.as_str() == Some(target)) {
                continue;
            }
            let derives = target_derives(work, target, &base_targets);
            if derives == Some(false) {
                let text =
                    format!("the target `{target}` is not one of the base's targets, nor derived from one");
                work.violate("snapshot-target", id, text);
            }
        }
    }
}

/// Whether a target profile is derived from one of the base's; nothing when it is not loaded.
fn target_derives(work: &Work<'_>, target: &str, base: &[&Value]) -> Option<bool> {
    let mut at = target.to_owned();
    for _ in 0..16 {
        let bare = crate::definitions::library::split_canonical(&at).0.to_owned();
        let matches = |one: &&Value| {
            one.as_str().is_some_and(|one| crate::definitions::library::split_canonical(one).0 == bare)
        };
        if base.iter().any(matches) {
            return Some(true);
        }
        let known = work.definitions.resource("StructureDefinition", &at)?;
        match text(&known.body, "baseDefinition") {
            Some(next) => at = next,
            None => return Some(false),
        }
    }
    Some(false)
}

/// Looks at the element after the merge.
pub(super) fn holds(work: &mut Work<'_>, node: &Node, id: &str) {
    let min = node.element.get("min").and_then(Value::as_u64).unwrap_or(0);
    if most(node.element.get("max")).is_some_and(|max| min > max) {
        work.violate("snapshot-cardinality", id, "more occurrences are needed than are allowed");
    }
}
