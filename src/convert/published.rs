//! Published shapes as they come in: CP-IS in both of its models, with what a Flag needs taken from the plan and the team.
//!
//! In the Patient Flags model a Flag's detail is a CarePlan, and the plan's CareTeam is the authority; in CP-IS's own guide
//! a CareTeam stands alone, its category being the plan. Plan and team become contained resources of the Flag: they have
//! no life without it here.

use super::fhir_input::Intake;
use super::fhir_reference::{contained, find};
use crate::fhir::systems;
use serde_json::{Map, Value, json};

const DETAIL: &str = "http://hl7.org/fhir/StructureDefinition/flag-detail";

/// The codes of England-ChildProtectionPlan.
const PLANS: [&str; 3] = ["342191000000101", "764841000000100", "818901000000100"];

/// Turns CareTeams that carry a plan and stand alone into Flags.
pub(super) fn plans_of_teams(intake: &mut Intake<'_>) {
    let is = |intake: &Intake<'_>, kind: &str| intake.items.iter().any(|i| i.text("resourceType") == kind);
    if is(intake, "Flag") || !is(intake, "CareTeam") {
        return;
    }
    for item in intake.items.iter_mut().filter(|i| i.text("resourceType") == "CareTeam") {
        if let Some(flag) = flag_of_team(&item.resource) {
            item.resource = flag;
        }
    }
}

fn flag_of_team(team: &Map<String, Value>) -> Option<Map<String, Value>> {
    let plan = team.get("category")?.as_array()?.iter().find(|concept| {
        let codings = concept.get("coding").and_then(Value::as_array);
        codings.into_iter().flatten().any(|c| {
            let text = |name: &str| c.get(name).and_then(Value::as_str).unwrap_or_default();
            text("system") == systems::SNOMED && PLANS.contains(&text("code"))
        })
    })?;
    let mut flag = Map::new();
    flag.insert("resourceType".into(), "Flag".into());
    for member in ["id", "identifier"] {
        if let Some(value) = team.get(member) {
            flag.insert(member.into(), value.clone());
        }
    }
    let ended = team.get("period").and_then(|p| p.get("end")).is_some();
    let status = match team.get("status").and_then(Value::as_str) {
        Some("entered-in-error") => "entered-in-error",
        Some("inactive") => "inactive",
        _ if ended => "inactive",
        _ => "active",
    };
    flag.insert("status".into(), status.into());
    flag.insert("code".into(), plan.clone());
    for member in ["subject", "period"] {
        if let Some(value) = team.get(member) {
            flag.insert(member.into(), value.clone());
        }
    }
    hold_team(&mut flag, team);
    Some(flag)
}

