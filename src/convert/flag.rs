//! What every safeguarding fact gets beside the elements its mapping sets: meaning, status, subject, legal basis, tier
//! and labels.

use super::evaluate::Engine;
use super::ledger::Reason;
use super::model::{Block, Concern, Unmapped};
use super::object::{coding, id_text, identifier, list, object};
use super::table::{Concerns, Meaning};
use super::tree::NodeId;
use super::{bundle, identity};
use crate::fhir::{Issue, systems};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// Where a concern's code stands and what it means, found in a table.
struct Found<'e> {
    value: Option<NodeId>,
    table: &'e Concerns,
    meaning: &'e Meaning,
    fact: &'e str,
    removal: bool,
}

/// Whether the code of an alert says that it is no safeguarding alert (an unknown code under `unmapped: skip`).
pub(super) fn is_skipped<'e>(engine: &Engine<'e, '_>, concern: &'e Concern, at: NodeId) -> bool {
    concern.unmapped == Unmapped::Skip && look_up(engine, concern, at).is_none()
}

fn look_up<'e>(engine: &Engine<'e, '_>, concern: &'e Concern, at: NodeId) -> Option<Found<'e>> {
    if let Some(code) = concern.constant.as_deref() {
        let tables = concern.tables.iter().filter_map(|t| engine.mapping.concerns.get(*t));
        let known = tables.filter_map(|t| t.meaning(code).map(|m| (t, m))).next();
        let (table, (meaning, fact, removal)) = known?;
        return Some(Found { value: None, table, meaning, fact, removal });
    }
    for path in &concern.code {
        let Some(value) = engine.read(path, at) else { continue };
        let code = engine.text(value).trim();
        for index in &concern.tables {
            let Some(table) = engine.mapping.concerns.get(*index) else { continue };
            if let Some((meaning, fact, removal)) = table.meaning(code) {
                return Some(Found { value: Some(value), table, meaning, fact, removal });
            }
        }
    }
    None
}

/// Completes a fact; its id, or `None` when it cannot be made (the reason is among the issues).
pub(super) fn finish<'e>(
    engine: &mut Engine<'e, '_>,
    block: &'e Block,
    at: NodeId,
    slot: usize,
    resource: &mut Map<String, Value>,
    key: Option<String>,
) -> Option<Uuid> {
    let mut fact_code = String::new();
    let mut removal = false;
    if let Some(concern) = &block.concern {
        match look_up(engine, concern, at) {
            Some(found) => {
                fact_code = [found.table.system.as_str(), "|", found.fact].concat();
                removal = found.removal;
                meaning(engine, concern, &found, at, slot, resource);
            }
            None => fact_code = unknown(engine, concern, at, slot, resource)?,
        }
    }
    status(engine, block, at, slot, resource, removal);
    let Some(patient) = engine.make_patient() else {
        let text = "the alert has no patient: nothing identifies one";
        engine.issues.push(Issue::error("required", "patient-missing", engine.tree.place(at), text));
        return None;
    };
    let subject = subject(engine, patient)?;
    let patient_name = subject.get("reference").and_then(Value::as_str).unwrap_or_default().to_owned();
    let member = if block.resource_type == "Consent" { "patient" } else { "subject" };
    resource.entry(member).or_insert(Value::Object(subject));
    let own = key.is_some();
    let key = key.unwrap_or_else(|| format!("{patient_name}|{fact_code}"));
    let id = bundle::id(engine.source, &block.resource_type, &key);
    if !resource.contains_key("identifier") {
        let identifier = if own {
            identifier(systems::canonical(&format!("Id/{}/fact", engine.source.id)), &key)
        } else {
            identifier("urn:ietf:rfc:3986", &format!("urn:uuid:{id}"))
        };
        resource.insert("identifier".into(), self::list(identifier));
    }
    complete(engine, &block.resource_type, resource);
    resource.insert("id".into(), id_text(id));
    order(resource);
    Some(id)
}

