//! Every fixture through every door that it can take: HTTP, MLLP, a watched folder, the command and the dry run make the
//! same of it; what they make is valid; every value of it is accounted for.

use super::folder::Watched;
use super::line::{Line, verdict};
use crate::differential::oracle::Oracle;
use crate::gateway::TestGateway;
use serde_json::{Value, json};
use sgw::convert::split::{Record, split};
use sgw::convert::{Format, Limits, Mapping, Mappings};
use sgw::govern::LabelRules;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A fixture: its input, and the mapping that reads it.
pub struct Case {
    pub name: String,
    pub file: PathBuf,
    pub payload: Vec<u8>,
    pub mapping: Arc<Mapping>,
}

/// Every fixture of the conversions.
pub fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/convert");
    let mut folders: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let of = |folder: PathBuf| {
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let file = files.into_iter().find(|path| path.file_stem().unwrap() == "input").unwrap();
        let payload = fs::read(&file).unwrap();
        let named = fs::read_to_string(folder.join("case.yaml")).unwrap_or_default();
        let named = named.lines().find_map(|line| line.strip_prefix("mapping: ").map(str::to_owned));
        let mappings = Mappings::builtin();
        let mapping =
            named.map_or_else(|| mappings.recognise(&payload), |id| mappings.get(&id)).unwrap().clone();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Case { name, file, payload, mapping }
    };
    folders.into_iter().map(of).collect()
}

/// Every submission of the fixtures: the messages of a batch, the children of a list are submissions of their own.
fn submissions() -> Vec<Case> {
    let mut all = Vec::new();
    for case in cases() {
        let mut parts = Vec::new();
        let records = |record: Record| {
            parts.push(record);
            true
        };
        if matches!(case.mapping.format, Format::Hl7v2 | Format::Json)
            && split(case.payload.as_slice(), &case.mapping, &Limits::default(), &mut { records }).is_ok()
            && parts.len() > 1
        {
            all.extend(parts.into_iter().map(|part| Case {
                name: format!("{}, {}", case.name, part.at),
                file: case.file.clone(),
                payload: part.payload,
                mapping: case.mapping.clone(),
            }));
        } else {
            all.push(case);
        }
    }
    all
}

/// What a door made of a payload: the resources, by reference, without what differs from time to time.
type Made = BTreeMap<String, Value>;

fn media(format: Format) -> &'static str {
    match format {
        Format::Hl7v2 => "x-application/hl7-v2+er7",
        Format::Json | Format::Flat => "application/json",
        Format::Fhir => "application/fhir+json",
        Format::Xml => "application/xml",
        Format::Csv => "text/csv",
    }
}

fn plain(mut resource: Value) -> Value {
    let members = resource.as_object_mut().unwrap();
    if let Some(meta) = members.get_mut("meta").and_then(Value::as_object_mut) {
        meta.retain(|name, _| name == "profile" || name == "security" || name == "tag");
    }
    if members.get("meta").is_some_and(|meta| meta.as_object().unwrap().is_empty()) {
        members.remove("meta");
    }
    timeless(&mut resource);
    resource
}

