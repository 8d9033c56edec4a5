//! Translation by ConceptMap (<https://hl7.org/fhir/R4/conceptmap-operation-translate.html>): over the ConceptMaps that
//! the gateway ships with, those that it was given, and the tables of concerns of the mappings in force.

use super::table::{Concerns, Meaning};
use super::{Mappings, built_in_concerns, concept_maps};
use crate::fhir::systems;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many maps an `other-map` may lead through.
const DEPTH: usize = 4;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The codes to translate, each with its system.
    pub codings: Vec<(String, String)>,
    /// The canonical URL of the map; without it all maps are looked into.
    pub url: Option<String>,
    /// The version of the map.
    pub version: Option<String>,
    /// The value set that the codes are of.
    pub source: Option<String>,
    /// The value set that a translation is sought in.
    pub target: Option<String>,
    /// The code system that a translation is sought in.
    pub target_system: Option<String>,
    /// Whether the maps are read from their targets to their sources.
    pub reverse: bool,
}

/// One translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// How the found concept relates to the one that was asked about (`concept-map-equivalence`).
    pub equivalence: String,
    /// The found concept's system, code and display.
    pub concept: (String, String, String),
    /// Further concepts that belong to the translation: property, system, code.
    pub products: Vec<(String, String, String)>,
    /// The map that says so.
    pub map: String,
}

impl Match {
    /// Whether it is a translation, and not the statement that there is none.
    pub fn counts(&self) -> bool {
        !matches!(self.equivalence.as_str(), "unmatched" | "disjoint")
    }
}

/// All maps that can be translated with, by id: those of the gateway, those of `given`, and the tables of the mappings.
pub fn maps<'m>(
    mappings: &Mappings,
    given: impl IntoIterator<Item = &'m Value>,
) -> BTreeMap<String, Cow<'m, Value>> {
    let mut maps = BTreeMap::new();
    let id = |map: &Value| text(map, "id").to_owned();
    for map in concept_maps() {
        maps.insert(id(map), Cow::Borrowed(map));
    }
    for map in given {
        maps.insert(id(map), Cow::Borrowed(map));
    }
    for mapping in mappings.all() {
        for table in &mapping.concerns {
            if !built_in_concerns().iter().any(|known| Arc::ptr_eq(known, table)) {
                let name = format!("{}-{}", mapping.id, table.name);
                maps.insert(name.clone(), Cow::Owned(of_table(&name, table, &mapping.version)));
            }
        }
    }
    maps
}

/// A table of concerns of a mapping file as a ConceptMap.
fn of_table(id: &str, table: &Concerns, version: &str) -> Value {
    let own = |name: &str| systems::canonical(&format!("CodeSystem/{name}"));
    let mut rows: Vec<(&String, &Meaning)> = table.rows.iter().collect();
    rows.sort_by_key(|(code, _)| *code);
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut add = |system: String, row: (&String, &Meaning), target: Value| {
        let mut element = json!({"code": row.0});
        if let Some(members) = element.as_object_mut() {
            if !row.1.display.is_empty() {
                members.insert("display".to_owned(), row.1.display.as_str().into());
            }
            members.insert("target".to_owned(), json!([target]));
        }
        groups.entry(system).or_default().push(element);
    };
    for row in rows {
        let meaning = row.1;
        let plain = |code: &str| json!({"code": code, "equivalence": "relatedto"});
        for code in &meaning.categories {
            add(own("concern-category"), row, json!({"code": code, "equivalence": "wider"}));
        }
        for coding in &meaning.codings {
            add(coding.system.clone(), row, json!({"code": coding.code, "equivalence": "relatedto"}));
        }
        meaning.action.iter().for_each(|code| add(own("action-expected"), row, plain(code)));
        meaning.indicators.iter().for_each(|code| add(own("red-flag-indicator"), row, plain(code)));
        meaning.tier.iter().for_each(|code| add(own("sharing-tier"), row, plain(code)));
        meaning.labels.iter().for_each(|code| add(systems::ACT_CODE.to_owned(), row, plain(code)));
        // A removal code is mapped to the code that it ends.
        meaning.ends.iter().for_each(|code| add(table.system.clone(), row, plain(code)));
    }
    let group = |(target, elements)| json!({"source": table.system, "target": target, "element": elements});
    let groups: Vec<Value> = groups.into_iter().map(group).collect();
    json!({
        "resourceType": "ConceptMap",
        "id": id,
        "url": systems::canonical(&format!("ConceptMap/{id}")),
        "version": version,
        "title": format!("The table `{}` of the mapping that is in force", table.name),
        "status": "active",
        "group": groups,
    })
}

