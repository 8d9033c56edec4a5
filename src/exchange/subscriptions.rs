//! Subscriptions: created and updated by the partner that they belong to; the deliverer performs the handshake.

use super::Exchange;
use super::accept::{is_conflict, pause};
use super::reads::Found;
use super::refusal::Refusal;
use super::version::Version;
use super::writes::{Condition, Written, written_of};
use crate::audit::{self, Act, Change, Party, Target};
use crate::fhir::Issue;
use crate::govern::{Caller, Role};
use crate::route::{Status, Subscription};
use crate::store::{Closing, Stored, SubscriptionChange, Work};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

const TRIES: u32 = 8;

impl Exchange {
    /// Creates a subscription with the status `requested`; the deliverer then makes the handshake.
    ///
    /// Errors: not a subscription that can be served (each fault names its path).
    pub async fn subscribe(&self, caller: &Caller, body: &[u8], now: Timestamp) -> Result<Written, Refusal> {
        let resource = self.read_body("Subscription", body)?;
        let id = Uuid::now_v7().to_string();
        self.put_subscription(caller, &id, resource, None, now).await
    }

    /// Updates a subscription of the caller's partner. `requested` or `active` asks for a new handshake; `off` ends it.
    pub async fn resubscribe(
        &self,
        caller: &Caller,
        id: &str,
        body: &[u8],
        condition: &Condition,
        now: Timestamp,
    ) -> Result<Written, Refusal> {
        let resource = self.read_body("Subscription", body)?;
        if resource.get("id").and_then(Value::as_str) != Some(id) {
            return Err(Refusal::Malformed {
                text: "the resource's `id` is not that of the address".to_owned(),
            });
        }
        for round in 0..TRIES {
            let current = self.own_subscription(caller, id, now).await?;
            if let Some(version) = condition.version
                && version != current.version
            {
                let text = "the version of `If-Match` is not the current one".to_owned();
                return Err(Refusal::Precondition { text });
            }
            match self.put_subscription(caller, id, resource.clone(), Some(&current), now).await {
                Err(Refusal::Contention) => pause(round).await,
                other => return other,
            }
        }
        Err(Refusal::Contention)
    }

    /// A subscription of the caller's partner, or any for an operator.
    pub async fn subscription(
        &self,
        caller: &Caller,
        id: &str,
        version: Option<u64>,
        now: Timestamp,
    ) -> Result<Found, Refusal> {
        let current = self.own_subscription(caller, id, now).await?;
        let stored = match version {
            None => current,
            Some(version) => {
                self.store.read_version("Subscription", id, version).await?.ok_or(Refusal::NotFound)?
            }
        };
        let act = Act::Read {
            caller: Party::from(caller),
            target: Target::version("Subscription", id, stored.version),
            patient: None,
            purpose: "HSYSADMIN",
            decision: None,
        };
        self.commit_record(&act, now).await?;
        let Written { resource_type, id, version, last_updated, resource, .. } = written_of(&stored, false)?;
        Ok(Found { resource_type, id, version, last_updated, resource, obligations: Vec::new() })
    }

    /// The caller's subscriptions, with this endpoint when one is named.
    pub async fn subscriptions(
        &self,
        caller: &Caller,
        endpoint: Option<&str>,
        query: &str,
        now: Timestamp,
    ) -> Result<Vec<Found>, Refusal> {
        let mut found = Vec::new();
        for state in self.store.subscription_states().await? {
            if !may_see(caller, &state.owner) {
                continue;
            }
            let Some(stored) = self.store.read("Subscription", &state.id).await? else { continue };
            let written = written_of(&stored, false)?;
            let url = written.resource.pointer("/channel/endpoint").and_then(Value::as_str);
            if endpoint.is_none_or(|endpoint| url == Some(endpoint)) {
                let Written { resource_type, id, version, last_updated, resource, .. } = written;
                found.push(Found {
                    resource_type,
                    id,
                    version,
                    last_updated,
                    resource,
                    obligations: Vec::new(),
                });
            }
        }
        let act = Act::Search {
            caller: Party::from(caller),
            resource_type: "Subscription",
            query,
            purpose: "HSYSADMIN",
            found: found.len(),
            patient: None,
        };
        self.commit_record(&act, now).await?;
        Ok(found)
    }

