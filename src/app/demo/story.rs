//! The story: what is sent, what became of it, who was told what, and who was not.

use super::StoryError;
use super::desk::Answer;
use super::observe::{Observed, event_numbers, fact, flags};
use super::partner::Partner;
use super::world::World;
use crate::fhir::systems;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const FHIR: &str = "application/fhir+json";
const ADT: &str = include_str!("../../../profiles/starter/examples/adt-a08.hl7");
const ALERT: &str = include_str!("../../../profiles/starter/examples/alert.json");
const FLAG: &str = include_str!("../../../profiles/starter/examples/flag.json");
const CONSENT: &str = include_str!("../../../profiles/starter/examples/consent.json");

/// Tells all steps; an outcome that is not observed is kept in `observed`, and the story goes on where it can.
pub async fn tell(world: &mut World, observed: &mut Observed) -> Result<(), StoryError> {
    hl7_message(world, observed).await?;
    json_alert(world, observed).await?;
    fhir_flag(world, observed).await?;
    restricting_consent(world, observed).await?;
    invalid_payload(world, observed).await?;
    no_lawful_basis(world, observed).await?;
    outage(world, observed).await?;
    asked_and_refused(world, observed).await?;
    proof(world, observed).await
}

async fn hl7_message(world: &World, observed: &mut Observed) -> Result<(), StoryError> {
    observed.step("A hospital's HL7 v2 message with a child-protection alert arrives over MLLP");
    observed.tell(
        "came in",
        &format!("ADT^A08 from `pas` (RZZ01), {} bytes, alert in an OBX segment", ADT.len()),
    );
    let (acknowledgement, took) = world.desk.send_mllp(&ADT.replace('\n', "\r")).await?;
    let code = acknowledgement.lines().flat_map(|line| line.split('\r')).find_map(|s| s.strip_prefix("MSA|"));
    observed
        .tell("answered", &format!("MSA|{} in {:.1} ms", code.unwrap_or("?"), took.as_secs_f64() * 1000.0));
    observed.expect(
        code.is_some_and(|code| code.starts_with("AA|")),
        "the acknowledgement is AA, after the commit",
    );
    let flag = told_everybody(world, observed, "child-protection").await?;
    verdict(world, observed, &flag).await?;
    decisions(world, observed, &flag, &[("hub", "permit"), ("ed", "permit"), ("housing", "permit")]).await
}

async fn json_alert(world: &World, observed: &mut Observed) -> Result<(), StoryError> {
    observed.step("A community record's JSON alert arrives over HTTP, and once more");
    observed.tell("came in", &format!("JSON alert from `ehr` (RZZ03), {} bytes", ALERT.len()));
    let answer = world.desk.post("ehr", "/submissions/ehr", "application/json", ALERT.into()).await?;
    stored(observed, &answer);
    let again = world.desk.post("ehr", "/submissions/ehr", "application/json", ALERT.into()).await?;
    let same = again.status.as_u16() == 200 && again.body == answer.body;
    observed.expect(same, "the repeated submission is answered 200 with the same body and changes nothing");
    let flag = told_everybody(world, observed, "domestic-abuse").await?;
    verdict(world, observed, &flag).await?;
    decisions(world, observed, &flag, &[("hub", "permit"), ("ed", "permit"), ("housing", "permit")]).await
}

async fn fhir_flag(world: &World, observed: &mut Observed) -> Result<(), StoryError> {
    observed.step("A shared care record sends a FHIR Flag");
    observed.tell("came in", &format!("FHIR R4 Flag from `scr` (RZZ04), {} bytes", FLAG.len()));
    let answer = world.desk.post("scr", "/submissions/scr", FHIR, FLAG.into()).await?;
    stored(observed, &answer);
    let before = serde_json::from_str::<Value>(FLAG)?;
    let flag = told_everybody(world, observed, category(&before)).await?;
    verdict(world, observed, &flag).await?;
    decisions(world, observed, &flag, &[("hub", "permit"), ("ed", "permit"), ("housing", "permit")]).await
}

