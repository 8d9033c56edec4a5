//! Versions: what a resource becomes when it is stored, and whether it changes at all.

use crate::fhir::{instant, origin};
use crate::store::{BusinessIdentifier, Put, Stored};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::borrow::Cow;

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
}

impl Version {
    /// The next version of a resource, or the current one if nothing has changed.
    pub fn next(
        resource: &Value,
        id: &str,
        current: Option<&Stored>,
        patient_key: Option<String>,
        source: &str,
        now: Timestamp,
    ) -> Version {
        let resource_type = type_of(resource).to_owned();
        let previous: Option<Value> = current
            .filter(|stored| !stored.deleted)
            .and_then(|stored| serde_json::from_str(&stored.body).ok());
        let resource = &*with_known_start(resource, previous.as_ref());
        let unchanged = match (current, &previous) {
            (Some(stored), Some(previous)) => {
                let same = stamped(resource, id, stored.version, stored.last_updated, source);
                (same == *previous).then_some((same, stored))
            }
            _ => None,
        };
        if let Some((same, stored)) = unchanged {
            return Version {
                resource_type,
                id: id.to_owned(),
                version: stored.version,
                expected: Some(stored.version),
                changed: false,
                last_updated: stored.last_updated,
                patient_key,
                resource: same,
                previous,
            };
        }
        let expected = current.map(|stored| stored.version);
        let version = expected.unwrap_or(0) + 1;
        Version {
            resource_type,
            id: id.to_owned(),
            version,
            expected,
            changed: true,
            last_updated: now,
            patient_key,
            resource: stamped(resource, id, version, now, source),
            previous,
        }
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

/// The resource with its id and the gateway's stamps; nothing else is touched.
fn stamped(resource: &Value, id: &str, version: u64, updated: Timestamp, source: &str) -> Value {
    let Some(members) = resource.as_object() else { return resource.clone() };
    let mut meta = Map::new();
    meta.insert("versionId".to_owned(), version.to_string().into());
    meta.insert("lastUpdated".to_owned(), instant(updated).into());
    meta.insert("source".to_owned(), source.into());
    if let Some(given) = members.get("meta").and_then(Value::as_object) {
        let kept = given.iter().filter(|(name, _)| !STAMPED.contains(&name.trim_start_matches('_')));
        meta.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
    }
    let mut out = Map::with_capacity(members.len() + 2);
    if let Some(kind) = members.get("resourceType") {
        out.insert("resourceType".to_owned(), kind.clone());
    }
    out.insert("id".to_owned(), id.into());
    out.insert("meta".to_owned(), Value::Object(meta));
    let rest = members.iter().filter(|(name, _)| !matches!(name.as_str(), "resourceType" | "id" | "meta"));
    out.extend(rest.map(|(name, value)| (name.clone(), value.clone())));
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

/// A removal often says only when a Flag ended: the start that is known is kept.
fn with_known_start<'a>(resource: &'a Value, previous: Option<&Value>) -> Cow<'a, Value> {
    let known = previous.and_then(|previous| previous.pointer("/period/start"));
    let ended =
        type_of(resource) == "Flag" && resource.get("status").and_then(Value::as_str) == Some("inactive");
    let Some(start) = known.filter(|_| ended && resource.pointer("/period/start").is_none()) else {
        return Cow::Borrowed(resource);
    };
    let mut resource = resource.clone();
    if let Some(members) = resource.as_object_mut() {
        let mut period = Map::new();
        period.insert("start".to_owned(), start.clone());
        if let Some(given) = members.get("period").and_then(Value::as_object) {
            period.extend(given.clone());
        }
        members.insert("period".to_owned(), Value::Object(period));
    }
    Cow::Owned(resource)
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
        let first = Version::next(&flag, "a", None, None, "urn:s", now());
        assert_eq!((first.version, first.expected, first.changed), (1, None, true));
        assert_eq!(first.resource["meta"]["source"], "urn:s");
        assert_eq!(first.resource["meta"]["versionId"], "1");
        let later = "2026-11-22T09:00:00Z".parse().unwrap();
        let again = Version::next(&flag, "a", Some(&stored(&first)), None, "urn:s", later);
        assert_eq!((again.version, again.changed), (1, false));
        assert_eq!(again.last_updated, now());
    }

    #[test]
    fn the_end_of_a_flag_keeps_its_known_start() {
        let flag = json!({"resourceType": "Flag", "status": "active", "period": {"start": "2026-01-01"}});
        let first = Version::next(&flag, "a", None, None, "s", now());
        let ended = json!({"resourceType": "Flag", "status": "inactive", "period": {"end": "2026-02-01"}});
        let second = Version::next(&ended, "a", Some(&stored(&first)), None, "s", now());
        assert_eq!(second.resource["period"], json!({"start": "2026-01-01", "end": "2026-02-01"}));
        let again = Version::next(&ended, "a", Some(&stored(&second)), None, "s", now());
        assert!(!again.changed);
    }

    #[test]
    fn any_difference_makes_the_next_version_and_keeps_the_one_before() {
        let first = Version::next(&json!({"resourceType": "Flag", "n": 1.0}), "a", None, None, "s", now());
        let other: Value = serde_json::from_str(r#"{"resourceType":"Flag","n":1.00}"#).unwrap();
        let second = Version::next(&other, "a", Some(&stored(&first)), None, "s", now());
        assert_eq!((second.version, second.expected, second.changed), (2, Some(1), true));
        assert_eq!(second.previous.unwrap()["meta"]["versionId"], "1");
    }
}
