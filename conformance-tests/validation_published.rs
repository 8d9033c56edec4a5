//! What the published examples and definitions of R4 hold, in small: each found valid by the reference validator.

use serde_json::{Value, json};
use sgw::definitions::Definitions;
use sgw::validate::{Report, Validator};

const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

fn rules(report: &Report) -> String {
    let refusing = report.issues.iter().filter(|issue| issue.severity.refuses());
    refusing.map(|issue| issue.rule.as_ref()).collect::<Vec<_>>().join(" ")
}

fn judged(body: &Value) -> String {
    rules(&Validator::builtin().validate_value(body, &[]))
}

#[test]
fn a_definition_says_the_ids_of_its_elements_in_both_views() {
    let element = |id: &str| json!({"id": id, "path": id, "min": 0, "max": "1"});
    let definition = |snapshot: [&str; 3], differential: [&str; 2]| {
        let mut snapshot = snapshot.map(element);
        for one in &mut snapshot {
            one["definition"] = json!("x");
            one["base"] = json!({"path": one["path"], "min": 0, "max": "1"});
        }
        json!({"resourceType": "StructureDefinition", "url": "http://a.example/X", "name": "X", "status": "draft",
            "kind": "logical", "abstract": false, "type": "http://a.example/X",
            "baseDefinition": format!("{CORE}Element"), "derivation": "specialization",
            "snapshot": {"element": snapshot}, "differential": {"element": differential.map(element)}})
    };
    let found = judged(&definition(["X", "X.a", "X.b"], ["X", "X.a"]));
    assert!(!found.contains("element-id"), "{found}");
    assert!(judged(&definition(["X", "X.a", "X.a"], ["X", "X.a"])).contains("element-id"));
    assert!(judged(&definition(["X", "X.a", "X.b"], ["X", "X"])).contains("element-id"));
}

#[test]
fn an_extension_stands_at_any_depth_of_items_parts_and_concepts() {
    let control = json!([{"url": format!("{CORE}questionnaire-itemControl"), "valueCodeableConcept":
        {"coding": [{"system": "http://hl7.org/fhir/questionnaire-item-control", "code": "help"}]}}]);
    let comment = json!([{"url": format!("{CORE}codesystem-concept-comments"), "valueString": "x"}]);
    let allowed = json!([{"url": format!("{CORE}operationdefinition-allowed-type"), "valueUri": "string"}]);
    for depth in 1..5 {
        let mut item = json!({"linkId": "i", "type": "display", "text": "x", "extension": control});
        let mut concept = json!({"code": "c", "extension": comment});
        for outer in 1..depth {
            item = json!({"linkId": format!("g{outer}"), "type": "group", "item": [item]});
            concept = json!({"code": format!("c{outer}"), "concept": [concept]});
        }
        let form = json!({"resourceType": "Questionnaire", "status": "draft", "item": [item]});
        assert_eq!(judged(&form), "", "{depth}");
        let system = json!({"resourceType": "CodeSystem", "status": "draft", "content": "complete", "concept": [concept]});
        assert_eq!(judged(&system), "", "{depth}");
    }
    let part =
        json!({"name": "y", "use": "in", "min": 0, "max": "1", "type": "Element", "extension": allowed});
    let operation = json!({"resourceType": "OperationDefinition", "status": "draft", "name": "A", "kind": "operation",
        "code": "a", "system": false, "type": true, "instance": false,
        "parameter": [{"name": "x", "use": "in", "min": 0, "max": "1", "part": [part]}]});
    assert_eq!(judged(&operation), "");
    // What only an item may have does not stand beside it.
    let form = json!({"resourceType": "Questionnaire", "status": "draft", "extension": control});
    assert_eq!(judged(&form), "extension-context");
}

#[test]
fn extensions_whose_published_context_was_corrected_stand_where_they_are_used() {
    let with = |name: &str, value: &str| {
        json!({"resourceType": "CodeSystem", "status": "draft", "content": "not-present",
            "extension": [{"url": format!("{CORE}{name}"), "valueCode": value}]})
    };
    assert_eq!(judged(&with("structuredefinition-normative-version", "4.0.0")), "");
    assert_eq!(judged(&with("capabilitystatement-expectation", "SHALL")), "");
    assert_eq!(
        judged(&with("structuredefinition-ancestor", "x")),
        "extension-context choice-type cardinality-min"
    );
}

#[test]
fn only_a_resource_names_its_type_and_an_instance_of_a_scenario_what_it_stands_for() {
    let scenario = |instance: Value| {
        judged(&json!({"resourceType": "ExampleScenario", "status": "draft", "instance": [instance]}))
    };
    assert_eq!(scenario(json!({"resourceId": "a", "resourceType": "Patient"})), "");
    assert_eq!(scenario(json!({"resourceId": "a"})), "cardinality-min");
    assert!(scenario(json!({"resourceId": "a", "resourceType": "Patty"})).contains("binding-required"));
    let text = r#"{"resourceType":"ExampleScenario","status":"draft","instance":[{"resourceId":"a","resourceType":"Patient"}]}"#;
    assert_eq!(rules(&Validator::builtin().validate_json(text, &[])), "");
    let name = json!({"resourceType": "Patient", "name": [{"resourceType": "HumanName", "family": "x"}]});
    assert_eq!(judged(&name), "resource-type");
    assert_eq!(rules(&Validator::builtin().validate_json(&name.to_string(), &[])), "resource-type");
}

