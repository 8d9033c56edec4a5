//! The tables of a mapping file, compiled.

use super::compile::{Scope, unmapped};
use super::mistake::{entries, mistake, only, section};
use super::model::Unmapped;
use super::table::{Codes, Coding, Concerns, Meaning};
use super::vocabulary::Vocabulary;
use crate::document::{Entry, Node};
use crate::fhir::systems;
use std::collections::HashMap;
use std::sync::Arc;

const ROW: [&str; 9] =
    ["category", "snomed", "codings", "display", "action", "indicators", "tier", "labels", "ends"];

/// Compiles `codes` and `concerns`, and notes their names in the scope.
pub(super) fn tables(root: &Node, scope: &mut Scope<'_>) -> (Vec<Codes>, Vec<Arc<Concerns>>) {
    let mut codes = Vec::new();
    for Entry { name, value: node, .. } in section(root.get("codes"), &mut scope.errors) {
        let mut rows = HashMap::new();
        match entries(node) {
            Ok(entries) => rows
                .extend(entries.iter().filter_map(|entry| Some((entry.name.clone(), entry.value.text()?)))),
            Err(e) => scope.errors.push(e),
        }
        scope.codes.insert(name.clone(), codes.len());
        codes.push(Codes { name: name.clone(), rows });
    }
    let mut concerns = Vec::new();
    for table in scope.built_in {
        scope.concerns.insert(table.name.clone(), concerns.len());
        concerns.push(Arc::clone(table));
    }
    for Entry { name, value: node, .. } in section(root.get("concerns"), &mut scope.errors) {
        only(node, &["system", "unmapped", "rows"], &mut scope.errors);
        let system = node.get("system").and_then(Node::text).unwrap_or_else(|| {
            scope.errors.push(mistake(node, "`system`, the URI of the source's codes, is missing"));
            String::new()
        });
        let policy = node.get("unmapped").map_or(Unmapped::Refuse, |n| unmapped(n, scope));
        let mut rows = HashMap::new();
        for Entry { name: code, value: row, .. } in section(node.get("rows"), &mut scope.errors) {
            rows.insert(code.clone(), meaning(row, scope));
        }
        for Entry { name: code, value: row, .. } in section(node.get("rows"), &mut scope.errors) {
            if let Some(ended) = row.get("ends")
                && !ended.text().is_some_and(|e| rows.contains_key(&e))
            {
                scope
                    .errors
                    .push(mistake(ended, format!("`{code}` ends a code that the table does not have")));
            }
        }
        scope.concerns.insert(name.clone(), concerns.len());
        concerns.push(Arc::new(Concerns { name: name.clone(), system, unmapped: policy, rows }));
    }
    (codes, concerns)
}

fn meaning(row: &Node, scope: &mut Scope<'_>) -> Meaning {
    only(row, &ROW, &mut scope.errors);
    let text = |key: &str| row.get(key).and_then(Node::text);
    let list = |key: &str| {
        row.get(key).map(Node::items).unwrap_or_default().iter().filter_map(|n| n.text()).collect()
    };
    let display = text("display").unwrap_or_default();
    let mut codings: Vec<Coding> = Vec::new();
    for node in row.get("snomed").map(Node::items).unwrap_or_default() {
        let code = node.text().unwrap_or_default();
        if !super::verhoeff::is_sctid(&code) {
            scope.errors.push(mistake(
                node,
                format!("`{code}` is not a SNOMED CT identifier (its check digit is wrong)"),
            ));
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
        scope.errors.push(mistake(row, "a row needs a `category`, or `ends` for a removal code"));
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
            scope.errors.push(mistake(
                item,
                format!("`{code}` is not a code of `{system}`; the nearest is `{nearest}`"),
            ));
        }
    }
}
