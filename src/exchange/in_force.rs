//! What is in force, and how it is exchanged while the gateway runs.
//!
//! Policy, sources and signing secrets are each read once for a request or an attempt and replaced as a whole. One way
//! leads there: [`Exchange::put_in_force`], which commits the record of the change before the change; if the record
//! cannot be written, what was in force stays in force.

use super::refusal::Refusal;
use super::{Exchange, Sources};
use crate::audit::{Act, Party};
use crate::deliver::webhook::Secret;
use crate::govern::Policy;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What takes the place of what is in force; `None` leaves it as it is.
#[derive(Debug, Default)]
pub struct Replacement {
    /// The agreements, with the partners they name.
    pub policy: Option<Policy>,
    /// The sources with their mappings.
    pub sources: Option<Sources>,
    /// The secrets that sign notifications, by partner.
    pub secrets: Option<BTreeMap<String, Vec<Secret>>>,
}

impl Exchange {
    /// The policy in force, as of now. Whoever decides more than once for one act keeps what this gives.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// The sources in force, as of now.
    pub fn sources(&self) -> Arc<Sources> {
        self.sources.load_full()
    }

    /// Puts the replacement in force after its record is committed: `actor` did `operation`, with these details.
    ///
    /// What is under way is finished with what was in force when it began. Errors: the record cannot be written; then
    /// nothing has changed.
    pub async fn put_in_force(
        &self,
        actor: Party<'_>,
        operation: &str,
        details: &[(&str, &str)],
        replacement: Replacement,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let act = Act::Administration { actor, operation, subject: None, details };
        self.commit_record(&act, now).await?;
        let Replacement { policy, sources, secrets } = replacement;
        if let Some(policy) = policy {
            self.policy.store(Arc::new(policy));
        }
        if let Some(sources) = sources {
            self.sources.store(Arc::new(sources));
        }
        if let Some(secrets) = secrets {
            self.deliverer.replace_secrets(secrets);
        }
        self.subscribers.forget();
        self.deliverer.wake();
        Ok(())
    }

    /// Records that a replacement was offered and cannot be used; what was in force stays in force.
    pub async fn refuse_replacement(&self, actor: Party<'_>, operation: &str, text: &str, now: Timestamp) {
        let rule = "configuration";
        let act = Act::Refused { caller: Some(actor), operation, rule, text, target: None, patient: None };
        if let Err(refusal) = self.commit_record(&act, now).await {
            tracing::error!(cause = %refusal, operation, "the record of a refusal could not be written");
        }
    }
}
