//! `$convert`: what a payload would become, without storing anything (a dry run), and the account of every value of it.
//!
//! `POST /fhir/$convert` takes the payload as the body, with `mapping`, `source`, `shape` and `show-values` in the query, or
//! `Parameters` that hold it. The answer is 200 with `Parameters` also when the payload would be refused: its `outcome`
//! says why. `profiles/operationdefinitions/convert.json` is the definition.

use super::answer::{ApiError, fhir, malformed};
use super::body::{media_type, require_acceptable};
use super::gate::{Authenticated, Gate};
use super::parameters;
use super::shapes;
use crate::convert::ledger::{Entry, Outcome};
use crate::convert::shape::Shape;
use crate::convert::{Ledger, Mapping, Source};
use crate::exchange::{Refusal, Tried};
use crate::fhir::json::{Limits, parse};
use crate::fhir::{Issue, Severity, outcome};
use crate::govern::{Caller, Role};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The most records of one dry run: the answer holds all of them.
const MOST_RECORDS: usize = 1000;

/// What a dry run asks for.
#[derive(Default)]
struct Asked {
    payload: Bytes,
    mapping: Option<String>,
    source: Option<String>,
    show_values: bool,
    shape: Option<Shape>,
}

/// `POST /fhir/$convert`.
pub(super) async fn convert(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Source, Role::Tester, Role::Operator], "convert").await?;
    let query = query.as_deref().unwrap_or("");
    require_acceptable(&headers, Some(query))?;
    let bytes = gate.body(caller, &headers, body, "convert").await?;
    let asked = asked(query, &headers, bytes)?;
    let (source, registered) = match source(&gate, caller, asked.source.as_deref()) {
        Ok(source) => source,
        Err(refusal) => return Err(gate.refused(caller, "convert", refusal.into()).await),
    };
    let sources = gate.exchange.sources();
    let mappings = sources.mappings();
    let named = asked.mapping.as_deref().or(registered.then_some(source.mapping.as_str()));
    let mapping = match named {
        Some(id) => mappings.get(id).ok_or_else(|| {
            let all = mappings.all();
            let distance = |mapping: &&&Arc<Mapping>| strsim::damerau_levenshtein(&mapping.id, id);
            let nearest = all.iter().min_by_key(distance).map_or("", |mapping| mapping.id.as_str());
            malformed(format!("there is no mapping of this name; the nearest is `{nearest}`"))
        })?,
        None => mappings.recognise(&asked.payload).ok_or_else(|| {
            malformed("the format is not recognised; name a mapping with the parameter `mapping`")
        })?,
    };
    let source = Source { format: mapping.format, mapping: mapping.id.clone(), ..source };
    let now = Timestamp::now();
    let mut tried =
        gate.exchange.try_out(&source, registered, mapping, &asked.payload, MOST_RECORDS, now).await?;
    if let Some(shape) = asked.shape {
        gate.exchange.shape_tried(&mut tried, shape);
    }
    Ok(fhir(StatusCode::OK, &answer(mapping, tried, asked.show_values)))
}

/// In whose name the dry run is done, and whether that is a registered source.
fn source(gate: &Gate, caller: &Caller, named: Option<&str>) -> Result<(Source, bool), Refusal> {
    let trusted = caller.roles.iter().any(|role| matches!(role, Role::Tester | Role::Operator));
    let Some(id) = named.or(caller.source.as_deref()) else {
        let source = Source {
            id: "dry-run".to_owned(),
            organisation: caller.organisation.clone(),
            name: caller.organisation.clone(),
            format: crate::convert::Format::Json,
            mapping: String::new(),
            lawful_basis: Vec::new(),
            tier: None,
        };
        return Ok((source, false));
    };
    let registered = gate.exchange.registered(id).filter(|registered| {
        let bound = caller.source.as_deref().is_none_or(|bound| bound == id);
        trusted || (bound && caller.organisation == registered.source.organisation)
    });
    let text = "the credential is not bound to this source";
    let registered = registered.ok_or_else(|| Refusal::Forbidden { text: text.to_owned() })?;
    Ok((registered.source.clone(), true))
}

fn asked(query: &str, headers: &HeaderMap, bytes: Bytes) -> Result<Asked, ApiError> {
    let mut asked = Asked { payload: bytes, ..Asked::default() };
    let json = matches!(media_type(headers).as_str(), "application/fhir+json" | "application/json");
    // Only what says that it is `Parameters` is read as such; anything else is the payload, readable or not.
    if json && memchr::memmem::find(&asked.payload, b"\"Parameters\"").is_some() {
        let read = parse(&asked.payload, &Limits::default()).ok();
        let read = read.filter(|read| read.get("resourceType").and_then(Value::as_str) == Some("Parameters"));
        if let Some(read) = read {
            unwrap(&read, &mut asked)?;
        }
    }
    for (name, value) in parameters::decode(query) {
        match name.as_str() {
            "mapping" => asked.mapping = Some(value),
            "source" => asked.source = Some(value),
            "show-values" => asked.show_values = value == "true",
            "shape" | "_shape" => asked.shape = Some(shapes::named(&value)?),
            "_format" | "_pretty" => {}
            _ => return Err(malformed(format!("the parameter `{name}` is not known here"))),
        }
    }
    Ok(asked)
}

