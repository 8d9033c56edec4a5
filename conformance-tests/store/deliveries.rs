//! Leases, lanes and event numbers.

use super::*;
use sgw::store::{
    Attempt, Closing, DueSubscription, Fence, Hastening, IntentQuery, IntentState, IntentUpdate,
    LeaseRequest, Numbering, QueueCount,
};

async fn lease(store: &dyn Store, owner: &str, now: i64, until: i64) -> Vec<(String, u64)> {
    let request = LeaseRequest { owner: owner.to_owned(), now: at(now), until: at(until), limit: 100 };
    let leased = store.lease_subscriptions(request).await.unwrap();
    leased.into_iter().map(|one| (one.subscription, one.fence)).collect()
}

fn settle(intent: i64, state: IntentState) -> IntentUpdate {
    IntentUpdate { intent, state: Some(state), ..IntentUpdate::default() }
}

async fn ready(store: &dyn Store, subscription: &str) -> Vec<i64> {
    store.ready_intents(subscription, at(0), 100).await.unwrap().iter().map(|one| one.id).collect()
}

#[tokio::test]
async fn a_lease_passes_on_when_it_runs_out_and_the_old_holder_is_fenced() {
    let folder = tempfile::tempdir().unwrap();
    let store = quick(folder.path()).await;
    done(&store, Work { subscriptions: vec![subscribed("a"), subscribed("b")], ..Work::at(at(0)) }).await;
    assert_eq!(lease(&store, "one", 0, 10).await, [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    assert_eq!(lease(&store, "two", 5, 15).await, []);
    assert_eq!(lease(&store, "one", 5, 20).await, [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    assert_eq!(lease(&store, "two", 20, 30).await, [("a".to_owned(), 2), ("b".to_owned(), 2)]);
    let fenced = |fence, now| Work {
        fences: vec![Fence { subscription: "a".to_owned(), fence }],
        audits: vec![leaf("Flag/f")],
        ..Work::at(at(now))
    };
    assert!(matches!(store.commit(fenced(1, 21)).await, Err(StoreError::Fenced { .. })));
    done(&store, fenced(2, 21)).await;
    assert!(matches!(store.commit(fenced(2, 30)).await, Err(StoreError::Fenced { .. })));
    store.release_leases("two").await.unwrap();
    assert_eq!(lease(&store, "one", 22, 40).await.first().unwrap().1, 3);
    store.close().await.unwrap();
    let store = quick(folder.path()).await;
    assert_eq!(lease(&store, "three", 23, 40).await.first().unwrap().1, 4);
}

#[tokio::test]
async fn only_the_earliest_open_intent_of_a_patient_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let store = quick(folder.path()).await;
    let intents = vec![
        intent("s", "p1", "f1"),
        intent("s", "p1", "f2"),
        intent("s", "p2", "f3"),
        intent("t", "p1", "f1"),
        intent("s", "p1", "f4"),
    ];
    let ids =
        done(&store, Work { subscriptions: vec![subscribed("s")], intents, ..Work::at(at(0)) }).await.intents;
    assert_eq!(ready(&store, "s").await, [ids[0], ids[2]]);
    assert_eq!(ready(&store, "t").await, [ids[3]]);
    let later =
        IntentUpdate { intent: ids[0], due: Some(at(50)), attempts: Some(1), ..IntentUpdate::default() };
    done(&store, Work { intent_updates: vec![later], ..Work::at(at(0)) }).await;
    assert_eq!(ready(&store, "s").await, [ids[2]], "a failing patient waits, another does not");
    assert_eq!(store.next_due(Some("s")).await.unwrap(), Some(at(0)));
    let due = store.due(at(0)).await.unwrap();
    assert_eq!(due, [DueSubscription { subscription: "s".to_owned(), count: 1, since: at(0) }]);
    let hastening = Hastening { subscription: "s".to_owned(), due: at(0) };
    done(&store, Work { hastenings: vec![hastening], ..Work::at(at(0)) }).await;
    assert_eq!(ready(&store, "s").await, [ids[0], ids[2]], "a receiver that is back gets what waits at once");

    let dead = Work { intent_updates: vec![settle(ids[0], IntentState::Dead)], ..Work::at(at(0)) };
    done(&store, dead.clone()).await;
    assert!(matches!(store.commit(dead).await, Err(StoreError::Settled { .. })));
    assert_eq!(ready(&store, "s").await, [ids[1], ids[2]]);
    let reopened = IntentUpdate { intent: ids[0], reopen: true, due: Some(at(0)), ..IntentUpdate::default() };
    done(&store, Work { intent_updates: vec![reopened], ..Work::at(at(0)) }).await;
    assert_eq!(ready(&store, "s").await, [ids[0], ids[2]], "a replayed event goes before those after it");

    let counts = store.queue_counts().await.unwrap();
    let waiting = QueueCount { subscription: "s".to_owned(), state: IntentState::Waiting, count: 2 };
    assert!(counts.contains(&waiting), "{counts:?}");
    let closing =
        Closing { subscription: "s".to_owned(), reason: "subscription-ended".to_owned(), at: at(60) };
    done(&store, Work { closings: vec![closing], ..Work::at(at(60)) }).await;
    assert_eq!(ready(&store, "s").await, Vec::<i64>::new());
    let ended = IntentQuery { states: vec![IntentState::Ended], limit: 10, ..IntentQuery::default() };
    assert_eq!(store.intents(ended).await.unwrap().len(), 4);
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn numbers_are_given_by_the_store_kept_and_only_the_newest_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = quick(folder.path()).await;
    let intents = (0..4).map(|number| intent("s", &format!("p{number}"), "f")).collect();
    let ids =
        done(&store, Work { subscriptions: vec![subscribed("s")], intents, ..Work::at(at(0)) }).await.intents;
    let number = |id, number| IntentUpdate { intent: id, number: Some(number), ..IntentUpdate::default() };
    let updates = vec![
        number(ids[2], Numbering::Next),
        number(ids[0], Numbering::Next),
        number(ids[2], Numbering::Next),
    ];
    let numbers = done(&store, Work { intent_updates: updates, ..Work::at(at(0)) }).await.numbers;
    assert_eq!(numbers, [1, 2, 1]);
    let not_the_newest =
        Work { intent_updates: vec![number(ids[2], Numbering::TakeBack)], ..Work::at(at(0)) };
    assert!(matches!(store.commit(not_the_newest).await, Err(StoreError::Rejected { .. })));
    let updates = vec![number(ids[0], Numbering::TakeBack), number(ids[1], Numbering::Next)];
    assert_eq!(done(&store, Work { intent_updates: updates, ..Work::at(at(0)) }).await.numbers, [2]);
    let attempt = Attempt {
        intent: ids[1],
        number: 1,
        outcome: "delivered".to_owned(),
        http_status: Some(200),
        ..Attempt::default()
    };
    let mut delivered = settle(ids[1], IntentState::Delivered);
    delivered.exposed = Some(true);
    let work = Work { attempts: vec![attempt.clone()], intent_updates: vec![delivered], ..Work::at(at(5)) };
    done(&store, work).await;
    assert_eq!(store.attempts(ids[1]).await.unwrap(), [attempt]);
    let events = store.events("s", 1, 9, 10).await.unwrap();
    assert_eq!(
        events.iter().map(|one| (one.id, one.event_number)).collect::<Vec<_>>(),
        [(ids[2], Some(1)), (ids[1], Some(2))]
    );
    assert_eq!(store.intent_of_event(events[1].event_id).await.unwrap().unwrap(), events[1]);
    assert_eq!(
        (events[1].state, events[1].settled, events[1].exposed),
        (IntentState::Delivered, Some(at(5)), true)
    );
    assert_eq!(store.subscription_state("s").await.unwrap().unwrap().events, 2);
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}
