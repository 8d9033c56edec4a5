//! The log: a million leaves verified by `sgw-verify`, proofs made and verified, and what audit costs intake.
//!
//! `cargo bench --bench audit [-- --leaves N]`. The export is written here with real events (reads, decisions), signed
//! every 10,000 leaves, and verified by the real binary in a process of its own. The cost of audit is measured with
//! it on and off where that can be done honestly: units of work committed with and without their leaves; and the
//! building of records by itself. Figures are printed, never asserted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench that cannot be set up must say so, and prints its figures"
)]

use jiff::{SignedDuration, Timestamp};
use sgw::audit::{
    Act, EXPORT_FORMAT, Entry, Frontier, Gateway, Manifest, Party, Proof, Signer, StoredLeaf, Target, Tree,
    export_line, record,
};
use sgw::govern::{Facts, Partner, Policy, Request, decide};
use sgw::store::{Options, Put, SharedStore, SqliteStore, Work};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const HUB: &str = include_str!("../../profiles/agreements/northshire-hub.yaml");
/// Leaves that one submission of an alert leaves with three subscribers: see `docs/governance/audit.md`.
const LEAVES_A_SUBMISSION: usize = 10;

fn gateway() -> Gateway {
    Gateway {
        organisation: "GZZ01".into(),
        name: "Bench gateway".into(),
        device: "sgw".into(),
        address: "127.0.0.1".into(),
    }
}

/// Acts as a gateway records them: a decision for a partner with all that it rests on, and a read.
struct Acts {
    policy: Policy,
    partner: Partner,
    flag: serde_json::Value,
}

impl Acts {
    fn new() -> Acts {
        let partner = Partner::new("hub", "LZZ01", "Hub");
        let policy =
            Policy::from_documents(&[("hub.yaml".into(), HUB.into())], vec![partner.clone()]).unwrap();
        let base = sgw::fhir::systems::base();
        let flag = serde_json::json!({"resourceType": "Flag", "id": "f1",
            "extension": [{"url": format!("{base}/StructureDefinition/lawful-basis"),
                "valueCoding": {"system": format!("{base}/CodeSystem/lawful-basis"), "code": "ca1989-s47"}}],
            "category": [{"coding": [{"system": format!("{base}/CodeSystem/concern-category"), "code": "child-protection"}]}],
            "subject": {"reference": "Patient/p1"}});
        Acts { policy, partner, flag }
    }

    fn entries(&self, gateway: &Gateway, now: Timestamp, count: usize) -> Vec<Entry> {
        let facts = Facts {
            resource: &self.flag,
            resource_type: "Flag",
            id: "f1",
            version: 1,
            source_organisation: "RZZ01",
            patient: None,
            consents: &[],
        };
        let decision = decide(&self.policy, &Request::notify(&self.partner), &facts, now);
        let party = Party { id: "hub", organisation: "LZZ01", name: "Hub", address: "192.0.2.7" };
        let (target, patient) = (Target::version("Flag", "f1", 1), Some("nhs:9000000009"));
        let entry = |n: usize| {
            let act = if n.is_multiple_of(2) {
                Act::Decision {
                    decision: &decision,
                    recipient: Some(party),
                    target,
                    patient,
                    trigger: "intake",
                }
            } else {
                Act::Read {
                    caller: party,
                    target,
                    patient,
                    purpose: "SAFEGUARDING",
                    decision: Some(&decision),
                }
            };
            record(&act, gateway, now)
        };
        (0..count).map(entry).collect()
    }
}

fn stored(entry: Entry, position: u64) -> StoredLeaf {
    StoredLeaf {
        position,
        id: entry.id,
        leaf: entry.leaf,
        leaf_hash: entry.leaf_hash,
        salt: Some(entry.salt),
        body: Some(entry.canonical),
    }
}

