use super::*;
use serde_json::json;
use std::io::Write;

fn profile(url: &str, differential: Value) -> Value {
    json!({"resourceType": "StructureDefinition", "url": url, "version": "1.0.0", "name": "P", "status": "active",
        "kind": "resource", "abstract": false, "type": "Flag", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Flag", "differential": {"element": differential}})
}

fn tgz(files: &[(&str, Value)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, value) in files {
        let text = value.to_string();
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&builder.into_inner().unwrap()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn loads_files_folders_bundles_packages_and_xml() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let needs = json!([{"path": "Flag"}, {"path": "Flag.period", "min": 1}]);
    std::fs::write(path("a.json"), profile("urn:a", needs.clone()).to_string()).unwrap();
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": profile("urn:b", needs.clone())}, {"resource": {"resourceType": "Patient"}}]});
    std::fs::write(path("b.json"), bundle.to_string()).unwrap();
    std::fs::create_dir(path("inner")).unwrap();
    let set = "<ValueSet xmlns=\"http://hl7.org/fhir\"><url value=\"urn:set\"/><compose><include>\
        <system value=\"urn:system\"/><concept><code value=\"x\"/></concept></include></compose></ValueSet>";
    std::fs::write(path("inner/c.xml"), set).unwrap();
    let package = tgz(&[
        (
            "package/package.json",
            json!({"name": "p", "fhirVersions": ["4.0.1"], "dependencies": {"hl7.fhir.r4.core": "4.0.1", "q": "1"}}),
        ),
        ("package/StructureDefinition-d.json", profile("urn:d", needs)),
        ("package/example/x.json", json!({"resourceType": "ValueSet", "url": "urn:example"})),
    ]);
    std::fs::write(path("d.tgz"), package).unwrap();
    let loaded = Definitions::load(&[folder.path().to_owned()]).unwrap();
    for url in ["urn:a", "urn:b", "urn:d", "urn:a|1.0.0"] {
        let structure = loaded.definitions.structure(url).unwrap();
        let period = structure.elements.iter().find(|element| element.path == "Flag.period").unwrap();
        assert_eq!(period.min, 1);
    }
    assert!(loaded.definitions.value_set("urn:set").unwrap().member(None, None, "x").is_yes());
    assert!(!loaded.definitions.knows("ValueSet", "urn:example"));
    let rules: Vec<_> = loaded.issues.iter().map(|issue| issue.rule.as_ref()).collect();
    assert_eq!(rules, ["package-dependency"]);
}

#[test]
fn a_broken_definition_is_an_error_that_names_it() {
    let nowhere = profile("urn:bad", json!([{"path": "Flag"}, {"path": "Flag.colour", "min": 1}]));
    let error = Definitions::with_resources([("f.json".to_owned(), nowhere)]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("urn:bad") && text.contains("f.json") && text.contains("Flag.colour"), "{text}");
    let mut orphan = profile("urn:orphan", json!([]));
    orphan["baseDefinition"] = "urn:nobody".into();
    assert!(
        Definitions::with_resources([("g".to_owned(), orphan)])
            .unwrap_err()
            .to_string()
            .contains("urn:nobody")
    );
    let mut itself = profile("urn:self", json!([]));
    itself["baseDefinition"] = "urn:self".into();
    assert!(Definitions::with_resources([("h".to_owned(), itself)]).is_err());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.json"), "{").unwrap();
    let error = Definitions::load(&[folder.path().to_owned()]).unwrap_err();
    assert!(error.to_string().contains("x.json"));
    assert!(matches!(Definitions::load(&[folder.path().join("none")]), Err(LoadError::Unreadable { .. })));
}

#[test]
fn duplicates_conflicts_and_breaches_are_reported_and_the_newest_wins() {
    let one = profile("urn:a", json!([{"path": "Flag"}, {"path": "Flag.period", "min": 1}]));
    let other = profile("urn:a", json!([{"path": "Flag"}, {"path": "Flag.status", "min": 0}]));
    let mut newer = profile("urn:a", json!([{"path": "Flag"}, {"path": "Flag.period", "max": "0"}]));
    newer["version"] = "1.10.0".into();
    let all = [&one, &one, &other, &newer].map(|value| ("file".to_owned(), value.clone()));
    let loaded = Definitions::with_resources(all).unwrap();
    let rules: Vec<_> = loaded.issues.iter().map(|issue| issue.rule.as_ref()).collect();
    assert_eq!(rules, ["definition-duplicate", "definition-conflict"]);
    assert_eq!(loaded.definitions.structure("urn:a").unwrap().version.as_deref(), Some("1.10.0"));
    let loaded = Definitions::with_resources([("file".to_owned(), other)]).unwrap();
    assert_eq!(loaded.issues[0].rule, "snapshot-cardinality");
}
