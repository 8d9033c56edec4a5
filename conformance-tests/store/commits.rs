//! Units of work: together, alone, once.

use super::*;
use sgw::store::{
    Erasure, NewQuarantine, QuarantineChange, QuarantineQuery, QuarantineStatus, Required, SharedStore,
};
use std::collections::BTreeSet;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_share_commits_and_leave_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let store: SharedStore = Arc::new(quick(folder.path()).await);
    let mut writers = Vec::new();
    for writer in 0..64 {
        let store = Arc::clone(&store);
        writers.push(tokio::spawn(async move {
            let mut leaves = Vec::new();
            for round in 0..10 {
                let work = submission(&format!("{writer}-{round}"), &format!("local:p|{writer}"), &["s"]);
                leaves.push(done(&*store, work).await.first_leaf.unwrap());
            }
            leaves
        }));
    }
    let mut leaves = BTreeSet::new();
    for writer in writers {
        leaves.extend(writer.await.unwrap());
    }
    assert_eq!(leaves, (0..640).collect());
    assert_eq!(store.audit_size().await.unwrap(), 640);
    let stored = store.audit_leaves(0, 1000).await.unwrap();
    assert!(stored.iter().zip(0..).all(|(leaf, sequence)| leaf.sequence == sequence));
    let figures = store.figures().await.unwrap();
    assert_eq!(figures.units, 640);
    assert!(figures.commits < 320, "{} commits for 640 units are no group commits", figures.commits);
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_unit_whose_audit_cannot_be_written_fails_whole_and_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store: SharedStore = Arc::new(quick(folder.path()).await);
    let taken = leaf("Flag/0");
    done(&*store, Work { audits: vec![taken.clone()], ..Work::at(at(0)) }).await;
    let mut units = Vec::new();
    for number in 0..9 {
        let mut work = submission(&format!("u{number}"), "nhs:9000000009", &["s"]);
        if number == 4 {
            work.audits.push(taken.clone());
        }
        let store = Arc::clone(&store);
        units.push(tokio::spawn(async move { store.commit(work).await }));
    }
    for (number, unit) in units.into_iter().enumerate() {
        let result = unit.await.unwrap();
        match number {
            4 => assert!(matches!(result, Err(StoreError::Rejected { .. })), "{result:?}"),
            _ => assert!(matches!(result, Ok(Committed::Done(_))), "{result:?}"),
        }
    }
    assert!(store.read("Flag", "flag-u4").await.unwrap().is_none());
    assert!(store.submission("submission-u4").await.unwrap().is_none());
    assert!(store.known_key("header:test", "u4").await.unwrap().is_none());
    assert_eq!(store.audit_size().await.unwrap(), 9);
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_version_that_is_not_expected_is_a_conflict_that_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = quick(folder.path()).await;
    done(&store, Work { puts: vec![flag("f", None, "p")], ..Work::at(at(0)) }).await;
    let again = Work { puts: vec![flag("f", None, "p")], audits: vec![leaf("Flag/f")], ..Work::at(at(1)) };
    let Err(StoreError::Conflict { expected: None, found: Some(1), .. }) = store.commit(again).await else {
        panic!("a second creation must be a conflict")
    };
    done(&store, Work { puts: vec![flag("f", Some(1), "p")], ..Work::at(at(2)) }).await;
    let stale = Work { puts: vec![flag("g", None, "p"), flag("f", Some(1), "p")], ..Work::at(at(3)) };
    assert!(matches!(store.commit(stale).await, Err(StoreError::Conflict { found: Some(2), .. })));
    assert!(store.read("Flag", "g").await.unwrap().is_none());
    let required = Required { resource_type: "Flag".to_owned(), id: "f".to_owned(), version: Some(1) };
    let rested = Work { requires: vec![required], audits: vec![leaf("Flag/f")], ..Work::at(at(4)) };
    assert!(matches!(store.commit(rested).await, Err(StoreError::Conflict { .. })));
    let mut skipped = flag("f", Some(2), "p");
    skipped.version = 9;
    let skipping = Work { puts: vec![skipped], ..Work::at(at(5)) };
    assert!(matches!(store.commit(skipping).await, Err(StoreError::Rejected { .. })));
    assert_eq!(store.audit_size().await.unwrap(), 0);
    let history = store.history("Flag", "f", None, 10).await.unwrap();
    assert_eq!(history.iter().map(|one| one.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(store.read_version("Flag", "f", 1).await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn a_repeat_gets_the_stored_answer_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store: SharedStore = Arc::new(quick(folder.path()).await);
    let mut first = submission("m", "nhs:9000000009", &["s"]);
    first.other_keys = vec![IdempotencyKey { scope: "msh-10:test".to_owned(), ..key("77", 1) }];
    let mut parallel = Vec::new();
    for _ in 0..32 {
        let (store, work) = (Arc::clone(&store), first.clone());
        parallel.push(tokio::spawn(async move { store.commit(work).await.unwrap() }));
    }
    let mut effects = 0;
    for one in parallel {
        match one.await.unwrap() {
            Committed::Done(_) => effects += 1,
            Committed::Repeated { answer } => assert_eq!(answer.as_deref(), Some("answer to m")),
        }
    }
    assert_eq!(effects, 1);
    let by_other_key = Work {
        key: Some(IdempotencyKey { scope: "msh-10:test".to_owned(), ..key("77", 1) }),
        puts: vec![flag("never", None, "p")],
        ..Work::at(at(1))
    };
    let Committed::Repeated { answer } = store.commit(by_other_key).await.unwrap() else {
        panic!("a repeat")
    };
    assert_eq!(answer.as_deref(), Some("answer to m"));
    let other_content = Work { key: Some(key("m", 2)), ..Work::at(at(1)) };
    assert!(matches!(store.commit(other_content).await, Err(StoreError::KeyReused { .. })));
    assert_eq!(store.audit_size().await.unwrap(), 1);
    store.close().await.unwrap();
    let store = quick(folder.path()).await;
    assert!(matches!(store.commit(first).await.unwrap(), Committed::Repeated { .. }));
}

#[tokio::test]
async fn resources_are_found_by_identifier_and_patient_as_they_are_now() {
    let folder = tempfile::tempdir().unwrap();
    let store = quick(folder.path()).await;
    let mut consent = flag("c", None, "nhs:9000000017");
    consent.resource_type = "Consent".to_owned();
    let mut patient = flag("p", None, "nhs:9000000017");
    patient.resource_type = "Patient".to_owned();
    let before = store.revision();
    done(&store, Work { puts: vec![consent, patient, flag("f", None, "nhs:9000000017")], ..Work::at(at(0)) })
        .await;
    assert!(store.revision() > before);
    let facts = store.facts_for("nhs:9000000017").await.unwrap();
    assert_eq!((facts.patients.len(), facts.consents.len()), (1, 1));
    assert_eq!(store.find_by_patient("Flag", "nhs:9000000017", 10).await.unwrap().len(), 1);
    assert_eq!(store.find_by_identifier("Flag", Some("urn:test"), "f", 10).await.unwrap().len(), 1);
    assert_eq!(store.find_by_identifier("Flag", None, "f", 10).await.unwrap().len(), 1);
    assert_eq!(store.find_by_identifier("Flag", Some("urn:other"), "f", 10).await.unwrap().len(), 0);

    let mut moved = flag("f", Some(1), "nhs:9000000025");
    moved.identifiers = vec![BusinessIdentifier { system: "urn:test".to_owned(), value: "new".to_owned() }];
    done(&store, Work { puts: vec![moved], ..Work::at(at(1)) }).await;
    assert_eq!(store.find_by_identifier("Flag", None, "f", 10).await.unwrap().len(), 0);
    assert_eq!(store.find_by_identifier("Flag", None, "new", 10).await.unwrap().len(), 1);
    assert_eq!(store.find_by_patient("Flag", "nhs:9000000017", 10).await.unwrap().len(), 0);
    assert_eq!(store.list("Flag", None, 10).await.unwrap().len(), 1);
    assert_eq!(store.list("Flag", Some("f"), 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn quarantined_payloads_leave_once_and_discarding_erases_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = quick(folder.path()).await;
    let payload = NewQuarantine {
        id: "q".to_owned(),
        source: "ehr".to_owned(),
        received: at(0),
        reason: "lawful-basis-missing".to_owned(),
        payload: b"raw".to_vec(),
        ..NewQuarantine::default()
    };
    done(&store, Work { quarantine: Some(payload), ..Work::at(at(0)) }).await;
    let held =
        QuarantineQuery { status: Some(QuarantineStatus::Held), limit: 10, ..QuarantineQuery::default() };
    assert_eq!(store.quarantine_list(held.clone()).await.unwrap().len(), 1);
    assert_eq!(store.quarantine_read("q").await.unwrap().unwrap().payload.as_deref(), Some(&b"raw"[..]));
    let discard = QuarantineChange {
        id: "q".to_owned(),
        to: QuarantineStatus::Discarded,
        at: at(1),
        note: "sent in error".to_owned(),
    };
    let work = Work { quarantine_changes: vec![discard], ..Work::at(at(1)) };
    done(&store, work.clone()).await;
    assert!(matches!(store.commit(work).await, Err(StoreError::NotHeld { .. })));
    let kept = store.quarantine_read("q").await.unwrap().unwrap();
    assert_eq!((kept.payload, kept.note.as_deref()), (None, Some("sent in error")));
    assert!(store.quarantine_list(held).await.unwrap().is_empty());
}

#[tokio::test]
async fn erasing_an_audit_leafs_content_keeps_its_proof() {
    let folder = tempfile::tempdir().unwrap();
    let store = quick(folder.path()).await;
    done(&store, Work { audits: vec![leaf("Flag/1"), leaf("Flag/2")], ..Work::at(at(0)) }).await;
    let about = |id: &str| sgw::store::AuditQuery {
        about: Some(id.to_owned()),
        limit: 10,
        ..sgw::store::AuditQuery::default()
    };
    assert_eq!(store.audit_search(about("Flag/1")).await.unwrap().len(), 1);
    done(&store, Work { erasures: vec![Erasure { sequence: 0, at: at(1) }], ..Work::at(at(1)) }).await;
    let leaves = store.audit_leaves(0, 10).await.unwrap();
    assert_eq!(
        (leaves[0].canonical.as_ref(), leaves[0].salt, leaves[0].patient_key.as_ref()),
        (None, None, None)
    );
    assert_eq!(
        (leaves[0].leaf.as_str(), leaves[0].leaf_hash, leaves[0].erased),
        (r#"{"v":1}"#, [9; 32], Some(at(1)))
    );
    assert!(leaves[1].canonical.is_some());
    assert!(store.audit_search(about("Flag/1")).await.unwrap().is_empty());
    let beyond = Work { erasures: vec![Erasure { sequence: 9, at: at(1) }], ..Work::at(at(1)) };
    assert!(matches!(store.commit(beyond).await, Err(StoreError::Unknown { .. })));
}
