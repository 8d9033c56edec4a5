//! How fast resources are validated: `cargo bench --bench validate`.
//!
//! A Flag of 2 KB by its profile and by the base alone, in XML, and as a value; reading alone; Bundles of 1,000 and 10,000
//! entries; a line of NDJSON with its report. With `SGW_ORACLE` set the HL7 reference validator is asked in the same run.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that cannot be set up must say so, and prints its figures"
)]

mod material;
mod oracle;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use material::PROFILE;
use sgw::fhir::{json::Limits, tree::Tree};
use sgw::validate::Validator;
use sgw::validate::formats::{Item, ndjson_line};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn flags(criterion: &mut Criterion) {
    let validator = Validator::builtin();
    let (profiled, plain, xml) = (material::flag(), material::plain(), material::xml());
    let value = serde_json::from_str(&profiled).unwrap();
    for (report, name) in [
        (validator.validate_json(&profiled, &[PROFILE]), "profile"),
        (validator.validate_json(&plain, &[]), "base"),
        (validator.validate_xml(&xml, &[PROFILE]), "XML"),
    ] {
        assert!(report.issues.is_empty(), "{name}: {:?}", report.issues);
    }
    println!(
        "the Flag has {} bytes in JSON, {} in XML, {} without its profile",
        profiled.len(),
        xml.len(),
        plain.len()
    );
    let mut group = criterion.benchmark_group("flag");
    group.throughput(Throughput::Elements(1));
    group.bench_function("read-only", |bencher| {
        bencher.iter(|| Tree::from_json(black_box(&profiled), &Limits::DEFAULT).unwrap().len());
    });
    group.bench_function("base", |bencher| {
        bencher.iter(|| validator.validate_json(black_box(&plain), &[]).is_valid());
    });
    group.bench_function("profile", |bencher| {
        bencher.iter(|| validator.validate_json(black_box(&profiled), &[PROFILE]).is_valid());
    });
    group.bench_function("profile-xml", |bencher| {
        bencher.iter(|| validator.validate_xml(black_box(&xml), &[PROFILE]).is_valid());
    });
    group.bench_function("profile-value", |bencher| {
        bencher.iter(|| validator.validate_value(black_box(&value), &[PROFILE]).is_valid());
    });
    group.bench_function("ndjson-line", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            let report = validator.validate_bytes(black_box(profiled.as_bytes()), &[]);
            ndjson_line(
                &mut out,
                &Item { input: "flags.ndjson", line: Some(1), report: &report, source: None },
            )
            .unwrap();
            out.len()
        });
    });
    group.finish();
}

/// Bundles are timed in turns, so that both sizes meet the same disturbances; the best of each counts.
fn bundles(_: &mut Criterion) {
    let validator = Validator::builtin();
    let texts = [1_000, 10_000].map(material::bundle);
    let mut best = [Duration::MAX; 2];
    for round in 0..12 {
        for (text, best) in texts.iter().zip(&mut best) {
            let begun = Instant::now();
            let report = validator.validate_json(black_box(text), &[]);
            let took = begun.elapsed();
            assert!(report.is_valid(), "{:?}", report.issues.first());
            if round > 1 {
                *best = (*best).min(took);
            }
        }
    }
    for (text, best) in texts.iter().zip(best) {
        let rate = text.len() as f64 / 1e6 / best.as_secs_f64();
        println!(
            "bundle of {:.2} MB: {:.2} ms, {rate:.0} MB/s",
            text.len() as f64 / 1e6,
            best.as_secs_f64() * 1e3
        );
    }
    println!("10 × the entries take {:.1} × the time", best[1].as_secs_f64() / best[0].as_secs_f64());
}

fn beside(_: &mut Criterion) {
    oracle::beside();
}

criterion_group!(benches, flags, bundles, beside);
criterion_main!(benches);
