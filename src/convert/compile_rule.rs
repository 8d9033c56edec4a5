//! The rules of a mapping file, compiled: element paths to nested shapes, and what each element gets.

use super::compile::{Scope, path, unmapped};
use super::mistake::{MappingError, entries, mistake, only};
use super::model::{Becomes, Condition, From, Part, Rule, Shape, Unmapped};
use super::path::{Path, Wanted};
use crate::document::{Kind, Node};
use crate::fhir::systems;
use serde_json::Value;

const RULE: [&str; 16] = [
    "from",
    "all",
    "value",
    "text",
    "join",
    "each",
    "set",
    "reference",
    "as",
    "codes",
    "unmapped",
    "default",
    "when",
    "critical",
    "carried",
    "why",
];

/// Compiles one path or several.
pub(super) fn paths(node: Option<&Node>, segment: Option<&str>, scope: &mut Scope<'_>) -> Vec<Path> {
    node.map(Node::items).unwrap_or_default().into_iter().filter_map(|n| path(n, segment, scope)).collect()
}

/// Compiles a condition: `{path: P, in: [..]}`, `{exists: P}`, `{not: C}`, `{all: [C]}`, `{any: [C]}`.
pub(super) fn condition(node: &Node, segment: Option<&str>, scope: &mut Scope<'_>) -> Option<Condition> {
    only(node, &["path", "in", "exists", "not", "all", "any"], &mut scope.errors);
    let several = |node: &Node, scope: &mut Scope<'_>| -> Vec<Condition> {
        node.items().into_iter().filter_map(|n| condition(n, segment, scope)).collect()
    };
    if let Some(at) = node.get("path") {
        let wanted: Vec<Wanted> = node
            .get("in")
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|n| n.text())
            .map(wanted)
            .collect();
        if wanted.is_empty() {
            scope.errors.push(mistake(node, "`in`, the values that fulfil the condition, is missing"));
        }
        return path(at, segment, scope).map(|p| Condition::Holds(p, wanted));
    }
    if let Some(at) = node.get("exists") {
        return path(at, segment, scope).map(Condition::Exists);
    }
    if let Some(inner) = node.get("not") {
        return condition(inner, segment, scope).map(|c| Condition::Not(Box::new(c)));
    }
    if let Some(list) = node.get("all") {
        return Some(Condition::All(several(list, scope)));
    }
    if let Some(list) = node.get("any") {
        return Some(Condition::Any(several(list, scope)));
    }
    scope.errors.push(mistake(node, "a condition has `path` and `in`, or `exists`, `not`, `all` or `any`"));
    None
}

fn wanted(text: String) -> Wanted {
    match text.strip_suffix('*') {
        Some(start) => Wanted { text: start.into(), prefix: true },
        None => Wanted { text: text.into(), prefix: false },
    }
}

/// Compiles `set`: element paths (`code.coding[0].system`, `extension(action-expected).valueCoding.code`) and rules.
pub(super) fn shape(node: &Node, base: &str, segment: Option<&str>, scope: &mut Scope<'_>) -> Shape {
    let mut root = Shape::Object(Vec::new());
    let entries = match entries(node) {
        Ok(entries) => entries,
        Err(e) => {
            scope.errors.push(e);
            return root;
        }
    };
    for entry in entries {
        let (name, value) = (&entry.name, &entry.value);
        let element = if base.is_empty() { name.clone() } else { format!("{base}.{name}") };
        let leaf = match &value.kind {
            Kind::List(items) => Shape::List(
                items.iter().filter_map(|i| rule(i, &element, segment, scope)).map(boxed).collect(),
            ),
            _ => match rule(value, &element, segment, scope) {
                Some(rule) => boxed(rule),
                None => continue,
            },
        };
        match steps(name) {
            Some(steps) => insert(&mut root, &steps, leaf),
            None => scope.errors.push(MappingError {
                place: entry.place,
                reason: format!("`{name}` is not an element path"),
            }),
        }
    }
    root
}

fn boxed(rule: Rule) -> Shape {
    Shape::Rule(Box::new(rule))
}

enum Step {
    Key(String),
    Item(usize),
    Extension(String),
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['.', '[', '(']).unwrap_or(rest.len());
        let name = rest.get(..end)?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return None;
        }
        rest = rest.get(end..)?;
        steps.push(Step::Key(name.to_owned()));
        if let Some(tail) = rest.strip_prefix('(') {
            let (url, tail) = tail.split_once(')')?;
            let own = if url.contains(':') {
                url.to_owned()
            } else {
                systems::canonical(&format!("StructureDefinition/{url}"))
            };
            steps.push(Step::Extension(own));
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('[') {
            let (index, tail) = tail.split_once(']')?;
            steps.push(Step::Item(index.parse().ok().filter(|i| *i < 32)?));
            rest = tail;
        }
        if let Some(tail) = rest.strip_prefix('.') {
            rest = tail;
            if tail.is_empty() {
                return None;
            }
        } else if !rest.is_empty() {
            return None;
        }
    }
    (!steps.is_empty()).then_some(steps)
}

