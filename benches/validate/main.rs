//! How fast resources are validated: a Flag by the base and by its profile, a bundle of growing size, NDJSON.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot be set up must say so")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use sgw::fhir::{json::Limits, tree::Tree};
use sgw::validate::Validator;
use sgw::validate::formats::{Item, ndjson_line};
use std::hint::black_box;

const PROFILE: &str = "https://fhir.sgw.example/StructureDefinition/safeguarding-flag";

fn flag() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/profiles/safeguarding-flag/pass-child-protection.json"
    );
    std::fs::read_to_string(path).expect("the fixture is there")
}

/// The Flag without the claim to its profile.
fn plain() -> String {
    let mut value: Value = serde_json::from_str(&flag()).unwrap();
    if let Some(meta) = value.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("profile");
    }
    value.to_string()
}

fn bundle(entries: usize) -> String {
    let mut list = Vec::new();
    for number in 0..entries / 2 {
        let patient = format!("urn:uuid:00000000-0000-4000-8000-{number:012x}");
        list.push(json!({"fullUrl": patient, "resource": {"resourceType": "Patient", "active": true}}));
        list.push(json!({
            "fullUrl": format!("urn:uuid:00000000-0000-4000-9000-{number:012x}"),
            "resource": {
                "resourceType": "Flag", "status": "active", "code": {"text": "see the record"},
                "subject": {"reference": patient}, "period": {"start": "2026-01-01"},
            },
        }));
    }
    json!({"resourceType": "Bundle", "type": "collection", "entry": list}).to_string()
}

fn flags(criterion: &mut Criterion) {
    let validator = Validator::builtin();
    let (profiled, plain) = (flag(), plain());
    assert!(validator.validate_json(&profiled, &[PROFILE]).is_valid());
    assert!(validator.validate_json(&plain, &[]).is_valid());
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
    group.finish();
}

fn bundles(criterion: &mut Criterion) {
    let validator = Validator::builtin();
    let mut group = criterion.benchmark_group("bundle");
    group.sample_size(10);
    for entries in [1_000, 10_000] {
        let text = bundle(entries);
        assert!(validator.validate_json(&text, &[]).is_valid());
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(entries), &text, |bencher, text| {
            bencher.iter(|| validator.validate_json(black_box(text), &[]).is_valid());
        });
    }
    group.finish();
}

fn lines(criterion: &mut Criterion) {
    let validator = Validator::builtin();
    let text: String = serde_json::from_str::<Value>(&flag()).unwrap().to_string();
    let mut group = criterion.benchmark_group("ndjson");
    group.throughput(Throughput::Elements(1));
    group.bench_function("line", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            let report = validator.validate_bytes(black_box(text.as_bytes()), &[]);
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

criterion_group!(benches, flags, bundles, lines);
criterion_main!(benches);
