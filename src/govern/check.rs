//! Checks of an agreement before it may be in force, and its compilation.

use super::agreement::{Agreement, AgreementStatus, PartyRole, Term};
use super::basis::Register;
use super::dataset::Dataset;
use super::partner::Partner;
use super::policy::{CompiledCategory, CompiledTerm, PolicyError, Refusals};
use super::tier::{self, Tier};
use super::{labels, purpose};
use crate::document::{Misfit, Node, Schema};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::OnceLock;

/// The JSON Schema of an agreement, as shipped.
pub const SCHEMA: &str = include_str!("../../profiles/schemas/agreement.schema.json");

fn schema() -> Option<&'static Schema> {
    static COMPILED: OnceLock<Option<Schema>> = OnceLock::new();
    COMPILED.get_or_init(|| Schema::of(SCHEMA)).as_ref()
}

/// Reads one agreement and checks its shape against the schema.
pub(crate) fn read(file: &str, text: &str) -> Result<(Node, Agreement), Vec<PolicyError>> {
    let document = Refusals::document(file, text)?;
    let mut refusals = Refusals::default();
    match schema() {
        Some(schema) => {
            for Misfit { place, text, .. } in schema.misfits(&document) {
                refusals.at(file, place, "agreement-schema", text);
            }
        }
        None => refusals.add(file, None, "", "agreement-schema", "the schema of agreements is unusable"),
    }
    if refusals.is_empty() {
        match serde_json::from_value::<Agreement>(document.to_json()) {
            Ok(agreement) => return Ok((document, agreement)),
            Err(error) => refusals.add(file, Some(&document), "", "agreement-shape", error.to_string()),
        }
    }
    Err(refusals.into_errors())
}

/// Checks what a schema cannot: that every party, code, basis, purpose and label is known, and the dates make sense.
pub(crate) fn agreement(
    file: &str,
    document: &Node,
    agreement: &Agreement,
    register: &Register,
    refusals: &mut Refusals,
) {
    let mut refuse = |pointer: String, rule: &'static str, text: String| {
        refusals.add(file, Some(document), &pointer, rule, text);
    };
    if agreement.effective.until.is_some_and(|until| until < agreement.effective.from) {
        refuse("/effective/until".into(), "period-reversed", "the agreement ends before it starts".into());
    }
    if agreement.review.due < agreement.effective.from {
        refuse(
            "/review/due".into(),
            "period-reversed",
            "the review is due before the agreement starts".into(),
        );
    }
    let mut seen = HashSet::new();
    for (index, party) in agreement.parties.iter().enumerate() {
        if !seen.insert(party.organisation.as_str()) {
            let text = format!("the party `{}` is named twice", party.organisation);
            refuse(format!("/parties/{index}/organisation"), "party-twice", text);
        }
    }
    let in_force = agreement.status == AgreementStatus::InForce;
    for (index, party) in agreement.parties.iter().enumerate().filter(|_| in_force) {
        if !agreement.signatories.iter().any(|signatory| signatory.organisation == party.organisation) {
            let text =
                format!("the party `{}` has not signed an agreement that is in force", party.organisation);
            refuse(format!("/parties/{index}"), "signatory-missing", text);
        }
    }
    for (index, signatory) in agreement.signatories.iter().enumerate() {
        if !seen.contains(signatory.organisation.as_str()) {
            let text = format!("`{}` signed, but is not a party", signatory.organisation);
            refuse(format!("/signatories/{index}/organisation"), "party-unknown", text);
        }
    }
    for (name, category) in &agreement.categories {
        for (index, concern) in category.concern.iter().enumerate() {
            if tier::category(concern).is_none() {
                let text = format!("`{concern}` is not a code of the CodeSystem `concern-category`");
                refuse(format!("/categories/{name}/concern/{index}"), "category-unknown", text);
            }
        }
        for (index, code) in category.codes.iter().enumerate() {
            if !code.contains('|') {
                let text = format!("`{code}` is not written as `system|code`");
                refuse(format!("/categories/{name}/codes/{index}"), "code-shape", text);
            }
        }
        for (index, label) in category.labels.iter().enumerate().filter(|(_, label)| !labels::is_known(label))
        {
            let text = format!("`{label}` is not a security label");
            refuse(format!("/categories/{name}/labels/{index}"), "label-unknown", text);
        }
    }
    for (name, dataset) in &agreement.minimum_datasets {
        for (resource, elements) in &dataset.mask {
            // Only elements are masked: an extension without its value would not be valid.
            let wrong = |path: &String| path == "*" || path.contains("extension(");
            for (index, path) in elements.iter().enumerate().filter(|(_, path)| wrong(path)) {
                let text = format!("`{path}` cannot be masked; leave it out of the elements");
                refuse(format!("/minimum-datasets/{name}/mask/{resource}/{index}"), "mask", text);
            }
        }
    }
    if agreement.retention.parse::<jiff::Span>().is_err() {
        let text = format!("`{}` is not an ISO 8601 duration", agreement.retention);
        refuse("/retention".into(), "duration", text);
    }
    let Some(bases) = register.jurisdiction(&agreement.jurisdiction) else {
        let text = format!("there are no lawful bases for the jurisdiction `{}`", agreement.jurisdiction);
        refuse("/jurisdiction".into(), "jurisdiction-unknown", text);
        return;
    };
    let mut ids = HashSet::new();
    for (number, term) in agreement.terms.iter().enumerate() {
        if !ids.insert(term.id.as_str()) {
            refuse(
                format!("/terms/{number}/id"),
                "term-twice",
                format!("the term `{}` is written twice", term.id),
            );
        }
        check_term(agreement, term, bases, &mut |rest, rule, text| {
            refuse(format!("/terms/{number}{rest}"), rule, text);
        });
    }
}

