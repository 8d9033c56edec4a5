//! How a receiver stands: what a worker tells the store when it begins to fail, is back, or wants no more.

use super::breaker::Breaker;
use super::contact::{Restating, change_status};
use super::shared::Shared;
use super::worker::{Step, Worker};
use crate::route::Status;
use crate::store::{Fence, IntentQuery, IntentState, IntentUpdate, StoreError, SubscriptionChange, Work};
use jiff::Timestamp;
use std::collections::HashSet;

impl Worker {
    /// Tells the store that the receiver fails, or no longer does; then what waits for a later attempt is due now.
    pub(super) fn note(&mut self, recovered: bool) {
        let since = self.breaker.as_ref().and_then(Breaker::failing_since);
        let failures = self.breaker.as_ref().map_or(0, Breaker::failures);
        self.noted = Some(since);
        self.noting = true;
        let (shared, id, fence) = (self.shared.clone(), self.id.clone(), self.lease.borrow().fence);
        let under_way = self.under_way.clone();
        self.steps.spawn(async move {
            let now = Timestamp::now();
            let mut work = Work::at(now);
            work.fences.push(Fence { subscription: id.clone(), fence });
            work.subscriptions.push(SubscriptionChange {
                id: id.clone(),
                failures: Some(failures),
                failing_since: Some(since),
                ..SubscriptionChange::default()
            });
            let result = async {
                if recovered {
                    work.intent_updates = hastened(&shared, &id, &under_way, now).await?;
                }
                shared.store().commit(work).await.map(|_| ())
            };
            Step::Noted(result.await)
        });
    }

    pub(super) fn restate(&mut self, from: &'static [Status], to: Status, reason: &'static str, close: bool) {
        self.noting = true;
        let (shared, id, fence) = (self.shared.clone(), self.id.clone(), self.lease.borrow().fence);
        self.steps.spawn(async move {
            let change = Restating { subscription: &id, fence, from, to, reason, close };
            Step::Noted(change_status(&shared, &change).await)
        });
    }
}

/// Updates that make every waiting intent of a subscription due now.
async fn hastened(
    shared: &Shared,
    subscription: &str,
    under_way: &HashSet<i64>,
    now: Timestamp,
) -> Result<Vec<IntentUpdate>, StoreError> {
    let mut updates = Vec::new();
    let mut after = None;
    loop {
        let query = IntentQuery {
            subscription: Some(subscription.to_owned()),
            states: vec![IntentState::Ready],
            after,
            limit: 1_000,
            ..IntentQuery::default()
        };
        let page = shared.store().intents(query).await?;
        after = page.last().map(|intent| intent.id);
        let full = page.len() == 1_000;
        let late = page.into_iter().filter(|intent| intent.due > now && !under_way.contains(&intent.id));
        updates.extend(late.map(|intent| IntentUpdate {
            intent: intent.id,
            due: Some(now),
            ..IntentUpdate::default()
        }));
        if !full {
            return Ok(updates);
        }
    }
}
