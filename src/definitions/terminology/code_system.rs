//! One CodeSystem, by code.

use crate::definitions::library::Artefact;
use crate::definitions::read::{list, text};
use crate::definitions::{Set, Table};
use serde_json::Value;
use std::collections::HashSet;

/// How much of a code system its definition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// All its concepts.
    Complete,
    /// Some; others exist.
    Fragment,
    /// A few, to show what they look like.
    Example,
    /// None.
    NotPresent,
    /// Only additions to the concepts of another.
    Supplement,
}

/// A further name of a concept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Designation {
    /// The language of the name.
    pub language: Option<String>,
    /// The name.
    pub value: String,
}

/// One concept.
#[derive(Clone, Debug)]
pub struct Concept {
    /// The code as the system writes it.
    pub code: String,
    /// The preferred name.
    pub display: Option<String>,
    /// Further names.
    pub designations: Vec<Designation>,
    /// The properties: code and value.
    pub properties: Vec<(String, Value)>,
    /// Whether it only groups others and must not be chosen.
    pub is_abstract: bool,
    /// Whether it should no longer be used.
    pub is_inactive: bool,
    /// The value of the property `status`, such as `retired` or `deprecated`.
    pub status: Option<String>,
    pub(super) parents: Vec<u32>,
    pub(super) children: Vec<u32>,
}

/// One CodeSystem.
#[derive(Debug)]
pub struct CodeSystem {
    /// The canonical.
    pub url: String,
    /// The version.
    pub version: Option<String>,
    /// How much of it is known.
    pub content: Content,
    /// Whether codes that differ only by case are different; nothing when the definition does not say.
    pub case_sensitive: Option<bool>,
    /// The properties that the definition declares: code and type.
    pub properties: Vec<(String, String)>,
    concepts: Vec<Concept>,
    by_code: Table<Box<str>, u32>,
    folded: Table<String, u32>,
}

impl CodeSystem {
    pub(super) fn of(artefact: &Artefact) -> CodeSystem {
        let body = &artefact.body;
        let content = match text(body, "content").as_deref() {
            // What supplements another system is no system of its own, whatever it says.
            _ if body.get("supplements").is_some() => Content::Supplement,
            Some("complete") => Content::Complete,
            Some("fragment") => Content::Fragment,
            Some("example") => Content::Example,
            Some("supplement") => Content::Supplement,
            _ => Content::NotPresent,
        };
        let declared =
            list(body, "property").iter().filter_map(|one| Some((text(one, "code")?, text(one, "type")?)));
        let mut system = CodeSystem {
            url: artefact.url.clone(),
            version: artefact.version.clone(),
            content,
            case_sensitive: body.get("caseSensitive").and_then(Value::as_bool),
            properties: declared.collect(),
            concepts: Vec::new(),
            by_code: Table::default(),
            folded: Table::default(),
        };
        system.add(list(body, "concept"), None, 0);
        system.link();
        if system.case_sensitive == Some(false) {
            let folded =
                system.concepts.iter().zip(0u32..).map(|(concept, i)| (concept.code.to_lowercase(), i));
            system.folded = folded.collect();
        }
        system
    }

    fn add(&mut self, concepts: &[Value], parent: Option<u32>, depth: usize) {
        if depth > 64 {
            return;
        }
        for value in concepts {
            let Some(code) = text(value, "code") else { continue };
            let at = u32::try_from(self.concepts.len()).unwrap_or(u32::MAX);
            self.by_code.entry(code.clone().into_boxed_str()).or_insert(at);
            self.concepts.push(concept(value, code, parent));
            if let Some(parent) = parent.and_then(|parent| self.concepts.get_mut(parent as usize)) {
                parent.children.push(at);
            }
            self.add(list(value, "concept"), Some(at), depth + 1);
        }
    }

