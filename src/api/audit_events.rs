//! AuditEvents over FHIR: IHE ITI-81 for auditors, ITI-20 from registered parties.

use super::answer::{ApiError, fhir};
use super::gate::Gate;
use super::parameters::{self, Pairs};
use crate::govern::{Caller, Role};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Answers a search with a page, the newest event first, and a link to the next.
pub(super) async fn search(
    gate: &Gate,
    caller: &Caller,
    pairs: &Pairs,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    gate.allow(caller, &[Role::Auditor], "search").await?;
    let strict = parameters::strict(headers);
    let purpose = parameters::purpose(headers);
    let page = gate.exchange.audit_search(caller, pairs, strict, purpose, Timestamp::now()).await?;
    let base = format!("{}/AuditEvent", gate.exchange.fhir_base());
    let address = |pairs: &Pairs| format!("{base}?{}", parameters::encode(pairs));
    let mut links = vec![json!({"relation": "self", "url": address(&page.used)})];
    links.extend(page.next.as_ref().map(|next| json!({"relation": "next", "url": address(next)})));
    let entry = |(id, event): &(String, Value)| json!({"fullUrl": format!("{base}/{id}"), "resource": event, "search": {"mode": "match"}});
    let entries: Vec<Value> = page.found.iter().map(entry).collect();
    let mut bundle = json!({
        "resourceType": "Bundle",
        "id": uuid::Uuid::now_v7().to_string(),
        "type": "searchset",
        "link": links,
    });
    if let Some(members) = bundle.as_object_mut() {
        // How many there are in all is known only where this is all.
        let first = !page.used.iter().any(|(name, _)| name == "_cursor");
        if page.next.is_none() && first {
            members.insert("total".to_owned(), entries.len().into());
        }
        if !entries.is_empty() {
            members.insert("entry".to_owned(), Value::Array(entries));
        }
    }
    Ok(fhir(StatusCode::OK, &bundle))
}

/// Who may create a resource of this type.
pub(super) fn creators(resource_type: &str) -> &'static [Role] {
    match resource_type {
        "Subscription" => &[Role::Subscriber],
        "AuditEvent" => &[Role::Source, Role::Subscriber],
        _ => &[Role::Source],
    }
}