fn check_term(
    agreement: &Agreement,
    term: &Term,
    bases: &[String],
    refuse: &mut dyn FnMut(String, &'static str, String),
) {
    let parties = [("from", &term.from, PartyRole::Source), ("to", &term.to, PartyRole::Recipient)];
    for (member, organisations, role) in parties {
        for (index, organisation) in organisations.iter().enumerate() {
            if !agreement.has_party(organisation, role) {
                let text = format!("`{organisation}` is not a party with the role `{role:?}`").to_lowercase();
                let text = text.replace(&organisation.to_lowercase(), organisation);
                refuse(format!("/{member}/{index}"), "party-unknown", text);
            }
        }
    }
    for (index, code) in term.tiers.iter().enumerate() {
        if Tier::parse(code).is_none() {
            refuse(format!("/tiers/{index}"), "tier-unknown", format!("`{code}` is not a sharing tier"));
        }
    }
    for (index, name) in term.categories.iter().enumerate() {
        if !agreement.categories.contains_key(name) && tier::category(name).is_none() {
            let text = format!("`{name}` is neither a concern category nor one the agreement defines");
            refuse(format!("/categories/{index}"), "category-unknown", text);
        }
    }
    for (index, code) in term.purposes.iter().enumerate() {
        if !purpose::is_known(code) {
            refuse(
                format!("/purposes/{index}"),
                "purpose-unknown",
                format!("`{code}` is not a purpose of use"),
            );
        }
    }
    for (index, code) in term.lawful_bases.accept.iter().enumerate() {
        if !bases.contains(code) {
            let text =
                format!("`{code}` is not a lawful basis in the jurisdiction `{}`", agreement.jurisdiction);
            refuse(format!("/lawful-bases/accept/{index}"), "basis-unknown", text);
        }
    }
    for (index, code) in term.clearance.sensitivities.iter().enumerate() {
        if !labels::is_sensitivity(code) && !labels::LOCAL_SENSITIVITIES.contains(&code.as_str()) {
            let text = format!("`{code}` is not a sensitivity label");
            refuse(format!("/clearance/sensitivities/{index}"), "label-unknown", text);
        }
    }
    if !agreement.minimum_datasets.contains_key(&term.minimum_dataset) {
        let text = format!("there is no minimum dataset `{}`", term.minimum_dataset);
        refuse("/minimum-dataset".into(), "minimum-dataset", text);
    }
    if let Some(time) = &term.response_time
        && time.parse::<jiff::Span>().is_err()
    {
        refuse("/response-time".into(), "duration", format!("`{time}` is not an ISO 8601 duration"));
    }
}

/// Checks the registry's partners: ids and organisations are unique, purposes known.
pub(crate) fn partners(partners: &[Partner], refusals: &mut Refusals) {
    let mut ids = HashSet::new();
    let mut organisations = HashSet::new();
    for partner in partners {
        let mut refuse = |rule, text: String| refusals.add("registry", None, "", rule, text);
        if !ids.insert(partner.id.as_str()) {
            refuse("partner-twice", format!("the partner `{}` is registered twice", partner.id));
        }
        if !organisations.insert(partner.organisation.as_str()) {
            let text = format!("the organisation `{}` is registered as two partners", partner.organisation);
            refuse("partner-twice", text);
        }
        if !purpose::is_known(&partner.purpose) {
            refuse("purpose-unknown", format!("`{}` is not a purpose of use", partner.purpose));
        }
    }
}

/// Refuses two terms that could both decide about the same thing: nobody could say which one holds.
pub(crate) fn overlaps(read: &[(String, Node, Agreement)], refusals: &mut Refusals) {
    let terms: Vec<(usize, &Agreement, usize, &Term)> = read
        .iter()
        .enumerate()
        .filter(|(_, (_, _, agreement))| agreement.status == AgreementStatus::InForce)
        .flat_map(|(at, (_, _, agreement))| {
            agreement.terms.iter().enumerate().map(move |(number, term)| (at, agreement, number, term))
        })
        .collect();
    for (position, (_, one, _, first)) in terms.iter().enumerate() {
        for (at, other, number, second) in terms.iter().skip(position + 1) {
            if !dates_overlap(one, other) || !terms_overlap(one, first, other, second) {
                continue;
            }
            let text = format!(
                "the term `{}` overlaps with `{}` of agreement `{}` version `{}`",
                second.id, first.id, one.id, one.version
            );
            if let Some((file, document, _)) = read.get(*at) {
                refusals.add(file, Some(document), &format!("/terms/{number}"), "agreements-overlap", text);
            }
        }
    }
}

fn dates_overlap(one: &Agreement, other: &Agreement) -> bool {
    one.effective.until.is_none_or(|until| other.effective.from <= until)
        && other.effective.until.is_none_or(|until| one.effective.from <= until)
}

fn terms_overlap(one: &Agreement, first: &Term, other: &Agreement, second: &Term) -> bool {
    let meet = |a: &[String], b: &[String]| a.iter().any(|code| b.contains(code));
    let purposes = first
        .purposes
        .iter()
        .any(|a| second.purposes.iter().any(|b| purpose::includes(a, b) || purpose::includes(b, a)));
    let (sources, others) = (sources(one, first), sources(other, second));
    let (concerns, more) = (concerns(one, first), concerns(other, second));
    // Tier and category tell Flags apart, and nothing else.
    let mut shared = first.resources.iter().filter(|resource| second.resources.contains(resource));
    let of_flags = meet(&first.tiers, &second.tiers) && concerns.intersection(&more).next().is_some();
    purposes
        && meet(&first.to, &second.to)
        && sources.intersection(&others).next().is_some()
        && shared.any(|resource| resource != "Flag" || of_flags)
}

fn sources(agreement: &Agreement, term: &Term) -> BTreeSet<String> {
    if !term.from.is_empty() {
        return term.from.iter().cloned().collect();
    }
    let parties = agreement.parties.iter().filter(|party| party.roles.contains(&PartyRole::Source));
    parties.map(|party| party.organisation.clone()).collect()
}

fn concerns(agreement: &Agreement, term: &Term) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in &term.categories {
        match agreement.categories.get(name) {
            Some(definition) => found.extend(definition.concern.iter().cloned()),
            None => {
                found.insert(name.clone());
            }
        }
    }
    found
}

