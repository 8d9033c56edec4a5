//! FHIR R4 as a source: a Flag, a Consent, or a Bundle of them with the resources they refer to.
//!
//! A resource is taken as it is: nothing it holds is rebuilt, so unknown content and the text of numbers survive. What
//! the gateway adds is its own id, the patient as an identity-only resource, references that lead to what it stores,
//! and what it needs to decide: category, legal basis, tier and label, each only where the sender did not say.

use super::evaluate::Made;
use super::ledger::Ledger;
use super::model::Mapping;
use super::tree::{NodeId, ROOT, Tree};
use super::{
    Context, Converted, Source, Unreadable, bundle, fhir_account, fhir_reference, flag, identity, json,
    published, stu3,
};
use crate::fhir::{Issue, systems};
use serde_json::{Map, Value, json};

/// The types that a fact may bring along; of a Patient only the identity is kept.
const COMPANIONS: [&str; 4] = ["Patient", "Organization", "Practitioner", "PractitionerRole"];

/// The system of BaRS's safeguarding codes.
const BARS: &str = "https://fhir.nhs.uk/CodeSystem/safeguarding-codes-bars";

/// What of a Patient is identity; everything else is left out.
pub(super) const IDENTITY: [&str; 6] =
    ["resourceType", "identifier", "active", "name", "gender", "birthDate"];

/// One resource of the input.
pub(super) struct Item {
    pub(super) at: NodeId,
    pub(super) full_url: String,
    pub(super) resource: Map<String, Value>,
}

impl Item {
    pub(super) fn text(&self, name: &str) -> &str {
        self.resource.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The state of one conversion.
pub(super) struct Intake<'e> {
    pub(super) source: &'e Source,
    pub(super) items: Vec<Item>,
    pub(super) made: Vec<Made>,
    /// Which item each made resource is, when it is one.
    pub(super) from: Vec<Option<usize>>,
    pub(super) issues: Vec<Issue>,
    /// Items that are held in a made resource, and where in it.
    pub(super) held: Vec<(usize, usize, String)>,
}

/// Converts a FHIR R4 submission.
pub(super) fn convert(
    value: Value,
    source: &Source,
    mapping: &Mapping,
    context: &Context,
) -> Result<Converted, Unreadable> {
    let tree = json::tree(&value, &context.limits)?;
    let items = items(&value, &tree);
    let message_id = message_id(&value);
    let mut intake =
        Intake { source, items, made: Vec::new(), from: Vec::new(), issues: Vec::new(), held: Vec::new() };
    published::plans_of_teams(&mut intake);
    if !intake.items.iter().any(|i| is_fact(i.text("resourceType"))) {
        return Err(Unreadable::NotAFact);
    }
    intake.facts(&tree);
    let Intake { items, made, from, issues, held, .. } = intake;
    let marks = fhir_account::account(&tree, &items, &made, &from, &held);
    let patient = made.iter().find(|m| m.resource_type == "Patient");
    let patient_key = patient.and_then(|m| identity::patient_key(&m.resource));
    let references = made.iter().map(Made::reference).collect();
    let mut ledger = Ledger::close(&tree, marks, mapping.otherwise, references);
    ledger.source.clone_from(&source.id);
    ledger.mapping = format!("{}|{}", mapping.id, mapping.version);
    let origin = bundle::Origin {
        message_id: message_id.as_deref(),
        record: "",
        mapping: &mapping.id,
        version: &mapping.version,
    };
    let bundle = bundle::assemble(source, context, &origin, made);
    Ok(Converted { bundle, issues, ledger, message_id, patient_key, consequences: Vec::new() })
}

fn is_fact(resource_type: &str) -> bool {
    matches!(resource_type, "Flag" | "Consent")
}

fn items(value: &Value, tree: &Tree<'_>) -> Vec<Item> {
    let Some(root) = value.as_object() else { return Vec::new() };
    if root.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
        return vec![Item { at: ROOT, full_url: String::new(), resource: root.clone() }];
    }
    let Some((list, _)) = tree.children(ROOT).find(|(_, n)| n.name == "entry") else { return Vec::new() };
    let entries = root.get("entry").and_then(Value::as_array).into_iter().flatten();
    let mut items = Vec::new();
    for ((id, _), entry) in tree.children(list).zip(entries) {
        let at = tree.children(id).find(|(_, n)| n.name == "resource").map_or(id, |(r, _)| r);
        if let Some(resource) = entry.get("resource").and_then(Value::as_object) {
            let full_url = entry.get("fullUrl").and_then(Value::as_str).unwrap_or_default().to_owned();
            items.push(Item { at, full_url, resource: resource.clone() });
        }
    }
    items
}

fn message_id(value: &Value) -> Option<String> {
    if value.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
        return None;
    }
    let identifier = value.get("identifier")?;
    let system = identifier.get("system").and_then(Value::as_str).unwrap_or_default();
    Some(format!("{system}|{}", identifier.get("value").and_then(Value::as_str)?))
}

