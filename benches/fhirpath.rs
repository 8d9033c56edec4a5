//! How long the invariants of R4 take: `cargo bench --bench fhirpath`.
//!
//! The promise: each simple invariant takes less than a microsecond.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up must stop")]
#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use sgw::definitions::{Definitions, FhirTypes};
use sgw::fhir::json::Limits;
use sgw::fhir::tree::{NodeId, Tree};
use sgw::fhirpath::{Environment, Expression};
use std::hint::black_box;

const FLAG: &str = r##"{"resourceType":"Flag","id":"f","meta":{"profile":["https://fhir.sgw.example/StructureDefinition/safeguarding-flag"]},
"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"},
"contained":[{"resourceType":"Practitioner","id":"p","name":[{"family":"Example"}]}],
"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/flag-detail","valueReference":{"reference":"Condition/1"}}],
"identifier":[{"system":"https://a.example/facts","value":"1"}],"status":"active",
"category":[{"coding":[{"system":"https://fhir.sgw.example/CodeSystem/concern-category","code":"child-protection"}]}],
"code":{"text":"Child protection plan"},"subject":{"reference":"Patient/1"},
"period":{"start":"2024-01-05T10:00:00+00:00","end":"2025-01-05"},"author":{"reference":"#p"}}"##;

/// Name, expression, and the path of members to the element it is evaluated on. `dom-3` is written with `ofType()` where the
/// published text asks `as()` of many values; the validator itself checks it, and the commonest others, by code of its own.
const INVARIANTS: [(&str, &str, &[&str]); 10] = [
    ("ele-1", "hasValue() or (children().count() > id.count())", &["category"]),
    ("ext-1", "extension.exists() != value.exists()", &["extension"]),
    ("per-1", "start.hasValue().not() or end.hasValue().not() or (start <= end)", &["period"]),
    ("dom-2", "contained.contained.empty()", &[]),
    ("dom-4", "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()", &[]),
    ("dom-5", "contained.meta.security.empty()", &[]),
    ("dom-6", "text.`div`.exists()", &[]),
    (
        "dom-3",
        "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().ofType(canonical) | %resource.descendants().ofType(uri) | %resource.descendants().ofType(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()",
        &[],
    ),
    (
        "ref-1",
        "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))",
        &["author"],
    ),
    (
        "code",
        "category.coding.where(system = 'https://fhir.sgw.example/CodeSystem/concern-category').exists()",
        &[],
    ),
];

fn find(tree: &Tree<'_>, path: &[&str]) -> NodeId {
    path.iter().fold(tree.root(), |at, name| tree.child(at, name).expect("the element is there"))
}

fn invariants(criterion: &mut Criterion) {
    let tree = Tree::from_json(FLAG, &Limits::default()).expect("the flag can be read");
    let definitions = Definitions::builtin();
    let environment = Environment::new(FhirTypes::get(), &*definitions, Timestamp::UNIX_EPOCH);
    for (name, text, path) in INVARIANTS {
        let expression = Expression::parse(text).expect("the invariant is sound");
        let node = find(&tree, path);
        let answer =
            expression.evaluate_boolean(&tree, node, &environment).expect("the invariant can be evaluated");
        assert_eq!(answer, Some(true), "{name} holds");
        criterion.bench_function(&format!("fhirpath/{name}"), |bencher| {
            bencher.iter(|| black_box(expression.evaluate_boolean(&tree, node, &environment)));
        });
    }
    criterion.bench_function("fhirpath/parse per-1", |bencher| {
        bencher.iter(|| black_box(Expression::parse(INVARIANTS[2].1)));
    });
}

criterion_group!(benches, invariants);
criterion_main!(benches);
