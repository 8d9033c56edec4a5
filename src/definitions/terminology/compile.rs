//! From a ValueSet resource to a [`ValueSet`] that answers.

use super::code_system::Content;
use super::filter;
use super::value_set::{Codes, Part, ValueSet};
use crate::definitions::Definitions;
use crate::definitions::Set;
use crate::definitions::library::{Artefact, split_canonical, version_answers};
use crate::definitions::read::{list, text};
use serde_json::Value;

impl Definitions {
    pub(super) fn compile(&self, artefact: &Artefact, open: &mut Vec<String>) -> ValueSet {
        let body = &artefact.body;
        let compose = body.get("compose").unwrap_or(&Value::Null);
        let mut set = ValueSet {
            url: artefact.url.clone(),
            version: artefact.version.clone(),
            name: text(body, "name").unwrap_or_default(),
            status: text(body, "status").unwrap_or_default(),
            active_only: compose.get("inactive") == Some(&Value::Bool(false)),
            ..ValueSet::default()
        };
        for (name, includes) in [("include", true), ("exclude", false)] {
            for value in list(compose, name) {
                let part = self.part(value, &mut set, open);
                if includes { set.includes.push(part) } else { set.excludes.push(part) }
            }
        }
        if let Some(expansion) = body.get("expansion") {
            expanded(&mut set, expansion);
        }
        set
    }

    fn part(&self, value: &Value, set: &mut ValueSet, open: &mut Vec<String>) -> Part {
        let system = text(value, "system");
        let version = text(value, "version").filter(|version| version != "*");
        let wanted = |system: &String| match &version {
            Some(version) => format!("{system}|{version}"),
            None => system.clone(),
        };
        let definition = system.as_ref().and_then(|system| self.code_system(&wanted(system)));
        let mut value_sets = Vec::new();
        for reference in list(value, "valueSet").iter().filter_map(Value::as_str) {
            let url = split_canonical(reference).0;
            if open.iter().any(|known| split_canonical(known).0 == url) {
                set.problems.push(format!("the value set imports itself through `{reference}`"));
                value_sets.push((reference.to_owned(), None));
            } else {
                value_sets.push((reference.to_owned(), self.value_set_within(reference, open)));
            }
        }
        let concepts = list(value, "concept");
        let filters = list(value, "filter");
        if let Some(system) = &system {
            for concept in concepts {
                let Some(code) = text(concept, "code") else { continue };
                let named = text(concept, "display").into_iter();
                let others = list(concept, "designation").iter().filter_map(|one| text(one, "value"));
                let names: Vec<String> = named.chain(others).collect();
                if !names.is_empty() {
                    let key = (system.as_str().into(), code.into_boxed_str());
                    set.displays.entry(key).or_default().extend(names);
                }
            }
        }
        let codes = if !concepts.is_empty() {
            let listed = concepts.iter().filter_map(|concept| text(concept, "code"));
            Codes::Listed(listed.map(String::into_boxed_str).collect())
        } else if !filters.is_empty() {
            let system = system.as_deref().unwrap_or("");
            filter::codes(system, definition.as_deref(), filters, &mut set.problems, &|url| {
                self.value_set_within(url, &mut open.clone())
            })
        } else {
            Codes::All
        };
        let codes = match (codes, &system, &version) {
            (Codes::All, Some(system), Some(version)) if definition.is_none() => {
                match self.code_system(system).and_then(|other| other.version.clone()) {
                    Some(other) if !version_answers(Some(&other), version) => Codes::Untold(format!(
                        "version `{version}` of the code system `{system}` is not loaded, only `{other}`"
                    )),
                    _ => Codes::All,
                }
            }
            (codes, _, _) => codes,
        };
        Part { system: system.map(String::into_boxed_str), version, definition, codes, value_sets }
    }
}

/// Takes the stored expansion where the definition itself does not lead to the codes.
fn expanded(set: &mut ValueSet, expansion: &Value) {
    let told = |part: &Part| {
        let decided = match &part.codes {
            Codes::All => {
                part.system.is_none()
                    || part.definition.as_ref().is_some_and(|d| d.content == Content::Complete)
            }
            Codes::Listed(_) | Codes::Positions(_) => true,
            Codes::Untold(_) => false,
        };
        decided && part.value_sets.iter().all(|(_, known)| known.is_some())
    };
    if !set.includes.is_empty() && set.includes.iter().chain(&set.excludes).all(told) {
        return;
    }
    let mut listed: Vec<(String, Set<Box<str>>)> = Vec::new();
    let mut count = 0;
    let mut open: Vec<&Value> = list(expansion, "contains").iter().collect();
    while let Some(value) = open.pop() {
        open.extend(list(value, "contains"));
        count += 1;
        let (Some(system), Some(code)) = (text(value, "system"), text(value, "code")) else { continue };
        if value.get("abstract") == Some(&Value::Bool(true)) {
            continue;
        }
        if let Some(display) = text(value, "display") {
            let key = (system.as_str().into(), code.as_str().into());
            set.displays.entry(key).or_default().push(display);
        }
        match listed.iter_mut().find(|(known, _)| *known == system) {
            Some((_, codes)) => {
                codes.insert(code.into());
            }
            None => listed.push((system, Set::from_iter([code.into()]))),
        }
    }
    let total = expansion.get("total").and_then(Value::as_u64);
    let whole = total.is_none_or(|total| total <= count);
    if !whole && !set.includes.is_empty() {
        return;
    }
    let parts = listed.into_iter().map(|(system, codes)| Part {
        system: Some(system.into_boxed_str()),
        version: None,
        definition: None,
        codes: Codes::Listed(codes),
        value_sets: Vec::new(),
    });
    set.includes = parts.collect();
    set.excludes.clear();
    if !whole {
        let reason = "only a part of the value set's expansion is stored".to_owned();
        set.includes.push(Part {
            system: None,
            version: None,
            definition: None,
            codes: Codes::All,
            value_sets: vec![(reason, None)],
        });
    }
}
