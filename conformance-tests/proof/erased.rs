//! What a person may ask for: who saw what about them; that it is erased, or corrected. The tree verifies afterwards,
//! against checkpoints that were signed before.

use super::{demonstrated, exported, sgw, sgw_verify};
use crate::gateway::TestGateway;
use http::Method;
use serde_json::{Value, json};
use std::path::Path;

/// A copy of the demonstration's site, which may be changed.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&demonstrated().path("site"), folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &place);
        } else {
            std::fs::copy(&path, &place).unwrap();
        }
    }
}

fn patient(event: &Value) -> Option<&str> {
    let entities = event["entity"].as_array()?;
    entities.iter().find(|entity| entity["type"]["code"] == "1")?["what"]["identifier"]["value"].as_str()
}

#[test]
fn one_person_s_content_is_erased_by_the_command_and_the_exported_tree_still_verifies() {
    let (site, before) = (copied(), &demonstrated().log);
    let text = |name: &str| site.path().join(name).display().to_string();
    let (config, key) = (text("sgw.toml"), text("audit.pub"));
    let mut people: Vec<&str> = before.iter().filter_map(|(_, event)| patient(event)).collect();
    people.sort_unstable();
    // The person with the most records.
    let runs = people.chunk_by(|one, other| one == other).max_by_key(|run| run.len()).unwrap();
    let (number, about) = (runs[0], runs.len());
    assert!(about > 10 && about < people.len(), "{about} of {}", people.len());
    let accesses = |arguments: &[&str]| {
        let all = [&["audit", "access", number, "--config", &config][..], arguments].concat();
        let (code, said) = sgw(&all);
        assert_eq!(code, 0, "{said}");
        said
    };
    let told = accesses(&[]);
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("\tdisclosure\t") && line.contains("agreement northshire-hub|"))
    );
    assert!(lines.iter().any(|line| line.contains("lawful-basis ca2004-s10")), "{told}");
    let listed: Vec<Value> = serde_json::from_str(&accesses(&["--form", "json"])).unwrap();
    assert_eq!(lines.last(), Some(&format!("{} accesses", listed.len()).as_str()));
    let letter = accesses(&["--form", "letter"]);
    assert!(letter.starts_with("Who has seen") && letter.contains("under which authority: "), "{letter}");

    let erase = ["audit", "erase", number, "--ground", "gdpr-17-1-d", "--by", "dpo", "--config", &config];
    let (code, said) = sgw(&erase);
    assert!(code == 0 && said.contains(&format!("{about} events erased")), "{said}");
    let export = text("export");
    assert_eq!(sgw(&["audit", "export", "--out", &export, "--config", &config]).0, 0);
    // The witness kept what was signed before the erasure.
    let kept = demonstrated().text("site/witness");
    let (code, said) = sgw_verify(&["log", &export, "--witness", &kept, "--key", &key]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("{about} erased with a record of it")), "{said}");
    let raw = std::fs::read_to_string(Path::new(&export).join("audit.ndjson")).unwrap();
    assert!(!raw.contains(number), "nothing names the person any more");
    let after = exported(Path::new(&export));
    assert_eq!(after.len(), before.len() + about);
    for ((leaf, event), (old, known)) in after.iter().zip(before) {
        assert_eq!(leaf, old, "no leaf has changed");
        assert!(event.is_null() == (patient(known) == Some(number)) && (event.is_null() || event == known));
    }
    assert!(accesses(&[]).contains("\n0 accesses"));
    let (code, said) = sgw(&["audit", "verify", "--config", &config]);
    assert_eq!(code, 0, "{said}");
    // One erased without a record is found.
    let without = after.len() - 1;
    let lines: Vec<&str> = raw.lines().collect();
    std::fs::write(Path::new(&export).join("audit.ndjson"), lines[..without].join("\n")).unwrap();
    let (code, said) = sgw_verify(&["log", &export, "--witness", &kept, "--key", &key]);
    assert!(code == 1 && said.contains("content-missing"), "{said}");
}

