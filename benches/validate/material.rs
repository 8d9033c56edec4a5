//! What is validated: a Flag of 2 KB, the same without its profile and in XML, and Bundles whose entries refer to each other.

use serde_json::{Value, json};

pub const PROFILE: &str = "https://fhir.sgw.example/StructureDefinition/safeguarding-flag";
const BASE: &str = "https://acute.example/fhir";

/// The fixture with a narrative and an encounter: 2 KB on one line.
fn value() -> Value {
    let text = include_str!("../../fixtures/profiles/safeguarding-flag/pass-child-protection.json");
    let mut flag: Value = serde_json::from_str(text).expect("the fixture is JSON");
    let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p><b>Child protection plan</b> since 1 March 2026, under the \
        category of emotional abuse. Expected of the reader: <b>urgent review</b>.</p><table><tr><td>Raised by</td>\
        <td>Acute Trust, emergency department</td></tr><tr><td>Until</td><td>further notice</td></tr></table></div>";
    flag["text"] = json!({"status": "generated", "div": div});
    flag["encounter"] =
        json!({"reference": "Encounter/e1", "display": "Attendance at the emergency department"});
    flag["meta"]["lastUpdated"] = json!("2026-03-01T10:00:00.000Z");
    flag
}

/// The Flag on one line.
pub fn flag() -> String {
    value().to_string()
}

/// The Flag without the claim to its profile.
pub fn plain() -> String {
    let mut flag = value();
    if let Some(meta) = flag["meta"].as_object_mut() {
        meta.remove("profile");
    }
    flag.to_string()
}

/// The Flag in XML.
pub fn xml() -> String {
    let mut out = String::from("<Flag xmlns=\"http://hl7.org/fhir\">");
    for name in [
        "id",
        "meta",
        "text",
        "extension",
        "identifier",
        "status",
        "category",
        "code",
        "subject",
        "period",
        "encounter",
        "author",
    ] {
        element(&mut out, name, &value()[name]);
    }
    out + "</Flag>"
}

/// Writes one member as XML; the members of the fixture stand in the order that XML asks for.
fn element(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| element(out, name, item)),
        Value::String(text) if name == "div" => out.push_str(text),
        Value::Object(members) => {
            let url = members.get("url").and_then(Value::as_str).map(|url| format!(" url=\"{url}\""));
            out.push_str(&format!("<{name}{}>", url.unwrap_or_default()));
            // `meta` is the one element whose members the fixture has in another order.
            let order = ["lastUpdated", "profile", "security"];
            let mut members: Vec<_> = members.iter().filter(|(name, _)| *name != "url").collect();
            members.sort_by_key(|(name, _)| order.iter().position(|known| known == name));
            members.into_iter().for_each(|(name, value)| element(out, name, value));
            out.push_str(&format!("</{name}>"));
        }
        Value::String(text) => out.push_str(&format!("<{name} value=\"{text}\"/>")),
        other => out.push_str(&format!("<{name} value=\"{other}\"/>")),
    }
}

/// A collection of Patients and Flags, half of each; every Flag refers to its Patient.
pub fn bundle(entries: usize) -> String {
    let div = |what: &str| json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{what}</div>")});
    let mut list = Vec::with_capacity(entries);
    for number in 0..entries / 2 {
        list.push(json!({"fullUrl": format!("{BASE}/Patient/p{number}"), "resource": {
            "resourceType": "Patient", "id": format!("p{number}"), "text": div("A patient"), "active": true,
            "identifier": [{"system": "https://acute.example/mrn", "value": format!("M{number}")}],
            "birthDate": "2019-04-01"}}));
        list.push(json!({"fullUrl": format!("{BASE}/Flag/f{number}"), "resource": {
            "resourceType": "Flag", "id": format!("f{number}"), "text": div("An alert"), "status": "active",
            "code": {"text": "see the record"}, "subject": {"reference": format!("Patient/p{number}")},
            "period": {"start": "2026-01-01"}}}));
    }
    json!({"resourceType": "Bundle", "type": "collection", "entry": list}).to_string()
}