/// What does not depend on where the fact comes from: profile, author, legal basis, tier and the confidentiality label.
pub(super) fn complete(engine: &Engine<'_, '_>, resource_type: &str, resource: &mut Map<String, Value>) {
    dress(engine.source, resource_type, resource);
}

/// See [`complete`].
pub(super) fn dress(source: &super::Source, resource_type: &str, resource: &mut Map<String, Value>) {
    let profile = match resource_type {
        "Flag" => "StructureDefinition/safeguarding-flag",
        "Consent" => "StructureDefinition/safeguarding-consent",
        _ => return,
    };
    let profile = Value::String(systems::canonical(profile));
    let meta = resource.entry("meta").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut() {
        let profiles = meta.entry("profile").or_insert_with(|| json!([]));
        if let Some(list) = profiles.as_array_mut().filter(|l| !l.contains(&profile)) {
            list.push(profile);
        }
        let labels = meta.entry("security").or_insert_with(|| json!([]));
        let is_level = |l: &Value| l.get("system").and_then(Value::as_str) == Some(systems::CONFIDENTIALITY);
        if let Some(list) = labels.as_array_mut().filter(|l| !l.iter().any(is_level)) {
            list.insert(0, coding(systems::CONFIDENTIALITY, "R"));
        }
    }
    if resource_type != "Flag" {
        return;
    }
    if !resource.contains_key("author") {
        resource.insert("author".into(), bundle::sender_reference(source));
    }
    if !has_extension(resource, "lawful-basis") {
        for code in &source.lawful_basis {
            add_extension(resource, "lawful-basis", code);
        }
    }
    if let Some(tier) = source.tier.as_deref().filter(|_| !has_extension(resource, "sharing-tier")) {
        add_extension(resource, "sharing-tier", tier);
    }
}

fn has_extension(resource: &Map<String, Value>, name: &str) -> bool {
    let is = |url: &str| {
        let path =
            url.strip_prefix(systems::base()).and_then(|rest| rest.strip_prefix("/StructureDefinition/"));
        path == Some(name)
    };
    let list = resource.get("extension").and_then(Value::as_array);
    list.is_some_and(|l| l.iter().any(|e| e.get("url").and_then(Value::as_str).is_some_and(is)))
}

fn add_extension(resource: &mut Map<String, Value>, name: &str, code: &str) {
    let base = systems::base();
    let coding = coding([base, "/CodeSystem/", name].concat(), code);
    let url = [base, "/StructureDefinition/", name].concat();
    let extension = object([("url", url.into()), ("valueCoding", coding)]);
    if let Some(list) = resource.entry("extension").or_insert_with(|| json!([])).as_array_mut()
        && !list.contains(&extension)
    {
        list.push(extension);
    }
}

/// Adds what a meaning says: categories, codes, action, indicators, tier and sensitivity labels.
pub(super) fn add_meaning(resource: &mut Map<String, Value>, meaning: &Meaning) {
    let category = systems::canonical("CodeSystem/concern-category");
    let categories: Vec<Value> =
        meaning.categories.iter().map(|c| object([("coding", list(coding(category.as_str(), c)))])).collect();
    if let Some(list) = resource.entry("category").or_insert_with(|| json!([])).as_array_mut() {
        for one in categories {
            if !list.contains(&one) {
                list.push(one);
            }
        }
    }
    if !has_extension(resource, "action-expected")
        && let Some(action) = &meaning.action
    {
        add_extension(resource, "action-expected", action);
    }
    for indicator in &meaning.indicators {
        add_extension(resource, "red-flag-indicator", indicator);
    }
    if !has_extension(resource, "sharing-tier")
        && let Some(tier) = &meaning.tier
    {
        add_extension(resource, "sharing-tier", tier);
    }
    if !meaning.labels.is_empty() {
        let labels = meaning.labels.iter().map(|l| json!({"system": systems::ACT_CODE, "code": l}));
        if let Some(meta) = resource.entry("meta").or_insert_with(|| json!({})).as_object_mut()
            && let Some(list) = meta.entry("security").or_insert_with(|| json!([])).as_array_mut()
        {
            list.extend(labels);
        }
    }
}