async fn restricting_consent(world: &World, observed: &mut Observed) -> Result<(), StoryError> {
    observed.step("A Consent restricts the housing provider; then a new alert about the same person arrives");
    observed.tell("came in", "FHIR R4 Consent from `scr`: the patient dissents from sharing with HZZ01");
    let answer = world.desk.post("scr", "/submissions/scr", FHIR, CONSENT.into()).await?;
    stored(observed, &answer);
    let mut second: Value = serde_json::from_str(FLAG)?;
    let name = "SCR-AFTER-CONSENT";
    rename(&mut second, name);
    let answer = world.desk.post("scr", "/submissions/scr", FHIR, second.to_string().into()).await?;
    stored(observed, &answer);
    let flag =
        told(world.partner("hub"), observed, |flag| fact(flag) == name, "the hub received the alert").await?;
    told(
        world.partner("ed"),
        observed,
        |flag| id(flag) == id(&flag_of(&answer)),
        "the emergency department too",
    )
    .await?;
    decisions(world, observed, &flag, &[("hub", "permit"), ("ed", "permit"), ("housing", "withhold")])
        .await?;
    let kept_back = !has(world.partner("housing"), id(&flag));
    observed.expect(kept_back, "the housing provider received nothing of it");
    Ok(())
}

async fn invalid_payload(world: &World, observed: &mut Observed) -> Result<(), StoryError> {
    observed.step("An invalid payload arrives: a Flag that began on the 30th of February");
    let mut flag: Value = serde_json::from_str(FLAG)?;
    rename(&mut flag, "SCR-INVALID");
    flag["period"] = json!({"start": "2026-02-30"});
    let answer = world.desk.post("scr", "/submissions/scr", FHIR, flag.to_string().into()).await?;
    refused(world, observed, &answer, "Flag.period.start").await
}

async fn no_lawful_basis(world: &World, observed: &mut Observed) -> Result<(), StoryError> {
    observed.step("An alert without a lawful basis arrives");
    let mut flag: Value = serde_json::from_str(FLAG)?;
    rename(&mut flag, "SCR-NO-BASIS");
    let basis = systems::canonical("StructureDefinition/lawful-basis");
    if let Some(extensions) = flag["extension"].as_array_mut() {
        extensions.retain(|extension| extension["url"] != basis.as_str());
    }
    let answer = world.desk.post("scr", "/submissions/scr", FHIR, flag.to_string().into()).await?;
    refused(world, observed, &answer, "lawful-basis-missing").await
}

