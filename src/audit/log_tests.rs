//! Tampering with a log: each way, and the name under which it is found.

use super::tests::gateway;
use super::*;
use jiff::{Timestamp, ToSpan};

struct Log {
    leaves: Vec<StoredLeaf>,
    checkpoints: Vec<Checkpoint>,
}

fn leaf(position: u64, at: Timestamp, act: &Act) -> StoredLeaf {
    let entry = record(act, &gateway(), at);
    StoredLeaf {
        position,
        id: entry.id,
        leaf: entry.leaf,
        leaf_hash: entry.leaf_hash,
        salt: Some(entry.salt),
        body: Some(entry.canonical),
    }
}

fn read_act(target: &str) -> Act<'_> {
    let caller = Party { id: "key", organisation: "RZZ01", name: "", address: "" };
    let target = Target::version("Flag", target, 1);
    Act::Read { caller, target, patient: Some("nhs:9000000009"), purpose: "TREAT", decision: None }
}

/// Forty leaves, a minute apart; checkpoints over 10, 20, 30 and 40.
fn log() -> Log {
    let start: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
    let mut signer = Signer::generate("test.example/audit").unwrap();
    let (mut leaves, mut checkpoints, mut frontier) = (Vec::new(), Vec::new(), Frontier::new());
    for n in 0..40u64 {
        let id = format!("f{n}");
        let leaf = leaf(n, start + (n as i64).minutes(), &read_act(&id));
        frontier.push(leaf.leaf_hash);
        leaves.push(leaf);
        if (n + 1) % 10 == 0 {
            checkpoints.push(signer.sign(n + 1, &frontier.root()).unwrap());
        }
    }
    Log { leaves, checkpoints }
}

fn names(log: &Log) -> Vec<String> {
    let mut check = LogCheck::new(log.checkpoints.clone());
    log.leaves.iter().for_each(|leaf| check.push(leaf));
    check.finish().findings.iter().map(Finding::name).collect()
}

fn renumber(log: &mut Log) {
    for (position, leaf) in log.leaves.iter_mut().enumerate() {
        leaf.position = position as u64;
    }
}

/// Another event in the place of one, with everything that is derived from it recomputed.
fn rewrite(log: &mut Log, at: usize, when: &str) {
    let target = "other";
    log.leaves[at] = leaf(at as u64, when.parse().unwrap(), &read_act(target));
}

#[test]
fn an_untouched_log_verifies() {
    let log = log();
    let mut check = LogCheck::new(log.checkpoints.clone());
    log.leaves.iter().for_each(|leaf| check.push(leaf));
    let report = check.finish();
    assert_eq!((report.findings.as_slice(), report.agreed.as_slice()), (&[][..], &[10, 20, 30, 40][..]));
    let unfinished = Log { leaves: log.leaves[..35].to_vec(), checkpoints: log.checkpoints[..3].to_vec() };
    assert!(names(&unfinished).is_empty());
}

#[test]
fn every_way_of_tampering_is_found_by_name() {
    let mut flipped = log();
    flipped.leaves[12].leaf = flipped.leaves[12].leaf.replace("RZZ01", "RZZ02").replace("done", "lost");
    assert_eq!(names(&flipped), ["leaf-altered"]);

    let mut content = log();
    content.leaves[12].body = content.leaves[12].body.as_ref().map(|body| body.replace("f12", "f13"));
    assert_eq!(names(&content), ["content-altered"]);

    let mut deleted = log();
    deleted.leaves.remove(12);
    assert_eq!(names(&deleted), ["leaf-missing", "log-too-short"]);

    let mut closed_up = log();
    closed_up.leaves.remove(12);
    renumber(&mut closed_up);
    assert_eq!(names(&closed_up), ["tree-altered", "log-too-short"]);

    let mut swapped = log();
    swapped.leaves.swap(12, 14);
    renumber(&mut swapped);
    assert_eq!(names(&swapped), ["leaves-swapped"]);

    let mut inserted = log();
    let forged = leaf(13, "2026-11-21T09:12:30Z".parse().unwrap(), &read_act("forged"));
    inserted.leaves.insert(13, forged);
    renumber(&mut inserted);
    assert_eq!(names(&inserted), ["leaf-inserted"]);

    let mut repeated = log();
    let copy = repeated.leaves[12].clone();
    repeated.leaves.insert(13, copy);
    renumber(&mut repeated);
    assert_eq!(names(&repeated), ["leaf-repeated", "leaf-inserted"]);

    let mut rewritten = log();
    rewrite(&mut rewritten, 12, "2026-11-21T09:12:00Z");
    assert_eq!(names(&rewritten), ["tree-altered"]);

    let mut backdated = log();
    rewrite(&mut backdated, 12, "2026-11-21T09:01:00Z");
    assert_eq!(names(&backdated), ["leaf-backdated", "tree-altered"]);

    let mut cut = log();
    cut.leaves.truncate(33);
    assert_eq!(names(&cut), ["log-too-short"]);

    let mut old_copy = log();
    old_copy.leaves.truncate(25);
    assert_eq!(names(&old_copy), ["log-too-short"]);

    let mut forked = log();
    let mut frontier = Frontier::new();
    forked.leaves[..39].iter().for_each(|leaf| frontier.push(leaf.leaf_hash));
    frontier.push([7; 32]);
    let mut signer = Signer::generate("test.example/audit").unwrap();
    forked.checkpoints.push(signer.sign(40, &frontier.root()).unwrap());
    assert_eq!(names(&forked), ["log-forked"]);
}

