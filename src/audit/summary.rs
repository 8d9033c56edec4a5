//! An event in a few lines for people: what, to whom, why, on which ground, with what outcome.

use serde_json::Value;

/// The lines of a summary; one line that says so when the text is not an event.
pub fn summary(event: &str) -> Vec<String> {
    let Ok(event) = serde_json::from_str::<Value>(event) else {
        return vec!["the event cannot be read".to_owned()];
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut lines = vec![format!("{} at {}", act(&event), text(event.get("recorded")))];
    for agent in list(&event, "agent") {
        let who = agent.get("who").cloned().unwrap_or_default();
        let code = text(who.get("identifier").and_then(|identifier| identifier.get("value")));
        let name = text(who.get("display"));
        let id = text(agent.get("altId"));
        let kind = list(agent.get("type").unwrap_or(&Value::Null), "coding");
        let role = match kind.first().map(|coding| text(coding.get("code"))).as_deref() {
            Some("110153") => "from",
            Some("110152" | "IRCP") => "to",
            _ => "by",
        };
        let words: Vec<String> = [name, code, id].into_iter().filter(|word| !word.is_empty()).collect();
        lines.push(format!("{role}: {}", words.join(", ")));
    }
    for purpose in list(&event, "purposeOfEvent") {
        let codes = list(&purpose, "coding");
        lines.push(format!("purpose: {}", codes.first().map(|c| text(c.get("code"))).unwrap_or_default()));
    }
    for entity in list(&event, "entity") {
        let what = entity.get("what").cloned().unwrap_or_default();
        let reference = text(what.get("reference"));
        let identifier = what.get("identifier").cloned().unwrap_or_default();
        let kind = entity.get("type").map(|kind| text(kind.get("code"))).unwrap_or_default();
        let label = if kind == "1" { "patient" } else { "what" };
        let named = if reference.is_empty() { text(identifier.get("value")) } else { reference };
        if !named.is_empty() {
            lines.push(format!("{label}: {named}"));
        }
        for detail in list(&entity, "detail") {
            lines.push(format!("{}: {}", text(detail.get("type")), text(detail.get("valueString"))));
        }
    }
    let outcome = match text(event.get("outcome")).as_str() {
        "0" => "done".to_owned(),
        _ => text(event.get("outcomeDesc")),
    };
    lines.push(format!("result: {outcome}"));
    lines
}

fn act(event: &Value) -> String {
    let subtypes = event.get("subtype").and_then(Value::as_array).cloned().unwrap_or_default();
    let named = |system: &str| {
        subtypes.iter().find(|coding| {
            coding.get("system").and_then(Value::as_str).is_some_and(|uri| uri.ends_with(system))
        })
    };
    let coding = named("/CodeSystem/audit-act").or_else(|| subtypes.first());
    coding.and_then(|coding| coding.get("code")).and_then(Value::as_str).unwrap_or("event").to_owned()
}