/// Looks everything up that a decision will need. The error says what in the minimum dataset cannot be read.
pub(crate) fn compile(agreement: &Agreement, term: &Term) -> Result<CompiledTerm, String> {
    let written = agreement
        .minimum_datasets
        .get(&term.minimum_dataset)
        .ok_or_else(|| format!("there is no minimum dataset `{}`", term.minimum_dataset))?;
    let mut datasets = BTreeMap::new();
    for resource in &term.resources {
        let elements = written
            .elements
            .get(resource)
            .ok_or_else(|| format!("`{}` says nothing about `{resource}`", term.minimum_dataset))?;
        let dataset = Dataset::compile(resource, elements).map_err(|error| error.to_string())?;
        datasets.insert(resource.clone(), dataset);
    }
    let mut masks = BTreeMap::new();
    for (resource, elements) in &written.mask {
        Dataset::compile(resource, elements).map_err(|error| error.to_string())?;
        let paths = elements.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect();
        masks.insert(resource.clone(), paths);
    }
    let categories = term.categories.iter().map(|name| compile_category(agreement, name)).collect();
    Ok(CompiledTerm {
        agreement: agreement.id.clone(),
        version: agreement.version.clone(),
        term: term.id.clone(),
        status: agreement.status,
        from: agreement.effective.from,
        until: agreement.effective.until,
        review_due: agreement.review.due,
        sources: sources(agreement, term),
        resources: term.resources.clone(),
        tiers: term.tiers.iter().filter_map(|code| Tier::parse(code)).collect(),
        categories,
        purposes: term.purposes.clone(),
        accept: term.lawful_bases.accept.clone(),
        require: term.lawful_bases.require.clone(),
        consent: term.consent,
        overdue_consent_withholds: term.overdue_consent_withholds,
        datasets,
        masks,
        location: written.location,
        written: term.clone(),
    })
}

fn compile_category(agreement: &Agreement, name: &str) -> CompiledCategory {
    let Some(definition) = agreement.categories.get(name) else {
        return CompiledCategory {
            concern: vec![name.to_owned()],
            codes: Vec::new(),
            profiles: Vec::new(),
            labels: Vec::new(),
        };
    };
    CompiledCategory {
        concern: definition.concern.clone(),
        codes: definition
            .codes
            .iter()
            .filter_map(|code| code.split_once('|'))
            .map(|(system, code)| (system.to_owned(), code.to_owned()))
            .collect(),
        profiles: definition.profiles.clone(),
        labels: definition.labels.clone(),
    }
}