    /// The stored subscription if it is the caller's to see; unknown and another's are the same answer.
    pub async fn own_subscription(
        &self,
        caller: &Caller,
        id: &str,
        now: Timestamp,
    ) -> Result<Stored, Refusal> {
        let state = self.store.subscription_state(id).await?.filter(|state| may_see(caller, &state.owner));
        let stored = self.store.read("Subscription", id).await?;
        match (state, stored) {
            (Some(_), Some(stored)) => Ok(stored),
            _ => {
                self.record_refusal(
                    caller,
                    "subscription",
                    "there is no such subscription of this partner",
                    now,
                )
                .await;
                Err(Refusal::NotFound)
            }
        }
    }

    async fn put_subscription(
        &self,
        caller: &Caller,
        id: &str,
        mut resource: Value,
        current: Option<&Stored>,
        now: Timestamp,
    ) -> Result<Written, Refusal> {
        let operation = if current.is_some() { "update" } else { "create" };
        let Some(partner) = caller.partner.clone() else {
            let text = "the credential is not bound to a partner".to_owned();
            return Err(Refusal::Forbidden { text });
        };
        if let Some(members) = resource.as_object_mut() {
            members.insert("id".to_owned(), id.into());
            // Only the gateway says how the channel fares, and only a handshake makes a subscription active.
            members.remove("error");
            if members.get("status").and_then(Value::as_str) != Some("off") {
                members.insert("status".to_owned(), "requested".into());
            }
        }
        let stamp = format!("urn:sgw:partner:{partner}");
        if let Some(current) = current {
            let body: Option<Value> = serde_json::from_str(&current.body).ok();
            if body.as_ref().and_then(|body| body.pointer("/meta/source")?.as_str()) != Some(stamp.as_str()) {
                let text = "there is no such subscription of this partner";
                self.record_refusal(caller, operation, text, now).await;
                return Err(Refusal::NotFound);
            }
        }
        let parsed = match Subscription::parse(&resource, &self.topics) {
            Ok(parsed) => parsed,
            Err(issues) => return Err(self.refuse_invalid(caller, operation, issues, now).await),
        };
        if current.is_none() && parsed.status != Status::Requested {
            let text = "a subscription begins with the status `requested`";
            let issue = Issue::error("business-rule", "subscription-status", "Subscription.status", text);
            return Err(self.refuse_invalid(caller, operation, vec![issue], now).await);
        }
        if let Err(error) = self.deliverer.rules().check_endpoint(&parsed.endpoint) {
            let place = "Subscription.channel.endpoint";
            let issue = Issue::error("business-rule", "subscription-endpoint", place, error.to_string());
            return Err(self.refuse_invalid(caller, operation, vec![issue], now).await);
        }
        let validated = match self.validate(resource) {
            Ok(validated) => validated,
            Err(issues) => return Err(self.refuse_invalid(caller, operation, issues, now).await),
        };
        let version = Version::next(validated.into_resource(), id, current, None, &stamp, now);
        let mut work = Work::at(now);
        if version.changed {
            work.puts.push(version.put());
        }
        work.subscriptions.push(SubscriptionChange {
            id: id.to_owned(),
            owner: Some(partner),
            status: Some(parsed.status.code().to_owned()),
            failures: Some(0),
            failing_since: Some(None),
            retry_at: Some(None),
            last_error: Some(None),
            ..SubscriptionChange::default()
        });
        if parsed.status == Status::Off {
            let reason = "subscription-ended".to_owned();
            work.closings.push(Closing { subscription: id.to_owned(), reason, at: now });
        }
        let act = Act::Changed {
            caller: Party::from(caller),
            change: if current.is_some() { Change::Update } else { Change::Create },
            target: Target::version("Subscription", id, version.version),
            patient: None,
        };
        work.audits.push(audit::record(&act, &self.gateway, now).into());
        let committed = self.store.commit(work).await;
        self.subscribers.forget();
        match committed {
            Ok(_) => {}
            Err(error) if is_conflict(&error) => return Err(Refusal::Contention),
            Err(error) => return Err(error.into()),
        }
        Ok(Written {
            resource_type: "Subscription".to_owned(),
            id: id.to_owned(),
            version: version.version,
            last_updated: version.last_updated,
            resource: version.resource,
            created: current.is_none(),
        })
    }
}

fn may_see(caller: &Caller, owner: &str) -> bool {
    caller.has(Role::Operator) || caller.partner.as_deref() == Some(owner)
}
