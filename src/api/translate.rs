//! `$translate` on ConceptMaps (<https://hl7.org/fhir/R4/conceptmap-operation-translate.html>), and reading them.

use super::answer::{ApiError, fhir, malformed};
use super::body::{require_acceptable, require_fhir};
use super::gate::{Authenticated, Gate};
use super::parameters;
use crate::convert::translate::{Match, Query, maps, translate as look_up};
use crate::definitions::Membership;
use crate::exchange::Refusal;
use crate::fhir::Issue;
use crate::fhir::json::{Limits, parse};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a request asks for; a ConceptMap of its own may come with it.
#[derive(Default)]
struct Asked {
    query: Query,
    code: Option<String>,
    system: Option<String>,
    map: Option<Value>,
}

/// `GET` and `POST /fhir/ConceptMap/$translate`.
pub(super) async fn of_all(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    run(&gate, &authenticated, None, query.as_deref().unwrap_or(""), &headers, body).await
}

/// `GET` and `POST /fhir/ConceptMap/{id}/$translate`.
pub(super) async fn of_one(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    run(&gate, &authenticated, Some(&id), query.as_deref().unwrap_or(""), &headers, body).await
}

/// A ConceptMap that can be translated with; `None` when there is none of this id.
pub(super) fn read(gate: &Gate, id: &str) -> Option<Value> {
    known(gate, |maps| maps.get(id).map(|map| map.as_ref().clone()))
}

/// The ConceptMaps that can be translated with, of this canonical URL if one is given.
pub(super) fn search(gate: &Gate, url: Option<&str>) -> Vec<Value> {
    let of =
        |map: &&Cow<'_, Value>| url.is_none_or(|url| map.get("url").and_then(Value::as_str) == Some(url));
    known(gate, |maps| maps.values().filter(of).map(|map| map.as_ref().clone()).collect())
}

