//! Replay: settled events are delivered again, with the numbers and ids that they had. Each is decided anew.

use super::deliverer::Deliverer;
use crate::audit::{Act, Party, Target};
use crate::store::{IntentQuery, IntentState, IntentUpdate, StoreError, Work};
use jiff::Timestamp;
use uuid::Uuid;

/// How many intents are replayed in one unit of work.
const PAGE: usize = 500;

/// Which events to deliver again. By default dead letters only.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only the event with this id, in whatever settled state it is.
    pub event: Option<Uuid>,
    /// Only events of this subscription.
    pub subscription: Option<String>,
    /// Only events that happened at or after this time.
    pub from: Option<Timestamp>,
    /// Only events that happened before this time.
    pub until: Option<Timestamp>,
    /// Also events that were delivered, which the receiver will know by their ids.
    pub delivered: bool,
    /// Also events that were withheld: the decision may be another today.
    pub withheld: bool,
}

impl Deliverer {
    /// Makes the selected events due again and says how many there are. Within a patient the order stays.
    ///
    /// Each page of the replay is one unit of work with its audit record, so that what was replayed is known even if
    /// it is interrupted.
    pub async fn replay(
        &self,
        selection: &Selection,
        actor: Party<'_>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let store = self.shared.store();
        let mut count = 0;
        let mut after = None;
        loop {
            let intents = match selection.event {
                Some(event) => store.intent_of_event(event).await?.into_iter().collect(),
                None => store.intents(query(selection, after)).await?,
            };
            after = intents.last().map(|intent| intent.id);
            let last = selection.event.is_some() || intents.len() < PAGE;
            let mut work = Work::at(now);
            for intent in intents.iter().filter(|intent| !intent.state.is_open()) {
                work.intent_updates.push(IntentUpdate {
                    intent: intent.id,
                    reopen: true,
                    attempts: Some(0),
                    due: Some(now),
                    first_attempt: Some(None),
                    reason: Some("replayed".into()),
                    ..IntentUpdate::default()
                });
            }
            if !work.intent_updates.is_empty() {
                let replayed = work.intent_updates.len();
                count += replayed as u64;
                let subject =
                    selection.subscription.as_deref().map(|id| Target::resource("Subscription", id));
                let replayed = replayed.to_string();
                let event = selection.event.map(|event| event.to_string()).unwrap_or_default();
                let details = [("events", replayed.as_str()), ("event", event.as_str())];
                let act = Act::Administration { actor, operation: "replay", subject, details: &details };
                work.audits.push(self.shared.leaf(&act, now));
                store.commit(work).await?;
            }
            if last {
                return Ok(count);
            }
        }
    }
}

fn query(selection: &Selection, after: Option<i64>) -> IntentQuery {
    let mut states = vec![IntentState::Dead];
    if selection.delivered {
        states.push(IntentState::Delivered);
    }
    if selection.withheld {
        states.push(IntentState::Withheld);
    }
    IntentQuery {
        subscription: selection.subscription.clone(),
        states,
        from: selection.from,
        until: selection.until,
        after,
        limit: PAGE,
        ..IntentQuery::default()
    }
}
