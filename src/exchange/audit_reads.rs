//! Reading AuditEvents, which is itself recorded.

use super::Exchange;
use super::refusal::Refusal;
use crate::audit::{self, Act, Party, Target};
use crate::govern::Caller;
use crate::store::{AuditQuery, Leaf, Work};
use jiff::Timestamp;
use serde_json::Value;

impl Exchange {
    /// One AuditEvent, for an auditor. An erased one is gone; its leaf stays.
    pub async fn audit_event(&self, caller: &Caller, id: &str, now: Timestamp) -> Result<Value, Refusal> {
        let leaf = self.store.audit_event(id).await?;
        let act = Act::Read {
            caller: Party::from(caller),
            target: Target::resource("AuditEvent", id),
            patient: None,
            purpose: "HSYSADMIN",
            decision: None,
        };
        self.commit_record(&act, now).await?;
        let leaf = leaf.ok_or(Refusal::NotFound)?;
        let canonical = leaf.canonical.ok_or(Refusal::Gone)?;
        serde_json::from_str(&canonical)
            .map_err(|_| Refusal::Internal { cause: "a stored AuditEvent is not JSON".to_owned() })
    }

    /// AuditEvents that fit, the newest first, for an auditor.
    pub async fn audit_search(
        &self,
        caller: &Caller,
        query: AuditQuery,
        asked: &str,
        now: Timestamp,
    ) -> Result<Vec<Leaf>, Refusal> {
        let found = self.store.audit_search(query).await?;
        let mut work = Work::at(now);
        let act = Act::Search {
            caller: Party::from(caller),
            resource_type: "AuditEvent",
            query: asked,
            purpose: "HSYSADMIN",
            found: found.len(),
            patient: None,
        };
        work.audits.push(audit::record(&act, &self.gateway, now).into());
        self.store.commit(work).await?;
        Ok(found)
    }
}
