//! The law of the ledger over messages that a generator makes: as many entries as values, each place once, and no panic,
//! whatever the delimiters, character sets, escapes, repetitions and truncations.
//!
//! `SGW_GENERATED` HL7 v2 messages (6,000) and a third as many payloads of the other formats are made from
//! `SGW_GENERATED_SEED` (1). The long run: `SGW_GENERATED=100000 cargo test --release generated -- --nocapture`.
//! Values are counted by splitting alone, apart from the readers.

use super::makers::{Made, csv, hl7, xml};
use super::objects::{flat, json};
use crate::differential::random::Random;
use sgw::convert::ledger::Outcome;
use sgw::convert::{Context, Mapping, Mappings, Source, convert_each};
use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

fn number(name: &str, default: u64) -> u64 {
    crate::differential::setting(name).map_or(default, |value| value.parse().expect("a number"))
}

fn source(mapping: &Mapping) -> Source {
    Source {
        id: "generated".into(),
        organisation: "RXX".into(),
        name: "Generator".into(),
        format: mapping.format,
        mapping: mapping.id.clone(),
        lawful_basis: vec!["ca2004-s11".into()],
        tier: None,
    }
}

/// What became of all values of a format.
#[derive(Default)]
struct Tally {
    payloads: usize,
    records: usize,
    unreadable: usize,
    refused: usize,
    made: usize,
    values: usize,
    ends: BTreeMap<&'static str, usize>,
}

fn judge(made: &Made, mapping: &Mapping, tally: &mut Tally, seed: u64) {
    let context = Context::new("2026-11-21T09:00:00Z".parse().unwrap(), "generated");
    let (mut entries, mut unreadable) = (0, 0);
    let mut places = HashSet::new();
    let shown = || String::from_utf8_lossy(&made.payload).into_owned();
    let read = convert_each(&made.payload, &source(mapping), mapping, &context, &mut |one| {
        tally.records += 1;
        let Ok(one) = one else {
            unreadable += 1;
            return;
        };
        let summary = one.ledger.summary();
        assert_eq!(summary.values, summary.mapped + summary.carried + summary.dropped, "{}", shown());
        let before = entries;
        // Messages of a batch each have places of their own.
        places.clear();
        for entry in one.ledger.entries() {
            entries += 1;
            let end = match entry.outcome {
                Outcome::Mapped => "mapped",
                Outcome::Carried => "carried",
                Outcome::Dropped(reason) => reason.code(),
            };
            *tally.ends.entry(end).or_default() += 1;
            assert!(
                places.insert(entry.at.clone()) || made.repeats,
                "seed {seed}: `{}` twice: {}",
                entry.at,
                shown()
            );
        }
        assert_eq!(entries - before, summary.values, "seed {seed}: {}", shown());
        tally.refused += usize::from(one.refused());
        tally.made += usize::from(one.bundle.get("entry").is_some());
    });
    tally.payloads += 1;
    tally.values += entries;
    match (&made.values, read, unreadable) {
        (Some(values), Ok(()), 0) => {
            assert_eq!(entries, *values, "seed {seed}: values in against entries out: {}", shown());
        }
        // What is broken on purpose may be refused as a whole, with nothing of it used.
        (None, ..) => tally.unreadable += 1,
        (Some(_), read, _) => panic!("seed {seed}: it could not be read: {read:?} {}", shown()),
    }
}

fn run(name: &str, count: u64, mappings: &[&str], make: fn(&mut Random, &Mapping) -> Made) {
    let first = number("SGW_GENERATED_SEED", 1);
    let begun = Instant::now();
    let mut tally = Tally::default();
    for seed in first..first + count {
        let id = mappings[seed as usize % mappings.len()];
        let mapping = Mappings::builtin().get(id).unwrap();
        let made = make(&mut Random::new(seed), mapping);
        judge(&made, mapping, &mut tally, seed);
    }
    let Tally { payloads, records, unreadable, refused, made, values, ends } = tally;
    println!(
        "{name}: {payloads} payloads, {records} records ({made} made something, {refused} refused, {unreadable} payloads \
         broken on purpose), {values} values in, {values} entries out: {ends:?} in {:?}",
        begun.elapsed()
    );
    assert!(values > 0 && made > 0, "the generator reaches the mapping");
}

fn messages() -> u64 {
    number("SGW_GENERATED", 6000)
}

#[test]
fn every_value_of_generated_hl7_messages_has_one_entry() {
    run("HL7 v2", messages(), &["hl7v2-adt"], hl7);
}

#[test]
fn every_cell_of_generated_tables_has_one_entry() {
    let mappings = [
        "ssd-cp-plans",
        "ssd-s47-enquiry",
        "ssd-legal-status",
        "ssd-missing",
        "emis-problems",
        "systmone-safeguarding",
        "mhsds-restrictive",
    ];
    run("CSV", messages() / 3, &mappings, csv);
}

#[test]
fn every_text_and_attribute_of_generated_documents_has_one_entry() {
    run("XML", messages() / 3, &["cda", "cin-census"], xml);
}

#[test]
fn every_scalar_of_generated_objects_has_one_entry() {
    let mappings = ["json-alert", "json-events", "epic-fyi", "dfe-csc", "fhir-r4"];
    run("JSON", messages() / 3, &mappings, json);
}

#[test]
fn every_path_of_generated_compositions_has_one_entry() {
    run("openEHR FLAT", messages() / 3, &["openehr-flat"], flat);
}
