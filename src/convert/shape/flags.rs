//! The shapes that are Flags and need nothing beside the Flag.

use super::{ShapeError, concerns, first, first_coding, snomed, status};
use crate::fhir::systems;
use serde_json::{Map, Value, json};

pub(super) const CATEGORY: &str = "https://fhir.nhs.uk/England/CodeSystem/England-FlagCategoryPatient";
const REMOVAL: &str = "https://fhir.nhs.uk/England/StructureDefinition/Extension-England-FlagRemovalReason";
const REMOVAL_CODES: &str = "https://fhir.nhs.uk/England/CodeSystem/England-FGMRemovalReason";
const INTERWEAVE: &str = "https://fhir.interweavedigital.nhs.uk/CodeSystem/Interweave-FlagCategory";
const PRIORITY: &str = "http://hl7.org/fhir/StructureDefinition/flag-priority";

/// Says what the gateway's `action-expected` asks for in the core extension for a Flag's priority.
pub(super) fn priority(flag: &mut Map<String, Value>) {
    let url = systems::canonical("StructureDefinition/action-expected");
    let list = flag.get("extension").and_then(Value::as_array);
    let of = |wanted: &str| {
        list.into_iter().flatten().find(|e| e.get("url").and_then(Value::as_str) == Some(wanted))
    };
    let action = of(&url).and_then(|e| e.pointer("/valueCoding/code")).and_then(Value::as_str);
    let code = match action {
        Some("urgent-review") => "PH",
        Some("routine-follow-up") => "PM",
        Some("no-action") => "PN",
        _ => return,
    };
    if of(PRIORITY).is_some() {
        return;
    }
    let coding = json!({"system": "http://hl7.org/fhir/flag-priority-code", "code": code});
    if let Some(list) = flag.entry("extension").or_insert_with(|| json!([])).as_array_mut() {
        list.push(json!({"url": PRIORITY, "valueCodeableConcept": {"coding": [coding]}}));
    }
}

pub(super) fn patient_flag(flag: &mut Map<String, Value>) -> Result<(), ShapeError> {
    let about = concerns(flag);
    let (code, display) =
        if about.iter().any(|c| matches!(*c, "child-protection" | "looked-after-child" | "unborn-child")) {
            ("child-protection-information-system-flag", "Child Protection Information System Flag")
        } else if about.contains(&"female-genital-mutilation") {
            ("female-genital-mutilation-flag", "Female Genital Mutilation Flag")
        } else {
            return Err(ShapeError::NoCode("patient-flag"));
        };
    let coding = json!({"system": CATEGORY, "code": code, "display": display});
    first(flag, "category", json!({"coding": [coding]}));
    priority(flag);
    Ok(())
}

pub(super) fn fgm_is(flag: &mut Map<String, Value>) -> Result<(), ShapeError> {
    if !concerns(flag).contains(&"female-genital-mutilation") {
        return Err(ShapeError::NoCode("fgm-is"));
    }
    let number = flag.get("subject").and_then(|s| s.get("identifier"));
    if number.and_then(|n| n.get("system")).and_then(Value::as_str) != Some(systems::NHS_NUMBER) {
        return Err(ShapeError::Missing { shape: "fgm-is", needs: "the patient's NHS number" });
    }
    match status(flag) {
        "active" => {
            if flag.get("period").and_then(|p| p.get("start")).is_none() {
                return Err(ShapeError::Missing { shape: "fgm-is", needs: "the date of the assessment" });
            }
        }
        // A removal must give its reason; that the Flag was wrong is the one that a status says.
        "entered-in-error" => {
            let coding = json!({"system": REMOVAL_CODES, "code": "0", "display": "Added in error"});
            let reason = json!({"url": REMOVAL, "valueCodeableConcept": {"coding": [coding]}});
            if let Some(list) = flag.entry("extension").or_insert_with(|| json!([])).as_array_mut() {
                list.push(reason);
            }
        }
        _ => return Err(ShapeError::Status("fgm-is")),
    }
    let display = "Family history of female genital mutilation";
    first_coding(flag, json!({"system": systems::SNOMED, "code": "902961000000107", "display": display}));
    Ok(())
}

/// BaRS knows active Flags only, and has its own system for codes that are SNOMED CT's; `U` is for anything else.
pub(super) fn bars(flag: &mut Map<String, Value>) -> Result<(), ShapeError> {
    if status(flag) != "active" {
        return Err(ShapeError::Status("bars"));
    }
    let code = snomed(flag).first().map_or("U", |c| *c).to_owned();
    let system = "https://fhir.nhs.uk/CodeSystem/safeguarding-codes-bars";
    first_coding(flag, json!({"system": system, "code": code}));
    let system = "https://fhir.nhs.uk/CodeSystem/flag-categories-bars";
    let coding = json!({"system": system, "code": "SG", "display": "Safeguarding"});
    first(flag, "category", json!({"coding": [coding]}));
    Ok(())
}

/// Interweave wants one category of its own, no encounter, and no extension below what it names. The gateway's
/// categories go on as codings of the code.
pub(super) fn interweave(flag: &mut Map<String, Value>) {
    let about = concerns(flag);
    let (code, display) = if about.contains(&"risk-to-staff") {
        ("RTO", "Risk to other")
    } else if about.iter().any(|c| matches!(*c, "self-neglect" | "self-harm-or-suicide")) {
        ("RTS", "Risk to self")
    } else {
        ("SGC", "Safeguarding concern")
    };
    let own = systems::canonical("CodeSystem/concern-category");
    let about: Vec<Value> = about.iter().map(|c| json!({"system": own, "code": c})).collect();
    let code_member = flag.entry("code").or_insert_with(|| json!({}));
    if let Some(code_member) = code_member.as_object_mut()
        && let Some(list) = code_member.entry("coding").or_insert_with(|| json!([])).as_array_mut()
    {
        list.extend(about);
    }
    let coding = json!({"system": INTERWEAVE, "code": code, "display": display});
    flag.insert("category".into(), json!([{"coding": [coding]}]));
    flag.shift_remove("encounter");
    // Without a category of the gateway's it is no safeguarding-flag any more.
    let own = systems::canonical("StructureDefinition/safeguarding-flag");
    if let Some(list) = flag.get_mut("meta").and_then(|m| m.get_mut("profile")).and_then(Value::as_array_mut)
    {
        list.retain(|p| p.as_str() != Some(&own));
    }
    for identifier in flag.get_mut("identifier").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(identifier) = identifier.as_object_mut() {
            identifier.shift_remove("extension");
            identifier.shift_remove("id");
        }
    }
    priority(flag);
}
