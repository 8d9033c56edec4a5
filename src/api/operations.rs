//! `$validate` (<https://hl7.org/fhir/R4/resource-operation-validate.html>): 200 also for what is not valid; an error
//! only when the validation could not be run. Nothing is stored.

use super::answer::{ApiError, fhir, malformed};
use super::body::{media_type, require_acceptable, require_fhir};
use super::gate::{Authenticated, Gate};
use super::parameters;
use crate::exchange::Refusal;
use crate::fhir::json::{self, Limits};
use crate::fhir::{Issue, Severity, outcome};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::sync::Arc;

/// What a request for validation asks for.
#[derive(Default)]
struct Asked {
    mode: Option<String>,
    profiles: Vec<String>,
    /// The resource, when it came inside `Parameters`.
    resource: Option<Value>,
}

/// `POST /fhir/{type}/$validate`.
pub(super) async fn validate(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path(resource_type): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let query = query.as_deref().unwrap_or("");
    let bytes = gate.body(&authenticated.caller, &headers, body, "$validate").await?;
    let result = require_acceptable(&headers, Some(query))
        .and_then(|()| run(&gate, &resource_type, None, query, &headers, &bytes));
    gate.settle(&authenticated.caller, "$validate", result).await
}

/// `POST /fhir/{type}/{id}/$validate`.
pub(super) async fn validate_instance(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    Path((resource_type, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let query = query.as_deref().unwrap_or("");
    let bytes = gate.body(&authenticated.caller, &headers, body, "$validate").await?;
    let result = require_acceptable(&headers, Some(query))
        .and_then(|()| run(&gate, &resource_type, Some(&id), query, &headers, &bytes));
    gate.settle(&authenticated.caller, "$validate", result).await
}

fn run(
    gate: &Gate,
    resource_type: &str,
    id: Option<&str>,
    query: &str,
    headers: &HeaderMap,
    bytes: &Bytes,
) -> Result<Response, ApiError> {
    let xml = matches!(media_type(headers).as_str(), "application/fhir+xml" | "application/xml" | "text/xml");
    let mut asked = Asked::default();
    for (name, value) in parameters::decode(query) {
        match name.as_str() {
            "mode" => asked.mode = Some(value),
            "profile" => asked.profiles.push(value),
            _ => {}
        }
    }
    let mut value = None;
    if !xml {
        require_fhir(headers)?;
        let read = json::parse(bytes, &Limits::default()).map_err(|error| {
            let issue = Issue::error("structure", error.rule, error.pointer.clone(), error.text.clone())
                .at(error.line, error.column);
            ApiError::Refused(Refusal::Unreadable { issues: vec![issue] })
        })?;
        if read.get("resourceType").and_then(Value::as_str) == Some("Parameters")
            && resource_type != "Parameters"
        {
            unwrap(read, &mut asked);
        } else {
            value = Some(read);
        }
    }
    check_mode(asked.mode.as_deref(), id)?;
    let profiles: Vec<&str> = asked.profiles.iter().map(String::as_str).collect();
    let validator = gate.exchange.validator();
    if let Err(error) = validator.knows(&profiles) {
        return Err(malformed(error.to_string()));
    }
    let resource = asked.resource.as_ref().or(value.as_ref());
    if resource.is_none() && !xml {
        return Err(malformed("the parameter `resource` is missing"));
    }
    let kind = resource.and_then(|resource| resource.get("resourceType")).and_then(Value::as_str);
    if let Some(kind) = kind
        && kind != resource_type
    {
        return Err(malformed(format!("the body is not a `{resource_type}`")));
    }
    let report = match &asked.resource {
        Some(resource) => validator.validate_value(resource, &profiles),
        None => validator.validate_bytes(bytes, &profiles),
    };
    let mut issues = report.issues;
    let own = resource.and_then(|resource| resource.get("id")).and_then(Value::as_str);
    if let (Some(id), Some(own)) = (id, own)
        && id != own
    {
        let text = "the resource's `id` is not that of the address";
        issues.push(Issue::error("value", "id-mismatch", format!("{resource_type}.id"), text));
    }
    for unchecked in &report.unchecked {
        let text = unchecked.reason.clone();
        issues.push(Issue::new(
            Severity::Information,
            "incomplete",
            "unchecked",
            unchecked.expression.clone(),
            text,
        ));
    }
    Ok(fhir(StatusCode::OK, &outcome(&issues)))
}

/// Takes `resource`, `mode` and `profile` out of `Parameters`.
fn unwrap(parameters: Value, asked: &mut Asked) {
    let Value::Object(mut members) = parameters else { return };
    let Some(Value::Array(list)) = members.remove("parameter") else { return };
    for parameter in list {
        let Value::Object(mut parameter) = parameter else { continue };
        let text = ["valueCode", "valueUri", "valueCanonical", "valueString"]
            .into_iter()
            .find_map(|name| parameter.get(name).and_then(Value::as_str))
            .map(str::to_owned);
        match parameter.get("name").and_then(Value::as_str) {
            Some("resource") => asked.resource = parameter.remove("resource"),
            Some("mode") => asked.mode = text,
            Some("profile") => asked.profiles.extend(text),
            _ => {}
        }
    }
}

fn check_mode(mode: Option<&str>, id: Option<&str>) -> Result<(), ApiError> {
    match (mode, id) {
        (None | Some("create" | "profile"), _) | (Some("update"), Some(_)) => Ok(()),
        (Some("update" | "delete"), None) => {
            Err(malformed("the modes `update` and `delete` need the address of a resource"))
        }
        (Some("delete"), Some(_)) => Err(malformed("resources are not deleted here")),
        (Some(_), _) => Err(malformed("`mode` must be `create`, `update`, `delete` or `profile`")),
    }
}
