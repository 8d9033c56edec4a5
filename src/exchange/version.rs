//! Versions: what a resource becomes when it is stored, and whether it changes at all.

use crate::fhir::{instant, origin};
use crate::govern::labelling::keep_raised;
use crate::store::{BusinessIdentifier, Put, Stored};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// Members of `meta` that the gateway alone writes.
const STAMPED: [&str; 3] = ["versionId", "lastUpdated", "source"];

/// A resource as it will stand in the store once the work is committed.
#[derive(Debug)]
pub(super) struct Version {
    pub resource_type: String,
    pub id: String,
    pub version: u64,
    pub expected: Option<u64>,
    /// Whether it differs from the current version; when it does not, nothing is written.
    pub changed: bool,
    pub last_updated: Timestamp,
    pub patient_key: Option<String>,
    pub resource: Value,
    pub previous: Option<Value>,
    /// Whether the start of its period was taken from the version before.
    start_added: bool,
}

impl Version {
    /// The next version of a resource, or the current one if nothing has changed.
    pub fn next(
        resource: Value,
        id: &str,
        current: Option<&Stored>,
        patient_key: Option<String>,
        source: &str,
        now: Timestamp,
    ) -> Version {
        Version::after(resource, id, current, previous(current), patient_key, source, now)
    }

    /// As [`Version::next`], with what the current version holds.
    pub fn after(
        mut resource: Value,
        id: &str,
        current: Option<&Stored>,
        previous: Option<Value>,
        patient_key: Option<String>,
        source: &str,
        now: Timestamp,
    ) -> Version {
        let resource_type = type_of(&resource).to_owned();
        let start_added = add_known_start(&mut resource, previous.as_ref());
        if let Some(previous) = previous.as_ref().filter(|_| resource_type == "Flag") {
            // Labels that an earlier version had are not lowered by a later one.
            keep_raised(&mut resource, previous);
        }
        let expected = current.map(|stored| stored.version);
        let version = |resource, version, changed, last_updated, previous| Version {
            resource_type,
            id: id.to_owned(),
            version,
            expected,
            changed,
            last_updated,
            patient_key,
            resource,
            previous,
            start_added,
        };
        if let (Some(stored), Some(known)) = (current, &previous) {
            let same = stamped(resource, id, stored.version, stored.last_updated, source);
            if same == *known {
                return version(same, stored.version, false, stored.last_updated, previous);
            }
            resource = same;
        }
        let number = expected.unwrap_or(0) + 1;
        version(stamped(resource, id, number, now, source), number, true, now, previous)
    }

    /// The resource as it came, to be stored after another version than this one follows. Its stamps do not matter.
    pub fn into_resource(mut self) -> Value {
        if self.start_added
            && let Some(period) = self.resource.get_mut("period").and_then(Value::as_object_mut)
        {
            period.shift_remove("start");
            if period.is_empty()
                && let Some(members) = self.resource.as_object_mut()
            {
                members.shift_remove("period");
            }
        }
        self.resource
    }

    /// What the store is to write.
    pub fn put(&self) -> Put {
        Put {
            resource_type: self.resource_type.clone(),
            id: self.id.clone(),
            version: self.version,
            expected: self.expected,
            body: self.resource.to_string(),
            patient_key: self.patient_key.clone(),
            identifiers: identifiers(&self.resource),
            last_updated: self.last_updated,
            deleted: false,
        }
    }

    /// `Type/id`.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.resource_type, self.id)
    }
}

/// The resource's type; empty when it has none.
pub(super) fn type_of(resource: &Value) -> &str {
    resource.get("resourceType").and_then(Value::as_str).unwrap_or("")
}

/// What a current version holds; `None` when there is none, it is deleted, or cannot be read.
pub(super) fn previous(current: Option<&Stored>) -> Option<Value> {
    let stored = current.filter(|stored| !stored.deleted)?;
    serde_json::from_str(&stored.body).ok()
}

/// The resource with its id and the gateway's stamps; nothing else is touched.
fn stamped(resource: Value, id: &str, version: u64, updated: Timestamp, source: &str) -> Value {
    let Value::Object(members) = resource else { return resource };
    let mut meta = Map::new();
    meta.insert("versionId".to_owned(), version.to_string().into());
    meta.insert("lastUpdated".to_owned(), instant(updated).into());
    meta.insert("source".to_owned(), source.into());
    let mut out = Map::with_capacity(members.len() + 2);
    if let Some(kind) = members.get("resourceType") {
        out.insert("resourceType".to_owned(), kind.clone());
    }
    out.insert("id".to_owned(), id.into());
    out.insert("meta".to_owned(), Value::Null);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("resourceType" | "id", _) => {}
            ("meta", Value::Object(given)) => {
                let kept =
                    given.into_iter().filter(|(name, _)| !STAMPED.contains(&name.trim_start_matches('_')));
                meta.extend(kept);
            }
            ("meta", _) => {}
            (_, value) => {
                out.insert(name, value);
            }
        }
    }
    out.insert("meta".to_owned(), Value::Object(meta));
    Value::Object(out)
}

