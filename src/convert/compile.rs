//! From a mapping file's text to a [`Mapping`].

use super::compile_rule::{condition, paths, shape};
use super::compile_table::tables;
use super::dates::Zone;
use super::ledger::Reason;
use super::mistake::{MappingError, entries, mistake, only, section};
use super::model::{Began, Block, Concern, Drop, Format, Mapping, Shape, Unmapped};
use super::path::Path;
use super::path_syntax::{Declared, parse};
use super::schema;
use super::table::Concerns;
use crate::document::{Node, Place};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What every part of a file is compiled with.
pub(super) struct Scope<'s> {
    pub(super) format: Format,
    pub(super) declared: Declared,
    pub(super) codes: HashMap<String, usize>,
    pub(super) concerns: HashMap<String, usize>,
    pub(super) blocks: Vec<String>,
    pub(super) built_in: &'s [Arc<Concerns>],
    pub(super) errors: Vec<MappingError>,
}

const KEYS: [&str; 19] = [
    "mapping",
    "version",
    "title",
    "format",
    "sources",
    "zone",
    "accepts",
    "ignores",
    "message",
    "records",
    "segments",
    "namespaces",
    "authorities",
    "codes",
    "concerns",
    "produce",
    "drop",
    "critical",
    "schema",
];

/// Compiles a mapping file; `built_in` are the tables of concerns that it may name. Every mistake is reported.
pub fn compile(text: &str, built_in: &[Arc<Concerns>]) -> Result<Mapping, Vec<MappingError>> {
    let root = Node::from_yaml(text).map_err(|e| vec![MappingError::from(e)])?;
    let mut known = KEYS.to_vec();
    known.push("otherwise");
    let mut errors = Vec::new();
    only(&root, &known, &mut errors);
    let Some(format) = root.get("format").and_then(Node::text).and_then(|f| Format::named(&f)) else {
        let names: Vec<_> = Format::ALL.iter().map(|(n, _)| *n).collect();
        let at = root.get("format").unwrap_or(&root);
        errors.push(mistake(at, format!("`format` must be one of {}", names.join(", "))));
        return Err(errors);
    };
    let mut scope = Scope {
        format,
        declared: declared(&root, &mut errors),
        codes: HashMap::new(),
        concerns: HashMap::new(),
        blocks: Vec::new(),
        built_in,
        errors,
    };
    let mapping = mapping(&root, &mut scope);
    if scope.errors.is_empty() { Ok(mapping) } else { Err(scope.errors) }
}

fn mapping(root: &Node, scope: &mut Scope<'_>) -> Mapping {
    let mut required = |key: &str| {
        let text = root.get(key).and_then(Node::text);
        if text.is_none() {
            scope.errors.push(mistake(root, format!("`{key}` is missing")));
        }
        text.unwrap_or_default()
    };
    let (id, version) = (required("mapping"), required("version"));
    let zone = match root.get("zone") {
        Some(node) => node.text().and_then(|z| Zone::named(&z)).unwrap_or_else(|| {
            scope.errors.push(mistake(node, "the time zone is not known"));
            Zone::default()
        }),
        None => Zone::default(),
    };
    let (codes, concerns) = tables(root, scope);
    if let Some(produce) = root.get("produce") {
        scope.blocks = produce.entries().unwrap_or_default().iter().map(|entry| entry.name.clone()).collect();
    }
    let message = root.get("message");
    let reason = |node: Option<&Node>, scope: &mut Scope<'_>| match node {
        Some(node) => node.text().and_then(|r| Reason::named(&r)).unwrap_or_else(|| {
            let all: Vec<_> = Reason::ALL.iter().map(|r| r.code()).collect();
            scope.errors.push(mistake(node, format!("a reason is one of {}", all.join(", "))));
            Reason::OutOfScope
        }),
        None => Reason::OutOfScope,
    };
    let mut drops = Vec::new();
    for entry in root.get("drop").map(Node::items).unwrap_or_default() {
        only(entry, &["at", "reason", "when", "why"], &mut scope.errors);
        drops.push(Drop {
            paths: paths(entry.get("at"), None, scope),
            reason: reason(entry.get("reason"), scope),
            when: entry.get("when").and_then(|w| condition(w, None, scope)),
        });
    }
    let conditions = |key: &str, scope: &mut Scope<'_>| {
        root.get(key)
            .map(Node::items)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|n| condition(n, None, scope))
            .collect()
    };
    let blocks = blocks(root, scope);
    Mapping {
        accepts: conditions("accepts", scope),
        ignores: conditions("ignores", scope),
        message_id: paths(message.and_then(|m| m.get("id")), None, scope),
        message_sent: paths(message.and_then(|m| m.get("sent")), None, scope),
        records: paths(root.get("records"), None, scope).into_iter().next(),
        otherwise: reason(root.get("otherwise"), scope),
        critical: paths(root.get("critical"), None, scope),
        schema: root.get("schema").and_then(|n| schema::named(n, scope)),
        authorities: strings(root.get("authorities"), scope),
        known: scope.declared.fields.keys().cloned().collect(),
        sources: root
            .get("sources")
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|n| n.text())
            .collect(),
        title: root.get("title").and_then(Node::text).unwrap_or_default(),
        id,
        version,
        format: scope.format,
        zone,
        blocks,
        drops,
        codes,
        concerns,
    }
}

