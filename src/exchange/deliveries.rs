//! What subscribers ask about their subscriptions, and what operators do about deliveries.

use super::Exchange;
use super::refusal::Refusal;
use crate::audit::{Act, Party, Target};
use crate::deliver::{EventsQuery, QueryError, Selection};
use crate::govern::Caller;
use crate::route::Status;
use crate::store::{Intent, IntentQuery};
use jiff::Timestamp;
use serde_json::Value;

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Refusal {
        match error {
            QueryError::Unknown(_) => Refusal::NotFound,
            QueryError::Store(error) => error.into(),
        }
    }
}

impl Exchange {
    /// The answer to `$status` for one subscription of the caller's.
    pub async fn subscription_status(
        &self,
        caller: &Caller,
        id: &str,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        self.own_subscription(caller, id, now).await?;
        let own = format!("{}/Subscription/{id}/$status", self.fhir_base());
        let answer = self.deliverer.status(&[id.to_owned()], &[], &own).await?;
        self.asked(caller, Target::resource("Subscription", id), now).await?;
        Ok(answer)
    }

    /// The answer to `$status` for the caller's subscriptions, only those with these ids and statuses where any are
    /// named. Others' are left out as if there were none.
    pub async fn subscriptions_status(
        &self,
        caller: &Caller,
        ids: &[String],
        statuses: &[Status],
        query: &str,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        let own: Vec<String> = self
            .subscriptions(caller, None, query, now)
            .await?
            .into_iter()
            .map(|found| found.id)
            .filter(|id| ids.is_empty() || ids.contains(id))
            .collect();
        let address = format!("{}/Subscription/$status?{query}", self.fhir_base());
        Ok(self.deliverer.status(&own, statuses, &address).await?)
    }

    /// The answer to `$events` for a subscription of the caller's. Each event is decided anew, and each disclosure is
    /// recorded before the answer is given.
    pub async fn subscription_events(
        &self,
        caller: &Caller,
        id: &str,
        query: EventsQuery,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        let state = self.store.subscription_state(id).await?;
        if state.is_none_or(|state| caller.partner.as_deref() != Some(state.owner.as_str())) {
            self.record_refusal(caller, "events", "there is no such subscription of this partner", now).await;
            return Err(Refusal::NotFound);
        }
        Ok(self.deliverer.events(id, query, now).await?)
    }

    /// Delivery intents that fit, for an operator; recorded.
    pub async fn deliveries(
        &self,
        caller: &Caller,
        query: IntentQuery,
        now: Timestamp,
    ) -> Result<Vec<Intent>, Refusal> {
        let found = self.store.intents(query).await?;
        let count = found.len().to_string();
        self.record_administration(caller, "deliveries-list", &[("found", &count)], now).await?;
        Ok(found)
    }

    /// Makes settled events due again, for an operator, and says how many; recorded by the deliverer.
    pub async fn replay(
        &self,
        caller: &Caller,
        selection: &Selection,
        now: Timestamp,
    ) -> Result<u64, Refusal> {
        Ok(self.deliverer.replay(selection, Party::from(caller), now).await?)
    }

    async fn asked(&self, caller: &Caller, target: Target<'_>, now: Timestamp) -> Result<(), Refusal> {
        let act = Act::Read {
            caller: Party::from(caller),
            target,
            patient: None,
            purpose: "HSYSADMIN",
            decision: None,
        };
        self.commit_record(&act, now).await
    }
}
