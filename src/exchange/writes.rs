//! FHIR create and update of Flag and Consent, by the source that they belong to.

use super::Exchange;
use super::accept::{is_conflict, pause};
use super::refusal::Refusal;
use super::sources::Registered;
use super::version::{Version, stamp, type_of};
use crate::audit::{self, Act, Change, Party, Target};
use crate::convert::identity;
use crate::fhir::json::{self, Limits};
use crate::fhir::{Issue, origin};
use crate::govern::Caller;
use crate::store::{Stored, Work};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// Types that a source may create and update here.
const WRITABLE: [&str; 2] = ["Flag", "Consent"];
const TRIES: u32 = 8;

/// Under which condition a write happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The version that must be current (`If-Match`).
    pub version: Option<u64>,
    /// The identifier, system and value, that no resource of the source may have yet (`If-None-Exist`).
    pub none_exists: Option<(String, String)>,
}

/// A resource version that was written, or found in its place.
#[derive(Clone, Debug)]
pub struct Written {
    /// The resource's type.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// When that version came to be.
    pub last_updated: Timestamp,
    /// The resource.
    pub resource: Value,
    /// Whether it did not exist before.
    pub created: bool,
}

impl Exchange {
    /// Creates a resource. The id is the gateway's; what the client put there is ignored.
    ///
    /// Errors: not JSON, not valid, not to be held; a condition that does not hold; a type that is not served.
    pub async fn create(
        &self,
        caller: &Caller,
        resource_type: &str,
        body: &[u8],
        condition: &Condition,
        now: Timestamp,
    ) -> Result<Written, Refusal> {
        let registered = self.writer(caller, resource_type)?;
        let resource = self.read_body(resource_type, body)?;
        if let Some((system, value)) = &condition.none_exists {
            let found = self.store.find_by_identifier(resource_type, Some(system), value, 10).await?;
            let own = stamp(&registered.source);
            let mut own =
                found.into_iter().filter(|stored| stamp_of(stored).as_deref() == Some(own.as_str()));
            match (own.next(), own.next()) {
                (None, _) => {}
                (Some(one), None) => return written_of(&one, false),
                (Some(_), Some(_)) => {
                    let text = "more than one resource has the identifier of `If-None-Exist`".to_owned();
                    return Err(Refusal::Precondition { text });
                }
            }
        }
        self.write(caller, &registered, &Uuid::now_v7().to_string(), resource, None, condition, now).await
    }

    /// Updates a resource that the caller's source has sent before. Unknown and other sources' resources are not told
    /// apart.
    pub async fn update(
        &self,
        caller: &Caller,
        resource_type: &str,
        id: &str,
        body: &[u8],
        condition: &Condition,
        now: Timestamp,
    ) -> Result<Written, Refusal> {
        let registered = self.writer(caller, resource_type)?;
        let resource = self.read_body(resource_type, body)?;
        if resource.get("id").and_then(Value::as_str) != Some(id) {
            return Err(Refusal::Malformed {
                text: "the resource's `id` is not that of the address".to_owned(),
            });
        }
        for round in 0..TRIES {
            let current = self.store.read(resource_type, id).await?.filter(|stored| !stored.deleted);
            let current =
                current.filter(|stored| stamp_of(stored).as_deref() == Some(&stamp(&registered.source)));
            let Some(current) = current else {
                self.record_refusal(caller, "update", "there is no such record of this source", now).await;
                return Err(Refusal::NotFound);
            };
            if let Some(version) = condition.version
                && version != current.version
            {
                let text = "the version of `If-Match` is not the current one".to_owned();
                return Err(Refusal::Precondition { text });
            }
            match self.write(caller, &registered, id, resource.clone(), Some(&current), condition, now).await
            {
                Err(Refusal::Contention) => pause(round).await,
                other => return other,
            }
        }
        Err(Refusal::Contention)
    }

    /// The source for which the caller writes.
    fn writer(&self, caller: &Caller, resource_type: &str) -> Result<Arc<Registered>, Refusal> {
        if !WRITABLE.contains(&resource_type) {
            return Err(Refusal::UnknownType { resource_type: resource_type.to_owned() });
        }
        let sources = self.sources();
        let registered = match &caller.source {
            Some(id) => sources.get(id),
            None => sources.only_of(&caller.organisation),
        };
        let text = "the credential is not bound to a source".to_owned();
        registered.cloned().ok_or(Refusal::Forbidden { text })
    }

    /// Reads a resource of this type from a request's body.
    pub(super) fn read_body(&self, resource_type: &str, body: &[u8]) -> Result<Value, Refusal> {
        let resource = json::parse(body, &Limits::default()).map_err(|error| Refusal::Unreadable {
            issues: vec![
                Issue::error("structure", error.rule, error.pointer.clone(), error.text.clone())
                    .at(error.line, error.column),
            ],
        })?;
        if type_of(&resource) != resource_type {
            let text = format!("the body is not a `{resource_type}`");
            return Err(Refusal::Malformed { text });
        }
        Ok(resource)
    }