fn strings(node: Option<&Node>, scope: &mut Scope<'_>) -> BTreeMap<String, String> {
    section(node, &mut scope.errors)
        .iter()
        .filter_map(|entry| Some((entry.name.clone(), entry.value.text()?)))
        .collect()
}

fn declared(root: &Node, errors: &mut Vec<MappingError>) -> Declared {
    let mut declared = Declared::default();
    for segment in section(root.get("segments"), errors) {
        let mut names = HashMap::new();
        for field in section(Some(&segment.value), errors) {
            match (field.name.parse::<u32>(), field.value.text()) {
                (Ok(n), Some(name)) if n > 0 => {
                    names.insert(name, n);
                }
                _ => errors.push(mistake(&field.value, "fields are declared as `number: name`")),
            }
        }
        declared.fields.insert(segment.name.clone(), names);
    }
    for entry in section(root.get("namespaces"), errors) {
        declared.namespaces.insert(entry.name.clone(), entry.value.text().unwrap_or_default());
    }
    declared
}

fn blocks(root: &Node, scope: &mut Scope<'_>) -> Vec<Block> {
    let Some(produce) = root.get("produce") else {
        // FHIR resources are their own mapping.
        if scope.format != Format::Fhir {
            scope.errors.push(mistake(root, "`produce` is missing"));
        }
        return Vec::new();
    };
    let entries = match entries(produce) {
        Ok(entries) => entries,
        Err(e) => {
            scope.errors.push(e);
            return Vec::new();
        }
    };
    entries.iter().map(|entry| block(&entry.name, &entry.value, scope)).collect()
}

fn block(name: &str, node: &Node, scope: &mut Scope<'_>) -> Block {
    let known = [
        "type",
        "fact",
        "each",
        "when",
        "identity",
        "concern",
        "ends",
        "error",
        "replaced",
        "sensitive",
        "began-as",
        "set",
    ];
    only(node, &known, &mut scope.errors);
    let resource_type = node.get("type").and_then(Node::text).unwrap_or_else(|| {
        scope.errors.push(mistake(node, "`type`, the resource to make, is missing"));
        String::new()
    });
    let each = node.get("each").and_then(|n| path(n, None, scope));
    let segment = each.as_ref().and_then(|p| p.text.trim_start_matches('>').get(..3)).map(str::to_owned);
    let segment = segment.as_deref();
    let identity = match node.get("identity") {
        Some(list) => list
            .items()
            .into_iter()
            .filter_map(|n| super::compile_rule::rule(n, "identifier", segment, scope))
            .collect(),
        None => Vec::new(),
    };
    let concern = node.get("concern").map(|n| concern(n, segment, scope));
    if resource_type == "Flag" && concern.is_none() {
        scope.errors.push(mistake(
            node,
            "a Flag needs `concern`: where the alert's code stands and which table knows it",
        ));
    }
    let fact = match node.get("fact").and_then(Node::text).as_deref() {
        Some("true") => true,
        Some(_) => false,
        None => matches!(resource_type.as_str(), "Flag" | "Consent" | "Observation"),
    };
    Block {
        name: name.to_owned(),
        fact,
        when: node.get("when").and_then(|n| condition(n, segment, scope)),
        ends: node.get("ends").and_then(|n| condition(n, segment, scope)),
        error: node.get("error").and_then(|n| condition(n, segment, scope)),
        replaced: node.get("replaced").and_then(Node::text).as_deref() == Some("true"),
        sensitive: node.get("sensitive").and_then(|n| condition(n, segment, scope)),
        began_as: node.get("began-as").map(|n| began(n, segment, scope)),
        shape: node.get("set").map_or(Shape::Object(Vec::new()), |n| shape(n, "", segment, scope)),
        resource_type,
        each,
        identity,
        concern,
    }
}