    /// Follows the hierarchy that properties state beside the nesting: `parent`, `subsumedBy`, `child`.
    fn link(&mut self) {
        let mut links = Vec::new();
        for (concept, at) in self.concepts.iter().zip(0u32..) {
            for (name, value) in &concept.properties {
                let Some(other) = value.as_str().and_then(|code| self.by_code.get(code)).copied() else {
                    continue;
                };
                match name.as_str() {
                    "parent" | "subsumedBy" => links.push((other, at)),
                    "child" => links.push((at, other)),
                    _ => {}
                }
            }
        }
        for (parent, child) in links {
            if let Some(concept) = self.concepts.get_mut(child as usize)
                && !concept.parents.contains(&parent)
            {
                concept.parents.push(parent);
                if let Some(concept) = self.concepts.get_mut(parent as usize) {
                    concept.children.push(child);
                }
            }
        }
    }

    /// Merges the displays, designations and properties of a supplement into the concepts.
    pub(super) fn supplement(&mut self, body: &Value) {
        let language = text(body, "language");
        let mut open: Vec<&Value> = list(body, "concept").iter().collect();
        while let Some(value) = open.pop() {
            open.extend(list(value, "concept"));
            let Some(at) = text(value, "code").and_then(|code| self.by_code.get(code.as_str()).copied())
            else {
                continue;
            };
            let Some(known) = self.concepts.get_mut(at as usize) else { continue };
            let extra = concept(value, String::new(), None);
            known.designations.extend(extra.designations);
            known.properties.extend(extra.properties);
            if let Some(value) = extra.display {
                known.designations.push(Designation { language: language.clone(), value });
            }
        }
    }

    /// The concept of a code, by case only when the system says that case matters or does not say.
    pub fn lookup(&self, code: &str) -> Option<&Concept> {
        self.position(code).and_then(|at| self.concepts.get(at as usize))
    }

    #[inline]
    pub(super) fn position(&self, code: &str) -> Option<u32> {
        match self.by_code.get(code) {
            Some(at) => Some(*at),
            None if self.folded.is_empty() => None,
            None => self.folded.get(&code.to_lowercase()).copied(),
        }
    }

    /// All concepts, a parent always before its children.
    pub fn concepts(&self) -> &[Concept] {
        &self.concepts
    }

    /// The concept and all below it.
    pub(super) fn descendants(&self, code: &str) -> Option<Set<u32>> {
        let start = self.position(code)?;
        let mut known = Set::from_iter([start]);
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for child in self.concepts.get(at as usize).into_iter().flat_map(|concept| &concept.children) {
                if known.insert(*child) {
                    open.push(*child);
                }
            }
        }
        Some(known)
    }

    /// Whether `code` is `ancestor` or below it; nothing when one of them is not known.
    pub fn subsumes(&self, ancestor: &str, code: &str) -> Option<bool> {
        let at = self.position(code)?;
        Some(self.descendants(ancestor)?.contains(&at))
    }

    /// Codes that stand more than once in the definition.
    pub fn repeated_codes(&self) -> Vec<&str> {
        let mut known = HashSet::new();
        self.concepts
            .iter()
            .map(|concept| concept.code.as_str())
            .filter(|code| !known.insert(*code))
            .collect()
    }
}

fn concept(value: &Value, code: String, parent: Option<u32>) -> Concept {
    let properties: Vec<(String, Value)> = list(value, "property")
        .iter()
        .filter_map(|property| {
            let held = property.as_object()?.iter().find(|(name, _)| name.starts_with("value"))?.1;
            let held = match held {
                Value::Object(coding) => coding.get("code").unwrap_or(held),
                other => other,
            };
            Some((text(property, "code")?, held.clone()))
        })
        .collect();
    let is_true = |names: &[&str]| {
        properties.iter().any(|(name, value)| {
            names.contains(&name.as_str()) && (*value == Value::Bool(true) || value.as_str() == Some("true"))
        })
    };
    let status = properties.iter().find(|(name, _)| name == "status").and_then(|(_, value)| value.as_str());
    let status = status.map(str::to_owned);
    let designations = list(value, "designation")
        .iter()
        .filter_map(|one| Some(Designation { language: text(one, "language"), value: text(one, "value")? }));
    Concept {
        code,
        display: text(value, "display"),
        designations: designations.collect(),
        is_abstract: is_true(&["notSelectable", "not-selectable", "abstract"]),
        is_inactive: is_true(&["inactive"]) || matches!(status.as_deref(), Some("retired" | "inactive")),
        status,
        properties,
        parents: parent.into_iter().collect(),
        children: Vec::new(),
    }
}
