//! Shapes for partners through the front door: a read, a search, a notification, the dry run and the command.

use crate::deliver::house::{House, secret, settings};
use crate::gateway::{Reply, TestGateway};
use jiff::Timestamp;
use serde_json::{Value, json};
use sgw::convert::shape::Shape;
use sgw::deliver::receiver::Receiver;
use sgw::govern::{Partner, Policy};
use sgw::validate::Validator;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const JSON: &str = "application/json";
const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";

fn alert(category: &str, code: &str, id: &str) -> String {
    json!({"contract": "sgw-alert/1", "messageId": format!("m-{id}"), "sender": {"system": "ehr"},
        "patient": {"nhsNumber": "9000000025"},
        "alerts": [{"id": id, "category": category, "code": {"system": "http://snomed.info/sct", "code": code},
            "text": "As agreed at the conference", "start": "2026-11-19", "action": "urgent-review",
            "author": {"id": "SW-1", "name": "Jo Hale", "role": "Social worker", "contact": "01632 960100"}}]})
    .to_string()
}

fn valid(resource: &Value) {
    let report = Validator::builtin().validate_value(resource, &[]);
    assert!(report.is_valid(), "{:?}\n{resource:#}", report.issues);
}

/// The Flag of an answer of the intake.
fn flag_of(reply: &Reply) -> String {
    let location = reply.location("Flag");
    location.split("/_history").next().unwrap().to_owned()
}

#[tokio::test]
async fn a_reader_gets_a_flag_in_every_shape_it_asks_for() {
    let gateway = TestGateway::new().await;
    let plan = alert("child-protection", "342191000000101", "A1");
    let plan = flag_of(&gateway.post("ehr", "/submissions/ehr", JSON, plan).await.expect(201));
    let fgm = alert("female-genital-mutilation", "713201008", "A2");
    let fgm = flag_of(&gateway.post("ehr", "/submissions/ehr", JSON, fgm).await.expect(201));
    for (name, shape) in Shape::ALL {
        let flag = if shape == Shape::FgmIs { &fgm } else { &plan };
        let read = gateway.get("hub", &format!("/fhir/{flag}?_shape={name}")).await.expect(200);
        valid(&read.json);
        assert_eq!(read.header("etag"), "W/\"1\"");
        if let Some(profile) = shape.profile() {
            assert!(read.json["meta"]["profile"].as_array().unwrap().iter().any(|p| p == profile), "{name}");
        }
        match shape {
            Shape::CpisCareTeam => {
                assert_eq!(read.json["resourceType"], "CareTeam");
                assert_eq!(read.json["name"], "Northshire Community Care");
                assert_eq!(read.json["telecom"][0]["value"], "01632 960100");
            }
            Shape::CpisFlag => {
                assert_eq!(read.json["contained"][1]["telecom"][0]["value"], "01632 960100");
            }
            _ => assert_eq!(read.json["resourceType"], "Flag"),
        }
    }
    // A shape that cannot say it refuses, and never bends it; a name that is none is told.
    let refused = gateway.get("hub", &format!("/fhir/{plan}?_shape=fgm-is")).await.expect(422);
    assert_eq!(refused.rule(), "shape");
    let unknown = gateway.get("hub", &format!("/fhir/{plan}?_shape=barz")).await.expect(400);
    assert!(unknown.text.contains("`bars`"), "{}", unknown.text);
    // Who may not read it gets the same answer with a shape as without.
    gateway.get("other", &format!("/fhir/{plan}?_shape=bars")).await.expect(404);

    let query = format!("/fhir/Flag?patient.identifier={NHS}|9000000025&_shape=patient-flag");
    let found = gateway.get("hub", &query).await.expect(200);
    valid(&found.json);
    assert_eq!(found.json["total"], 2);
    let category =
        |index: usize| found.json["entry"][index]["resource"]["category"][0]["coding"][0]["code"].clone();
    let mut categories = [category(0), category(1)].map(|one| one.as_str().unwrap().to_owned());
    categories.sort();
    assert_eq!(categories, ["child-protection-information-system-flag", "female-genital-mutilation-flag"]);
    let found = gateway.get("hub", &query.replace("patient-flag", "fgm-is")).await.expect(200);
    valid(&found.json);
    assert_eq!((&found.json["total"], found.json["entry"].as_array().unwrap().len()), (&json!(2), 3));
    let told = &found.json["entry"][2];
    assert_eq!(
        (&told["search"]["mode"], &told["resource"]["issue"][0]["expression"][0]),
        (&json!("outcome"), &json!(plan))
    );
}