#[test]
fn a_component_is_told_by_the_coding_that_it_must_have() {
    let component = |code: &str| {
        json!({"code": {"coding": [{"system": "http://loinc.org", "code": code}, {"system": "http://acme.org/codes", "code": "x"}]},
            "valueQuantity": {"value": 107, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}})
    };
    let pressure = |components: Value| {
        judged(
            &json!({"resourceType": "Observation", "meta": {"profile": [format!("{CORE}bp")]}, "status": "final",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]}, "subject": {"reference": "Patient/1"},
            "effectiveDateTime": "2012-09-17", "component": components}),
        )
    };
    assert_eq!(pressure(json!([component("8480-6"), component("8462-4")])), "");
    assert_eq!(pressure(json!([component("8480-6"), component("8867-4")])), "cardinality-min");
    assert_eq!(pressure(json!([component("8480-6")])), "cardinality-min cardinality-min");
}

#[test]
fn a_value_set_names_the_version_of_a_system_beside_it() {
    let including = |include: Value| {
        judged(&json!({"resourceType": "ValueSet", "status": "draft", "compose": {"include": [include]}}))
    };
    assert_eq!(
        including(json!({"system": "http://terminology.hl7.org/CodeSystem/v2-0391", "version": "2.6"})),
        ""
    );
    assert_eq!(
        including(json!({"system": "http://terminology.hl7.org/CodeSystem/v2-0391|2.6"})),
        "vs-system"
    );
}

#[test]
fn codes_of_open_systems_are_judged_by_what_the_systems_say() {
    let endpoint = |media: &str| {
        judged(&json!({"resourceType": "Endpoint", "status": "active", "address": "https://a.example/x",
            "connectionType": {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "hl7-fhir-rest"},
            "payloadType": [{"text": "x"}], "payloadMimeType": [media]}))
    };
    assert_eq!(endpoint("application/hl7-sda+xml; variant=XDA/XDS"), "");
    assert_eq!(endpoint("application"), "binding-required");
    let coded = |code: &str| {
        judged(&json!({"resourceType": "Flag", "status": "active", "subject": {"reference": "Patient/1"},
            "code": {"coding": [{"system": "urn:ietf:rfc:3986", "code": code}]}}))
    };
    assert_eq!(coded("urn:oid:1.2.3"), "");
    assert_eq!(coded("RicardianContract"), "");
    assert_eq!(coded("a b"), "code-unknown");
}

#[test]
fn the_corrected_contexts_are_those_of_known_extensions() {
    let known = Definitions::builtin();
    for name in [
        "structuredefinition-fhir-type",
        "regex",
        "structuredefinition-normative-version",
        "capabilitystatement-expectation",
        "capabilitystatement-prohibited",
    ] {
        assert!(known.knows("StructureDefinition", &format!("{CORE}{name}")), "{name}");
    }
}

#[test]
fn a_relative_reference_in_a_bundle_leads_somewhere() {
    let bundle = |kind: &str, literal: &str| {
        let mut entry = json!({"fullUrl": "http://a.example/fhir/Flag/1", "resource": {"resourceType": "Flag", "id": "1",
            "status": "active", "code": {"text": "x"}, "subject": {"reference": literal}}});
        if kind == "transaction" {
            entry["request"] = json!({"method": "PUT", "url": "Flag/1"});
        }
        judged(&json!({"resourceType": "Bundle", "type": kind, "entry": [entry]}))
    };
    for kind in ["collection", "transaction"] {
        for sound in ["Patient/1", "Patient/1/_history/2", "http://b.example/Patient/1"] {
            assert_eq!(bundle(kind, sound), "", "{kind} {sound}");
        }
        for lost in ["Patient", "/Patient/1", "a/b/c", "Patient/1/_history"] {
            assert_eq!(bundle(kind, lost), "reference-format", "{kind} {lost}");
        }
    }
    assert_eq!(bundle("transaction", "Patient?identifier=x|1"), "");
    assert_eq!(bundle("collection", "Patient?identifier=x|1"), "reference-format");
}

#[test]
fn a_search_parameter_can_be_evaluated() {
    let parameter = |changes: Value| {
        let mut body = json!({"resourceType": "SearchParameter", "url": "http://a.example/sp", "name": "X", "status": "draft",
            "description": "x", "code": "x", "base": ["Patient"], "type": "string", "expression": "Patient.name"});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        judged(&body)
    };
    assert_eq!(parameter(json!({})), "");
    assert_eq!(parameter(json!({"base": ["Resource"], "expression": "Resource.id"})), "");
    assert_eq!(parameter(json!({"expression": "Patient.name.where("})), "sp-expression");
    assert_eq!(parameter(json!({"expression": "a b"})), "sp-expression");
    assert_eq!(parameter(json!({"base": ["Flag"]})), "sp-expression");
    assert_eq!(parameter(json!({"type": "composite"})), "sp-component");
}

