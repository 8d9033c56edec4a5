//! Review packs: what the log and the store say about a period, read once and counted.

use super::Exchange;
use super::refusal::Refusal;
use crate::audit::{Act, Party};
use crate::govern::{self, Caller, Policy};
use crate::oversight::{
    AgreementNear, ConsentOverdue, LogState, OpenTask, Pack, Period, Seen, Standing, Tally, suppress,
};
use crate::store::{SharedStore, Store, StoreError};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

const PAGE: usize = 1_000;
/// Work that overlaps commits out of order: a leaf may stand after one that was recorded this much later.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

impl Exchange {
    /// The review pack of a period, for an auditor; with `for_sharing`, counts below that number are withheld. That it
    /// was made is recorded.
    pub async fn review(
        &self,
        caller: &Caller,
        period: &Period,
        for_sharing: Option<u64>,
        now: Timestamp,
    ) -> Result<Pack, Refusal> {
        let policy = self.policy.load_full();
        let (organisation, name) = (&self.gateway.organisation, &self.gateway.name);
        let mut pack = gather_review(&self.store, &policy, (organisation, name), period, now).await?;
        if let Some(smallest) = for_sharing {
            suppress(&mut pack, smallest);
        }
        let (name, smallest) = (period.to_string(), for_sharing.map(|smallest| smallest.to_string()));
        let mut details = vec![("period", name.as_str())];
        details.extend(smallest.as_deref().map(|smallest| ("for-sharing", smallest)));
        let actor = Party::from(caller);
        let act = Act::Administration { actor, operation: "review-pack", subject: None, details: &details };
        self.commit_record(&act, now).await?;
        Ok(pack)
    }
}

/// Reads what a review of this period needs, and counts it. `gateway` is its organisation (ODS code) and its name.
pub async fn gather_review(
    store: &SharedStore,
    policy: &Policy,
    gateway: (&str, &str),
    period: &Period,
    now: Timestamp,
) -> Result<Pack, StoreError> {
    let standing = standing(&**store, policy, period, now).await?;
    let mut tally = Tally::new(period.clone(), standing);
    let mut next = first_near(&**store, period.from()).await?;
    loop {
        let page = store.audit_leaves(next, PAGE).await?;
        let full = page.len() == PAGE;
        for leaf in page {
            next = leaf.sequence + 1;
            if let Some(seen) = Seen::of(&leaf.into()) {
                tally.take(&seen);
            }
        }
        if !full {
            break;
        }
    }
    let checkpoint = store.latest_checkpoint().await?;
    let log = LogState {
        leaves: store.audit_size().await?,
        checkpoint_size: checkpoint.as_ref().map(|checkpoint| checkpoint.size),
        checkpoint_root: checkpoint.as_ref().map(|checkpoint| hex::encode(checkpoint.root)),
        ..LogState::default()
    };
    Ok(tally.finish(gateway.0, gateway.1, now, log))
}

/// The position from which on a leaf of this moment, or of a later one, may stand.
async fn first_near(store: &dyn Store, at: Timestamp) -> Result<u64, StoreError> {
    let from = at.saturating_sub(OVERLAP).unwrap_or(at);
    let (mut low, mut high) = (0, store.audit_size().await?);
    while low < high {
        let middle = low + (high - low) / 2;
        let page = store.audit_leaves(middle, 1).await?;
        match page.first() {
            Some(leaf) if leaf.recorded < from => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

async fn standing(
    store: &dyn Store,
    policy: &Policy,
    period: &Period,
    now: Timestamp,
) -> Result<Standing, StoreError> {
    let mut standing = Standing::default();
    each(store, "Consent", |reference, consent| {
        let status = text(consent, "/status");
        if status == "active" && govern::review_overdue(consent, now) {
            let due = due_of(consent).unwrap_or("unreadable").to_owned();
            standing.consents_overdue.push(ConsentOverdue { reference, status: status.to_owned(), due });
        }
    })
    .await?;
    each(store, "Task", |reference, task| {
        let (status, due) = (text(task, "/status"), text(task, "/restriction/period/end"));
        let (code, focus) = (text(task, "/code/coding/0/code"), text(task, "/focus/reference"));
        let over = ["completed", "cancelled", "failed", "rejected", "entered-in-error"].contains(&status);
        let overdue = !over && due.parse::<Timestamp>().is_ok_and(|due| due < now);
        let state = match text(task, "/businessStatus/coding/0/code") {
            outcome if over && !outcome.is_empty() => outcome,
            _ if over => status,
            _ if overdue => "overdue",
            _ => "open",
        };
        if text(task, "/authoredOn").parse().is_ok_and(|authored| period.holds(authored)) {
            let by = text(task, "/requester/identifier/value");
            standing.arisen.push((code.to_owned(), by.to_owned(), state.to_owned()));
        }
        if !over {
            let (code, focus, owner) = (code.to_owned(), focus.to_owned(), owner(task));
            let (status, due) = (status.to_owned(), due.to_owned());
            standing.tasks.push(OpenTask { reference, code, focus, owner, status, due, overdue });
        }
    })
    .await?;
    for warning in policy.warnings(period.until().min(now)) {
        standing.agreements.push(AgreementNear {
            agreement: format!("{} version {}", warning.agreement, warning.version),
            what: if warning.review { "its review is due" } else { "it ends" },
            last_day: warning.last_day.to_string(),
            days_left: warning.days_left,
        });
    }
    standing.response_times = response_times(policy);
    Ok(standing)
}

/// The response that each term expects, in seconds. A duration that has no fixed length (a month) counts as none.
fn response_times(policy: &Policy) -> BTreeMap<String, u64> {
    let mut known = BTreeMap::new();
    for agreement in policy.agreements() {
        for term in &agreement.terms {
            let span: Option<Span> = term.response_time.as_deref().and_then(|text| text.parse().ok());
            let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
            if let Some(seconds) = length.and_then(|length| u64::try_from(length.as_secs()).ok()) {
                known.insert(format!("{}|{}#{}", agreement.id, agreement.version, term.id), seconds);
            }
        }
    }
    known
}

/// Hands over every current resource of a type, with its reference.
async fn each(
    store: &dyn Store,
    resource_type: &str,
    mut take: impl FnMut(String, &Value),
) -> Result<(), StoreError> {
    let mut after: Option<String> = None;
    loop {
        let page = store.list(resource_type, after.as_deref(), PAGE).await?;
        let full = page.len() == PAGE;
        after = page.last().map(|stored| stored.id.clone());
        for stored in page.iter().filter(|stored| !stored.deleted) {
            if let Ok(resource) = serde_json::from_str(&stored.body) {
                take(format!("{resource_type}/{}/_history/{}", stored.id, stored.version), &resource);
            }
        }
        if !full {
            return Ok(());
        }
    }
}

fn due_of(consent: &Value) -> Option<&str> {
    let extensions = consent.get("extension")?.as_array()?;
    let is_due = |extension: &&Value| text(extension, "/url").ends_with("/StructureDefinition/review-due");
    extensions.iter().find(is_due)?.get("valueDate")?.as_str()
}

fn owner(task: &Value) -> String {
    let named = ["/owner/identifier/value", "/owner/reference", "/owner/display"];
    named.iter().map(|place| text(task, place)).find(|name| !name.is_empty()).unwrap_or_default().to_owned()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
