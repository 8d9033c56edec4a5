//! Questionnaires and their responses, through the validator.

use serde_json::{Value, json};
use sgw::definitions::Definitions;
use sgw::validate::{Settings, Validator};

fn questionnaire() -> Value {
    json!({"resourceType": "Questionnaire", "url": "urn:uuid:4c1a4d04-9f6c-4f0c-9c9b-7d3c2f9b7a01", "status": "active",
        "item": [
            {"linkId": "g", "type": "group", "item": [
                {"linkId": "safe", "type": "boolean", "required": true},
                {"linkId": "why", "type": "string", "maxLength": 5,
                    "enableWhen": [{"question": "safe", "operator": "=", "answerBoolean": false}]}]},
            {"linkId": "n", "type": "choice", "answerOption": [{"valueInteger": 1}, {"valueInteger": 2}]}]})
}

fn rules(validator: &Validator, resource: &Value) -> Vec<String> {
    let report = validator.validate_value(resource, &[]);
    let found = report.issues.iter().filter(|issue| issue.severity.refuses());
    found.map(|issue| format!("{} {}", issue.rule, issue.expression)).collect()
}

#[test]
fn a_response_follows_its_questionnaire() {
    let loaded = Definitions::with_resources([("q".to_owned(), questionnaire())]).unwrap();
    let validator = Validator::with(loaded.definitions, Settings::default());
    let response = |item: Value| {
        json!({"resourceType": "QuestionnaireResponse", "status": "completed",
            "questionnaire": "urn:uuid:4c1a4d04-9f6c-4f0c-9c9b-7d3c2f9b7a01", "item": item})
    };
    let group = |items: Value| json!([{"linkId": "g", "item": items}]);
    let safe = |value: bool| json!({"linkId": "safe", "answer": [{"valueBoolean": value}]});
    let why = |text: &str| json!({"linkId": "why", "answer": [{"valueString": text}]});
    for good in [
        group(json!([safe(true)])),
        group(json!([safe(false), why("noise")])),
        json!([{"linkId": "g", "item": [safe(true)]}, {"linkId": "n", "answer": [{"valueInteger": 2}]}]),
    ] {
        assert_eq!(rules(&validator, &response(good.clone())), Vec::<String>::new(), "{good}");
    }
    for bad in [
        json!([{"linkId": "x"}, {"linkId": "g", "item": [safe(true)]}]),
        group(json!([why("noise")])),
        group(json!([safe(true), why("noise")])),
        group(json!([safe(false), why("too long")])),
        group(json!([{"linkId": "safe", "answer": [{"valueString": "yes"}]}])),
        group(json!([{"linkId": "safe", "answer": [{"valueBoolean": true}, {"valueBoolean": false}]}])),
        json!([{"linkId": "g", "item": [safe(true)]}, {"linkId": "n", "answer": [{"valueInteger": 3}]}]),
        json!([{"linkId": "safe", "answer": [{"valueBoolean": true}]}, {"linkId": "g", "item": [safe(true)]}]),
    ] {
        let found = rules(&validator, &response(bad.clone()));
        assert!(found.iter().any(|rule| rule.starts_with("qr-item")), "{bad}: {found:?}");
    }
}

#[test]
fn the_conditions_of_a_questionnaire_name_its_questions() {
    let validator = Validator::builtin();
    assert_eq!(rules(&validator, &questionnaire()), Vec::<String>::new());
    let mut lost = questionnaire();
    lost["item"][0]["item"][1]["enableWhen"][0]["question"] = "nobody".into();
    let mut itself = questionnaire();
    itself["item"][0]["item"][1]["enableWhen"][0]["question"] = "why".into();
    let mut other = questionnaire();
    other["item"][1]["answerOption"][0] = json!({"valueInteger": 1});
    other["item"][1]["type"] = "boolean".into();
    for bad in [lost, itself, other] {
        // Some are errors and some are warnings.
        let found = validator.validate_value(&bad, &[]).issues;
        assert!(found.iter().any(|issue| issue.rule == "q-item"), "{found:?}");
    }
}
