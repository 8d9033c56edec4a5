//! Questionnaire: what its items and conditions refer to.

use crate::fhir::tree::{NodeId, Tree};
use crate::validate::rules;
use crate::validate::walk::Walk;
use std::collections::HashMap;

pub(super) fn check(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    let mut items = Vec::new();
    gather(tree, node, &mut items, 0);
    let mut known: HashMap<&str, (usize, &str)> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        let Some(link) = tree.child_value(*item, "linkId") else { continue };
        known.entry(link).or_insert((at, tree.child_value(*item, "type").unwrap_or("")));
    }
    for (at, item) in items.iter().enumerate() {
        let own = tree.child_value(*item, "linkId");
        for condition in tree.named(*item, "enableWhen") {
            let Some(question) = tree.child_value(condition, "question") else { continue };
            let Some((place, kind)) = known.get(question) else {
                walk.error(rules::Q_ITEM, condition, || {
                    "the condition names a question that does not exist".into()
                });
                continue;
            };
            if own == Some(question) {
                walk.error(rules::Q_ITEM, condition, || "an item must not depend on itself".into());
            } else if *place > at {
                walk.warning(rules::Q_ITEM, condition, || {
                    "the condition names a question that comes later".into()
                });
            }
            condition_type(walk, condition, kind);
        }
        options(walk, *item);
    }
}

/// All items, at any depth, in order.
pub(super) fn gather(tree: &Tree<'_>, node: NodeId, items: &mut Vec<NodeId>, depth: usize) {
    if depth > 64 {
        return;
    }
    for item in tree.named(node, "item") {
        items.push(item);
        gather(tree, item, items, depth + 1);
    }
}

/// The members that an answer to a question of this type may have.
pub(super) fn answer_members(kind: &str) -> &'static [&'static str] {
    match kind {
        "boolean" => &["valueBoolean"],
        "decimal" => &["valueDecimal"],
        "integer" => &["valueInteger"],
        "date" => &["valueDate"],
        "dateTime" => &["valueDateTime"],
        "time" => &["valueTime"],
        "string" | "text" => &["valueString"],
        "url" => &["valueUri"],
        "choice" => {
            &["valueCoding", "valueDate", "valueInteger", "valueTime", "valueString", "valueReference"]
        }
        "open-choice" => {
            &["valueCoding", "valueDate", "valueInteger", "valueTime", "valueString", "valueReference"]
        }
        "attachment" => &["valueAttachment"],
        "reference" => &["valueReference"],
        "quantity" => &["valueQuantity"],
        _ => &[],
    }
}

fn condition_type(walk: &mut Walk<'_>, condition: NodeId, kind: &str) {
    let tree = walk.tree;
    let answer = tree.children(condition).find(|child| tree.name(*child).starts_with("answer"));
    let Some(answer) = answer else { return };
    let exists = tree.child_value(condition, "operator") == Some("exists");
    let Some(suffix) = tree.name(answer).strip_prefix("answer") else { return };
    if exists {
        return;
    }
    let fits = answer_members(kind).iter().any(|member| member.strip_prefix("value") == Some(suffix))
        || kind == "url" && suffix == "String";
    if !fits {
        walk.warning(rules::Q_ITEM, answer, || {
            format!("the condition compares a question of type `{kind}` with another type")
        });
    }
}

fn options(walk: &mut Walk<'_>, item: NodeId) {
    let tree = walk.tree;
    let kind = tree.child_value(item, "type").unwrap_or("");
    for option in tree.named(item, "answerOption") {
        for value in tree.children(option).filter(|child| tree.name(*child).starts_with("value")) {
            let allowed = match kind {
                "choice" | "open-choice" => true,
                "integer" | "date" | "time" | "string" => answer_members(kind).contains(&tree.name(value)),
                _ => false,
            };
            if !allowed {
                walk.warning(rules::Q_ITEM, value, || {
                    format!("an option of this type does not suit a question of type `{kind}`")
                });
            }
        }
    }
}
