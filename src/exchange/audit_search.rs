//! Searches over AuditEvents: the parameters of R4 and of IHE ITI-81.

use super::refusal::Refusal;
use crate::convert::identity;
use crate::fhir::systems;
use crate::store::{AuditQuery, Leaf, Store};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

/// The most that one page gives.
const MOST: usize = 1_000;
/// The parameter that carries on where a page ended.
pub(super) const CURSOR: &str = "_cursor";

/// A search: what the store can answer by itself, and what is tested on each event.
#[derive(Debug, Default)]
pub(super) struct AuditSearch {
    pub query: AuditQuery,
    pub count: usize,
    /// The parameters that were understood, for the link to itself and for the record of the search.
    pub used: Vec<(String, String)>,
    tests: Vec<Test>,
}

/// One parameter: one of its values must be found at one of its places.
#[derive(Debug)]
struct Test {
    place: Place,
    values: Vec<(Option<String>, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Id,
    /// A code that stands alone.
    Code(&'static str),
    /// A coding at this place.
    Coding(&'static str),
    /// A list of codings, or the kind of act.
    Subtype,
    /// Something of an agent or of an entity: a text, a coding, an identifier or a concept at this place of it.
    Of(&'static str, &'static str, Form),
    SourceIdentifier,
    Site,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Start,
    Coding,
    Concepts,
    Texts,
    Identifier,
}

/// The names of parameters that are tested on each event.
fn place(name: &str) -> Option<Place> {
    Some(match name {
        "_id" => Place::Id,
        "action" => Place::Code("/action"),
        "outcome" => Place::Code("/outcome"),
        "type" => Place::Coding("/type"),
        "subtype" => Place::Subtype,
        "agent" => Place::Of("agent", "/who/reference", Form::Text),
        "agent.identifier" | "agent:identifier" => Place::Of("agent", "/who/identifier", Form::Identifier),
        "agent-name" => Place::Of("agent", "/name", Form::Start),
        "agent-role" => Place::Of("agent", "/role", Form::Concepts),
        "altid" => Place::Of("agent", "/altId", Form::Text),
        "address" => Place::Of("agent", "/network/address", Form::Start),
        "policy" => Place::Of("agent", "/policy", Form::Texts),
        "entity.identifier" | "entity:identifier" => {
            Place::Of("entity", "/what/identifier", Form::Identifier)
        }
        "entity-name" => Place::Of("entity", "/name", Form::Start),
        "entity-type" => Place::Of("entity", "/type", Form::Coding),
        "entity-role" => Place::Of("entity", "/role", Form::Coding),
        "source" => Place::Code("/source/observer/reference"),
        "source.identifier" | "source:identifier" => Place::SourceIdentifier,
        "site" => Place::Site,
        _ => return None,
    })
}

fn malformed(text: impl Into<String>) -> Refusal {
    Refusal::Malformed { text: text.into() }
}

impl AuditSearch {
    /// Reads the parameters. An unknown one is an error when `strict`, else it is left out.
    pub async fn read(
        store: &dyn Store,
        pairs: &[(String, String)],
        strict: bool,
    ) -> Result<AuditSearch, Refusal> {
        let mut search = AuditSearch { count: 100, ..AuditSearch::default() };
        for (name, value) in pairs {
            match name.as_str() {
                "date" | "_lastUpdated" => search.date(value)?,
                "patient" => {
                    let id = value.rsplit('/').next().unwrap_or_default();
                    let stored = store.read("Patient", id).await?.and_then(|stored| stored.patient_key);
                    // A patient that is not known has no events: a key that nobody has finds none.
                    search.patient(stored.unwrap_or_else(|| "unknown".to_owned()))?;
                }
                "patient.identifier" | "patient:identifier" => {
                    let (system, number) = token(value);
                    let system = system.unwrap_or_else(|| systems::NHS_NUMBER.to_owned());
                    let patient = json!({"identifier": [{"system": system, "value": number}]});
                    let key = patient.as_object().and_then(identity::patient_key);
                    search.patient(key.unwrap_or_else(|| "unknown".to_owned()))?;
                }
                "entity" => {
                    search.query.about = Some(value.split("/_history/").next().unwrap_or(value).to_owned())
                }
                "_count" => {
                    let count: usize = value.parse().map_err(|_| malformed("`_count` must be a number"))?;
                    search.count = count.clamp(1, MOST);
                }
                CURSOR => {
                    let before =
                        value.parse().map_err(|_| malformed("the cursor is not one of this search"))?;
                    search.query.before = Some(before);
                }
                "_format" | "_pretty" => continue,
                name => match place(name) {
                    Some(place) => {
                        search.tests.push(Test { place, values: value.split(',').map(token).collect() })
                    }
                    None if strict => {
                        return Err(malformed(format!("the parameter `{name}` is not known here")));
                    }
                    None => continue,
                },
            }
            search.used.push((name.clone(), value.clone()));
        }
        Ok(search)
    }

    fn patient(&mut self, key: String) -> Result<(), Refusal> {
        match self.query.patient_key.replace(key) {
            None => Ok(()),
            Some(_) => Err(malformed("only one patient can be asked for")),
        }
    }

    /// A date with its prefix; several narrow the time.
    fn date(&mut self, value: &str) -> Result<(), Refusal> {
        let wrong = || {
            malformed(
                "`date` must be a date or an instant, with `ge`, `gt`, `le`, `lt`, `sa`, `eb` or `eq` before it or nothing",
            )
        };
        let (prefix, rest) = match value.split_at_checked(2) {
            Some((prefix, rest)) if prefix.bytes().all(|b| b.is_ascii_lowercase()) => (prefix, rest),
            _ => ("eq", value),
        };
        let (start, end) = interval(rest).ok_or_else(wrong)?;
        let query = &mut self.query;
        let not_before =
            |query: &mut AuditQuery, at| query.from = Some(query.from.map_or(at, |from| from.max(at)));
        let before =
            |query: &mut AuditQuery, at| query.until = Some(query.until.map_or(at, |until| until.min(at)));
        match prefix {
            "ge" => not_before(query, start),
            "gt" | "sa" => not_before(query, end),
            "le" => before(query, end),
            "lt" | "eb" => before(query, start),
            "eq" => {
                not_before(query, start);
                before(query, end);
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Whether the event passes what the store has not tested.
    pub fn fits(&self, leaf: &Leaf, event: &Value) -> bool {
        self.tests.iter().all(|test| test.values.iter().any(|value| found(test.place, value, leaf, event)))
    }
}

/// `SYSTEM|CODE`, `|CODE` or `CODE`.
fn token(value: &str) -> (Option<String>, String) {
    match value.split_once('|') {
        Some((system, code)) => (Some(system.to_owned()), code.to_owned()),
        None => (None, value.to_owned()),
    }
}

/// The moments that a date means: from, and until before.
fn interval(text: &str) -> Option<(Timestamp, Timestamp)> {
    if let Ok(at) = text.parse::<Timestamp>() {
        // An instant without a fraction means its whole second.
        let step = if text.contains('.') { Span::new().microseconds(1) } else { Span::new().seconds(1) };
        return Some((at, at.checked_add(step).ok()?));
    }
    let (first, step) = match text.len() {
        4 => (format!("{text}-01-01"), Span::new().years(1)),
        7 => (format!("{text}-01"), Span::new().months(1)),
        10 => (text.to_owned(), Span::new().days(1)),
        _ => return None,
    };
    let first: Date = first.parse().ok()?;
    let start = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    Some((start(first)?, start(first.checked_add(step).ok()?)?))
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn is_coding(coding: &Value, (system, code): &(Option<String>, String)) -> bool {
    text(coding, "/code") == code && system.as_ref().is_none_or(|system| text(coding, "/system") == system)
}

fn is_identifier(identifier: &Value, (system, value): &(Option<String>, String)) -> bool {
    text(identifier, "/value") == value
        && system.as_ref().is_none_or(|system| text(identifier, "/system") == system)
}

fn found(place: Place, value: &(Option<String>, String), leaf: &Leaf, event: &Value) -> bool {
    let list = |name: &str| event.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match place {
        Place::Id => leaf.id == value.1,
        Place::Code(at) => text(event, at) == value.1,
        Place::Coding(at) => event.pointer(at).is_some_and(|coding| is_coding(coding, value)),
        Place::Subtype => {
            let own = systems::canonical("CodeSystem/audit-act");
            let is_kind = leaf.kind == value.1 && value.0.as_ref().is_none_or(|system| *system == own);
            is_kind || list("subtype").iter().any(|coding| is_coding(coding, value))
        }
        Place::Of(name, at, form) => list(name).iter().filter_map(|part| part.pointer(at)).any(|part| {
            let own = part.as_str().unwrap_or_default();
            let items = part.as_array().map(Vec::as_slice).unwrap_or_default();
            match form {
                Form::Text => own == value.1 || own.split("/_history/").next() == Some(value.1.as_str()),
                Form::Start => own.to_lowercase().starts_with(&value.1.to_lowercase()),
                Form::Coding => is_coding(part, value),
                Form::Identifier => is_identifier(part, value),
                Form::Texts => items.iter().any(|item| item.as_str() == Some(value.1.as_str())),
                Form::Concepts => items.iter().any(|concept| {
                    let codings = concept.get("coding").and_then(Value::as_array);
                    codings.is_some_and(|codings| codings.iter().any(|coding| is_coding(coding, value)))
                }),
            }
        }),
        Place::SourceIdentifier => {
            event.pointer("/source/observer/identifier").is_some_and(|own| is_identifier(own, value))
        }
        Place::Site => text(event, "/source/site") == value.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_means_all_of_it() {
        let of = |text: &str| interval(text).map(|(start, end)| (start.to_string(), end.to_string()));
        let pair = |start: &str, end: &str| Some((start.to_owned(), end.to_owned()));
        assert_eq!(of("2026-10"), pair("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"));
        assert_eq!(of("2026-12-31"), pair("2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"));
        assert_eq!(of("2026-12-31T09:00:00Z"), pair("2026-12-31T09:00:00Z", "2026-12-31T09:00:01Z"));
        for bad in ["", "10", "2026-1", "2026-13", "yesterday", "2026-12-31T09"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