async fn outage(world: &mut World, observed: &mut Observed) -> Result<(), StoryError> {
    observed.step("The emergency department goes down; three alerts arrive; it comes back");
    let already = world.partner("ed").received().len();
    world.partner_mut("ed").take_down().await;
    let names = ["SCR-WHILE-DOWN-1", "SCR-WHILE-DOWN-2", "SCR-WHILE-DOWN-3"];
    for name in names {
        let mut flag: Value = serde_json::from_str(FLAG)?;
        rename(&mut flag, name);
        let answer = world.desk.post("scr", "/submissions/scr", FHIR, flag.to_string().into()).await?;
        stored(observed, &answer);
    }
    let last = |flag: &Value| fact(flag) == "SCR-WHILE-DOWN-3";
    told(
        world.partner("hub"),
        observed,
        last,
        "the hub was told meanwhile: nobody waits for the partner that is down",
    )
    .await?;
    observed.expect(world.partner("ed").received().len() == already, "the emergency department got nothing");
    world.partner_mut("ed").bring_back().await?;
    let ed = world.partner("ed");
    told(ed, observed, last, "after its return the emergency department received all that had waited")
        .await?;
    let received = ed.received();
    let late: Vec<String> = received
        .iter()
        .flat_map(|notification| flags(&notification.bundle))
        .map(|flag| fact(flag).to_owned())
        .filter(|name| name.starts_with("SCR-WHILE-DOWN"))
        .collect();
    observed.tell("received", &late.join(", "));
    observed.expect(late == names, "in the order in which they happened, each once");
    for partner in &world.partners {
        let mut numbers: Vec<u64> =
            partner.received().iter().flat_map(|notification| event_numbers(&notification.bundle)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let expected: Vec<u64> = (1..).take(numbers.len()).collect();
        let text = format!("{}: event numbers run from 1 to {} without a gap", partner.id, numbers.len());
        observed.expect(numbers == expected, &text);
    }
    Ok(())
}

async fn asked_and_refused(world: &World, observed: &mut Observed) -> Result<(), StoryError> {
    observed.step("The housing provider asks for the alerts that the Consent keeps from it");
    let hub = world.partner("hub").received();
    let kept_back = hub
        .iter()
        .flat_map(|notification| flags(&notification.bundle))
        .filter(|flag| fact(flag).starts_with("SCR-AFTER") || fact(flag).starts_with("SCR-WHILE"))
        .map(|flag| format!("/fhir/Flag/{}", id(flag)));
    let unknown = world.desk.get("housing", "/fhir/Flag/no-such-flag").await?;
    let (mut asked, mut alike) = (0, unknown.status.as_u16() == 404);
    for path in kept_back {
        let answer = world.desk.get("housing", &path).await?;
        asked += 1;
        alike &= answer.status == unknown.status && answer.body == unknown.body;
    }
    observed.tell("answered", &format!("{} to {asked} requests", unknown.status));
    let text =
        "each is answered as if there were no such record, and the refusal is recorded with its reason";
    observed.expect(alike && asked > 3, text);
    Ok(())
}

async fn proof(world: &World, observed: &mut Observed) -> Result<(), StoryError> {
    observed.step("Nothing reached anybody that should not have");
    let unsigned: u64 = world.partners.iter().map(|partner| partner.refused()).sum();
    observed.expect(unsigned == 0, "every notification carried a valid signature");
    for name in ["SCR-INVALID", "SCR-NO-BASIS"] {
        let leaked = world.partners.iter().any(|partner| {
            partner.received().iter().any(|notification| notification.bundle.to_string().contains(name))
        });
        observed.expect(!leaked, &format!("no partner received {name}"));
    }
    Ok(())
}

/// A submission was stored: prints what it became.
fn stored(observed: &mut Observed, answer: &Answer) {
    observed.tell("answered", &format!("{} in {:.1} ms", answer.status, answer.took.as_secs_f64() * 1000.0));
    let entries = answer.body["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    let places: Vec<&str> =
        entries.iter().filter_map(|entry| entry["response"]["location"].as_str()).collect();
    observed.tell("became", &places.join(", "));
    observed.expect(answer.status.as_u16() == 201 && !places.is_empty(), "stored, and answered with the ids");
}

/// A submission was refused: 422, an OperationOutcome that names `place`, and a quarantine item an operator can read.
async fn refused(
    world: &World,
    observed: &mut Observed,
    answer: &Answer,
    place: &str,
) -> Result<(), StoryError> {
    let text = answer.body.to_string();
    let issue = answer.body.pointer("/issue/0/details/text").and_then(Value::as_str).unwrap_or("no reason");
    observed.tell("answered", &format!("{}: {issue}", answer.status));
    observed
        .expect(answer.status.as_u16() == 422 && text.contains(place), &format!("refused, naming `{place}`"));
    let list = world.desk.get("operator", "/quarantine").await?;
    let held = list.body["item"].as_array().is_some_and(|items| {
        items.iter().any(|item| item["id"].as_str().is_some_and(|quarantined| text.contains(quarantined)))
    });
    observed.expect(held, "the payload is kept in quarantine with its reason, and nothing was stored");
    Ok(())
}

/// Waits until every partner was told of the newest alert of this category; answers the hub's full Flag.
async fn told_everybody(
    world: &World,
    observed: &mut Observed,
    category_code: &str,
) -> Result<Value, StoryError> {
    let about = |flag: &Value| category(flag) == category_code;
    let flag = told(world.partner("hub"), observed, about, "the hub received the whole Flag").await?;
    let same = |other: &Value| id(other) == id(&flag);
    told(world.partner("ed"), observed, same, "the emergency department received it").await?;
    let least = told(world.partner("housing"), observed, same, "the housing provider received it").await?;
    let members = |flag: &Value| flag.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>().join(" "));
    observed.tell("hub", &members(&flag).unwrap_or_default());
    observed.tell("housing", &members(&least).unwrap_or_default());
    let red_flag = systems::canonical("StructureDefinition/red-flag-indicator");
    let narrow = least["code"]["text"].is_null()
        && least["author"].is_null()
        && !least.to_string().contains(&red_flag);
    observed
        .expect(narrow && flag["code"].is_object(), "the housing provider received only its minimum dataset");
    Ok(flag)
}

async fn told(
    partner: &Partner,
    observed: &mut Observed,
    wanted: impl Fn(&Value) -> bool,
    outcome: &str,
) -> Result<Value, StoryError> {
    let find = |received: &[crate::deliver::receiver::Received]| {
        received
            .iter()
            .flat_map(|notification| flags(&notification.bundle))
            .find(|flag| wanted(flag))
            .cloned()
    };
    let arrived = partner.wait_until(PATIENCE, |received| find(received).is_some()).await;
    observed.expect(arrived, outcome);
    find(&partner.received()).ok_or_else(|| StoryError::Unobserved(format!("not observed: {outcome}")))
}

fn has(partner: &Partner, id: &str) -> bool {
    partner.received().iter().any(|notification| notification.bundle.to_string().contains(id))
}

/// Asks the gateway's `$validate` about a Flag and prints the verdict.
async fn verdict(world: &World, observed: &mut Observed, flag: &Value) -> Result<(), StoryError> {
    let answer = world.desk.post("tester", "/fhir/Flag/$validate", FHIR, flag.to_string().into()).await?;
    let issues = answer.body["issue"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |severity: &str| issues.iter().filter(|issue| issue["severity"] == severity).count();
    let errors = count("error") + count("fatal");
    let text = format!("{errors} errors, {} warnings, {} remarks", count("warning"), count("information"));
    observed.tell("validated", &text);
    observed
        .expect(answer.status.as_u16() == 200 && errors == 0, "the Flag is valid against safeguarding-flag");
    Ok(())
}

/// Reads the recorded decisions about a Flag and prints them, for each partner.
async fn decisions(
    world: &World,
    observed: &mut Observed,
    flag: &Value,
    expected: &[(&str, &str)],
) -> Result<(), StoryError> {
    let path = format!("/fhir/AuditEvent?entity=Flag/{}&_count=100", id(flag));
    let found = world.desk.get("auditor", &path).await?;
    let entries = found.body["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (partner, outcome) in expected {
        let decision =
            entries.iter().map(|entry| &entry["resource"]).find_map(|event| recorded(event, partner));
        let text = decision.as_ref().map_or("no decision is recorded".to_owned(), |(_, text)| text.clone());
        observed.tell("decided", &format!("{partner}: {text}"));
        let holds = decision.is_some_and(|(found, _)| found == *outcome);
        observed
            .expect(holds, &format!("the decision for `{partner}` is {outcome}, recorded with its basis"));
    }
    Ok(())
}

/// The decision that an AuditEvent records about a partner: its outcome and the line to print.
fn recorded(event: &Value, partner: &str) -> Option<(String, String)> {
    let entities = event["entity"].as_array()?;
    let details = entities.iter().filter_map(|entity| entity["detail"].as_array()).flatten();
    let mut named: Vec<(&str, &str)> = Vec::new();
    for detail in details {
        named.push((detail["type"].as_str()?, detail["valueString"].as_str()?));
    }
    let all = |name: &str| {
        let values: Vec<&str> =
            named.iter().filter(|(kind, _)| *kind == name).map(|(_, value)| *value).collect();
        values.join(" ")
    };
    let outcome = all("outcome");
    if outcome.is_empty() || all("recipient") != partner {
        return None;
    }
    let mut text = format!("{outcome}, tier {}, basis {}", all("tier"), all("lawful-basis"));
    for name in ["purpose", "obligation", "reason", "agreement", "consent"] {
        if !all(name).is_empty() {
            text.push_str(&format!(", {name} {}", all(name)));
        }
    }
    Some((outcome, text))
}

fn id(flag: &Value) -> &str {
    flag["id"].as_str().unwrap_or_default()
}

fn category(flag: &Value) -> &str {
    flag.pointer("/category/0/coding/0/code").and_then(Value::as_str).unwrap_or_default()
}

fn rename(flag: &mut Value, name: &str) {
    if let Some(value) = flag.pointer_mut("/identifier/0/value") {
        *value = name.into();
    }
}

/// The Flag that a transaction-response names, as far as its id.
fn flag_of(answer: &Answer) -> Value {
    let entries = answer.body["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    let place = entries.iter().filter_map(|entry| entry["response"]["location"].as_str());
    let flag = place.filter_map(|location| location.split("Flag/").nth(1)).next().unwrap_or_default();
    json!({"id": flag.split('/').next().unwrap_or_default()})
}
