//! CP-IS in both of its published models. Each needs the name and a telephone of the authority that owns the plan: the
//! owner of the follow-up, else the author, and the organisation that either belongs to.

use super::flags::patient_flag;
use super::{Resolve, ShapeError, concerns, first_coding, snomed, status};
use crate::fhir::systems;
use serde_json::{Map, Value, json};

const CARE_PLAN: &str = "https://fhir.nhs.uk/England/StructureDefinition/England-CarePlan-Flag";
const CARE_TEAM: &str = "https://fhir.nhs.uk/England/StructureDefinition/England-CareTeam-Flag";

/// The codes of England-ChildProtectionPlan.
const PLANS: [(&str, &str, &str); 3] = [
    ("unborn-child", "818901000000100", "Unborn child subject to child protection plan"),
    ("child-protection", "342191000000101", "Subject to child protection plan"),
    ("looked-after-child", "764841000000100", "Looked after child"),
];

fn plan(flag: &Map<String, Value>, shape: &'static str) -> Result<Value, ShapeError> {
    let (codes, about) = (snomed(flag), concerns(flag));
    let found = PLANS
        .iter()
        .find(|(_, code, _)| codes.contains(code))
        .or_else(|| PLANS.iter().find(|(category, _, _)| about.contains(category)));
    let (_, code, display) = found.ok_or(ShapeError::NoCode(shape))?;
    Ok(json!({"system": systems::SNOMED, "code": code, "display": display}))
}

/// The authority's name and telephones, and the Organization when it is at hand.
fn authority(
    flag: &Map<String, Value>,
    resolve: Resolve<'_>,
    shape: &'static str,
) -> Result<(Value, Vec<Value>, Option<Value>), ShapeError> {
    let url = systems::canonical("StructureDefinition/owner");
    let extensions = flag.get("extension").and_then(Value::as_array);
    let owner = extensions.into_iter().flatten().find(|e| e.get("url").and_then(Value::as_str) == Some(&url));
    let references = owner.and_then(|e| e.get("valueReference")).into_iter().chain(flag.get("author"));
    let contained = flag.get("contained").and_then(Value::as_array);
    let follow = |reference: &Value| -> Option<Value> {
        let reference = reference.get("reference").and_then(Value::as_str)?;
        let Some(id) = reference.strip_prefix('#') else { return resolve(reference).cloned() };
        let held = |r: &&Value| r.get("id").and_then(Value::as_str) == Some(id);
        contained.into_iter().flatten().find(held).cloned()
    };
    let (mut name, mut telecom, mut organization) = (None, Vec::new(), None);
    for reference in references {
        let Some(party) = follow(reference) else { continue };
        let kind = party.get("resourceType").and_then(Value::as_str);
        let body = match kind {
            Some("Organization" | "CareTeam") => Some(party.clone()),
            _ => party.get("organization").and_then(follow),
        };
        if telecom.is_empty() {
            let listed = [Some(&party), body.as_ref()].into_iter().flatten();
            let listed = listed.filter_map(|p| p.get("telecom").and_then(Value::as_array)).flatten();
            telecom = listed.cloned().collect();
        }
        name = name.or_else(|| body.as_ref().and_then(|b| b.get("name")).cloned());
        organization =
            organization.or_else(|| body.as_ref().and_then(|b| b.pointer("/identifier/0")).cloned());
    }
    let name = name.ok_or(ShapeError::Missing { shape, needs: "the name of the authority" })?;
    if telecom.is_empty() {
        return Err(ShapeError::Missing { shape, needs: "a telephone of the authority" });
    }
    Ok((name, telecom, organization))
}

/// The Patient Flags model: Flag, its detail a CarePlan, the plan's CareTeam the authority.
pub(super) fn flag(flag: &mut Map<String, Value>, resolve: Resolve<'_>) -> Result<(), ShapeError> {
    let coding = plan(flag, "cp-is-flag")?;
    let (name, telecom, _) = authority(flag, resolve, "cp-is-flag")?;
    let period = flag.get("period").cloned();
    let period =
        period.ok_or(ShapeError::Missing { shape: "cp-is-flag", needs: "the period of the plan" })?;
    let subject = flag.get("subject").cloned().unwrap_or(Value::Null);
    let (plan_status, team_status) = match status(flag) {
        "active" => ("active", "active"),
        "inactive" => ("completed", "inactive"),
        _ => ("entered-in-error", "entered-in-error"),
    };
    patient_flag(flag)?;
    first_coding(flag, coding.clone());
    let team = json!({"resourceType": "CareTeam", "id": "team", "meta": {"profile": [CARE_TEAM]},
        "status": team_status, "name": name, "subject": subject, "telecom": telecom});
    let plan = json!({"resourceType": "CarePlan", "id": "plan", "meta": {"profile": [CARE_PLAN]},
        "status": plan_status, "intent": "plan", "category": [{"coding": [coding]}], "subject": subject,
        "period": period, "careTeam": [{"reference": "#team"}]});
    if let Some(list) = flag.entry("contained").or_insert_with(|| json!([])).as_array_mut() {
        list.extend([plan, team]);
    }
    if let Some(list) = flag.entry("extension").or_insert_with(|| json!([])).as_array_mut() {
        let url = "http://hl7.org/fhir/StructureDefinition/flag-detail";
        list.push(json!({"url": url, "valueReference": {"reference": "#plan"}}));
    }
    Ok(())
}

/// The model of CP-IS's own guide: a CareTeam whose category is the plan.
pub(super) fn care_team(
    flag: &Map<String, Value>,
    resolve: Resolve<'_>,
) -> Result<Map<String, Value>, ShapeError> {
    let shape = "cp-is-care-team";
    let coding = plan(flag, shape)?;
    let (name, telecom, organization) = authority(flag, resolve, shape)?;
    let mut team = Map::new();
    team.insert("resourceType".into(), "CareTeam".into());
    for member in ["id", "meta", "identifier"] {
        if let Some(value) = flag.get(member) {
            team.insert(member.into(), value.clone());
        }
    }
    if let Some(meta) = team.get_mut("meta").and_then(Value::as_object_mut) {
        meta.insert("profile".into(), json!([CARE_TEAM]));
    }
    let code = match status(flag) {
        "entered-in-error" => "entered-in-error",
        "active" => "active",
        _ => "inactive",
    };
    team.insert("status".into(), code.into());
    team.insert("category".into(), json!([{"coding": [coding]}]));
    team.insert("name".into(), name);
    for member in ["subject", "period"] {
        if let Some(value) = flag.get(member) {
            team.insert(member.into(), value.clone());
        }
    }
    team.insert("telecom".into(), Value::Array(telecom));
    if let Some(identifier) = organization {
        team.insert("managingOrganization".into(), json!([{"identifier": identifier}]));
    }
    Ok(team)
}
