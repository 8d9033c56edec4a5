//! Whatever the mixture of concurrent work, numbers stay contiguous and patients' events in order.

use super::*;
use proptest::prelude::*;
use sgw::store::{IntentState, IntentUpdate, Numbering, SharedStore};
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Step {
    Submit { patient: u8, fails: bool },
    Deliver { subscription: u8, outcome: u8 },
    Replay,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u8..4, prop::bool::weighted(0.2)).prop_map(|(patient, fails)| Step::Submit { patient, fails }),
        4 => (0_u8..2, 0_u8..5).prop_map(|(subscription, outcome)| Step::Deliver { subscription, outcome }),
        1 => Just(Step::Replay),
    ]
}

async fn take(store: SharedStore, step: Step) {
    match step {
        Step::Submit { patient, fails } => {
            let mut work = submission(&fresh("prop"), &format!("local:p|{patient}"), &["s0", "s1"]);
            if fails {
                work.audits.push(NewLeaf { id: "first".to_owned(), ..leaf("Flag/x") });
            }
            assert_eq!(store.commit(work).await.is_err(), fails);
        }
        Step::Deliver { subscription, outcome } => {
            let subscription = format!("s{subscription}");
            for intent in store.ready_intents(&subscription, at(0), 3).await.unwrap() {
                let update = |number, state| IntentUpdate {
                    intent: intent.id,
                    number,
                    state,
                    ..IntentUpdate::default()
                };
                let update = match outcome {
                    0 => update(None, Some(IntentState::Withheld)),
                    1 => update(Some(Numbering::TakeBack), None),
                    2 => update(Some(Numbering::Next), Some(IntentState::Dead)),
                    3 => update(Some(Numbering::Next), None),
                    _ => update(Some(Numbering::Next), Some(IntentState::Delivered)),
                };
                // Another step may have settled it, or its number may not be the newest: then it fails alone.
                let _ = store.commit(Work { intent_updates: vec![update], ..Work::at(at(0)) }).await;
            }
        }
        Step::Replay => {
            let dead =
                sgw::store::IntentQuery { states: vec![IntentState::Dead], limit: 2, ..Default::default() };
            for intent in store.intents(dead).await.unwrap() {
                let update = IntentUpdate { intent: intent.id, reopen: true, ..IntentUpdate::default() };
                let _ = store.commit(Work { intent_updates: vec![update], ..Work::at(at(0)) }).await;
            }
        }
    }
}

async fn run(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let store: SharedStore = Arc::new(quick(folder.path()).await);
    let first = NewLeaf { id: "first".to_owned(), ..leaf("Flag/x") };
    let subscriptions = vec![subscribed("s0"), subscribed("s1")];
    done(&*store, Work { subscriptions, audits: vec![first], ..Work::at(at(0)) }).await;
    for group in steps.chunks(8) {
        let tasks: Vec<_> =
            group.iter().map(|step| tokio::spawn(take(Arc::clone(&store), step.clone()))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
    // The store's own check holds the rules: leaves without gaps, numbers contiguous, one ready intent in each lane.
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    let leaves = store.audit_leaves(0, 10_000).await.unwrap();
    assert_eq!(leaves.len() as u64, store.audit_size().await.unwrap());
    for subscription in ["s0", "s1"] {
        let events = store.events(subscription, 1, u64::MAX, 10_000).await.unwrap();
        let numbers: Vec<_> = events.iter().filter_map(|event| event.event_number).collect();
        let newest = store.subscription_state(subscription).await.unwrap().unwrap().events;
        assert_eq!(numbers, (1..=newest).collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn numbers_and_lanes_hold_under_any_concurrent_work(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
