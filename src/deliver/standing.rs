//! How a receiver stands: what a worker tells the store when it begins to fail, is back, or wants no more.

use super::breaker::{Breaker, Recovery};
use super::contact::{Restating, change_status};
use super::outcome::{Failure, Outcome};
use super::worker::{Step, Worker};
use crate::route::Status;
use crate::store::{Fence, Hastening, SubscriptionChange, Work};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

impl Worker {
    /// What an answer means for the receiver as a whole.
    pub(super) fn answered(&mut self, outcome: &Outcome, lane: u64) {
        let now = Timestamp::now();
        let Some(breaker) = &mut self.breaker else { return };
        match outcome {
            Outcome::Delivered => {
                let recovery = breaker.succeeded();
                if recovery != Recovery::None {
                    self.note(recovery == Recovery::FromOutage);
                }
            }
            Outcome::Gone => self.gone = true,
            Outcome::Failed(failure) => {
                if breaker.failed(failure, lane, now) {
                    tracing::warn!(subscription.id = %self.id, reason = failure.code, "a receiver is down and will be probed");
                }
                self.failing(failure, now);
            }
        }
    }

    fn failing(&mut self, failure: &Failure, now: Timestamp) {
        let since = self.breaker.as_ref().and_then(Breaker::failing_since);
        if since.is_some() && self.noted != Some(since) {
            self.note(false);
        }
        let limit =
            SignedDuration::try_from(Duration::from_secs(self.shared.parts.settings.error_after_seconds));
        let long = since.is_some_and(|since| limit.is_ok_and(|limit| now.duration_since(since) >= limit));
        let active = self.loaded.as_ref().is_some_and(|loaded| loaded.state.status == Status::Active.code());
        if long && active {
            self.restate(&[Status::Active], Status::Error, failure.code, false);
        }
    }

    /// Tells the store that the receiver fails, or no longer does. With `hasten`, what waits for a later attempt is due
    /// now: the receiver was down and is back.
    pub(super) fn note(&mut self, hasten: bool) {
        let since = self.breaker.as_ref().and_then(Breaker::failing_since);
        let failures = self.breaker.as_ref().map_or(0, Breaker::failures);
        self.noted = Some(since);
        self.noting = true;
        let (shared, id, fence) = (self.shared.clone(), self.id.clone(), self.lease.borrow().fence);
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
            if hasten {
                work.hastenings.push(Hastening { subscription: id, due: now });
            }
            Step::Noted(shared.store().commit(work).await.map(|_| ()))
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
