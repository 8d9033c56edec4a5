//! What the gateway asks people to do, as R4 Tasks (<https://hl7.org/fhir/R4/task.html>): the review of an emergency
//! disclosure, the resolution of a disputed consent. Each has an owner and a due time.
//!
//! The due time is `restriction.period.end`. Only the owner, and those who run and audit the gateway, see a Task.

use crate::fhir::{instant, systems};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What is to be done: the CodeSystem `task-code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskCode {
    /// The owner of the records reviews an emergency disclosure.
    BreakGlassReview,
    /// The governance lead resolves a disputed or uncertain consent.
    ConsentDispute,
}

impl TaskCode {
    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            TaskCode::BreakGlassReview => "break-glass-review",
            TaskCode::ConsentDispute => "consent-dispute",
        }
    }

    fn words(self) -> &'static str {
        match self {
            TaskCode::BreakGlassReview => {
                "Records of your organisation were disclosed by the emergency path. Say whether that was justified."
            }
            TaskCode::ConsentDispute => {
                "A consent is disputed or uncertain. Until that is resolved it permits nothing. Resolve it with those concerned, and have its source send the result."
            }
        }
    }
}

/// A Task to be made.
#[derive(Clone, Debug)]
pub struct NewTask<'a> {
    /// What is to be done.
    pub code: TaskCode,
    /// Its id.
    pub id: &'a str,
    /// The ODS code of the organisation that is to do it.
    pub owner: &'a str,
    /// The ODS code of the organisation whose act made it necessary.
    pub requester: &'a str,
    /// The resource versions concerned, as references; the first becomes the focus.
    pub records: &'a [String],
    /// The patient's identifier (`system`, `value`), when known.
    pub patient: Option<(&'a str, &'a str)>,
    /// The code of the reason, with its system.
    pub reason: Option<(&'a str, &'a str)>,
    /// What was stated: names and values.
    pub inputs: &'a [(&'a str, &'a str)],
    /// When it is due.
    pub due: Timestamp,
    /// Now.
    pub now: Timestamp,
}

fn organisation(code: &str) -> Value {
    json!({"type": "Organization", "identifier": {"system": systems::ODS_ORGANIZATION, "value": code}})
}

fn named(name: &str, kind: &str, value: Value) -> Value {
    let mut input = Map::new();
    input.insert("type".to_owned(), json!({"text": name}));
    input.insert(kind.to_owned(), value);
    Value::Object(input)
}

impl NewTask<'_> {
    /// The Task as a resource.
    pub fn resource(&self) -> Value {
        let coding = json!({"system": systems::canonical("CodeSystem/task-code"), "code": self.code.code()});
        let mut task = json!({
            "resourceType": "Task",
            "id": self.id,
            "status": "requested",
            "intent": "order",
            "priority": "urgent",
            "code": {"coding": [coding]},
            "description": self.code.words(),
            "authoredOn": instant(self.now),
            "lastModified": instant(self.now),
            "requester": organisation(self.requester),
            "owner": organisation(self.owner),
            "restriction": {"period": {"end": instant(self.due)}},
        });
        let Some(members) = task.as_object_mut() else { return task };
        if let Some(first) = self.records.first() {
            members.insert("focus".to_owned(), json!({"reference": first}));
        }
        if let Some((system, value)) = self.patient {
            let identifier = json!({"system": system, "value": value});
            members.insert("for".to_owned(), json!({"type": "Patient", "identifier": identifier}));
        }
        if let Some((system, code)) = self.reason {
            members.insert("reasonCode".to_owned(), json!({"coding": [{"system": system, "code": code}]}));
        }
        let records =
            self.records.iter().map(|record| named("record", "valueReference", json!({"reference": record})));
        let stated = self
            .inputs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| named(name, "valueString", (*value).into()));
        let inputs: Vec<Value> = records.chain(stated).collect();
        if !inputs.is_empty() {
            members.insert("input".to_owned(), inputs.into());
        }
        task
    }
}

/// A Task as the rules and the figures read it.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a>(&'a Value);

impl<'a> Task<'a> {
    /// Reads a Task.
    pub fn of(resource: &'a Value) -> Task<'a> {
        Task(resource)
    }

    fn text(&self, pointer: &str) -> &'a str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its code.
    pub fn code(&self) -> &'a str {
        self.text("/code/coding/0/code")
    }

    /// Its status.
    pub fn status(&self) -> &'a str {
        self.text("/status")
    }

    /// The ODS code of its owner; empty when it has none.
    pub fn owner(&self) -> &'a str {
        self.text("/owner/identifier/value")
    }

    /// The ODS code of the organisation whose act made it necessary.
    pub fn requester(&self) -> &'a str {
        self.text("/requester/identifier/value")
    }

    /// What a review found; empty before.
    pub fn outcome(&self) -> &'a str {
        self.text("/businessStatus/coding/0/code")
    }

    /// When it was made.
    pub fn authored(&self) -> Option<Timestamp> {
        self.text("/authoredOn").parse().ok()
    }

    /// When it is due.
    pub fn due(&self) -> Option<Timestamp> {
        self.text("/restriction/period/end").parse().ok()
    }

    /// Whether somebody has still to do it.
    pub fn is_open(&self) -> bool {
        !matches!(self.status(), "completed" | "cancelled" | "rejected" | "failed" | "entered-in-error")
    }

    /// Whether it is open past its due time.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.is_open() && self.due().is_none_or(|due| due <= now)
    }

    /// A stated input of this name.
    pub fn input(&self, name: &str) -> &'a str {
        let inputs = self.0.get("input").and_then(Value::as_array).into_iter().flatten();
        let mut named =
            inputs.filter(|input| input.pointer("/type/text").and_then(Value::as_str) == Some(name));
        named.find_map(|input| input.get("valueString")?.as_str()).unwrap_or_default()
    }
}

/// Why a change of a Task is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// The Task is done.
    #[error("the task is closed and is not changed any more")]
    Closed,
    /// The status is not one that the owner can set.
    #[error("the status must be `received`, `accepted`, `in-progress` or `completed`")]
    Status,
    /// A finished review has no finding.
    #[error("a completed review needs a `businessStatus` with a code of the CodeSystem `review-outcome`")]
    Outcome,
    /// A finished resolution says nothing.
    #[error("a completed resolution needs a `note` that says what was decided")]
    Note,
}

/// What the owner may change of a Task: `status`, `businessStatus`, `note`. Everything else stays as it is.
///
/// # Errors
/// When the Task is closed, the status is not the owner's to set, or a completed Task does not say what came of it.
pub fn settle(current: &Value, wanted: &Value, now: Timestamp) -> Result<Value, TaskError> {
    if !Task::of(current).is_open() {
        return Err(TaskError::Closed);
    }
    let status = Task::of(wanted).status();
    if !matches!(status, "received" | "accepted" | "in-progress" | "completed") {
        return Err(TaskError::Status);
    }
    let system = systems::canonical("CodeSystem/review-outcome");
    let found = wanted.pointer("/businessStatus/coding/0/system").and_then(Value::as_str) == Some(&system)
        && matches!(Task::of(wanted).outcome(), "justified" | "not-justified" | "misuse");
    let said =
        wanted.pointer("/note/0/text").and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    match (status, Task::of(current).code()) {
        ("completed", "break-glass-review") if !found => return Err(TaskError::Outcome),
        ("completed", "consent-dispute") if !said => return Err(TaskError::Note),
        _ => {}
    }
    let mut task = current.clone();
    if let Some(members) = task.as_object_mut() {
        for name in ["status", "businessStatus", "note"] {
            if let Some(value) = wanted.get(name) {
                members.insert(name.to_owned(), value.clone());
            }
        }
        members.insert("lastModified".to_owned(), instant(now).into());
    }
    Ok(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(code: TaskCode) -> Value {
        NewTask {
            code,
            id: "t",
            owner: "RZZ01",
            requester: "RZZ02",
            records: &["Flag/f/_history/1".to_owned(), "Flag/g/_history/2".to_owned()],
            patient: Some((systems::NHS_NUMBER, "9000000009")),
            reason: Some(("http://terminology.hl7.org/CodeSystem/v3-ActReason", "BTG")),
            inputs: &[("user", "dr-a"), ("text", "collapsed"), ("role", "")],
            due: "2026-11-24T09:00:00Z".parse().unwrap(),
            now: "2026-11-21T09:00:00Z".parse().unwrap(),
        }
        .resource()
    }

    #[test]
    fn a_task_says_who_has_to_do_what_until_when() {
        let resource = task(TaskCode::BreakGlassReview);
        let read = Task::of(&resource);
        assert_eq!((read.code(), read.owner(), read.requester()), ("break-glass-review", "RZZ01", "RZZ02"));
        assert_eq!((read.input("user"), read.input("text"), read.input("role")), ("dr-a", "collapsed", ""));
        assert_eq!(resource["focus"]["reference"], "Flag/f/_history/1");
        for (code, word) in
            [(TaskCode::BreakGlassReview, "emergency path"), (TaskCode::ConsentDispute, "disputed")]
        {
            assert!(task(code)["description"].as_str().unwrap().contains(word), "{word}");
        }
        assert_eq!(resource["input"].as_array().unwrap().len(), 4);
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        assert_eq!(read.authored(), Some(at("2026-11-21T09:00:00Z")));
        assert_eq!(read.due(), Some(at("2026-11-24T09:00:00Z")));
        assert!(read.is_open() && !read.is_overdue(at("2026-11-24T08:59:59Z")));
        assert!(read.is_overdue(at("2026-11-24T09:00:00Z")));
        assert!(Task::of(&json!({"status": "requested"})).is_overdue(at("2026-11-21T09:00:00Z")));
        let validator = crate::validate::Validator::builtin();
        let report = validator.validate_value(&resource, &[]);
        assert!(report.is_valid(), "{:?}", report.issues);
    }

    #[test]
    fn the_owner_settles_it_and_changes_nothing_else() {
        let now: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        let review = task(TaskCode::BreakGlassReview);
        let system = systems::canonical("CodeSystem/review-outcome");
        let finding = |code: &str| json!({"coding": [{"system": system, "code": code}]});
        for code in ["justified", "not-justified", "misuse"] {
            let done =
                json!({"status": "completed", "businessStatus": finding(code), "owner": {"display": "me"}});
            let settled = settle(&review, &done, now).unwrap();
            assert_eq!((Task::of(&settled).outcome(), Task::of(&settled).owner()), (code, "RZZ01"));
            assert_eq!(settled["lastModified"], instant(now));
            assert!(!Task::of(&settled).is_open() && !Task::of(&settled).is_overdue(Timestamp::MAX));
            assert_eq!(settle(&settled, &done, now), Err(TaskError::Closed));
        }
        for status in ["received", "accepted", "in-progress"] {
            assert!(Task::of(&settle(&review, &json!({"status": status}), now).unwrap()).is_open());
        }
        for (wanted, error) in [
            (json!({"status": "cancelled"}), TaskError::Status),
            (json!({}), TaskError::Status),
            (json!({"status": "completed"}), TaskError::Outcome),
            (json!({"status": "completed", "businessStatus": finding("fine")}), TaskError::Outcome),
            (
                json!({"status": "completed", "businessStatus": {"coding": [{"system": "x", "code": "justified"}]}}),
                TaskError::Outcome,
            ),
        ] {
            assert_eq!(settle(&review, &wanted, now), Err(error), "{wanted}");
        }
        let dispute = task(TaskCode::ConsentDispute);
        for note in [json!({"status": "completed"}), json!({"status": "completed", "note": [{"text": " "}]})]
        {
            assert_eq!(settle(&dispute, &note, now), Err(TaskError::Note));
        }
        let said = json!({"status": "completed", "note": [{"text": "withdrawn in writing"}]});
        assert_eq!(settle(&dispute, &said, now).unwrap()["note"][0]["text"], "withdrawn in writing");
    }

    #[test]
    fn the_codes_are_those_of_the_code_system() {
        let text = include_str!("../../profiles/codesystems/task-code.json");
        let published: Value = serde_json::from_str(text).unwrap();
        let codes: Vec<&str> =
            published["concept"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect();
        assert_eq!(codes, [TaskCode::BreakGlassReview.code(), TaskCode::ConsentDispute.code()]);
    }
}