    #[expect(clippy::too_many_arguments, reason = "one step of two short functions above")]
    async fn write(
        &self,
        caller: &Caller,
        registered: &Registered,
        id: &str,
        mut resource: Value,
        current: Option<&Stored>,
        condition: &Condition,
        now: Timestamp,
    ) -> Result<Written, Refusal> {
        if let Some(members) = resource.as_object_mut() {
            members.insert("id".to_owned(), id.into());
        }
        let operation = if current.is_some() { "update" } else { "create" };
        let resource_type = type_of(&resource).to_owned();
        let validated = match self.validate(resource) {
            Ok(validated) => validated,
            Err(issues) => return Err(self.refuse_invalid(caller, operation, issues, now).await),
        };
        let patient_key = match self.subject_key(validated.resource()).await? {
            Ok(key) => key,
            Err(issue) => return Err(self.refuse_invalid(caller, operation, vec![issue], now).await),
        };
        let source = stamp(&registered.source);
        let resource = validated.into_resource();
        let version = Version::next(resource, id, current, Some(patient_key.clone()), &source, now);
        let versions = [version];
        let mut work = Work::at(now);
        let facts = self.store.facts_for(&patient_key).await?;
        if let Err(issues) = self.decide_all(&mut work, &versions, &facts, now).await? {
            return Err(self.refuse_invalid(caller, operation, issues, now).await);
        }
        self.escalate_disputes(&mut work, &versions, &facts, now).await?;
        let [version] = versions;
        let act = Act::Changed {
            caller: Party::from(caller),
            change: if current.is_some() { Change::Update } else { Change::Create },
            target: Target::version(&resource_type, id, version.version),
            patient: Some(&patient_key),
        };
        work.audits.insert(0, audit::record(&act, &self.gateway, now).into());
        match self.store.commit(work).await {
            Ok(_) => {}
            Err(error) if is_conflict(&error) && condition.version.is_some() => {
                let text = "the version of `If-Match` is not the current one any more".to_owned();
                return Err(Refusal::Precondition { text });
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Written {
            resource_type,
            id: id.to_owned(),
            version: version.version,
            last_updated: version.last_updated,
            resource: version.resource,
            created: current.is_none(),
        })
    }

    /// Records and gives the refusal of a resource that is not valid or may not be held.
    pub(super) async fn refuse_invalid(
        &self,
        caller: &Caller,
        operation: &str,
        issues: Vec<Issue>,
        now: Timestamp,
    ) -> Refusal {
        let first = issues.iter().find(|issue| issue.severity.refuses());
        let text = first.map_or("the resource is not valid", |issue| &issue.text);
        self.record_refusal(caller, operation, text, now).await;
        Refusal::Invalid { issues }
    }

    /// The key of the patient that a Flag or Consent is about: from the identifier in its subject, else from the
    /// stored Patient that it refers to.
    async fn subject_key(&self, resource: &Value) -> Result<Result<String, Issue>, Refusal> {
        let name = if type_of(resource) == "Consent" { "patient" } else { "subject" };
        let place = format!("{}.{name}", type_of(resource));
        let Some(subject) = resource.get(name) else {
            let text = "the resource names no patient";
            return Ok(Err(Issue::error("required", "patient-identifier-missing", place, text)));
        };
        if let Some(identifier) = subject.get("identifier") {
            let patient = serde_json::json!({"identifier": [identifier]});
            let key = patient.as_object().and_then(identity::patient_key);
            let is_nhs =
                identifier.get("system").and_then(Value::as_str) == Some(crate::fhir::systems::NHS_NUMBER);
            return Ok(match key {
                Some(key) => Ok(key),
                None if is_nhs => {
                    let text = "the NHS number is not sound (ten digits, modulus 11)";
                    Err(Issue::error("value", "nhs-number", format!("{place}.identifier.value"), text))
                }
                None => {
                    let text = "the patient's identifier has no system or value";
                    Err(Issue::error(
                        "required",
                        "patient-identifier-missing",
                        format!("{place}.identifier"),
                        text,
                    ))
                }
            });
        }
        let reference = subject.get("reference").and_then(Value::as_str).unwrap_or("");
        if let Some(id) = reference.strip_prefix("Patient/").filter(|id| !id.contains('/'))
            && let Some(stored) = self.store.read("Patient", id).await?
            && let Some(key) = stored.patient_key
        {
            return Ok(Ok(key));
        }
        let text = "the patient needs an identifier, or a reference to a Patient that the gateway holds";
        Ok(Err(Issue::error("required", "patient-identifier-missing", place, text)))
    }
}

/// The stamp of the source that a stored resource came from.
pub(super) fn stamp_of(stored: &Stored) -> Option<String> {
    let body: Value = serde_json::from_str(&stored.body).ok()?;
    Some(origin::stamp(origin::organisation(&body)?, origin::source(&body)?))
}

/// A stored version as the answer to a write.
pub(super) fn written_of(stored: &Stored, created: bool) -> Result<Written, Refusal> {
    let resource = serde_json::from_str(&stored.body)
        .map_err(|_| Refusal::Internal { cause: format!("stored `{}` is not JSON", stored.resource_type) })?;
    Ok(Written {
        resource_type: stored.resource_type.clone(),
        id: stored.id.clone(),
        version: stored.version,
        last_updated: stored.last_updated,
        resource,
        created,
    })
}
