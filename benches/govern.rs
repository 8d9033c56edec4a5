//! Deciding, releasing, recording and verifying. `cargo bench --bench govern`; see `benches/README.md`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench may fail loudly"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use sgw::audit::{Act, Gateway, Hash, Party, StoredLeaf, Target, Tree, look, merkle, record};
use sgw::fhir::systems;
use sgw::govern::{Facts, Partner, Policy, Request, StoredConsent, decide};
use sgw::validate::Validator;
use std::hint::black_box;

const ED: &str = include_str!("../profiles/agreements/eastmoor-ed.yaml");

fn flag() -> Value {
    let own = |kind: &str, code: &str| json!({"system": systems::canonical(&format!("CodeSystem/{kind}")), "code": code});
    json!({"resourceType": "Flag", "id": "f", "status": "active",
        "extension": [{"url": systems::canonical("StructureDefinition/lawful-basis"), "valueCoding": own("lawful-basis", "ca1989-s47")},
            {"url": "https://example.org/other", "valueString": "x".repeat(900)}],
        "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", "y".repeat(400))},
        "category": [{"coding": [own("concern-category", "domestic-abuse")]}],
        "code": {"coding": [{"system": systems::SNOMED, "code": "707087005", "display": "At risk of domestic violence"}], "text": "x"},
        "subject": {"reference": "Patient/p", "identifier": {"system": systems::NHS_NUMBER, "value": "9000000009"}, "display": "A Name"},
        "period": {"start": "2026-10-01"}, "author": {"reference": "Organization/o"}})
}

fn consent(n: usize) -> Value {
    json!({"resourceType": "Consent", "id": format!("c{n}"), "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "patient": {"identifier": {"system": systems::NHS_NUMBER, "value": "9000000009"}}, "dateTime": "2026-01-01",
        "provision": {"type": "deny", "period": {"start": "2026-01-01"}, "actor": [{"reference":
            {"identifier": {"system": systems::ODS_ORGANIZATION, "value": format!("X{n:03}")}}}],
            "provision": [{"type": "permit", "purpose": [{"system": systems::ACT_REASON, "code": "ETREAT"}]}]}})
}

fn benches(c: &mut Criterion) {
    let documents: Vec<(String, String)> = (0..50)
        .map(|n| {
            let code = if n == 25 { "RZZ02".to_owned() } else { format!("T{n:04}") };
            let text = ED.replace("id: eastmoor-ed", &format!("id: agreement-{n}")).replace("RZZ02", &code);
            (format!("{n}.yaml"), text)
        })
        .collect();
    let housing = include_str!("../profiles/agreements/moorland-homes.yaml").to_owned();
    let partners = vec![Partner::new("ed", "RZZ02", "ED"), Partner::new("housing", "HZZ01", "Housing")];
    let documents = [documents, vec![("homes.yaml".to_owned(), housing)]].concat();
    let policy = Policy::from_documents(&documents, partners).expect("the agreements are sound");
    let resource = flag();
    let bodies: Vec<Value> = (0..20).map(consent).collect();
    let ids: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
    let consents: Vec<StoredConsent> =
        ids.iter().zip(&bodies).map(|(id, resource)| StoredConsent { id, version: 1, resource }).collect();
    let facts = Facts {
        resource: &resource,
        resource_type: "Flag",
        id: "f",
        version: 1,
        source_organisation: "RZZ01",
        patient: None,
        consents: &consents,
    };
    let now = "2026-11-21T09:00:00Z".parse().unwrap();
    let ed = Request::notify(policy.partner("ed").unwrap());
    c.bench_function("decide: 51 agreements, 20 consents", |b| {
        b.iter(|| black_box(decide(&policy, &ed, &facts, now)));
    });
    let decision = decide(&policy, &Request::notify(policy.partner("housing").unwrap()), &facts, now);
    let permit = decision.permit().expect("housing may have its minimum");
    c.bench_function("release: minimum dataset of a 2 KB Flag", |b| {
        b.iter(|| black_box(permit.release(&facts, now).unwrap()));
    });

    let validator = Validator::builtin();
    c.bench_function("release and validate again: minimum dataset of a 2 KB Flag", |b| {
        b.iter(|| black_box(permit.release_valid(&facts, &validator, now).unwrap()));
    });

    let gateway = Gateway {
        organisation: "GZZ01".into(),
        name: "Gateway".into(),
        device: "sgw".into(),
        address: "127.0.0.1:8080".into(),
    };
    let party =
        Party { id: "housing", organisation: "HZZ01", name: "Housing", address: "https://homes.example" };
    let target = Target::version("Flag", "f", 1);
    let act = Act::Decision {
        decision: &decision,
        recipient: Some(party),
        target,
        patient: Some("nhs:9000000009"),
        trigger: "send",
    };
    c.bench_function("record: one decision, event and leaf", |b| {
        b.iter(|| black_box(record(&act, &gateway, now)));
    });

    let entry = record(&act, &gateway, now);
    let leaf = StoredLeaf {
        position: 0,
        id: entry.id,
        leaf: entry.leaf,
        leaf_hash: entry.leaf_hash,
        salt: Some(entry.salt),
        body: Some(entry.canonical),
    };
    let mut group = c.benchmark_group("verify");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one leaf with its content", |b| b.iter(|| black_box(look(&leaf))));
    let hashes: Vec<Hash> = (0..100_000_u32).map(|n| merkle::leaf_hash(&n.to_be_bytes())).collect();
    let root = merkle::root(&hashes);
    let proof = merkle::inclusion_proof(&hashes, 77_777).unwrap();
    group.bench_function("one proof in a log of 100,000", |b| {
        b.iter(|| assert!(merkle::verify_inclusion(&hashes[77_777], 77_777, 100_000, &proof, &root)));
    });
    let tree: Tree = (0..1_000_000_u32).map(|n| merkle::leaf_hash(&n.to_be_bytes())).collect();
    group.bench_function("making one proof in a log of 1,000,000", |b| {
        b.iter(|| black_box(tree.inclusion_proof(777_777, 999_999)));
    });
    group.finish();
}

criterion_group!(govern, benches);
criterion_main!(govern);