fn began(node: &Node, segment: Option<&str>, scope: &mut Scope<'_>) -> Began {
    only(node, &["mother", "fact", "code", "table"], &mut scope.errors);
    let table = node.get("table").and_then(Node::text).unwrap_or_default();
    let code = node.get("code").and_then(Node::text).and_then(|code| {
        let index = scope.concerns.get(&table).copied();
        if index.is_none() {
            scope.errors.push(mistake(node, format!("there is no table of concerns named `{table}`")));
        }
        Some((index?, code))
    });
    if code.is_none() && node.get("fact").is_none() {
        scope.errors.push(mistake(
            node,
            "`began-as` has `fact`, the identity of the alert, or its `code` with its `table`",
        ));
    }
    Began {
        mother: paths(node.get("mother"), segment, scope),
        fact: paths(node.get("fact"), segment, scope),
        code,
    }
}

fn concern(node: &Node, segment: Option<&str>, scope: &mut Scope<'_>) -> Concern {
    only(node, &["code", "value", "display", "tables", "unmapped"], &mut scope.errors);
    let constant = node.get("value").and_then(Node::text);
    if constant.is_some() == node.get("code").is_some() {
        scope
            .errors
            .push(mistake(node, "a concern has `code`, where its code stands, or `value`, the code itself"));
    }
    let mut tables = Vec::new();
    for table in node.get("tables").map(Node::items).unwrap_or_default() {
        let name = table.text().unwrap_or_default();
        match scope.concerns.get(&name) {
            Some(index) => tables.push(*index),
            None => {
                scope.errors.push(mistake(table, format!("there is no table of concerns named `{name}`")))
            }
        }
    }
    if tables.is_empty() {
        scope.errors.push(mistake(node, "`tables` must name at least one table of concerns"));
    }
    Concern {
        code: paths(node.get("code"), segment, scope),
        constant,
        display: paths(node.get("display"), segment, scope),
        tables,
        unmapped: node.get("unmapped").map_or(Unmapped::Refuse, |n| unmapped(n, scope)),
    }
}

/// Reads an `unmapped` policy: `refuse`, `keep`, `skip`, or `{default: CODE}`.
pub(super) fn unmapped(node: &Node, scope: &mut Scope<'_>) -> Unmapped {
    if let Some(code) = node.get("default").and_then(Node::text) {
        return Unmapped::Default(code);
    }
    match node.text().as_deref() {
        Some("refuse") => Unmapped::Refuse,
        Some("keep") => Unmapped::Keep,
        Some("skip") => Unmapped::Skip,
        _ => {
            scope.errors.push(mistake(node, "`unmapped` is `refuse`, `keep`, `skip` or `{default: CODE}`"));
            Unmapped::Refuse
        }
    }
}

/// Compiles one path of the file's format.
pub(super) fn path(node: &Node, segment: Option<&str>, scope: &mut Scope<'_>) -> Option<Path> {
    let text = node.text().unwrap_or_default();
    match parse(&text, scope.format.notation(), &scope.declared, segment) {
        Ok(path) => Some(path),
        Err(e) => {
            let shift = u32::try_from(e.at).unwrap_or(0);
            scope.errors.push(MappingError {
                place: Place { column: node.place.column.saturating_add(shift), ..node.place },
                reason: format!("path `{text}`: {}", e.reason),
            });
            None
        }
    }
}
