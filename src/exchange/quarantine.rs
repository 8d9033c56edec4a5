//! Payloads that can be read but not used: kept with their reason, and handled by an operator.

use super::Exchange;
use super::accept::Arrival;
use super::payload::{Payload, Submitted, media_types};
use super::refusal::Refusal;
use crate::audit::{self, Act, Party, QuarantineStep};
use crate::fhir::{Issue, outcome};
use crate::govern::Caller;
use crate::store::{
    NewQuarantine, QuarantineChange, QuarantineQuery, QuarantineStatus, Quarantined, StoreError, Work,
};
use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The namespace of the ids of quarantined payloads.
const NAMESPACE: Uuid = Uuid::from_u128(0x52c9_0b1e_7d3f_4a86_b0d4_91f6_2e7a_c815);

impl Exchange {
    /// Keeps a payload in quarantine and records that; the refusal names where it is kept.
    ///
    /// The same payload of the same source is kept once: an engine that sends a refused message again and again must
    /// not fill the disk. Each refusal is recorded all the same.
    pub(super) async fn keep(
        &self,
        arrival: &mut Arrival<'_>,
        payload: &Payload,
        issues: Vec<Issue>,
        now: Timestamp,
    ) -> Result<Refusal, Refusal> {
        let source = &arrival.registered.source;
        let first = issues.iter().find(|issue| issue.severity.refuses());
        let (rule, text) =
            first.map_or(("invalid", "the payload cannot be used"), |issue| (&*issue.rule, &*issue.text));
        let mut name = source.id.clone().into_bytes();
        name.extend(arrival.submission.digest);
        let mut id = match arrival.resubmission {
            Some(item) => item.to_owned(),
            None => Uuid::new_v5(&NAMESPACE, &name).to_string(),
        };
        let mut kept = false;
        if let Some(known) = self.store.quarantine_read(&id).await? {
            kept = known.status == QuarantineStatus::Held;
            if !kept {
                id = Uuid::now_v7().to_string();
            }
        }
        let mut work = Work::at(now);
        if !kept {
            work.quarantine = Some(NewQuarantine {
                id: id.clone(),
                source: source.id.clone(),
                organisation: source.organisation.clone(),
                received: now,
                media_type: payload.media_type.clone(),
                reason: rule.to_owned(),
                outcome: outcome(&issues).to_string(),
                payload: payload.bytes.to_vec(),
            });
        }
        arrival.submission.outcome = "quarantined".to_owned();
        work.submission = Some(arrival.submission.clone());
        let act = Act::SubmissionRefused {
            caller: Some(Party::from(arrival.caller)),
            source: &source.id,
            submission: &arrival.submission.id,
            rule,
            text,
            quarantine: Some(&id),
            patient: arrival.patient_key.as_deref(),
        };
        work.audits.push(audit::record(&act, &self.gateway, now).into());
        match self.store.commit(work).await {
            Ok(_) => Ok(Refusal::Quarantined { issues, quarantine: id }),
            // The same payload was kept at the same moment by another connection.
            Err(StoreError::Rejected { .. }) if !kept => Err(Refusal::Contention),
            Err(error) => Err(error.into()),
        }
    }

    /// Lists quarantined payloads, the newest first, without their content; recorded.
    pub async fn quarantine_list(
        &self,
        caller: &Caller,
        query: QuarantineQuery,
        now: Timestamp,
    ) -> Result<Vec<Quarantined>, Refusal> {
        let found = self.store.quarantine_list(query).await?;
        let count = found.len().to_string();
        self.record_administration(caller, "quarantine-list", &[("found", &count)], now).await?;
        Ok(found)
    }

    /// One quarantined payload with its content; recorded.
    pub async fn quarantine_read(
        &self,
        caller: &Caller,
        id: &str,
        now: Timestamp,
    ) -> Result<Quarantined, Refusal> {
        let item = self.store.quarantine_read(id).await?.ok_or(Refusal::NotFound)?;
        let step = QuarantineStep::Read;
        self.commit_record(&handled(caller, step, id, "read", "the payload was read"), now).await?;
        Ok(item)
    }