fn known<T>(gate: &Gate, look: impl FnOnce(&BTreeMap<String, Cow<'_, Value>>) -> T) -> T {
    let sources = gate.exchange.sources();
    let definitions = gate.exchange.validator().definitions();
    let given = definitions.given().filter(|given| given.resource_type == "ConceptMap");
    look(&maps(sources.mappings(), given.map(|given| &given.body)))
}

async fn run(
    gate: &Gate,
    authenticated: &Authenticated,
    id: Option<&str>,
    query: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    require_acceptable(headers, Some(query))?;
    let bytes = gate.body(&authenticated.caller, headers, body, "translate").await?;
    let mut asked = Asked::default();
    for (name, value) in parameters::decode(query) {
        asked.take(&name, value)?;
    }
    if !bytes.is_empty() {
        require_fhir(headers)?;
        let read = parse(&bytes, &Limits::default()).map_err(|error| {
            let issue = Issue::error("structure", error.rule, error.pointer.clone(), error.text.clone())
                .at(error.line, error.column);
            ApiError::Refused(Refusal::Unreadable { issues: vec![issue] })
        })?;
        asked.take_parameters(&read)?;
    }
    asked.finish()?;
    let definitions = gate.exchange.validator().definitions().clone();
    let member = |set: &str, system: &str, code: &str| match definitions.value_set(set) {
        None => None,
        Some(set) => match set.member(Some(system), None, code) {
            Membership::Yes => Some(true),
            Membership::No(_) => Some(false),
            Membership::Unknown(_) => None,
        },
    };
    let Asked { query, map, .. } = asked;
    let found = match (&map, id) {
        (Some(map), None) => Some(look_up([map], &query, &member)),
        (_, Some(id)) => known(gate, |maps| {
            let map = maps.get(id)?;
            // An instance is one map; those that it refers to are found by their URLs all the same.
            let url = map.get("url").and_then(Value::as_str).map(str::to_owned);
            let query = Query { url, ..query.clone() };
            Some(look_up(maps.values().map(AsRef::as_ref), &query, &member))
        }),
        (None, None) => known(gate, |maps| {
            let url = query.url.as_deref();
            let there = |map: &Cow<'_, Value>| map.get("url").and_then(Value::as_str) == url;
            (url.is_none() || maps.values().any(there))
                .then(|| look_up(maps.values().map(AsRef::as_ref), &query, &member))
        }),
    };
    let found = found.ok_or(ApiError::Refused(Refusal::NotFound))?;
    Ok(fhir(StatusCode::OK, &answer(&found)))
}

impl Asked {
    fn take(&mut self, name: &str, value: String) -> Result<(), ApiError> {
        match name {
            "url" => self.query.url = Some(value),
            "conceptMapVersion" => self.query.version = Some(value),
            "code" => self.code = Some(value),
            "system" => self.system = Some(value),
            "source" => self.query.source = Some(value),
            "target" => self.query.target = Some(value),
            "targetsystem" => self.query.target_system = Some(value),
            "reverse" => match value.as_str() {
                "true" => self.query.reverse = true,
                "false" => {}
                _ => return Err(malformed("`reverse` must be `true` or `false`")),
            },
            // The version of a code system that is mapped by code alone changes nothing.
            "version" | "_format" | "_pretty" => {}
            _ => return Err(malformed(format!("the parameter `{name}` is not known here"))),
        }
        Ok(())
    }

    fn take_parameters(&mut self, body: &Value) -> Result<(), ApiError> {
        if body.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
            return Err(malformed("the body must be `Parameters`"));
        }
        for parameter in body.get("parameter").and_then(Value::as_array).into_iter().flatten() {
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
            match name {
                "coding" => self.coding(parameter.get("valueCoding"))?,
                "codeableConcept" => {
                    let codings = parameter.pointer("/valueCodeableConcept/coding");
                    for coding in codings.and_then(Value::as_array).into_iter().flatten() {
                        self.coding(Some(coding))?;
                    }
                }
                "conceptMap" => self.map = parameter.get("resource").cloned(),
                "reverse" => self.query.reverse = parameter.get("valueBoolean") == Some(&Value::Bool(true)),
                _ => {
                    let kinds = ["valueUri", "valueCode", "valueString", "valueCanonical"];
                    let value = kinds.iter().find_map(|kind| parameter.get(kind)?.as_str());
                    let text = || malformed(format!("the parameter `{name}` has no value of its type"));
                    self.take(name, value.ok_or_else(text)?.to_owned())?;
                }
            }
        }
        Ok(())
    }

    fn coding(&mut self, coding: Option<&Value>) -> Result<(), ApiError> {
        let text = |name: &str| coding.and_then(|coding| coding.get(name)?.as_str()).map(str::to_owned);
        match (text("system"), text("code")) {
            (Some(system), Some(code)) => {
                self.query.codings.push((system, code));
                Ok(())
            }
            _ => Err(malformed("a coding needs `system` and `code`")),
        }
    }

    fn finish(&mut self) -> Result<(), ApiError> {
        match (self.code.take(), self.system.take()) {
            (Some(code), Some(system)) => self.query.codings.push((system, code)),
            (Some(_), None) => return Err(malformed("`code` needs `system`")),
            (None, _) => {}
        }
        if self.query.codings.is_empty() {
            return Err(malformed("one of `code`, `coding` and `codeableConcept` is needed"));
        }
        Ok(())
    }
}

fn answer(found: &[Match]) -> Value {
    let result = found.iter().any(Match::counts);
    let mut parameter = vec![json!({"name": "result", "valueBoolean": result})];
    if !result {
        let text = "no map that was asked has a translation of this";
        parameter.push(json!({"name": "message", "valueString": text}));
    }
    for one in found {
        let mut parts = vec![json!({"name": "equivalence", "valueCode": one.equivalence})];
        let (system, code, display) = &one.concept;
        if !code.is_empty() {
            parts.push(json!({"name": "concept", "valueCoding": coding(system, code, display)}));
        }
        for (property, system, value) in &one.products {
            parts.push(json!({"name": "product", "part": [
                {"name": "element", "valueUri": property},
                {"name": "concept", "valueCoding": coding(system, value, "")},
            ]}));
        }
        if !one.map.is_empty() {
            parts.push(json!({"name": "source", "valueUri": one.map}));
        }
        parameter.push(json!({"name": "match", "part": parts}));
    }
    json!({"resourceType": "Parameters", "parameter": parameter})
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    let pairs = [("system", system), ("code", code), ("display", display)];
    let pairs = pairs.into_iter().filter(|(_, text)| !text.is_empty());
    Value::Object(pairs.map(|(name, text)| (name.to_owned(), text.into())).collect::<Map<_, _>>())
}
