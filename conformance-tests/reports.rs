//! The report formats, written by the command and read again by parsers that know nothing of it.

use serde_json::Value;
use std::process::Command;

/// A folder with a valid and two invalid resources, one of them not even XML, and the report of it.
fn report(format: &str) -> (String, usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let flag = r#"{"resourceType":"Flag","status":"active","code":{"text":"x"},"subject":{"display":"y"}}"#;
    write("good <&> one.json", flag);
    write("typo.json", "{\n  \"resourceType\": \"Flag\",\n  \"staus\": \"<script>\"\n}\n");
    write("broken.xml", "<Flag xmlns='http://hl7.org/fhir'><status value='&'/></Flag>");
    write("many.ndjson", &format!("{flag}\n{{\"resourceType\":\"Flag\"}}\nnot json\n"));
    let output = Command::new(env!("CARGO_BIN_EXE_sgw"))
        .args(["validate", "--format", format, "--show-values"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).unwrap(), 6, 4)
}

#[test]
fn junit_is_xml_whose_counts_are_those_of_its_cases() {
    let (text, resources, invalid) = report("junit");
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    let count =
        |node: roxmltree::Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<usize>().unwrap();
    assert_eq!(root.tag_name().name(), "testsuites");
    assert_eq!((count(root, "tests"), count(root, "failures")), (resources, invalid));
    let mut seen = 0;
    for suite in root.children().filter(roxmltree::Node::is_element) {
        assert_eq!(suite.tag_name().name(), "testsuite");
        let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
        let failed =
            cases.iter().filter(|case| case.children().any(|node| node.has_tag_name("failure"))).count();
        assert_eq!((count(suite, "tests"), count(suite, "failures")), (cases.len(), failed));
        assert!(cases.iter().all(|case| case.has_attribute("name") && case.has_attribute("classname")));
        seen += cases.len();
    }
    assert_eq!(seen, resources);
}

/// What <https://docs.oasis-open.org/sarif/sarif/v2.1.0/> requires of the members that are written.
#[test]
fn sarif_has_what_its_specification_requires() {
    let (text, ..) = report("sarif");
    let log: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "sgw");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(rule["shortDescription"]["text"].is_string(), "{rule}");
        assert!(rule["helpUri"].as_str().is_none_or(|url| url.starts_with("https://")), "{rule}");
    }
    let results = run["results"].as_array().unwrap();
    assert!(results.len() >= 4);
    for result in results {
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{result}");
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte)), "{uri}");
        assert!(place["region"]["startLine"].as_u64().is_none_or(|line| line >= 1));
        assert!(place["region"]["startColumn"].as_u64().is_none_or(|column| column >= 1));
    }
}

#[test]
fn html_is_one_page_without_scripts_and_its_tables_have_headers() {
    let (text, resources, _) = report("html");
    assert!(text.starts_with("<!DOCTYPE html>\n<html lang=\"en-GB\">"));
    assert!(text.contains("<main>") && text.contains("<title>") && text.contains("name=\"viewport\""));
    for forbidden in ["<script", "src=", "<link", "url("] {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    assert_eq!(text.matches("<h1>").count(), 1);
    assert_eq!(text.matches("<section").count(), resources);
    let tables = text.matches("<table>").count();
    assert_eq!(text.matches("<caption>").count(), tables);
    assert_eq!(text.matches("<thead>").count(), tables);
    assert_eq!(text.matches("<th>").count(), 0, "every header cell says what it heads");
    // What is left after the void elements of HTML is well-formed.
    let xml = text
        .replacen("<!DOCTYPE html>", "", 1)
        .replace("<meta charset=\"utf-8\">", "")
        .replace("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">", "");
    roxmltree::Document::parse(&xml).unwrap();
}