/// Takes from the plan that a Flag's detail leads to what the Flag does not say itself, and holds plan and team in the
/// Flag; the answers are the items that were taken, with their place in the Flag.
pub(super) fn plan_of_flag(intake: &Intake<'_>, flag: &mut Map<String, Value>) -> Vec<(usize, String)> {
    let mut taken = Vec::new();
    let Some(reference) = detail(flag) else { return taken };
    let item = find(intake, &reference);
    let found = item.and_then(|i| intake.items.get(i)).map(|i| &i.resource);
    let Some(plan) = found.or_else(|| contained(flag, &reference)).cloned() else { return taken };
    if plan.get("resourceType").and_then(Value::as_str) != Some("CarePlan") {
        return taken;
    }
    let codings = plan.get("category").and_then(Value::as_array).into_iter().flatten();
    let codings = codings.filter_map(|c| c.get("coding").and_then(Value::as_array)).flatten();
    let codings: Vec<Value> = codings.cloned().collect();
    let code = flag.entry("code").or_insert_with(|| json!({}));
    if let Some(code) = code.as_object_mut()
        && let Some(list) = code.entry("coding").or_insert_with(|| json!([])).as_array_mut()
    {
        for coding in codings {
            if !list.contains(&coding) {
                list.push(coding);
            }
        }
    }
    if let Some(period) = plan.get("period").filter(|_| !flag.contains_key("period")) {
        flag.insert("period".into(), period.clone());
    }
    let team = plan.get("careTeam").and_then(|t| t.get(0)).and_then(|t| t.get("reference"));
    let team = team.and_then(Value::as_str).unwrap_or_default().to_owned();
    let team_item = find(intake, &team);
    let team_found = team_item.and_then(|i| intake.items.get(i)).map(|i| &i.resource);
    if let Some(whole) = team_found.cloned() {
        hold_team(flag, &whole);
        taken.extend(team_item.map(|i| (i, held(flag, "team"))));
    } else if contained(flag, &team).is_some() {
        own(flag, &team, contained(flag, &team).and_then(|t| t.get("name")).cloned());
    }
    if item.is_some() {
        let mut plan = plan;
        plan.insert("id".into(), "plan".into());
        strip(&mut plan);
        if team_item.is_some() {
            plan.insert("careTeam".into(), json!([{"reference": "#team"}]));
        }
        hold(flag, plan);
        for extension in flag.get_mut("extension").and_then(Value::as_array_mut).into_iter().flatten() {
            if extension.get("url").and_then(Value::as_str) == Some(DETAIL)
                && let Some(target) = extension.get_mut("valueReference").and_then(Value::as_object_mut)
            {
                target.insert("reference".into(), "#plan".into());
            }
        }
        taken.extend(item.map(|i| (i, held(flag, "plan"))));
    }
    taken
}

/// Says of the resources that a Flag holds whom they are about: the Flag's own patient.
pub(super) fn same_subject(flag: &mut Map<String, Value>, subject: &Value) {
    for held in flag.get_mut("contained").and_then(Value::as_array_mut).into_iter().flatten() {
        let plan = matches!(held.get("resourceType").and_then(Value::as_str), Some("CarePlan" | "CareTeam"));
        if let Some(held) = held.as_object_mut().filter(|h| plan && h.contains_key("subject")) {
            held.insert("subject".into(), subject.clone());
        }
    }
}

fn detail(flag: &Map<String, Value>) -> Option<String> {
    let list = flag.get("extension").and_then(Value::as_array)?;
    let found = list.iter().find(|e| e.get("url").and_then(Value::as_str) == Some(DETAIL))?;
    found.pointer("/valueReference/reference").and_then(Value::as_str).map(str::to_owned)
}

fn hold_team(flag: &mut Map<String, Value>, team: &Map<String, Value>) {
    let mut held = team.clone();
    held.insert("id".into(), "team".into());
    strip(&mut held);
    own(flag, "#team", team.get("name").cloned());
    hold(flag, held);
}

/// A contained resource has no version of its own, no narrative and no meta that could speak for it.
fn strip(resource: &mut Map<String, Value>) {
    resource.shift_remove("meta");
    resource.shift_remove("text");
}

fn hold(flag: &mut Map<String, Value>, resource: Map<String, Value>) {
    if let Some(list) = flag.entry("contained").or_insert_with(|| json!([])).as_array_mut() {
        list.push(Value::Object(resource));
    }
}

fn own(flag: &mut Map<String, Value>, reference: &str, name: Option<Value>) {
    let url = systems::canonical("StructureDefinition/owner");
    let list = flag.entry("extension").or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return };
    if list.iter().any(|e| e.get("url").and_then(Value::as_str) == Some(&url)) {
        return;
    }
    let mut target = Map::new();
    target.insert("reference".into(), reference.into());
    target.extend(name.map(|n| ("display".to_owned(), n)));
    list.push(json!({"url": url, "valueReference": target}));
}

fn held(flag: &Map<String, Value>, id: &str) -> String {
    let list = flag.get("contained").and_then(Value::as_array);
    let at = list.into_iter().flatten().position(|r| r.get("id").and_then(Value::as_str) == Some(id));
    format!("contained[{}]", at.unwrap_or_default())
}