fn meaning(
    engine: &mut Engine<'_, '_>,
    concern: &Concern,
    found: &Found<'_>,
    at: NodeId,
    slot: usize,
    resource: &mut Map<String, Value>,
) {
    add_meaning(resource, found.meaning);
    let code = found.value.map_or(found.fact, |v| engine.text(v)).trim().to_owned();
    let categories = found.table.system == systems::canonical("CodeSystem/concern-category");
    let display = concern.display.iter().find_map(|p| engine.read(p, at));
    let mut codings = Vec::new();
    if !categories {
        // A removal code is recorded by the code whose Flag it ends; the removal itself is the status.
        let mut own = coding(found.table.system.as_str(), found.fact);
        // What the table calls the code; what the sender calls it is the text of the concept.
        if let Some(text) = Some(found.meaning.display.as_str())
            .filter(|t| !t.is_empty())
            .or_else(|| display.filter(|_| !found.removal).map(|d| engine.text(d)))
            .filter(|t| !t.is_empty())
            && let Some(own) = own.as_object_mut()
        {
            own.insert("display".into(), text.into());
        }
        codings.push(own);
    }
    for coding in found.meaning.codings.iter().filter(|c| c.system != found.table.system || c.code != code) {
        let mut one = json!({"system": coding.system, "code": coding.code});
        if let Some(one) = one.as_object_mut().filter(|_| !coding.display.is_empty()) {
            one.insert("display".into(), coding.display.as_str().into());
        }
        codings.push(one);
    }
    let concept = resource.entry("code").or_insert_with(|| json!({}));
    if let Some(concept) = concept.as_object_mut() {
        if let Some(list) = concept.entry("coding").or_insert_with(|| json!([])).as_array_mut() {
            let has = |list: &[Value], c: &Value| {
                list.iter().any(|l| l.get("system") == c.get("system") && l.get("code") == c.get("code"))
            };
            for coding in codings {
                if !has(list, &coding) {
                    list.push(coding);
                }
            }
            if list.is_empty() {
                concept.remove("coding");
            }
        }
        if let Some(display) = display {
            if !concept.contains_key("text") {
                concept.insert("text".into(), engine.text(display).into());
            }
            engine.mark(display, false, slot, &Arc::from("code.text"), 0);
        } else if !concept.contains_key("text") && !concept.contains_key("coding") {
            concept.insert("text".into(), found.fact.replace('-', " ").into());
        }
    }
    let element = if categories { "category[0].coding[0].code" } else { "code.coding[0].code" };
    if let Some(value) = found.value {
        engine.mark(value, false, slot, &Arc::from(element), 0);
    }
}

/// A code no table knows: refused, or kept as `other-safeguarding`.
fn unknown(
    engine: &mut Engine<'_, '_>,
    concern: &Concern,
    at: NodeId,
    slot: usize,
    resource: &mut Map<String, Value>,
) -> Option<String> {
    let value = concern.code.iter().find_map(|p| engine.read(p, at));
    let place = engine.tree.place(value.unwrap_or(at));
    let Some(value) = value else {
        engine.issues.push(Issue::error("required", "concern-code-missing", place, "the alert has no code"));
        return None;
    };
    let table = concern.tables.first().and_then(|t| engine.mapping.concerns.get(*t)).cloned()?;
    let policy = if concern.unmapped == Unmapped::Refuse { &table.unmapped } else { &concern.unmapped };
    match policy {
        Unmapped::Keep => {
            let text = format!("the code is not in the table `{}`; kept as `other-safeguarding`", table.name);
            engine.issues.push(Issue::warning("code-invalid", "concern-code-unknown", place, text));
            let meaning = Meaning { categories: vec!["other-safeguarding".into()], ..Meaning::default() };
            let found = Found {
                value: Some(value),
                table: &table,
                meaning: &meaning,
                fact: engine.text(value),
                removal: false,
            };
            self::meaning(engine, concern, &found, at, slot, resource);
            Some(format!("{}|{}", table.system, engine.text(value)))
        }
        Unmapped::Default(code) => {
            let (meaning, _, _) = table.meaning(code)?;
            let found = Found {
                value: Some(value),
                table: &table,
                meaning,
                fact: engine.text(value),
                removal: false,
            };
            self::meaning(engine, concern, &found, at, slot, resource);
            Some(format!("{}|{}", table.system, engine.text(value)))
        }
        Unmapped::Refuse | Unmapped::Skip => {
            engine.marks.dropped(value, Reason::UnmappableCode);
            let text = format!("the alert's code is not in the table `{}`", table.name);
            engine.issues.push(Issue::error("code-invalid", "concern-code-unknown", place, text));
            None
        }
    }
}