fn verified(folder: &Path, leaves: u64) {
    let (acts, gateway) = (Acts::new(), gateway());
    let mut signer = Signer::generate("GZZ01/sgw-audit").unwrap();
    let key = folder.join("audit.pub");
    std::fs::write(&key, signer.verifier().to_string()).unwrap();
    let export = folder.join("export");
    std::fs::create_dir(&export).unwrap();
    let mut file =
        BufWriter::with_capacity(1 << 20, std::fs::File::create(export.join("audit.ndjson")).unwrap());
    let (mut frontier, mut tree, mut digest) = (Frontier::new(), Tree::new(), Sha256::new());
    let start: Timestamp = "2026-10-01T00:00:00Z".parse().unwrap();
    let (mut recording, mut last, mut kept) = (Duration::ZERO, None, None);
    for n in (0..leaves).step_by(100) {
        let begun = Instant::now();
        let entries = acts.entries(&gateway, start + SignedDuration::from_millis(n as i64), 100);
        recording += begun.elapsed();
        for (position, entry) in (n..).zip(entries) {
            let leaf = stored(entry, position);
            let line = export_line(&leaf) + "\n";
            digest.update(line.as_bytes());
            file.write_all(line.as_bytes()).unwrap();
            frontier.push(leaf.leaf_hash);
            tree.push(leaf.leaf_hash);
            if position == leaves / 3 {
                kept = Some(leaf);
            }
        }
        let size = frontier.size();
        if size.is_multiple_of(10_000) || size == leaves {
            let checkpoint = signer.sign(size, &frontier.root()).unwrap();
            std::fs::write(export.join(format!("checkpoint-{size}.txt")), &checkpoint.note).unwrap();
            last = Some(checkpoint);
        }
    }
    file.flush().unwrap();
    let manifest = Manifest {
        format: EXPORT_FORMAT.to_owned(),
        created: start.to_string(),
        size: leaves,
        root: hex::encode(frontier.root()),
        sha256: hex::encode(digest.finalize()),
    };
    std::fs::write(export.join("manifest.json"), serde_json::to_string(&manifest).unwrap()).unwrap();
    let bytes = std::fs::metadata(export.join("audit.ndjson")).unwrap().len();
    println!("recording one act: {:.2} µs", recording.as_secs_f64() * 1e6 / leaves as f64);
    let begun = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_sgw-verify"))
        .args(["log", &export.display().to_string(), "--key", &key.display().to_string()])
        .output()
        .unwrap();
    let took = begun.elapsed();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    println!(
        "sgw-verify log over {leaves} leaves, {} MB: {:.2} s; {}",
        bytes >> 20,
        took.as_secs_f64(),
        said.trim()
    );

    let (leaf, checkpoint) = (kept.unwrap(), last.unwrap());
    let rounds = 2_000;
    let begun = Instant::now();
    for _ in 0..rounds {
        black_box(Proof::make(&leaf, &tree, &checkpoint).unwrap());
    }
    println!("making one proof: {:.1} µs", begun.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));
    let (text, key) = (Proof::make(&leaf, &tree, &checkpoint).unwrap().to_json(), signer.verifier());
    let begun = Instant::now();
    for _ in 0..rounds {
        black_box(Proof::parse(&text).unwrap().verify(&key).unwrap());
    }
    println!(
        "reading and verifying one proof: {:.1} µs",
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
    );
}

/// Commits of six resources by 64 clients, with and without the leaves of a submission, in alternating slices.
async fn on_and_off(folder: &Path) {
    let (acts, gateway) = (Arc::new(Acts::new()), Arc::new(gateway()));
    let options = Options::at(folder.join("bench.db"));
    let store: SharedStore = Arc::new(SqliteStore::open(options, Timestamp::now()).await.unwrap());
    let mut rates = [Vec::new(), Vec::new()];
    for slice in 0..12 {
        let audited = slice % 2 == 0;
        let begun = Instant::now();
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (store, acts, gateway) = (store.clone(), acts.clone(), gateway.clone());
                tokio::spawn(async move {
                    let mut done = 0_u64;
                    while begun.elapsed() < Duration::from_secs(2) {
                        let now = Timestamp::now();
                        let mut work = Work::at(now);
                        for _ in 0..6 {
                            let id = uuid::Uuid::now_v7().to_string();
                            work.puts.push(Put {
                                resource_type: "Flag".into(),
                                body: format!(
                                    "{{\"resourceType\":\"Flag\",\"id\":\"{id}\",\"x\":\"{}\"}}",
                                    "y".repeat(1400)
                                ),
                                id,
                                version: 1,
                                expected: None,
                                patient_key: Some("nhs:9000000009".into()),
                                identifiers: Vec::new(),
                                last_updated: now,
                                deleted: false,
                            });
                        }
                        if audited {
                            let entries = acts.entries(&gateway, now, LEAVES_A_SUBMISSION);
                            work.audits = entries.into_iter().map(Into::into).collect();
                        }
                        store.commit(work).await.unwrap();
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            done += task.await.unwrap();
        }
        rates[usize::from(!audited)].push(done as f64 / begun.elapsed().as_secs_f64());
    }
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len() as f64;
    let (on, off) = (mean(&rates[0]), mean(&rates[1]));
    println!(
        "units of six resources, 64 clients: {on:.0}/s with {LEAVES_A_SUBMISSION} leaves each, {off:.0}/s without: \
         {:.0} µs a unit for recording and storing them",
        1e6 / on - 1e6 / off
    );
    store.close().await.unwrap();
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given =
        arguments.iter().position(|argument| argument == "--leaves").and_then(|at| arguments.get(at + 1));
    let leaves = given.map_or(1_000_000, |text| text.parse().expect("a number of leaves"));
    let folder = tempfile::tempdir().unwrap();
    verified(folder.path(), leaves);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(on_and_off(folder.path()));
}