/// Puts one word in the place of times of this hour: a fact without a time of its own has that of its receipt.
fn timeless(value: &mut Value) {
    match value {
        Value::String(text) => {
            let instant: Option<jiff::Timestamp> = text.parse().ok();
            let age = instant.map(|instant| jiff::Timestamp::now().duration_since(instant).as_secs());
            if age.is_some_and(|age| (0..3600).contains(&age)) {
                "now".clone_into(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(timeless),
        Value::Object(members) => members.values_mut().for_each(timeless),
        _ => {}
    }
}

fn keep(made: &mut Made, resource: &Value) {
    let kind = resource["resourceType"].as_str().unwrap();
    if kind == "Provenance" {
        // Its id and its times are those of the submission when the message has no id of its own.
        let same =
            json!({"policy": resource["policy"], "target": resource["target"], "agent": resource["agent"]});
        made.insert("Provenance".to_owned(), same);
    } else {
        made.insert(format!("{kind}/{}", resource["id"].as_str().unwrap()), plain(resource.clone()));
    }
}

async fn stored(gateway: &TestGateway) -> Made {
    let mut made = Made::new();
    for kind in [
        "Flag",
        "Consent",
        "Patient",
        "RelatedPerson",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Provenance",
        "Observation",
        "Encounter",
        "Condition",
        "DocumentReference",
        "Location",
        "Device",
        "AllergyIntolerance",
        "Task",
    ] {
        for one in gateway.store.list(kind, None, 1000).await.unwrap() {
            keep(&mut made, &serde_json::from_str(&one.body).unwrap());
        }
    }
    made
}

/// The stable names of what is wrong, the gravest of an outcome.
fn rules(outcome: &Value) -> Vec<String> {
    let issues = outcome["issue"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rules: Vec<String> = issues
        .iter()
        .filter(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal")))
        .map(|issue| issue["details"]["coding"][0]["code"].as_str().unwrap_or("").to_owned())
        .collect();
    rules.sort();
    rules
}

/// What a door answered: what it made, or by which rules it refused.
type Outcome = Result<Made, Vec<String>>;

async fn by_http(case: &Case) -> Outcome {
    let gateway = TestGateway::new().await;
    let path = format!("/submissions/{}", case.mapping.id);
    let reply = gateway.post("any", &path, media(case.mapping.format), case.payload.clone()).await;
    match reply.status.as_u16() {
        201 => Ok(stored(&gateway).await),
        400 | 422 => Err(rules(&reply.json)),
        other => panic!("{}: {other} {}", case.name, reply.text),
    }
}

async fn by_folder(case: &Case) -> Outcome {
    let gateway = TestGateway::new().await;
    let watched = Watched::new(&gateway, &case.mapping.id);
    let name = case.file.file_name().unwrap().to_str().unwrap();
    watched.leave(name, &case.payload);
    let ended = watched.ended(name).await;
    match ended.outcomes().as_slice() {
        ["accepted"] => Ok(stored(&gateway).await),
        [_] => Err(rules(&ended.lines[0]["issues"])),
        _ => Err(rules(&ended.total()["issues"])),
    }
}

async fn by_mllp(case: &Case) -> Outcome {
    let gateway = TestGateway::new().await;
    let mut line = Line::open(&gateway, &case.mapping.id).await;
    // Whatever the fixture asks for, this test wants an answer.
    line.send(&case.payload).await;
    let text = String::from_utf8_lossy(&case.payload).into_owned();
    let separator = text.chars().nth(3).unwrap_or('|');
    let fields: Vec<&str> = text.split(['\r', '\n']).next().unwrap().split(separator).collect();
    let enhanced =
        fields.get(14).is_some_and(|f| !f.is_empty()) || fields.get(15).is_some_and(|f| !f.is_empty());
    let answer = line.answer().await;
    match verdict(&answer).0 {
        "AA" | "CA" => {
            assert_eq!(enhanced, verdict(&answer).0 == "CA", "{}: {answer}", case.name);
            Ok(stored(&gateway).await)
        }
        "AE" | "AR" | "CE" | "CR" => {
            let errors = answer.split('\r').filter(|line| line.starts_with("ERR") && line.contains("|E|"));
            assert!(errors.count() > 0 || separator != '|', "{}: {answer}", case.name);
            Err(Vec::new())
        }
        other => panic!("{}: {other}", case.name),
    }
}

async fn by_dry_run(case: &Case) -> Outcome {
    let gateway = TestGateway::new().await;
    let path = format!("/fhir/$convert?source={}", case.mapping.id);
    let reply =
        gateway.post("any", &path, media(case.mapping.format), case.payload.clone()).await.expect(200);
    let of = |name: &str| {
        let list = reply.json["parameter"].as_array().unwrap();
        list.iter().find(|one| one["name"] == name).map_or(Value::Null, |one| one["resource"].clone())
    };
    let bundle = of("bundle");
    if bundle.is_null() { Err(rules(&of("outcome"))) } else { Ok(entries(&bundle)) }
}

/// What a Bundle would be in the store: the gateway adds its labels to what conversion makes.
fn entries(bundle: &Value) -> Made {
    let mut made = Made::new();
    let rules = LabelRules::builtin().unwrap();
    for entry in bundle["entry"].as_array().map(Vec::as_slice).unwrap_or_default() {
        keep(&mut made, &rules.assign(entry["resource"].clone()));
    }
    made
}

/// The command on all fixtures of a mapping; without `--mapping` when the content is recognised.
fn by_command(cases: &[&Case]) -> Vec<(Outcome, Value)> {
    let mapping = &cases[0].mapping;
    let mut command = Command::new(env!("CARGO_BIN_EXE_sgw"));
    command.args([
        "convert",
        "--format",
        "ndjson",
        "--lawful-basis",
        "ca2004-s11",
        "--organisation",
        "RZZ05",
    ]);
    command.args(["--organisation-name", "A Trust that sends everything", "--source", &mapping.id]);
    if cases.iter().any(|case| case.name == "refused-hl7v2-not-hl7") {
        command.args(["--mapping", &mapping.id]);
    }
    let folder = tempfile::tempdir().unwrap();
    for (number, case) in cases.iter().enumerate() {
        let name = format!("{number}-{}", case.file.file_name().unwrap().to_str().unwrap());
        let file = folder.path().join(name);
        fs::write(&file, &case.payload).unwrap();
        command.arg(file);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), cases.len(), "{}: {}", mapping.id, String::from_utf8_lossy(&output.stderr));
    let refused = answers.iter().any(|answer| answer["resourceType"] == "OperationOutcome");
    assert_eq!(output.status.code(), Some(i32::from(refused)), "{}", mapping.id);
    let outcome = |answer: Value| {
        let made =
            if answer["resourceType"] == "Bundle" { Ok(entries(&answer)) } else { Err(rules(&answer)) };
        (made, answer)
    };
    answers.into_iter().map(outcome).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_makes_the_same_of_every_fixture_and_it_is_valid() {
    let cases = submissions();
    let mut by_mapping: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    cases.iter().for_each(|case| by_mapping.entry(&case.mapping.id).or_default().push(case));
    let mut wrong = Vec::new();
    let mut bundles = Vec::new();
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for cases in by_mapping.values() {
        for (case, (commanded, bundle)) in cases.iter().zip(by_command(cases)) {
            let mut doors = vec![
                ("command", commanded.clone()),
                ("HTTP", by_http(case).await),
                ("folder", by_folder(case).await),
                ("dry run", by_dry_run(case).await),
            ];
            if case.mapping.format == Format::Hl7v2 {
                doors.push((
                    "MLLP",
                    by_mllp(case).await.map_err(|_| commanded.clone().err().unwrap_or_default()),
                ));
            }
            for (door, outcome) in &doors {
                let count = counts.entry(door).or_default();
                if outcome.is_ok() {
                    count.0 += 1
                } else {
                    count.1 += 1
                }
                if *outcome != commanded {
                    wrong.push(difference(case, door, outcome, &commanded));
                }
            }
            if commanded.is_ok() {
                bundles.push((case.name.clone(), bundle.to_string()));
            }
        }
    }
    for (door, (taken, refused)) in counts {
        eprintln!("{door}: {taken} fixtures taken, {refused} refused");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    agreed_by_the_reference(&bundles);
}

fn difference(case: &Case, door: &str, found: &Outcome, command: &Outcome) -> String {
    match (found, command) {
        (Ok(found), Ok(command)) => {
            let differing: Vec<&String> = found
                .keys()
                .chain(command.keys())
                .filter(|key| found.get(*key) != command.get(*key))
                .collect();
            let one = differing.first().map(|key| (found.get(*key), command.get(*key)));
            format!("{}: {door} and command differ in {differing:?}: {one:?}", case.name)
        }
        _ => format!(
            "{}: {door} says {:?}, the command {:?}",
            case.name,
            found.as_ref().err(),
            command.as_ref().err()
        ),
    }
}

/// Asks the reference validator, where there is one, about every Bundle.
fn agreed_by_the_reference(bundles: &[(String, String)]) {
    let Some(oracle) = crate::differential::setting("SGW_ORACLE") else {
        eprintln!(
            "SKIPPED the reference validator's opinion of {} Bundles: `SGW_ORACLE` is not set",
            bundles.len()
        );
        return;
    };
    let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let folders = ["structuredefinitions", "codesystems", "valuesets"].map(|folder| definitions.join(folder));
    let bodies: Vec<String> = bundles.iter().map(|(_, body)| body.clone()).collect();
    let mut oracle = Oracle::new(oracle, folders.into(), None);
    let answers = oracle.ask(&bodies);
    assert_eq!(answers.len(), bodies.len(), "the reference answered all");
    let mut wrong = Vec::new();
    for ((name, _), answer) in bundles.iter().zip(&answers) {
        wrong.extend(
            crate::differential::errors_of(answer).into_iter().map(|error| format!("{name}: {error}")),
        );
    }
    eprintln!("the reference validator agrees on {} Bundles", bundles.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