fn status<'e>(
    engine: &mut Engine<'e, '_>,
    block: &'e Block,
    at: NodeId,
    slot: usize,
    resource: &mut Map<String, Value>,
    removal: bool,
) {
    let element: Arc<str> = Arc::from("status");
    let wrong = block.error.as_ref().filter(|c| engine.test(c, at));
    let ended = block.ends.as_ref().filter(|c| engine.test(c, at));
    let code = if wrong.is_some() {
        "entered-in-error"
    } else if removal || ended.is_some() {
        "inactive"
    } else {
        "active"
    };
    for condition in [wrong, ended].into_iter().flatten() {
        engine.mark_condition(condition, at, slot, &element);
    }
    if wrong.is_some() || removal || ended.is_some() {
        resource.insert("status".into(), code.into());
    } else {
        resource.entry("status").or_insert_with(|| code.into());
    }
    if block.resource_type != "Flag" {
        return;
    }
    let status = resource.get("status").and_then(Value::as_str).unwrap_or_default().to_owned();
    let sent = engine.mapping.message_sent.iter().find_map(|p| engine.read(p, at));
    let sent =
        sent.and_then(|v| super::dates::read(engine.text(v))).and_then(|m| m.date_time(&engine.mapping.zone));
    let sent = sent.unwrap_or_else(|| engine.context.now.to_string());
    let period = resource.entry("period").or_insert_with(|| json!({}));
    let Some(members) = period.as_object_mut() else { return };
    if removal {
        // The date of a removal message is when the alert ended, not when it began.
        if let Some(date) = members.remove("start") {
            members.entry("end").or_insert(date);
        }
    }
    // An alert that ended says when; the message's own date stands in (safeguarding-flag, sgf-5).
    if status == "inactive" && !members.contains_key("end") {
        members.insert("end".into(), sent.into());
    } else if status == "active" && !members.contains_key("start") {
        members.insert("start".into(), sent.into());
    }
    if members.is_empty() {
        resource.remove("period");
    }
}

pub(super) fn subject(engine: &Engine<'_, '_>, patient: usize) -> Option<Map<String, Value>> {
    let made = engine.made.get(patient).and_then(Option::as_ref)?;
    let mut reference = Map::new();
    reference.insert("reference".into(), made.reference().into());
    if let Some(number) = identity::nhs_number(&made.resource) {
        reference.insert("identifier".into(), number);
    }
    Some(reference)
}

/// Puts the members into the order in which FHIR defines them, as far as a reader would look for them.
pub(super) fn order(resource: &mut Map<String, Value>) {
    const FIRST: [&str; 9] =
        ["resourceType", "id", "meta", "text", "extension", "identifier", "status", "category", "code"];
    let mut members: Vec<(usize, String, Value)> = std::mem::take(resource)
        .into_iter()
        .map(|(name, value)| {
            let rank = FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
            (rank, name, value)
        })
        .collect();
    members.sort_by_key(|(rank, _, _)| *rank);
    let mut ordered = Map::with_capacity(members.len());
    for (_, name, value) in members {
        ordered.insert(name, value);
    }
    *resource = ordered;
}