#[test]
fn a_wrong_event_is_corrected_and_the_tree_still_verifies() {
    let (site, before) = (copied(), &demonstrated().log);
    let text = |name: &str| site.path().join(name).display().to_string();
    let (config, key) = (text("sgw.toml"), text("audit.pub"));
    let (leaf, event) = before.iter().find(|(leaf, _)| leaf["act"] == "disclosure").unwrap();
    let id = leaf["id"].as_str().unwrap();
    let mut corrected = event.clone();
    corrected["agent"][0]["name"] = "The name that was wrong".into();
    let file = text("corrected.json");
    std::fs::write(&file, corrected.to_string()).unwrap();
    let correct = |file: &str| {
        sgw(&[
            "audit", "correct", id, "--event", file, "--ground", "gdpr-16", "--by", "dpo", "--config",
            &config,
        ])
    };
    let broken = text("broken.json");
    std::fs::write(&broken, json!({"resourceType": "AuditEvent", "recorded": "yesterday"}).to_string())
        .unwrap();
    assert_eq!(correct(&broken).0, 2);
    let (code, said) = correct(&file);
    assert_eq!(code, 0, "{said}");
    assert_eq!(correct(&file).0, 1, "what was erased cannot be corrected again");
    let export = text("export");
    assert_eq!(sgw(&["audit", "export", "--out", &export, "--config", &config]).0, 0);
    let kept = demonstrated().text("site/witness");
    let (code, said) = sgw_verify(&["log", &export, "--witness", &kept, "--key", &key]);
    assert!(code == 0 && said.contains("1 erased with a record of it"), "{said}");
    let after = exported(Path::new(&export));
    let (leaf, event) = after.last().unwrap();
    assert_eq!((leaf["act"].as_str(), leaf["erases"].as_str()), (Some("corrected"), Some(id)));
    assert_eq!(event["agent"][0]["name"], "The name that was wrong");
}

#[tokio::test]
async fn an_access_report_has_disclosures_reads_searches_and_refusals_with_their_authority() {
    const FHIR: &str = "application/fhir+json";
    let gateway = TestGateway::new().await;
    let flag = include_str!("../../profiles/starter/examples/flag.json");
    let number = serde_json::from_str::<Value>(flag).unwrap()["subject"]["identifier"]["value"]
        .as_str()
        .unwrap()
        .to_owned();
    let created = gateway.post("scr", "/fhir/Flag", FHIR, flag).await.expect(201);
    let id = created.json["id"].as_str().unwrap();
    gateway.get("hub", &format!("/fhir/Flag/{id}")).await.expect(200);
    let query = format!("/fhir/Flag?patient.identifier=https://fhir.nhs.uk/Id/nhs-number%7C{number}");
    gateway.get("ed", &query).await.expect(200);
    // A purpose that no agreement covers.
    let ask = gateway.request(Method::GET, &format!("/fhir/Flag/{id}")).key("hub");
    ask.header("x-purpose-of-use", "HRESCH").send().await.expect(404);
    let log = format!("/fhir/AuditEvent?entity=Flag/{id}&subtype=decision");
    let found = gateway.get("auditor", &log).await.expect(200);
    let event = found.json["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();
    gateway.get("auditor", &format!("/fhir/AuditEvent/{event}")).await.expect(200);

    let ask = |form: &str| {
        gateway.post("auditor", "/access-report", "application/x-www-form-urlencoded", form.to_owned())
    };
    let report = ask(&format!("patient={number}")).await.expect(200);
    let report: Vec<Value> = report.json["access"].as_array().unwrap().clone();
    let has = |act: &str, who: &str, outcome: &str| {
        report
            .iter()
            .filter(|line| line["act"] == act && line["who"] == who && line["outcome"] == outcome)
            .count()
    };
    assert_eq!(has("disclosure", "LZZ01 (hub)", "given"), 1, "{report:#?}");
    assert_eq!(has("disclosure", "RZZ02 (ed)", "given"), 1);
    assert_eq!(has("search", "RZZ02 (ed)", "given"), 1);
    assert_eq!(has("read", "LZZ01 (hub)", "refused"), 1);
    assert_eq!(has("read", "RZZ00 (auditor)", "given"), 1, "who read the log about the person is in it");
    let disclosed = report.iter().find(|line| line["act"] == "disclosure").unwrap();
    let authority = disclosed["authority"].as_str().unwrap();
    assert!(
        authority.contains("agreement northshire-hub|1.0#") && authority.contains("lawful-basis ca2004-s10")
    );
    assert_eq!(disclosed["purpose"], "SAFEGUARDING");
    assert!(report.iter().all(|line| !line["when"].as_str().unwrap().is_empty()));
    let letter = ask(&format!("patient={number}&format=letter")).await.expect(200);
    assert!(letter.text.contains("asked for, and was not given, Flag/"), "{}", letter.text);
    // That the report was made is in the next one.
    let again = ask(&format!("patient={number}")).await.expect(200);
    assert_eq!(again.json["access"].as_array().unwrap().len(), report.len() + 2);
    ask("patient=1234567890").await.expect(400);
    ask("").await.expect(400);
}