fn insert(at: &mut Shape, steps: &[Step], leaf: Shape) {
    let Some((step, rest)) = steps.split_first() else {
        match (at, leaf) {
            (Shape::List(items), Shape::List(more)) => items.extend(more),
            (at, leaf) => *at = leaf,
        }
        return;
    };
    match step {
        Step::Key(name) => {
            if let Shape::Object(members) = at {
                let found = members.iter().position(|(n, _)| n == name);
                let index = found.unwrap_or_else(|| {
                    let fresh = match rest.first() {
                        Some(Step::Item(_) | Step::Extension(_)) => Shape::List(Vec::new()),
                        _ => Shape::Object(Vec::new()),
                    };
                    members.push((name.clone(), fresh));
                    members.len() - 1
                });
                if let Some((_, next)) = members.get_mut(index) {
                    insert(next, rest, leaf);
                }
            }
        }
        Step::Item(index) => {
            if let Shape::List(items) = at {
                while items.len() <= *index {
                    items.push(Shape::Object(Vec::new()));
                }
                if let Some(next) = items.get_mut(*index) {
                    insert(next, rest, leaf);
                }
            }
        }
        Step::Extension(url) => {
            if let Shape::List(items) = at {
                let same = |s: &Shape| matches!(s, Shape::Object(m) if m.first().is_some_and(|(_, u)| constant_is(u, url)));
                let index = items.iter().position(same).unwrap_or_else(|| {
                    let constant = Rule {
                        element: "extension.url".into(),
                        line: 0,
                        from: From::Constant(Value::String(url.clone())),
                        becomes: Becomes::Text,
                        codes: None,
                        default: None,
                        when: None,
                        critical: false,
                        carried: false,
                    };
                    items.push(Shape::Object(vec![("url".into(), boxed(constant))]));
                    items.len() - 1
                });
                if let Some(next) = items.get_mut(index) {
                    insert(next, rest, leaf);
                }
            }
        }
    }
}

fn constant_is(shape: &Shape, url: &str) -> bool {
    matches!(shape, Shape::Rule(r) if matches!(&r.from, From::Constant(Value::String(u)) if u == url))
}

/// Compiles one rule; a lone text is a path.
pub(super) fn rule(node: &Node, element: &str, segment: Option<&str>, scope: &mut Scope<'_>) -> Option<Rule> {
    let plain = |from: From| Rule {
        element: element.into(),
        line: node.place.line,
        from,
        becomes: Becomes::Text,
        codes: None,
        default: None,
        when: None,
        critical: false,
        carried: false,
    };
    if !matches!(node.kind, Kind::Null | Kind::List(_) | Kind::Table(_)) {
        return path(node, segment, scope).map(|p| plain(From::First(vec![p])));
    }
    only(node, &RULE, &mut scope.errors);
    let sources: Vec<&str> = ["from", "all", "value", "text", "each", "reference"]
        .into_iter()
        .filter(|k| node.get(k).is_some())
        .collect();
    if sources.len() != 1 {
        scope.errors.push(mistake(
            node,
            "a rule has exactly one of `from`, `all`, `value`, `text`, `each`, `reference`",
        ));
        return None;
    }
    let from = match sources.first().copied() {
        Some("from") => From::First(paths(node.get("from"), segment, scope)),
        Some("all") => From::All(paths(node.get("all"), segment, scope)),
        Some("value") => From::Constant(constant(node.get("value")?)),
        Some("text") => {
            let join = node.get("join").and_then(Node::text).unwrap_or_else(|| " ".into());
            From::Text(parts(node.get("text")?, segment, scope), join)
        }
        Some("each") => {
            let each = path(node.get("each")?, segment, scope)?;
            let Some(set) = node.get("set") else {
                scope.errors.push(mistake(node, "`each` needs `set`"));
                return None;
            };
            let inner = each
                .text
                .get(..3)
                .filter(|t| {
                    scope.format == super::Format::Hl7v2
                        && t.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                })
                .map(str::to_owned);
            From::Each(each, shape(set, element, inner.as_deref().or(segment), scope))
        }
        _ => {
            let mut names = Vec::new();
            for target in node.get("reference")?.items() {
                let name = target.text().unwrap_or_default();
                if name != "sender" && !scope.blocks.contains(&name) {
                    scope.errors.push(mistake(target, format!("nothing named `{name}` is produced")));
                }
                names.push(name);
            }
            From::Reference(names)
        }
    };
    let becomes = match node.get("as") {
        Some(kind) => {
            let found = kind.text().and_then(|k| Becomes::ALL.iter().find(|(n, _)| *n == k).map(|(_, b)| *b));
            found.unwrap_or_else(|| {
                let all: Vec<_> = Becomes::ALL.iter().map(|(n, _)| *n).collect();
                scope.errors.push(mistake(kind, format!("`as` is one of {}", all.join(", "))));
                Becomes::Text
            })
        }
        None => Becomes::Text,
    };
    let codes = node.get("codes").and_then(|table| {
        let name = table.text().unwrap_or_default();
        let policy = node.get("unmapped").map_or(Unmapped::Skip, |n| unmapped(n, scope));
        let index = scope.codes.get(&name).copied();
        if index.is_none() {
            scope.errors.push(mistake(table, format!("there is no table of codes named `{name}`")));
        }
        index.map(|i| (i, policy))
    });
    let flag = |key: &str| node.get(key).and_then(Node::text).as_deref() == Some("true");
    Some(Rule {
        becomes,
        codes,
        default: node.get("default").map(constant),
        when: node.get("when").and_then(|n| condition(n, segment, scope)),
        critical: flag("critical"),
        carried: flag("carried"),
        ..plain(from)
    })
}

/// A constant; `canonical:PATH` is a name of the gateway's own, under its canonical base.
fn constant(node: &Node) -> Value {
    match node.to_json() {
        Value::String(text) => match text.strip_prefix("canonical:") {
            Some(path) => Value::String(systems::canonical(path)),
            None => Value::String(text),
        },
        other => other,
    }
}

fn parts(node: &Node, segment: Option<&str>, scope: &mut Scope<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    for item in node.items() {
        if let Some(say) = item.get("say").and_then(Node::text) {
            parts.push(Part::Say(say));
        } else if let Some(p) = path(item, segment, scope) {
            parts.push(Part::Values(p));
        }
    }
    parts
}
