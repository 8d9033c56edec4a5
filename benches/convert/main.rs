//! Conversion alone, with validation, and beside LinuxForHealth's converter where that is present.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a bench that cannot be set up must say so, and prints its figures"
)]

mod beside;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sgw::convert::{Context, Mappings, Source, convert, convert_rows};
use sgw::validate::Validator;
use std::hint::black_box;

const ADT: &[u8] = include_bytes!("../../fixtures/convert/hl7v2-a08-child-protection/input.hl7");
const CDA: &str = include_str!("../../fixtures/convert/cda-edischarge/input.xml");
const ROWS: usize = 1_000;

fn source(mapping: &str) -> Source {
    let known = Mappings::builtin().get(mapping).unwrap();
    Source {
        id: "bench".into(),
        organisation: "RXX".into(),
        name: "Bench".into(),
        format: known.format,
        mapping: mapping.into(),
        lawful_basis: vec!["ca2004-s11".into()],
        tier: None,
    }
}

fn conversions(c: &mut Criterion) {
    let mappings = Mappings::builtin();
    let context = Context::new("2026-11-21T09:00:00Z".parse().unwrap(), "bench");
    let validator = Validator::builtin();
    let (hl7, adt) = (source("hl7v2-adt"), mappings.get("hl7v2-adt").unwrap());
    let mut group = c.benchmark_group("convert");
    group.throughput(Throughput::Elements(1));
    group.bench_function("adt-with-ledger", |b| {
        b.iter(|| convert(black_box(ADT), &hl7, adt, &context).unwrap());
    });
    group.bench_function("adt-with-ledger-and-validation", |b| {
        b.iter(|| {
            let converted = convert(black_box(ADT), &hl7, adt, &context).unwrap();
            assert!(validator.validate_value(&converted.bundle, &[]).is_valid());
        });
    });
    // The fixture's document, with sections enough for 40 KB.
    let section = "<component><section><title>Plan</title><text><paragraph>To be seen again.</paragraph></text></section></component>";
    let long = CDA.replace("</structuredBody>", &format!("{}</structuredBody>", section.repeat(320)));
    let (xml, cda) = (source("cda"), mappings.get("cda").unwrap());
    group.bench_function("cda-40kb-with-ledger-and-validation", |b| {
        b.iter(|| {
            let converted = convert(black_box(long.as_bytes()), &xml, cda, &context).unwrap();
            assert!(validator.validate_value(&converted.bundle, &[]).is_valid());
        });
    });
    let mut csv =
        String::from("nhs_number,cppl_cp_plan_id,cppl_cp_plan_start_date,cppl_cp_plan_latest_category\n");
    for row in 0..ROWS {
        csv.push_str(&format!("9000000033,CP-{row},2026-02-01,EMO\n"));
    }
    let (rows, ssd) = (source("ssd-cp-plans"), mappings.get("ssd-cp-plans").unwrap());
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("csv-rows", |b| {
        b.iter(|| {
            convert_rows(black_box(csv.as_bytes()), &rows, ssd, &context, &mut |c| drop(black_box(c)))
                .unwrap()
        });
    });
    group.finish();
}

fn others(_: &mut Criterion) {
    let mappings = Mappings::builtin();
    let context = Context::new("2026-11-21T09:00:00Z".parse().unwrap(), "bench");
    let validator = Validator::builtin();
    let (hl7, adt) = (source("hl7v2-adt"), mappings.get("hl7v2-adt").unwrap());
    beside::beside(|| {
        let converted = convert(black_box(ADT), &hl7, adt, &context).unwrap();
        assert!(validator.validate_value(&converted.bundle, &[]).is_valid());
    });
}

criterion_group!(benches, conversions, others);
criterion_main!(benches);
