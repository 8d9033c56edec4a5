//! Code tables: plain ones (a code for a code) and those of concerns (what an alert's code means).
//!
//! A table of concerns is written in a mapping file, or is a FHIR ConceptMap of `profiles/conceptmaps/`, whose groups
//! say by their target system what they give: concern category, SNOMED CT code, action expected, red-flag indicator,
//! sharing tier, sensitivity label, and for a removal code the code that it ends.

use super::model::Unmapped;
use crate::fhir::systems;
use serde_json::Value;
use std::collections::HashMap;

/// A plain table.
#[derive(Clone, Debug, Default)]
pub struct Codes {
    /// Its name in the mapping file.
    pub name: String,
    /// The code that stands for each code of the source.
    pub rows: HashMap<String, String>,
}

/// A table of concerns.
#[derive(Clone, Debug)]
pub struct Concerns {
    /// Its name.
    pub name: String,
    /// The system of the source's codes.
    pub system: String,
    /// What an unknown code does, unless the rule says otherwise.
    pub unmapped: Unmapped,
    /// What each code means.
    pub rows: HashMap<String, Meaning>,
}

/// A code of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coding {
    /// The system.
    pub system: String,
    /// The code.
    pub code: String,
    /// Its text.
    pub display: String,
}

/// What an alert's code means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// Concern categories.
    pub categories: Vec<String>,
    /// The text of the source's own code.
    pub display: String,
    /// Standard codes.
    pub codings: Vec<Coding>,
    /// What the receiver is to do.
    pub action: Option<String>,
    /// Red-flag indicators.
    pub indicators: Vec<String>,
    /// How widely it may be shared.
    pub tier: Option<String>,
    /// Sensitivity labels (v3-ActCode).
    pub labels: Vec<String>,
    /// The code whose Flag this code ends.
    pub ends: Option<String>,
}

impl Concerns {
    /// The meaning of a code; for a removal code that of the code it ends, and that code.
    pub fn meaning<'t>(&'t self, code: &'t str) -> Option<(&'t Meaning, &'t str, bool)> {
        let own = self.rows.get(code)?;
        match &own.ends {
            Some(ended) => Some((self.rows.get(ended).unwrap_or(own), ended, true)),
            None => Some((own, code, false)),
        }
    }

    /// Reads a FHIR ConceptMap. Groups of unknown target systems are standard codes. The error is a text for the author.
    pub fn from_concept_map(resource: &Value) -> Result<Concerns, String> {
        let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |v: &Value, key: &str| v.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        if text(resource, "resourceType") != "ConceptMap" {
            return Err("it is not a ConceptMap".into());
        }
        let mut rows: HashMap<String, Meaning> = HashMap::new();
        let mut system = String::new();
        for group in list(resource, "group") {
            let (source, target) = (text(&group, "source"), text(&group, "target"));
            if !system.is_empty() && system != source {
                return Err("its groups have different source systems".into());
            }
            system = source;
            for element in list(&group, "element") {
                let row = rows.entry(text(&element, "code")).or_default();
                if row.display.is_empty() {
                    row.display = text(&element, "display");
                }
                for mapped in list(&element, "target") {
                    if matches!(text(&mapped, "equivalence").as_str(), "unmatched" | "disjoint") {
                        continue;
                    }
                    row.add(&target, &system, text(&mapped, "code"), text(&mapped, "display"));
                }
            }
        }
        let id = text(resource, "id");
        let broken = rows.values().filter_map(|r| r.ends.as_ref()).find(|e| !rows.contains_key(*e)).cloned();
        if let Some(code) = broken {
            return Err(format!("the code `{code}`, which another one ends, is not in the map"));
        }
        Ok(Concerns { name: id, system, unmapped: Unmapped::Refuse, rows })
    }
}

impl Meaning {
    fn add(&mut self, target: &str, source: &str, code: String, display: String) {
        let own = target.strip_prefix(systems::DEFAULT_BASE).or_else(|| target.strip_prefix(systems::base()));
        match own {
            Some("/CodeSystem/concern-category") => self.categories.push(code),
            Some("/CodeSystem/action-expected") => self.action = Some(code),
            Some("/CodeSystem/red-flag-indicator") => self.indicators.push(code),
            Some("/CodeSystem/sharing-tier") => self.tier = Some(code),
            _ if target == systems::ACT_CODE => self.labels.push(code),
            // A map from a system to itself says which code a removal code ends.
            _ if target == source => self.ends = Some(code),
            _ => self.codings.push(Coding { system: target.to_owned(), code, display }),
        }
    }
}

impl Concerns {
    /// The concern categories as a table of themselves, for sources that send them.
    pub fn categories() -> Concerns {
        let row = |code: &str| Meaning { categories: vec![code.to_owned()], ..Meaning::default() };
        Concerns {
            name: "concern-category".into(),
            system: systems::canonical("CodeSystem/concern-category"),
            unmapped: Unmapped::Refuse,
            rows: super::vocabulary::Vocabulary::ConcernCategory
                .codes()
                .iter()
                .map(|c| (c.clone(), row(c)))
                .collect(),
        }
    }
}