#[test]
fn an_erasure_that_was_recorded_leaves_the_tree_whole() {
    let mut log = log();
    let erased = log.leaves[12].id.clone();
    let actor = Party { id: "dpo", organisation: "RZZ01", name: "", address: "" };
    let act = Act::Erased { actor, event: &erased, ground: "gdpr-17-1-d" };
    (log.leaves[12].salt, log.leaves[12].body) = (None, None);
    assert_eq!(names(&log), ["content-missing"]);
    log.leaves.push(leaf(40, "2026-11-21T10:00:00Z".parse().unwrap(), &act));
    assert!(names(&log).is_empty());
    let tree: Tree = log.leaves.iter().map(|leaf| leaf.leaf_hash).collect();
    let proof = Proof::make(&log.leaves[12], &tree, &log.checkpoints[3]).unwrap();
    assert!(proof.event.is_none() && !proof.leaf.contains("9000000009"));
}

#[test]
fn a_proof_holds_by_the_public_key_alone_and_no_altered_one_does() {
    let mut signer = Signer::generate("test.example/audit").unwrap();
    let leaves = log().leaves;
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf.leaf_hash).collect();
    let checkpoint = signer.sign(40, &merkle::root(&hashes)).unwrap();
    let tree: Tree = hashes.iter().copied().collect();
    let proof = Proof::make(&leaves[17], &tree, &checkpoint).unwrap();
    let proof = Proof::parse(&proof.to_json()).unwrap();
    let proved = proof.verify(&signer.verifier()).unwrap();
    assert_eq!((proved.position, proved.size), (17, 40));
    let lines = summary(proved.event.as_deref().unwrap());
    assert!(lines.contains(&"patient: 9000000009".to_owned()), "{lines:?}");

    let with = |change: &dyn Fn(&mut Proof)| {
        let mut altered = proof.clone();
        change(&mut altered);
        altered.verify(&signer.verifier()).map(|_| ())
    };
    assert!(matches!(with(&|p| p.position = 18), Err(ProofError::NotIncluded { .. })));
    assert!(matches!(
        with(&|p| p.leaf = p.leaf.replace("done", "gone")),
        Err(ProofError::NotIncluded { .. })
    ));
    assert!(matches!(with(&|p| p.event = leaves[18].body.clone()), Err(ProofError::OtherEvent)));
    assert!(matches!(with(&|p| p.salt = None), Err(ProofError::OtherEvent)));
    assert!(matches!(with(&|p| drop(p.path.pop())), Err(ProofError::NotIncluded { .. })));
    let other = Signer::generate("test.example/audit").unwrap();
    assert!(matches!(proof.verify(&other.verifier()), Err(ProofError::Checkpoint(_))));
}

#[test]
fn an_export_is_read_back_as_it_was() {
    let mut log = log();
    (log.leaves[3].salt, log.leaves[3].body) = (None, None);
    let text: String = log.leaves.iter().map(|leaf| export_line(leaf) + "\n").collect();
    let read: Vec<StoredLeaf> = text.lines().map(|line| parse_export_line(line).unwrap()).collect();
    assert_eq!(read, log.leaves);
    let mut check = LogCheck::new(log.checkpoints.clone());
    read_export(&mut text.as_bytes(), |leaf| check.take(leaf)).unwrap();
    let findings = check.finish().findings;
    assert_eq!(findings, [Finding::ContentMissing(3)]);
    let broken = text.replacen("{\"position\":1,", "{", 1);
    assert!(matches!(read_export(&mut broken.as_bytes(), |_| {}), Err(ReadError::Line(2))));
}
