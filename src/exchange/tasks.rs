//! Tasks: made together with what makes them necessary, read and settled by their owners.

use super::Exchange;
use super::facts::Known;
use super::refusal::Refusal;
use super::version::Version;
use super::writes::Written;
use crate::audit::{self, Act, Change, Party, Target};
use crate::fhir::origin;
use crate::govern::task::{NewTask, Task, TaskCode, settle};
use crate::govern::{Caller, Role, dispute};
use crate::store::{PatientFacts, Stored, Work};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

/// How long the governance lead has for a disputed or uncertain consent.
const DISPUTE_DAYS: i64 = 1;
const PAGE: usize = 1000;

/// Which Tasks are asked for. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Only those with this code.
    pub code: Option<String>,
    /// Only those with this status.
    pub status: Option<String>,
    /// Only those of this owner (ODS code).
    pub owner: Option<String>,
    /// Only those that are open past their due time, or only those that are not.
    pub overdue: Option<bool>,
}

impl TaskQuery {
    fn fits(&self, task: Task<'_>, now: Timestamp) -> bool {
        let same = |wanted: &Option<String>, actual: &str| wanted.as_deref().is_none_or(|one| one == actual);
        same(&self.code, task.code())
            && same(&self.status, task.status())
            && same(&self.owner, task.owner())
            && self.overdue.is_none_or(|overdue| overdue == task.is_overdue(now))
    }
}

impl Exchange {
    /// Puts a Task into the work that makes it necessary, with the notifications of its owner.
    pub(super) async fn ask_for(
        &self,
        work: &mut Work,
        task: &NewTask<'_>,
        patient_key: Option<&str>,
        facts: &PatientFacts,
    ) -> Result<(), Refusal> {
        let source = origin::stamp(&self.gateway.organisation, &self.gateway.device);
        let key = patient_key.map(str::to_owned);
        let version = Version::next(task.resource(), task.id, None, key, &source, task.now);
        metrics::counter!("sgw_tasks_total", "code" => task.code.code()).increment(1);
        match self.decide_all(work, &[version], facts, task.now).await? {
            Ok(()) => Ok(()),
            Err(_) => Err(Refusal::Internal { cause: "a task was refused".to_owned() }),
        }
    }

    /// Asks the governance lead to resolve each Consent among these versions that has become disputed or uncertain.
    pub(super) async fn escalate_disputes(
        &self,
        work: &mut Work,
        versions: &[Version],
        facts: &PatientFacts,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        for version in versions.iter().filter(|one| one.changed && one.resource_type == "Consent") {
            let Some(kind) = dispute(&version.resource) else { continue };
            if version.previous.as_ref().and_then(dispute) == Some(kind) {
                continue;
            }
            let record = Target::version("Consent", &version.id, version.version).versioned();
            let identifier = |name: &str| {
                let at = format!("/patient/identifier/{name}");
                version.resource.pointer(&at).and_then(Value::as_str)
            };
            let system = crate::fhir::systems::canonical("CodeSystem/consent-dispute");
            let due = later(now, SignedDuration::from_hours(24 * DISPUTE_DAYS));
            let task = NewTask {
                code: TaskCode::ConsentDispute,
                id: &Uuid::now_v7().to_string(),
                owner: &self.gateway.organisation,
                requester: origin::organisation(&version.resource).unwrap_or_default(),
                records: &[record],
                patient: identifier("system").zip(identifier("value")),
                reason: Some((&system, kind)),
                inputs: &[],
                due,
                now,
            };
            self.ask_for(work, &task, version.patient_key.as_deref(), facts).await?;
        }
        Ok(())
    }

    /// Every Task that fits and that the caller may see, each read decided and recorded.
    pub async fn tasks(
        &self,
        caller: &Caller,
        query: &TaskQuery,
        asked: &str,
        now: Timestamp,
    ) -> Result<super::Page, Refusal> {
        let begun = Instant::now();
        let mut stored = Vec::new();
        for one in self.all_tasks().await? {
            let task: Option<Value> = serde_json::from_str(&one.body).ok();
            let seen = |task: Task<'_>| sees_all(caller) || task.owner() == caller.organisation;
            if task.as_ref().map(Task::of).is_some_and(|task| seen(task) && query.fits(task, now)) {
                stored.push(one);
            }
        }
        self.answer_search(caller, "Task", &stored, None, asked, (begun, now)).await
    }