/// Translates with these maps. `member` says whether a code is of a value set, if that is known.
pub fn translate<'m>(
    maps: impl IntoIterator<Item = &'m Value> + Clone,
    query: &Query,
    member: &dyn Fn(&str, &str, &str) -> Option<bool>,
) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    for map in maps.clone() {
        if !asked_for(map, query) {
            continue;
        }
        for (system, code) in &query.codings {
            for one in in_map(maps.clone(), map, system, code, query.reverse, DEPTH) {
                let (to, into, _) = &one.concept;
                let of_set = query.target.as_deref().is_none_or(|set| {
                    member(set, to, into).unwrap_or_else(|| set == to || target_of(map) == Some(set))
                });
                let of_system = query.target_system.as_deref().is_none_or(|wanted| wanted == to);
                if of_set && of_system && !found.contains(&one) {
                    found.push(one);
                }
            }
        }
    }
    found
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn target_of(map: &Value) -> Option<&str> {
    ["targetUri", "targetCanonical"].into_iter().find_map(|name| map.get(name)?.as_str())
}

fn asked_for(map: &Value, query: &Query) -> bool {
    let source = ["sourceUri", "sourceCanonical"].into_iter().find_map(|name| map.get(name)?.as_str());
    query.url.as_deref().is_none_or(|url| url == text(map, "url"))
        && query.version.as_deref().is_none_or(|version| version == text(map, "version"))
        && (query.reverse || query.source.is_none() || source.is_none() || query.source.as_deref() == source)
}

fn in_map<'m>(
    maps: impl IntoIterator<Item = &'m Value> + Clone,
    map: &Value,
    system: &str,
    code: &str,
    reverse: bool,
    depth: usize,
) -> Vec<Match> {
    let mut found = Vec::new();
    for group in items(map, "group") {
        let (from, to) = (text(group, "source"), text(group, "target"));
        if (if reverse { to } else { from }) != system {
            continue;
        }
        let mut known = false;
        for element in items(group, "element") {
            let forward = !reverse && text(element, "code") == code;
            known |= forward;
            for target in items(element, "target") {
                // What depends on other elements is no translation without them.
                let alone = items(target, "dependsOn").is_empty();
                if alone && (forward || reverse && text(target, "code") == code) {
                    found.push(one(map, (from, to), element, target, reverse));
                }
            }
        }
        if !known && !reverse {
            found.extend(unknown(maps.clone(), map, group, (system, code), depth));
        }
    }
    found
}

fn one(map: &Value, (from, to): (&str, &str), element: &Value, target: &Value, reverse: bool) -> Match {
    let concept = |system: &str, value: &Value| {
        (system.to_owned(), text(value, "code").to_owned(), text(value, "display").to_owned())
    };
    let equivalence = match (text(target, "equivalence"), reverse) {
        ("", _) => "relatedto",
        ("wider", true) => "narrower",
        ("narrower", true) => "wider",
        ("subsumes", true) => "specializes",
        ("specializes", true) => "subsumes",
        (stated, _) => stated,
    };
    let product = |product: &Value| {
        let property = text(product, "property").to_owned();
        (property, text(product, "system").to_owned(), text(product, "value").to_owned())
    };
    Match {
        equivalence: equivalence.to_owned(),
        concept: if reverse { concept(from, element) } else { concept(to, target) },
        products: if reverse { Vec::new() } else { items(target, "product").iter().map(product).collect() },
        map: text(map, "url").to_owned(),
    }
}

/// What a group says about codes that it does not have.
fn unknown<'m>(
    maps: impl IntoIterator<Item = &'m Value> + Clone,
    map: &Value,
    group: &Value,
    (system, code): (&str, &str),
    depth: usize,
) -> Vec<Match> {
    let Some(unmapped) = group.get("unmapped") else { return Vec::new() };
    let fallback = |equivalence: &str, code: &str, display: &str| Match {
        equivalence: equivalence.to_owned(),
        concept: (text(group, "target").to_owned(), code.to_owned(), display.to_owned()),
        products: Vec::new(),
        map: text(map, "url").to_owned(),
    };
    match text(unmapped, "mode") {
        "provided" => vec![fallback("equal", code, "")],
        "fixed" => vec![fallback("relatedto", text(unmapped, "code"), text(unmapped, "display"))],
        "other-map" if depth > 0 => {
            let other = maps.clone().into_iter().find(|one| text(one, "url") == text(unmapped, "url"));
            other.map_or(Vec::new(), |other| in_map(maps, other, system, code, false, depth - 1))
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
