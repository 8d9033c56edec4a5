//! Records of acts that nothing else is committed with, and findings in the exchange's own words.

use super::Exchange;
use super::refusal::Refusal;
use super::version::Version;
use crate::audit::{self, Act, Party};
use crate::convert::Unreadable;
use crate::fhir::Issue;
use crate::govern::{Caller, Decision};
use crate::store::Work;
use jiff::Timestamp;

/// What cannot be read, as a finding with its place.
pub(super) fn unreadable(error: &Unreadable) -> Issue {
    match error {
        Unreadable::Json(json) => {
            Issue::error("structure", json.rule, json.pointer.clone(), json.text.clone())
                .at(json.line, json.column)
        }
        Unreadable::Xml { line, column } => {
            Issue::error("structure", error.rule(), "", error.to_string()).at(*line, *column)
        }
        Unreadable::NotSupported { .. } | Unreadable::NotAFact => {
            Issue::error("not-supported", error.rule(), "", error.to_string())
        }
        _ => Issue::error("structure", error.rule(), "", error.to_string()),
    }
}

/// Why the gateway may not hold a resource, as findings.
pub(super) fn not_held(decision: &Decision, version: &Version) -> Vec<Issue> {
    decision
        .reasons
        .iter()
        .map(|reason| {
            Issue::error(
                "business-rule",
                reason.code.code(),
                version.resource_type.clone(),
                reason.text.clone(),
            )
        })
        .collect()
}

impl Exchange {
    /// Commits the record of one act by itself.
    pub(super) async fn commit_record(&self, act: &Act<'_>, now: Timestamp) -> Result<(), Refusal> {
        let mut work = Work::at(now);
        work.audits.push(audit::record(act, &self.gateway, now).into());
        self.store.commit(work).await?;
        Ok(())
    }

    /// Records that a caller's request was refused. What is refused does not happen whether or not the record can be
    /// written, so a failure is logged and not told.
    pub async fn record_refusal(&self, caller: &Caller, operation: &str, text: &str, now: Timestamp) {
        let act = Act::Refused {
            caller: Some(Party::from(caller)),
            operation,
            rule: operation,
            text,
            target: None,
            patient: None,
        };
        if let Err(refusal) = self.commit_record(&act, now).await {
            tracing::error!(cause = %refusal, operation, "the record of a refusal could not be written");
        }
    }

    /// Records an administrative act of an operator.
    pub async fn record_administration(
        &self,
        caller: &Caller,
        operation: &str,
        details: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let act = Act::Administration { actor: Party::from(caller), operation, subject: None, details };
        self.commit_record(&act, now).await
    }

    /// Records a payload that cannot be read. Nothing of it is kept, so the record must stand.
    pub(super) async fn refuse_unreadable(
        &self,
        caller: &Caller,
        source: &str,
        submission: &str,
        issue: &Issue,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let act = Act::SubmissionRefused {
            caller: Some(Party::from(caller)),
            source,
            submission,
            rule: &issue.rule,
            text: &issue.text,
            quarantine: None,
            patient: None,
        };
        self.commit_record(&act, now).await
    }
}