impl Intake<'_> {
    fn facts(&mut self, tree: &Tree<'_>) {
        let facts: Vec<usize> = (0..self.items.len()).filter(|i| self.is(*i, is_fact)).collect();
        for index in facts {
            self.fact(index, tree);
        }
        let mut patients = self.made.iter().filter(|m| m.resource_type == "Patient").map(|m| m.id);
        let first = patients.next();
        if patients.any(|p| Some(p) != first) {
            let text = "the submission is about two different patients";
            self.issues.push(Issue::error("conflict", "two-patients", "", text));
        }
    }

    fn is(&self, index: usize, test: impl Fn(&str) -> bool) -> bool {
        self.items.get(index).is_some_and(|i| test(i.text("resourceType")))
    }

    fn fact(&mut self, index: usize, tree: &Tree<'_>) {
        let Some(item) = self.items.get(index) else { return };
        let (place, mut resource) = (tree.place(item.at), item.resource.clone());
        let resource_type = item.text("resourceType").to_owned();
        let own_id = item.text("id").to_owned();
        let member = if resource_type == "Consent" { "patient" } else { "subject" };
        let subject = resource.get(member).cloned().unwrap_or(Value::Null);
        let Some(patient) = self.patient(&subject, &resource, &format!("{place}/{member}")) else { return };
        let mut reference = Map::new();
        if let Some(made) = self.made.get(patient) {
            reference.insert("reference".into(), made.reference().into());
            if let Some(number) =
                identity::nhs_number(&made.resource).or_else(|| subject.get("identifier").cloned())
            {
                reference.insert("identifier".into(), number);
            }
        }
        let about = Value::Object(reference);
        resource.insert(member.into(), about.clone());
        fhir_reference::drop_contained_patient(&mut resource, &subject);
        resource.shift_remove("id");
        if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
            meta.shift_remove("versionId");
            meta.shift_remove("lastUpdated");
        }
        if let Err(text) = stu3::to_r4(&mut resource) {
            self.issues.push(Issue::error("required", "consent-decision-unclear", place, text));
            return;
        }
        let held = if resource_type == "Flag" {
            let held = published::plan_of_flag(self, &mut resource);
            published::same_subject(&mut resource, &about);
            held
        } else {
            Vec::new()
        };
        let fact_code =
            if resource_type == "Flag" { self.meaning(&mut resource, &place) } else { String::new() };
        if resource_type == "Consent" && !resource.contains_key("organization") {
            resource.insert("organization".into(), json!([bundle::sender_reference(self.source)]));
        }
        let key = fact_key(&resource, &own_id).unwrap_or_else(|| {
            let who = self.made.get(patient).map(Made::reference).unwrap_or_default();
            format!("{who}|{fact_code}")
        });
        let id = bundle::id(self.source, &resource_type, &key);
        if !resource.contains_key("identifier") {
            let value =
                json!([{"system": systems::canonical(&format!("Id/{}/fact", self.source.id)), "value": key}]);
            resource.insert("identifier".into(), value);
        }
        flag::dress(self.source, &resource_type, &mut resource);
        for (name, value) in &mut resource {
            if name != member {
                fhir_reference::rewrite(self, value);
            }
        }
        resource.insert("id".into(), id.to_string().into());
        flag::order(&mut resource);
        let made = Made { block: None, at: ROOT, resource_type, id, fact: true, resource };
        if let Some(same) = self.made.iter().find(|m| m.fact && m.id == id) {
            if same.resource != made.resource {
                let text = "the same fact is sent twice with different content";
                self.issues.push(Issue::error("conflict", "fact-contradicts-itself", place, text));
            }
            return;
        }
        self.held.extend(held.into_iter().map(|(item, path)| (item, self.made.len(), path)));
        self.made.push(made);
        self.from.push(Some(index));
    }

    /// Makes the identity of the patient that a fact is about; `None` when nobody is named (the reason is noted).
    fn patient(&mut self, subject: &Value, holder: &Map<String, Value>, place: &str) -> Option<usize> {
        let reference = subject.get("reference").and_then(Value::as_str).unwrap_or_default();
        let found = fhir_reference::find(self, reference).filter(|i| self.is(*i, |t| t == "Patient"));
        let contained = fhir_reference::contained(holder, reference);
        let mut patient = Map::new();
        patient.insert("resourceType".into(), "Patient".into());
        let whole = found.and_then(|i| self.items.get(i)).map(|i| &i.resource).or(contained);
        for (name, value) in whole.into_iter().flatten().filter(|(n, _)| IDENTITY.contains(&n.as_str())) {
            patient.insert(name.clone(), value.clone());
        }
        // What an STU3 Patient's identity has in another shape; there is nothing in it that could be unclear.
        let _ = stu3::to_r4(&mut patient);
        if let Some(identifier) = subject.get("identifier") {
            let list = patient.entry("identifier").or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                let same = |i: &Value| {
                    i.get("system") == identifier.get("system") && i.get("value") == identifier.get("value")
                };
                if !list.iter().any(same) {
                    list.push(identifier.clone());
                }
            }
        }
        let before = self.issues.len();
        identity::check(&patient, place, &mut self.issues);
        if identity::patient_key(&patient).is_none() && self.issues.len() > before {
            return None;
        }
        let id = identity::id(self.source, &patient);
        if let Some(known) = self.made.iter().position(|m| m.resource_type == "Patient" && m.id == id) {
            return Some(known);
        }
        self.made.push(Made {
            block: None,
            at: ROOT,
            resource_type: "Patient".into(),
            id,
            fact: false,
            resource: patient,
        });
        self.from.push(found);
        Some(self.made.len() - 1)
    }

    /// Makes a companion of a fact (an author, their organisation) and answers its reference.
    pub(super) fn companion(&mut self, index: usize) -> Option<String> {
        let known = self.from.iter().position(|f| *f == Some(index));
        if let Some(made) = known.and_then(|k| self.made.get(k)) {
            return Some(made.reference());
        }
        let item = self.items.get(index)?;
        let resource_type = item.text("resourceType").to_owned();
        if !COMPANIONS.contains(&resource_type.as_str()) || resource_type == "Patient" {
            return None;
        }
        let mut resource = item.resource.clone();
        let key = fact_key(&resource, item.text("id"))
            .unwrap_or_else(|| Value::Object(resource.clone()).to_string());
        let id = bundle::id(self.source, &resource_type, &key);
        resource.shift_remove("id");
        if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
            meta.shift_remove("versionId");
            meta.shift_remove("lastUpdated");
            if meta.is_empty() {
                resource.shift_remove("meta");
            }
        }
        let made = Made { block: None, at: ROOT, resource_type, id, fact: false, resource: Map::new() };
        let (slot, reference) = (self.made.len(), made.reference());
        self.made.push(made);
        self.from.push(Some(index));
        // Its own references come after it is known, so that a circle ends.
        for value in resource.values_mut() {
            fhir_reference::rewrite(self, value);
        }
        resource.insert("id".into(), id.to_string().into());
        flag::order(&mut resource);
        if let Some(made) = self.made.get_mut(slot) {
            made.resource = resource;
        }
        Some(reference)
    }

    /// Adds category, action, indicators and labels from the code tables when the sender gave no concern category;
    /// answers what the fact is about, as part of its identity.
    fn meaning(&mut self, resource: &mut Map<String, Value>, place: &str) -> String {
        let own = systems::canonical("CodeSystem/concern-category");
        let codings = |concept: Option<&Value>| -> Vec<(String, String)> {
            let list = concept.and_then(|c| c.get("coding")).and_then(Value::as_array);
            let pair = |c: &Value| {
                Some((c.get("system")?.as_str()?.to_owned(), c.get("code")?.as_str()?.to_owned()))
            };
            list.into_iter().flatten().filter_map(pair).collect()
        };
        let code = codings(resource.get("code"));
        let categories: Vec<(String, String)> = resource
            .get("category")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .flat_map(|c| codings(Some(c)))
            .collect();
        let about = code.first().or(categories.first()).map(|(s, c)| format!("{s}|{c}")).unwrap_or_default();
        let tables = super::built_in_concerns();
        let known = code.iter().chain(&categories).find_map(|(system, code)| {
            // BaRS has a system of its own for codes that are SNOMED CT's.
            let system = if system == BARS { systems::SNOMED } else { system };
            tables.iter().filter(|t| t.system == system).find_map(|t| t.meaning(code))
        });
        if let Some((meaning, _, removal)) = known {
            flag::add_meaning(resource, meaning);
            if removal && resource.get("status").and_then(Value::as_str) == Some("active") {
                resource.insert("status".into(), "inactive".into());
            }
        } else if !categories.iter().any(|(s, _)| *s == own) {
            let text =
                "no table of the gateway knows what the Flag is about, and it names no concern category";
            self.issues.push(Issue::error(
                "code-invalid",
                "concern-code-unknown",
                format!("{place}/code"),
                text,
            ));
        }
        about
    }
}

/// What makes a resource itself: its first identifier, else its id at the sender.
fn fact_key(resource: &Map<String, Value>, id: &str) -> Option<String> {
    let identifier = match resource.get("identifier") {
        Some(Value::Array(list)) => list.first(),
        other => other,
    };
    let value = identifier.and_then(|i| i.get("value")).and_then(Value::as_str);
    let system = identifier.and_then(|i| i.get("system")).and_then(Value::as_str).unwrap_or_default();
    value.map(|v| format!("{system}|{v}")).or_else(|| (!id.is_empty()).then(|| id.to_owned()))
}