#[test]
fn a_map_to_a_system_that_is_not_known_is_not_judged() {
    let map = |system: &str| {
        judged(&json!({"resourceType": "ConceptMap", "status": "draft",
            "targetCanonical": "http://hl7.org/fhir/ValueSet/administrative-gender",
            "group": [{"target": system, "element": [{"code": "m", "target": [{"code": "nope", "equivalence": "equal"}]}]}]}))
    };
    assert_eq!(map("http://a.example/unknown"), "");
    assert_eq!(map("http://hl7.org/fhir/administrative-gender"), "cm-code");
}

#[test]
fn an_element_of_a_snapshot_has_a_type() {
    let model = |kind: Value| {
        let mut second = json!({"id": "X.a", "path": "X.a", "definition": "x", "min": 0, "max": "1",
            "base": {"path": "X.a", "min": 0, "max": "1"}});
        second["type"] = kind;
        let root = json!({"id": "X", "path": "X", "definition": "x", "min": 0, "max": "*", "base": {"path": "X", "min": 0, "max": "*"}});
        let mut body = json!({"resourceType": "StructureDefinition", "url": "http://a.example/X", "name": "X", "status": "draft",
            "kind": "logical", "abstract": false, "type": "http://a.example/X",
            "baseDefinition": format!("{CORE}Element"), "derivation": "specialization", "snapshot": {"element": [root, second]}});
        if body["snapshot"]["element"][1]["type"].is_null() {
            body["snapshot"]["element"][1].as_object_mut().unwrap().remove("type");
        }
        judged(&body)
    };
    assert!(!model(json!([{"code": "string"}])).contains("sd-type"));
    assert!(model(Value::Null).contains("sd-type"));
}

#[test]
fn only_an_extension_has_its_url_as_an_attribute() {
    let consent = |attribute: &str, element: &str| {
        let text = format!(
            "<DocumentReference xmlns='http://hl7.org/fhir'><status value='current'/><content><attachment {attribute}>{element}\
             <title value='x'/></attachment></content></DocumentReference>"
        );
        rules(&Validator::builtin().validate_xml(&text, &[]))
    };
    assert_eq!(consent("", "<url value='http://a.example/x'/>"), "");
    assert_eq!(consent("url='http://a.example/x'", ""), "xml-attribute");
}

#[test]
fn the_types_of_a_snapshot_are_those_of_the_base() {
    let profile = |code: &str| {
        let element = |path: &str| json!({"id": path, "path": path, "definition": "x", "min": 0, "max": "*", "base": {"path": path, "min": 0, "max": "*"}});
        let mut second = element("Flag.status");
        second["type"] = json!([{"code": code}]);
        let body = json!({"resourceType": "StructureDefinition", "url": "http://a.example/F", "name": "F", "status": "draft",
            "kind": "resource", "abstract": false, "type": "Flag", "baseDefinition": format!("{CORE}Flag"), "derivation": "constraint",
            "snapshot": {"element": [element("Flag"), second]},
            "differential": {"element": [{"id": "Flag", "path": "Flag", "short": "x"}]}});
        judged(&body)
    };
    assert!(!profile("code").contains("sd-type"));
    assert!(profile("string").contains("sd-type"));
}

#[test]
fn elements_of_a_narrative_stand_where_xhtml_has_them() {
    let narrative = |inner: &str| {
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>");
        judged(&json!({"resourceType": "Patient", "text": {"status": "generated", "div": div}}))
    };
    for sound in [
        "<ul> <li>x</li>\n</ul>",
        "<ul><!-- c --><li>x</li></ul>",
        "<table><caption>x</caption><tbody><tr><th>x</th></tr></tbody></table>",
        "<table><tr><td><b>x</b><ul><li><p>y</p></li></ul></td></tr></table>",
        "<dl><dt>a</dt><dd><p>x</p></dd></dl>",
        "<span><blockquote>x</blockquote></span>",
        "x<br/>y<hr/><img src='data:image/png;base64,AAAA'/>",
    ] {
        assert_eq!(narrative(sound), "", "{sound}");
    }
    for broken in [
        "<li>x</li>",
        "<tr><td>x</td></tr>",
        "<ul>x<li>y</li></ul>",
        "<table>x</table>",
        "<map name='m'>x</map>",
        "<br>x</br>",
        "<span><b><div>x</div></b></span>",
        "<b><i><b>x</b></i></b>",
        "<p><table><tr><td>x</td></tr></table></p>",
    ] {
        let found = narrative(broken);
        assert!(
            !found.is_empty() && found.split(' ').all(|rule| rule == "narrative-element"),
            "{broken}: {found}"
        );
    }
}