/// Takes the payload and the wishes out of `Parameters`.
fn unwrap(parameters: &Value, asked: &mut Asked) -> Result<(), ApiError> {
    let mut payload = None;
    let list = parameters.get("parameter").and_then(Value::as_array);
    for parameter in list.into_iter().flatten() {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
        let text = ["valueString", "valueCode", "valueId", "valueUri", "valueBase64Binary"]
            .into_iter()
            .find_map(|kind| Some((kind, parameter.get(kind)?.as_str()?)));
        match (name, text) {
            ("mapping", Some((_, text))) => asked.mapping = Some(text.to_owned()),
            ("source", Some((_, text))) => asked.source = Some(text.to_owned()),
            ("shape", Some((_, text))) => asked.shape = Some(shapes::named(text)?),
            ("show-values", _) => {
                asked.show_values = parameter.get("valueBoolean") == Some(&Value::Bool(true))
            }
            ("payload", Some(("valueBase64Binary", text))) => {
                let bytes = STANDARD.decode(text).map_err(|_| malformed("`payload` is not base64"))?;
                payload = Some(Bytes::from(bytes));
            }
            ("payload", Some((_, text))) => payload = Some(Bytes::from(text.to_owned())),
            ("payload", None) => {
                payload = parameter.get("resource").map(|resource| Bytes::from(resource.to_string()));
            }
            _ => return Err(malformed(format!("the parameter `{name}` is not known here"))),
        }
    }
    asked.payload = payload.ok_or_else(|| malformed("the parameter `payload` is missing"))?;
    Ok(())
}

fn string(name: &str, value: impl Into<Value>) -> Value {
    json!({"name": name, "valueString": value.into()})
}

/// One record gives `bundle`, `outcome` and `ledger`; several give them within a `record` each.
fn answer(mapping: &Mapping, tried: Vec<Tried>, show_values: bool) -> Value {
    let mut parameter = vec![
        string("mapping", format!("{}|{}", mapping.id, mapping.version)),
        json!({"name": "accepted", "valueBoolean": !tried.is_empty() && tried.iter().all(|one| one.accepted)}),
    ];
    if let [one] = tried.as_slice() {
        parameter.extend(parts(one, show_values));
    } else {
        let refused = tried.iter().filter(|one| !one.accepted).count();
        let text = format!("{} records, {refused} of them refused", tried.len());
        let severity =
            if refused == 0 && !tried.is_empty() { Severity::Information } else { Severity::Error };
        let whole = Issue::new(severity, "informational", "records", "", text);
        parameter.push(json!({"name": "outcome", "resource": outcome(&[whole])}));
        for one in &tried {
            parameter.push(json!({"name": "record", "part": parts(one, show_values)}));
        }
    }
    json!({"resourceType": "Parameters", "parameter": parameter})
}

fn parts(one: &Tried, show_values: bool) -> Vec<Value> {
    let mut parts = Vec::with_capacity(3);
    if let Some(converted) = &one.converted
        && one.accepted
    {
        parts.push(json!({"name": "bundle", "resource": converted.bundle}));
    }
    parts.push(json!({"name": "outcome", "resource": outcome(&one.issues)}));
    if let Some(converted) = &one.converted {
        parts.push(json!({"name": "ledger", "part": account(&converted.ledger, show_values)}));
    }
    parts
}

fn account(ledger: &Ledger, show_values: bool) -> Vec<Value> {
    let summary = ledger.summary();
    let counts = [
        ("values", summary.values),
        ("mapped", summary.mapped),
        ("carried", summary.carried),
        ("dropped", summary.dropped),
    ];
    let mut parts: Vec<Value> =
        counts.iter().map(|(name, count)| json!({"name": name, "valueInteger": count})).collect();
    parts.extend(ledger.entries().map(|entry| json!({"name": "entry", "part": line(entry, show_values)})));
    parts
}

fn line(entry: Entry, show_values: bool) -> Vec<Value> {
    let (outcome, reason) = match entry.outcome {
        Outcome::Mapped => ("mapped", None),
        Outcome::Carried => ("carried", None),
        Outcome::Dropped(reason) => ("dropped", Some(reason.code())),
    };
    let code = |name: &str, code: &str| {
        let mut out = Map::new();
        out.insert("name".to_owned(), name.into());
        out.insert("valueCode".to_owned(), code.into());
        Value::Object(out)
    };
    let mut parts = vec![string("at", entry.at), code("outcome", outcome)];
    parts.extend(reason.map(|reason| code("reason", reason)));
    parts.extend(entry.to.into_iter().map(|to| string("to", to)));
    if show_values {
        parts.push(string("value", entry.value));
    }
    parts
}