    /// Every Task that is stored.
    pub(super) async fn all_tasks(&self) -> Result<Vec<Stored>, Refusal> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.list("Task", after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.id.clone());
            all.extend(page.into_iter().filter(|one| !one.deleted));
        }
    }

    /// Settles a Task: its owner, or an operator of the gateway, says how it stands and what came of it.
    ///
    /// Errors: [`Refusal::NotFound`] for a Task that is not the caller's to see; a change that is not allowed.
    pub async fn settle_task(
        &self,
        caller: &Caller,
        id: &str,
        body: &[u8],
        version: Option<u64>,
        now: Timestamp,
    ) -> Result<Written, Refusal> {
        let wanted = self.read_body("Task", body)?;
        let current = self.store.read("Task", id).await?.filter(|stored| !stored.deleted);
        let read = |stored: &Stored| serde_json::from_str::<Value>(&stored.body).ok();
        let owned =
            |task: &Value| caller.has(Role::Operator) || Task::of(task).owner() == caller.organisation;
        let found = current.and_then(|stored| Some((read(&stored)?, stored))).filter(|(task, _)| owned(task));
        let Some((task, stored)) = found else {
            self.record_refusal(caller, "update", "there is no such task of this organisation", now).await;
            return Err(Refusal::NotFound);
        };
        if version.is_some_and(|version| version != stored.version) {
            let text = "the version of `If-Match` is not the current one".to_owned();
            return Err(Refusal::Precondition { text });
        }
        let settled = match settle(&task, &wanted, now) {
            Ok(settled) => settled,
            Err(error) => return Err(Refusal::State { text: error.to_string() }),
        };
        if let Err(report) = self.validator.check(settled.clone(), &[]) {
            return Err(self.refuse_invalid(caller, "update", report.issues, now).await);
        }
        let source = origin::stamp(&self.gateway.organisation, &self.gateway.device);
        let key = stored.patient_key.clone();
        let version = Version::next(settled, id, Some(&stored), key.clone(), &source, now);
        let versions = [version];
        let mut work = Work::at(now);
        let facts = match &key {
            Some(key) => self.store.facts_for(key).await?,
            None => PatientFacts::default(),
        };
        if self.decide_all(&mut work, &versions, &facts, now).await?.is_err() {
            return Err(Refusal::Internal { cause: "a task was refused".to_owned() });
        }
        let [version] = versions;
        let act = Act::Changed {
            caller: Party::from(caller),
            change: Change::Update,
            target: Target::version("Task", id, version.version),
            patient: key.as_deref(),
        };
        work.audits.insert(0, audit::record(&act, &self.gateway, now).into());
        self.store.commit(work).await?;
        Ok(Written {
            resource_type: "Task".to_owned(),
            id: id.to_owned(),
            version: version.version,
            last_updated: version.last_updated,
            resource: version.resource,
            created: false,
        })
    }

    /// The patient's own identifier, for a Task about them; the NHS number first.
    pub(super) fn identifier_of(known: &Known<'_>) -> Option<(String, String)> {
        let list = known.patient()?.get("identifier")?.as_array()?;
        let pair = |identifier: &Value| {
            let text = |name: &str| identifier.get(name).and_then(Value::as_str).map(str::to_owned);
            Some((text("system")?, text("value")?))
        };
        let nhs = |identifier: &&Value| {
            identifier.get("system").and_then(Value::as_str) == Some(crate::fhir::systems::NHS_NUMBER)
        };
        list.iter().find(nhs).and_then(pair).or_else(|| list.iter().find_map(pair))
    }
}

/// Those who run and audit the gateway see every Task.
fn sees_all(caller: &Caller) -> bool {
    caller.has(Role::Operator) || caller.has(Role::Auditor)
}

pub(super) fn later(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.checked_add(span).unwrap_or(Timestamp::MAX)
}