/// The business identifiers of a resource, by which it can be found.
fn identifiers(resource: &Value) -> Vec<BusinessIdentifier> {
    let list = match resource.get("identifier") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    };
    list.iter()
        .filter_map(|identifier| {
            let text = |name: &str| identifier.get(name).and_then(Value::as_str);
            Some(BusinessIdentifier {
                system: text("system").unwrap_or("").to_owned(),
                value: text("value")?.to_owned(),
            })
        })
        .collect()
}

/// A removal often says only when a Flag ended: the start that is known is kept. Whether it had to be added.
fn add_known_start(resource: &mut Value, previous: Option<&Value>) -> bool {
    let known = previous.and_then(|previous| previous.pointer("/period/start"));
    let ended =
        type_of(resource) == "Flag" && resource.get("status").and_then(Value::as_str) == Some("inactive");
    let Some(start) = known.filter(|_| ended && resource.pointer("/period/start").is_none()) else {
        return false;
    };
    let Some(members) = resource.as_object_mut() else { return false };
    let mut period = Map::new();
    period.insert("start".to_owned(), start.clone());
    if let Some(given) = members.get("period").and_then(Value::as_object) {
        period.extend(given.clone());
    }
    members.insert("period".to_owned(), Value::Object(period));
    true
}

/// `meta.source` for resources of a source.
pub(super) fn stamp(source: &crate::convert::Source) -> String {
    origin::stamp(&source.organisation, &source.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-21T09:00:00Z".parse().unwrap()
    }

    fn stored(version: &Version) -> Stored {
        Stored {
            resource_type: version.resource_type.clone(),
            id: version.id.clone(),
            version: version.version,
            last_updated: version.last_updated,
            deleted: false,
            patient_key: None,
            body: version.resource.to_string(),
        }
    }

    #[test]
    fn the_same_content_makes_no_new_version() {
        let flag = json!({"resourceType": "Flag", "meta": {"profile": ["p"], "versionId": "99", "source": "forged"},
            "status": "active"});
        let first = Version::next(flag.clone(), "a", None, None, "urn:s", now());
        assert_eq!((first.version, first.expected, first.changed), (1, None, true));
        assert_eq!(first.resource["meta"]["source"], "urn:s");
        assert_eq!(first.resource["meta"]["versionId"], "1");
        let later = "2026-11-22T09:00:00Z".parse().unwrap();
        let again = Version::next(flag.clone(), "a", Some(&stored(&first)), None, "urn:s", later);
        assert_eq!((again.version, again.changed), (1, false));
        assert_eq!(again.last_updated, now());
    }

    #[test]
    fn a_later_version_keeps_the_labels_of_the_one_before() {
        let label = |code: &str| json!([{"system": crate::fhir::systems::CONFIDENTIALITY, "code": code}]);
        let flag = |code: &str| json!({"resourceType": "Flag", "meta": {"security": label(code)}});
        let first = Version::next(flag("V"), "a", None, None, "s", now());
        let second = Version::next(flag("N"), "a", Some(&stored(&first)), None, "s", now());
        assert!(!second.changed, "a lower label changes nothing");
        assert_eq!(second.resource["meta"]["security"], label("V"));
    }

    #[test]
    fn the_end_of_a_flag_keeps_its_known_start() {
        let flag = json!({"resourceType": "Flag", "status": "active", "period": {"start": "2026-01-01"}});
        let first = Version::next(flag.clone(), "a", None, None, "s", now());
        let ended = json!({"resourceType": "Flag", "status": "inactive", "period": {"end": "2026-02-01"}});
        let second = Version::next(ended.clone(), "a", Some(&stored(&first)), None, "s", now());
        assert_eq!(second.resource["period"], json!({"start": "2026-01-01", "end": "2026-02-01"}));
        let again = Version::next(ended.clone(), "a", Some(&stored(&second)), None, "s", now());
        assert!(!again.changed);
    }

    #[test]
    fn any_difference_makes_the_next_version_and_keeps_the_one_before() {
        let first = Version::next(json!({"resourceType": "Flag", "n": 1.0}), "a", None, None, "s", now());
        let other: Value = serde_json::from_str(r#"{"resourceType":"Flag","n":1.00}"#).unwrap();
        let second = Version::next(other, "a", Some(&stored(&first)), None, "s", now());
        assert_eq!((second.version, second.expected, second.changed), (2, Some(1), true));
        assert_eq!(second.previous.unwrap()["meta"]["versionId"], "1");
    }
}
