//! `sgw audit access`: who saw what about one patient, for the process of a subject's request.

use super::super::say;
use crate::store::{AuditQuery, Leaf, SharedStore};
use serde_json::Value;

/// Prints one line for each disclosure, read, search and emergency, the oldest first.
pub(super) async fn run(store: &SharedStore, patient: &str) -> Result<bool, String> {
    let mut lines = Vec::new();
    let mut before = None;
    loop {
        let query = AuditQuery {
            patient_key: Some(patient.to_owned()),
            before,
            limit: 1000,
            ..AuditQuery::default()
        };
        let page = store.audit_search(query).await.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else { break };
        before = Some(last.sequence);
        lines.extend(page.iter().filter_map(line));
    }
    lines.reverse();
    say("when\twhat was done\tby or to\twhat\tpurpose\tauthority\trecord");
    lines.iter().for_each(|line| say(line));
    say(&format!("{} accesses", lines.len()));
    Ok(true)
}

/// One access as tab-separated text; nothing for acts by which nobody saw anything.
fn line(leaf: &Leaf) -> Option<String> {
    if !matches!(leaf.kind.as_str(), "disclosure" | "read" | "search" | "break-glass") {
        return None;
    }
    let event: Value = serde_json::from_str(leaf.canonical.as_deref()?).ok()?;
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let observer = text(event.pointer("/source/observer/identifier/value"));
    let agents = list(&event, "agent");
    let who = |agent: &Value| text(agent.pointer("/who/identifier/value"));
    let other = agents.iter().find(|agent| who(agent) != observer).or_else(|| agents.last());
    let other =
        other.map(|agent| format!("{} ({})", who(agent), text(agent.get("altId")))).unwrap_or_default();
    let (mut what, mut authority) = (Vec::new(), Vec::new());
    for entity in list(&event, "entity") {
        let reference = text(entity.pointer("/what/reference"));
        if !reference.is_empty() && !reference.starts_with("Consent/") {
            what.push(reference);
        }
        for detail in list(&entity, "detail") {
            let name = text(detail.get("type"));
            if matches!(name.as_str(), "agreement" | "rule" | "lawful-basis" | "consent" | "overrode-dissent")
            {
                authority.push(format!("{name} {}", text(detail.get("valueString"))));
            }
        }
    }
    let purpose = text(event.pointer("/purposeOfEvent/0/coding/0/code"));
    let what = if what.is_empty() { "search".to_owned() } else { what.join(" ") };
    let (kind, id) = (&leaf.kind, &leaf.id);
    Some(format!(
        "{}\t{kind}\t{other}\t{what}\t{purpose}\t{}\tAuditEvent/{id}",
        leaf.recorded,
        authority.join("; ")
    ))
}
