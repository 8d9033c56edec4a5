//! What a changed policy would change: every record that the gateway holds, decided anew for every partner under both.

use super::facts::{Known, facts};
use super::refusal::Refusal;
use crate::govern::{Decision, Policy, Request, decide};
use crate::store::{Store, Stored};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;

/// The types that partners are told of.
const SHARED: [&str; 2] = ["Flag", "Consent"];
const PAGE: usize = 500;

/// What becomes of a partner's access to one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It had none, and would have it.
    Gained,
    /// It had it, and would have it no more.
    Lost,
    /// It has it before and after, by other terms or with other obligations.
    Otherwise,
    /// It has none before and after, for other reasons.
    StillNone,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The partner's id.
    pub partner: String,
    /// `Type/id/_history/version`.
    pub record: String,
    /// What becomes of its access.
    pub access: Access,
    /// The decision as it is, in short.
    pub before: String,
    /// The decision as it would be.
    pub after: String,
}

/// What comparing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many records were decided about.
    pub records: usize,
    /// How many pairs of record and partner.
    pub decisions: usize,
    /// Where the two policies differ.
    pub differences: Vec<Difference>,
}

/// Decides about the current version of every Flag and Consent in the store, with the patients and Consents that it
/// holds, for each partner of either policy, under both at one moment.
///
/// # Errors
/// When the store cannot be read, or holds what is not JSON.
pub async fn compare(
    store: &dyn Store,
    old: &Policy,
    new: &Policy,
    now: Timestamp,
) -> Result<Comparison, Refusal> {
    let mut result = Comparison::default();
    let mut patients: HashMap<String, Known<'_>> = HashMap::new();
    for resource_type in SHARED {
        let mut after: Option<String> = None;
        loop {
            let page = store.list(resource_type, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for stored in page.iter().filter(|stored| !stored.deleted) {
                let key = stored.patient_key.clone().unwrap_or_default();
                if !patients.contains_key(&key) {
                    let known = match &stored.patient_key {
                        Some(key) => Known::of(&store.facts_for(key).await?)?,
                        None => Known::default(),
                    };
                    patients.insert(key.clone(), known);
                }
                if let Some(known) = patients.get(&key) {
                    one(stored, known, old, new, now, &mut result)?;
                }
            }
            patients.clear();
        }
    }
    Ok(result)
}

fn one(
    stored: &Stored,
    known: &Known<'_>,
    old: &Policy,
    new: &Policy,
    now: Timestamp,
    result: &mut Comparison,
) -> Result<(), Refusal> {
    let resource: Value = serde_json::from_str(&stored.body).map_err(|_| {
        let cause = format!("stored `{}/{}` is not JSON", stored.resource_type, stored.id);
        Refusal::Internal { cause }
    })?;
    let consents = known.consents();
    let facts =
        facts(&resource, &stored.resource_type, &stored.id, stored.version, known.patient(), &consents);
    result.records += 1;
    let added = new.partners().iter().filter(|partner| old.partner(&partner.id).is_none());
    for partner in old.partners().iter().chain(added) {
        let decided = |policy: &Policy| {
            policy.partner(&partner.id).map(|partner| decide(policy, &Request::notify(partner), &facts, now))
        };
        let (before, after) = (decided(old), decided(new));
        result.decisions += 1;
        let permits = |decision: &Option<Decision>| decision.as_ref().is_some_and(|d| d.permit().is_some());
        let (had, has) = (permits(&before), permits(&after));
        let (before, after) = (short(before.as_ref()), short(after.as_ref()));
        if before == after {
            continue;
        }
        result.differences.push(Difference {
            partner: partner.id.clone(),
            record: format!("{}/{}/_history/{}", stored.resource_type, stored.id, stored.version),
            access: match (had, has) {
                (false, true) => Access::Gained,
                (true, false) => Access::Lost,
                (true, true) => Access::Otherwise,
                (false, false) => Access::StillNone,
            },
            before,
            after,
        });
    }
    Ok(())
}

/// A decision in short: its outcome, and the reasons or the obligations and the response time.
fn short(decision: Option<&Decision>) -> String {
    let Some(decision) = decision else { return "not registered".to_owned() };
    let reasons: Vec<&str> = decision.reasons.iter().map(|reason| reason.code.code()).collect();
    match decision.permit() {
        None => format!("{} ({})", decision.outcome.code(), reasons.join(", ")),
        Some(permit) => {
            let obligations = permit.obligations().join(", ");
            let time = permit.response_time().unwrap_or("no given time");
            let dissent =
                decision.overrode_dissent.as_deref().map(|basis| format!("; dissent overridden by {basis}"));
            format!("permit ({obligations}; response in {time}{})", dissent.unwrap_or_default())
        }
    }
}