#[tokio::test]
async fn where_a_patient_lives_is_not_told_by_the_authority_of_a_shape() {
    for (restriction, status) in [("", 200), ("ARV|1|A|LOC^Locality\r", 422)] {
        let gateway = TestGateway::new().await;
        let message = format!(
            "MSH|^~\\&|PAS|RZZ01|||20261121||ADT^A08|R1|P|2.7\rPID|1||9000000025^^^NHS^NH||DOE\r{restriction}\
             OBX|1|CE|CPALERT||CP^Plan||||||F|||20261120\r\
             PRT|1|AD||AUT^Author|SW1^HALE^JO|||NORTHSHIRE COUNCIL^^^^^^^^^E0001|||||||01632 960100\r"
        );
        let reply =
            gateway.post("pas", "/submissions/pas", "x-application/hl7-v2+er7", message).await.expect(201);
        let flag = flag_of(&reply);
        gateway.get("hub", &format!("/fhir/{flag}")).await.expect(200);
        let read = gateway.get("hub", &format!("/fhir/{flag}?_shape=cp-is-flag")).await.expect(status);
        assert_eq!(read.text.contains("01632 960100"), status == 200, "{}", read.text);
    }
}

#[tokio::test]
async fn the_dry_run_shows_what_a_partner_would_get() {
    let gateway = TestGateway::new().await;
    let plan = alert("child-protection", "342191000000101", "A1");
    let tried =
        gateway.post("tester", "/fhir/$convert?mapping=json-alert&shape=bars", JSON, plan.clone()).await;
    let tried = tried.expect(200).json;
    valid(&tried);
    let of = |name: &str| tried["parameter"].as_array().unwrap().iter().find(|p| p["name"] == name).unwrap();
    let flags = |bundle: &Value| -> Vec<Value> {
        let entries = bundle["entry"].as_array().unwrap().iter();
        entries.map(|e| e["resource"].clone()).filter(|r| r["resourceType"] == "Flag").collect()
    };
    assert_eq!(flags(&of("bundle")["resource"])[0]["category"][0]["coding"][0]["code"], "SG");
    let asked = json!({"resourceType": "Parameters", "parameter": [{"name": "payload", "valueString": plan},
        {"name": "mapping", "valueString": "json-alert"}, {"name": "shape", "valueString": "fgm-is"}]});
    let reply = gateway.post("tester", "/fhir/$convert", "application/fhir+json", asked.to_string()).await;
    let told = reply.expect(200);
    assert!(told.text.contains("has no code for what the Flag is about"), "{}", told.text);
    gateway.post("tester", "/fhir/$convert?shape=none", JSON, plan).await.expect(400);
}

#[test]
fn the_command_makes_every_shape() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    for (name, shape) in Shape::ALL {
        let (category, code) = match shape {
            Shape::FgmIs => ("female-genital-mutilation", "713201008"),
            _ => ("child-protection", "342191000000101"),
        };
        std::fs::write(&file, alert(category, code, "A1")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sgw"));
        let output = command
            .args(["convert", "--lawful-basis", "ca2004-s11", "--shape", name])
            .arg(&file)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let bundle: Value = serde_json::from_slice(&output.stdout).unwrap();
        valid(&bundle);
        let kind = if shape == Shape::CpisCareTeam { "CareTeam" } else { "Flag" };
        let entries = bundle["entry"].as_array().unwrap();
        let shaped = entries.iter().find(|e| e["resource"]["resourceType"] == kind).unwrap();
        let reference = format!("{kind}/{}", shaped["resource"]["id"].as_str().unwrap());
        assert_eq!(shaped["request"]["url"], reference.as_str());
        let provenance = entries.iter().find(|e| e["resource"]["resourceType"] == "Provenance").unwrap();
        assert_eq!(provenance["resource"]["target"][0]["reference"], reference.as_str(), "{name}");
    }
    std::fs::write(&file, alert("housing-and-social", "713201008", "A1")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sgw"));
    let output = command
        .args(["convert", "--lawful-basis", "ca2004-s11", "--shape", "cp-is-flag"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the shape `cp-is-flag` has no code"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_notified_in_its_shape() {
    let house = House::new().await;
    let mut partner = Partner::new("hub", "LZZ01", "hub");
    partner.shape = Shape::named("bars");
    let agreements = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/agreements");
    let others = [Partner::new("ed", "RZZ02", "ed"), Partner::new("housing", "HZZ01", "housing")];
    let partners = [partner].into_iter().chain(others).collect::<Vec<_>>();
    house.policy.store(std::sync::Arc::new(Policy::load(&agreements, partners).unwrap()));
    let hub = Receiver::start(vec![secret()]).await.unwrap();
    house.subscribe("s", "hub", &hub.endpoint(), "full-resource").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("s", "active").await;
    house.flag("local:p|1", "f1", &["s"]).await;
    assert!(hub.wait_for(1, Duration::from_secs(10)).await);
    let bundle = &hub.accepted()[0].bundle;
    valid(bundle);
    let flag = &bundle["entry"][1]["resource"];
    assert_eq!(
        flag["category"][0]["coding"][0]["system"],
        "https://fhir.nhs.uk/CodeSystem/flag-categories-bars"
    );
    let events = deliverer.events("s", sgw::deliver::EventsQuery::default(), Timestamp::now()).await.unwrap();
    assert_eq!(events["entry"][1]["resource"], *flag, "what is asked for later has the same shape");
    deliverer.drain().await;
}