    /// Submits a quarantined payload again, as it came or corrected, in the name of its source.
    ///
    /// When it is accepted, it leaves quarantine in the same unit of work; when it is refused again, it stays, and the
    /// refusal says why. What came first is kept beside a correction, whose reason is recorded before it is submitted.
    pub async fn quarantine_resubmit(
        &self,
        caller: &Caller,
        id: &str,
        correction: Option<Correction>,
        now: Timestamp,
    ) -> Result<Submitted, Refusal> {
        let item = self.held(id).await?;
        let sources = self.sources();
        let registered = sources.get(&item.source).ok_or_else(|| Refusal::State {
            text: "the source of the payload is not registered any more".to_owned(),
        })?;
        let before = item.payload.ok_or(Refusal::Gone)?;
        let bytes = match correction {
            None => before.into(),
            Some(correction) => {
                self.record_correction(caller, id, &before, &correction, now).await?;
                correction.payload
            }
        };
        let proper = media_types(registered.mapping.format).first().copied().unwrap_or("");
        let payload = Payload {
            bytes,
            media_type: proper.to_owned(),
            key: None,
            request_id: Uuid::now_v7().to_string(),
        };
        let submitted = self.submit_as(caller, &item.source, &payload, Some(id), now).await?;
        if submitted.repeated {
            // The message was accepted in the meantime by another way; what is kept here has no further use.
            let note = "the message had been accepted already";
            self.settle(caller, id, QuarantineStatus::Resubmitted, QuarantineStep::Resubmitted, note, now)
                .await?;
        }
        Ok(submitted)
    }

    /// Records that a payload was corrected: why, and the digests of both, by which they can be told apart for ever.
    async fn record_correction(
        &self,
        caller: &Caller,
        id: &str,
        before: &[u8],
        correction: &Correction,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        reasoned(&correction.reason)?;
        let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let (before, after) = (digest(before), digest(&correction.payload));
        let details = [
            ("item", id),
            ("reason", &*correction.reason),
            ("sha256-before", &before),
            ("sha256-after", &after),
        ];
        self.record_administration(caller, "quarantine-corrected", &details, now).await
    }

    /// Discards a quarantined payload: its content is erased, the record of it stays.
    pub async fn quarantine_discard(
        &self,
        caller: &Caller,
        id: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        reasoned(reason)?;
        self.held(id).await?;
        self.settle(caller, id, QuarantineStatus::Discarded, QuarantineStep::Discarded, reason, now).await
    }

    async fn held(&self, id: &str) -> Result<Quarantined, Refusal> {
        let item = self.store.quarantine_read(id).await?.ok_or(Refusal::NotFound)?;
        if item.status == QuarantineStatus::Held {
            return Ok(item);
        }
        Err(Refusal::State { text: "the payload has been resubmitted or discarded already".to_owned() })
    }

    async fn settle(
        &self,
        caller: &Caller,
        id: &str,
        to: QuarantineStatus,
        step: QuarantineStep,
        note: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut work = Work::at(now);
        work.quarantine_changes.push(QuarantineChange {
            id: id.to_owned(),
            to,
            at: now,
            note: note.to_owned(),
        });
        let rule = if to == QuarantineStatus::Discarded { "discarded" } else { "resubmitted" };
        work.audits.push(audit::record(&handled(caller, step, id, rule, note), &self.gateway, now).into());
        self.store.commit(work).await?;
        Ok(())
    }
}

/// What takes the place of a quarantined payload.
#[derive(Clone, Debug)]
pub struct Correction {
    /// The corrected payload, in the format of its source.
    pub payload: Bytes,
    /// Why it was corrected.
    pub reason: String,
}

fn reasoned(reason: &str) -> Result<(), Refusal> {
    if reason.trim().is_empty() || reason.len() > 500 {
        return Err(Refusal::Malformed { text: "a `reason` of at most 500 characters is needed".to_owned() });
    }
    Ok(())
}

fn handled<'a>(
    caller: &'a Caller,
    step: QuarantineStep,
    item: &'a str,
    rule: &'a str,
    text: &'a str,
) -> Act<'a> {
    Act::Quarantine { caller: Some(Party::from(caller)), step, item, rule, text, patient: None }
}
