//! AuditEvents: reading and searching them, which is itself recorded, and taking in those that others recorded.

use super::Exchange;
use super::audit_search::{AuditSearch, CURSOR};
use super::refusal::Refusal;
use super::writes::Written;
use crate::audit::{self, Act, Change, Party, Target};
use crate::convert::{identity, stu3};
use crate::govern::Caller;
use crate::oversight::Access;
use crate::store::{AuditQuery, SharedStore, StoreError, Work};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Why auditors look, where they name no purpose.
const PURPOSE: &str = "HSYSADMIN";
/// How many leaves are tested at a time, and at most for one page.
const PAGE: usize = 500;
const MOST_TESTED: usize = 50_000;

/// A page of AuditEvents.
#[derive(Clone, Debug, Default)]
pub struct AuditPage {
    /// The events with their ids, the newest first.
    pub found: Vec<(String, Value)>,
    /// The parameters that were understood.
    pub used: Vec<(String, String)>,
    /// The parameters of the next page, when there may be more.
    pub next: Option<Vec<(String, String)>>,
}

impl Exchange {
    /// One AuditEvent, for an auditor. An erased one is gone; its leaf stays.
    pub async fn audit_event(
        &self,
        caller: &Caller,
        id: &str,
        purpose: Option<&str>,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        let leaf = self.store.audit_event(id).await?;
        let act = Act::Read {
            caller: Party::from(caller),
            target: Target::resource("AuditEvent", id),
            patient: leaf.as_ref().and_then(|leaf| leaf.patient_key.as_deref()),
            purpose: purpose.unwrap_or(PURPOSE),
            decision: None,
        };
        self.commit_record(&act, now).await?;
        let leaf = leaf.ok_or(Refusal::NotFound)?;
        let canonical = leaf.canonical.ok_or(Refusal::Gone)?;
        serde_json::from_str(&canonical)
            .map_err(|_| Refusal::Internal { cause: "a stored AuditEvent is not JSON".to_owned() })
    }

    /// A page of the AuditEvents that fit, for an auditor (IHE ITI-81). `asked` are the parameters as they came.
    ///
    /// Errors: a parameter that cannot be read, or, when `strict`, one that is not known.
    pub async fn audit_search(
        &self,
        caller: &Caller,
        asked: &[(String, String)],
        strict: bool,
        purpose: Option<&str>,
        now: Timestamp,
    ) -> Result<AuditPage, Refusal> {
        let search = AuditSearch::read(&*self.store, asked, strict).await?;
        let mut page = AuditPage { used: search.used.clone(), ..AuditPage::default() };
        let (mut query, mut tested, mut last) = (search.query.clone(), 0, None);
        query.limit = PAGE;
        'pages: loop {
            let leaves = self.store.audit_search(query.clone()).await?;
            let full = leaves.len() == PAGE;
            for leaf in leaves {
                if page.found.len() == search.count || tested == MOST_TESTED {
                    page.next = last.map(|last: u64| next_of(&search.used, last));
                    break 'pages;
                }
                tested += 1;
                last = Some(leaf.sequence);
                query.before = Some(leaf.sequence);
                let event =
                    leaf.canonical.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
                if let Some(event) = event.filter(|event| search.fits(&leaf, event)) {
                    page.found.push((leaf.id, event));
                }
            }
            if !full {
                break;
            }
        }
        let query: Vec<String> = search.used.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let act = Act::Search {
            caller: Party::from(caller),
            resource_type: "AuditEvent",
            query: &query.join("&"),
            purpose: purpose.unwrap_or(PURPOSE),
            found: page.found.len(),
            patient: search.query.patient_key.as_deref().filter(|key| *key != "unknown"),
        };
        self.commit_record(&act, now).await?;
        Ok(page)
    }

    /// Who saw what about a patient, by the store's key, for an auditor who answers a subject's request.
    pub async fn access_report(
        &self,
        caller: &Caller,
        patient: &str,
        purpose: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<Access>, Refusal> {
        let found = accesses(&self.store, patient).await?;
        let act = Act::Search {
            caller: Party::from(caller),
            resource_type: "AuditEvent",
            query: "access-report",
            purpose: purpose.unwrap_or("PATRQT"),
            found: found.len(),
            patient: Some(patient),
        };
        self.commit_record(&act, now).await?;
        Ok(found)
    }

    /// Takes in an AuditEvent that a registered party recorded (IHE ITI-20). It is not refused for a profile that it
    /// claims, only where it is not R4. It becomes a leaf of the log as it came, with who sent it; that it was sent is
    /// another leaf.
    pub async fn receive_audit_event(
        &self,
        caller: &Caller,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Written, Refusal> {
        let mut event = self.read_body("AuditEvent", body)?;
        // What older systems record is STU3; only a Consent can be unclear there.
        if let Some(members) = event.as_object_mut() {
            stu3::to_r4(members).map_err(|text| Refusal::Malformed { text: text.to_owned() })?;
        }
        let mut plain = event.clone();
        if let Some(meta) = plain.get_mut("meta").and_then(Value::as_object_mut) {
            meta.remove("profile");
        }
        if plain.pointer("/meta").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty)
            && let Some(members) = plain.as_object_mut()
        {
            members.remove("meta");
        }
        let issues = self.validator.validate_value(&plain, &[]).issues;
        if issues.iter().any(|issue| issue.severity.refuses()) {
            return Err(self.refuse_invalid(caller, "create", issues, now).await);
        }
        let patient = patient_of(&event);
        let sender = Party::from(caller);
        let entry = audit::receive(&event, sender, patient.as_deref(), now);
        let (id, resource) = (entry.id.clone(), entry.event());
        let act = Act::Changed {
            caller: sender,
            change: Change::Create,
            target: Target::version("AuditEvent", &id, 1),
            patient: patient.as_deref(),
        };
        let mut work = Work::at(now);
        work.audits.push(entry.into());
        work.audits.push(audit::record(&act, &self.gateway, now).into());
        self.store.commit(work).await?;
        let resource_type = "AuditEvent".to_owned();
        Ok(Written { resource_type, id, version: 1, last_updated: now, resource, created: true })
    }
}

fn next_of(used: &[(String, String)], last: u64) -> Vec<(String, String)> {
    let mut next: Vec<_> = used.iter().filter(|(name, _)| name != CURSOR).cloned().collect();
    next.push((CURSOR.to_owned(), last.to_string()));
    next
}

/// The patient that an event names by an identifier.
fn patient_of(event: &Value) -> Option<String> {
    let entities = event.get("entity")?.as_array()?;
    let is_person = |entity: &&Value| {
        let code = |at: &str| entity.pointer(at).and_then(Value::as_str) == Some("1");
        code("/type/code") || code("/role/code")
    };
    let identifier = entities.iter().find(is_person)?.pointer("/what/identifier")?;
    json!({"identifier": [identifier]}).as_object().and_then(identity::patient_key)
}

/// Every access to what is held about a patient, by the store's key, the oldest first.
pub async fn accesses(store: &SharedStore, patient: &str) -> Result<Vec<Access>, StoreError> {
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let patient_key = Some(patient.to_owned());
        let query = AuditQuery { patient_key, before, limit: PAGE, ..AuditQuery::default() };
        let page = store.audit_search(query).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.sequence);
        found.extend(page.into_iter().filter_map(|leaf| Access::of(&leaf.into())));
    }
    found.reverse();
    Ok(found)
}
