//! The tables of a mapping file, compiled.

use super::compile::{Scope, unmapped};
use super::model::Unmapped;
use super::table::{Codes, Coding, Concerns, Meaning};
use super::vocabulary::Vocabulary;
use super::yaml::Node;
use crate::fhir::systems;
use std::collections::HashMap;
use std::sync::Arc;

const ROW: [&str; 9] =
    ["category", "snomed", "codings", "display", "action", "indicators", "tier", "labels", "ends"];

/// Compiles `codes` and `concerns`, and notes their names in the scope.
pub(super) fn tables(root: &Node, scope: &mut Scope<'_>) -> (Vec<Codes>, Vec<Arc<Concerns>>) {
    let mut codes = Vec::new();
    for (key, node) in root.get("codes").map_or(Ok(&[][..]), Node::entries).unwrap_or_default() {
        let mut rows = HashMap::new();
        match node.entries() {
            Ok(entries) => rows.extend(entries.iter().filter_map(|(k, v)| Some((k.text.clone(), v.text()?)))),
            Err(e) => scope.errors.push(e),
        }
        scope.codes.insert(key.text.clone(), codes.len());
        codes.push(Codes { name: key.text.clone(), rows });
    }
    let mut concerns = Vec::new();
    for table in scope.built_in {
        scope.concerns.insert(table.name.clone(), concerns.len());
        concerns.push(Arc::clone(table));
    }
    for (key, node) in root.get("concerns").map_or(Ok(&[][..]), Node::entries).unwrap_or_default() {
        node.only(&["system", "unmapped", "rows"], &mut scope.errors);
        let system = node.get("system").and_then(Node::text).unwrap_or_else(|| {
            scope.errors.push(node.error("`system`, the URI of the source's codes, is missing"));
            String::new()
        });
        let policy = node.get("unmapped").map_or(Unmapped::Refuse, |n| unmapped(n, scope));
        let mut rows = HashMap::new();
        for (code, row) in node.get("rows").map_or(Ok(&[][..]), Node::entries).unwrap_or_default() {
            rows.insert(code.text.clone(), meaning(row, scope));
        }
        for (code, row) in node.get("rows").map_or(Ok(&[][..]), Node::entries).unwrap_or_default() {
            if let Some(ended) = row.get("ends")
                && !ended.text().is_some_and(|e| rows.contains_key(&e))
            {
                scope
                    .errors
                    .push(ended.error(format!("`{}` ends a code that the table does not have", code.text)));
            }
        }
        scope.concerns.insert(key.text.clone(), concerns.len());
        concerns.push(Arc::new(Concerns { name: key.text.clone(), system, unmapped: policy, rows }));
    }
    (codes, concerns)
}

fn meaning(row: &Node, scope: &mut Scope<'_>) -> Meaning {
    row.only(&ROW, &mut scope.errors);
    let text = |key: &str| row.get(key).and_then(Node::text);
    let list = |key: &str| {
        row.get(key).map(Node::items).unwrap_or_default().iter().filter_map(|n| n.text()).collect()
    };
    let display = text("display").unwrap_or_default();
    let mut codings: Vec<Coding> = Vec::new();
    for node in row.get("snomed").map(Node::items).unwrap_or_default() {
        let code = node.text().unwrap_or_default();
        if !super::verhoeff::is_sctid(&code) {
            scope.errors.push(
                node.error(format!("`{code}` is not a SNOMED CT identifier (its check digit is wrong)")),
            );
        }
        let known =
            scope.built_in.iter().filter(|t| t.system == systems::SNOMED).find_map(|t| t.rows.get(&code));
        let display = known.map_or_else(String::new, |m| m.display.clone());
        codings.push(Coding { system: systems::SNOMED.into(), code, display });
    }
    for node in row.get("codings").map(Node::items).unwrap_or_default() {
        let part = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default();
        codings.push(Coding { system: part("system"), code: part("code"), display: part("display") });
    }
    let categories: Vec<String> = list("category");
    if categories.is_empty() && row.get("ends").is_none() {
        scope.errors.push(row.error("a row needs a `category`, or `ends` for a removal code"));
    }
    check(Vocabulary::ConcernCategory, row.get("category"), scope);
    check(Vocabulary::ActionExpected, row.get("action"), scope);
    check(Vocabulary::SharingTier, row.get("tier"), scope);
    check(Vocabulary::RedFlagIndicator, row.get("indicators"), scope);
    Meaning {
        categories,
        display,
        codings,
        action: text("action"),
        indicators: list("indicators"),
        tier: text("tier"),
        labels: list("labels"),
        ends: text("ends"),
    }
}

/// Refuses a code that the gateway's own code system does not have.
fn check(vocabulary: Vocabulary, node: Option<&Node>, scope: &mut Scope<'_>) {
    let codes = vocabulary.codes();
    for item in node.map(Node::items).unwrap_or_default() {
        let code = item.text().unwrap_or_default();
        if !codes.contains(&code) {
            let nearest =
                codes.iter().min_by_key(|c| strsim::damerau_levenshtein(c, &code)).map_or("", String::as_str);
            let system = vocabulary.name();
            scope.errors.push(
                item.error(format!("`{code}` is not a code of `{system}`; the nearest is `{nearest}`")),
            );
        }
    }
}
