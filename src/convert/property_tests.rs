use super::tests::{context, source};
use super::{Format, Limits, Mappings, convert, convert_each, er7};
use proptest::prelude::*;

/// Counts the values of a message by splitting alone, apart from the reader.
fn naive_count(text: &str, delimiters: [char; 4]) -> usize {
    let [field, component, repetition, sub] = delimiters;
    let mut count = 0;
    for line in text.split('\r').filter(|l| !l.is_empty()) {
        for (number, text) in line.split(field).enumerate().skip(1) {
            // After splitting, MSH-2 is the first piece behind the name.
            if line.starts_with("MSH") && number == 1 {
                continue;
            }
            count += text.split([repetition, component, sub]).filter(|v| !v.is_empty()).count();
        }
    }
    count
}

const DELIMITERS: [[char; 4]; 3] = [['|', '^', '~', '&'], ['*', ':', '+', '!'], ['#', '@', '%', '$']];

prop_compose! {
    fn message()(
        choice in 0usize..3,
        event in prop::sample::select(vec!["A08", "A01", "A31", "Q99"]),
        lines in prop::collection::vec(
            (prop::sample::select(vec!["PID", "OBX", "ZSG", "AL1", "DG1", "NTE", "PV2", "CON", "ZZZ", "ARV"]),
             prop::collection::vec("[|^~&*:+!#@%$a-zA-Z0-9 éŵ\"]{0,12}", 0..24)),
            0..12),
    ) -> (String, [char; 4]) {
        let d = DELIMITERS[choice];
        let [field, component, repetition, sub] = d;
        let all: Vec<char> = DELIMITERS.iter().flatten().copied().collect();
        let mut text = format!("MSH{field}{component}{repetition}\\{sub}{field}A{field}B{field}{field}{field}2026{field}{field}ADT{component}{event}{field}1");
        for (name, fields) in lines {
            text.push('\r');
            text.push_str(name);
            for value in fields {
                text.push(field);
                // Other sets' delimiters become this set's, so that every kind of structure occurs.
                text.extend(value.chars().map(|c| match all.iter().position(|a| *a == c) {
                    Some(i) => [field, component, repetition, sub][i % 4],
                    None => c,
                }));
            }
        }
        text.push('\r');
        (text, d)
    }
}

proptest! {
    #[test]
    fn every_value_of_a_message_has_one_entry((text, delimiters) in message()) {
        let mapping = Mappings::builtin().get("hl7v2-adt").unwrap();
        let converted = convert(text.as_bytes(), &source(Format::Hl7v2, "hl7v2-adt"), mapping, &context()).unwrap();
        let summary = converted.ledger.summary();
        prop_assert_eq!(summary.values, naive_count(&text, delimiters));
        prop_assert_eq!(summary.values, summary.mapped + summary.carried + summary.dropped);
        prop_assert_eq!(converted.ledger.entries().count(), summary.values);
        let places: std::collections::HashSet<String> = converted.ledger.entries().map(|e| e.at).collect();
        prop_assert_eq!(places.len(), summary.values);
    }

    #[test]
    fn no_bytes_make_a_conversion_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0usize..15) {
        let mappings = Mappings::builtin().all();
        let mapping = mappings[which % mappings.len()];
        let _ = convert_each(&bytes, &source(mapping.format, &mapping.id), mapping, &context(), &mut |_| {});
    }

    #[test]
    fn no_text_makes_the_mapping_compiler_panic(text in "[a-z:{}\\[\\]\\-. \n\"|>]{0,200}") {
        let _ = super::compile::compile(&text, super::built_in_concerns());
    }

    #[test]
    fn every_scalar_of_a_document_has_one_entry(names in prop::collection::vec("[a-z]{1,6}", 1..20), values in prop::collection::vec("[ -~]{0,10}", 1..20)) {
        let mut object = serde_json::Map::new();
        for (name, value) in names.iter().zip(&values) {
            object.insert(name.clone(), serde_json::json!([value, {"n": 1.50, "b": true, "x": null}]));
        }
        let count = object.values().map(|v| 2 + usize::from(v[0] != "")).sum::<usize>();
        let value = serde_json::Value::Object(object);
        let tree = super::json::tree(&value, &Limits::default()).unwrap();
        prop_assert_eq!(tree.values().count(), count);
    }
}

#[test]
fn a_batch_is_converted_message_by_message_and_its_envelope_is_accounted_for() {
    let one = |id: &str, number: &str| {
        format!(
            "MSH|^~\\&|PAS|RXX|||2026||ADT^A08|{id}|P|2.4\rPID|1||{number}^^^NHS^NH\rOBX|1|CE|CPALERT||CP||||||F|||20260101\r"
        )
    };
    let text = format!(
        "FHS|^~\\&|PAS\rBHS|^~\\&|PAS\r{}{}BTS|2\rFTS|1\r",
        one("1", "9000000009"),
        one("2", "9000000017")
    );
    let mapping = Mappings::builtin().get("hl7v2-adt").unwrap();
    let (mut keys, mut values) = (Vec::new(), 0);
    convert_each(text.as_bytes(), &source(Format::Hl7v2, "hl7v2-adt"), mapping, &context(), &mut |c| {
        let c = c.unwrap();
        values += c.ledger.summary().values;
        keys.push(c.patient_key.unwrap());
    })
    .unwrap();
    assert_eq!(keys, ["nhs:9000000009", "nhs:9000000017"]);
    assert_eq!(values, naive_count(&text, ['|', '^', '~', '&']) - 2);
    let single = convert(text.as_bytes(), &source(Format::Hl7v2, "hl7v2-adt"), mapping, &context());
    assert!(matches!(single, Err(super::Unreadable::ManyRecords { records: 2 })));
    assert!(er7::read("BTS|2", &Limits::default()).is_err());
}

#[test]
fn a_suppliers_new_segment_needs_only_a_mapping_file() {
    let guide = include_str!("../../docs/formats/mapping-guide.md");
    let yaml = guide.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let mapping = super::compile::compile(yaml, super::built_in_concerns()).unwrap();
    let message = |code: &str, rest: &str| {
        format!(
            "MSH|^~\\&|N|N|||20261121||ADT^A08|1|P|2.4\rPID|1||9000000009^^^NHS\rZAL|7|{code}|On a plan|20261101{rest}\r"
        )
    };
    let send = |text: String| {
        convert(text.as_bytes(), &source(Format::Hl7v2, &mapping.id), &mapping, &context()).unwrap()
    };
    let begun = send(message("CP1", ""));
    assert!(!begun.refused(), "{:?}", begun.issues);
    let ended = send(message("CP0", "|20261120"));
    assert!(!ended.refused(), "{:?}", ended.issues);
    let flag = |c: &super::Converted| {
        let entries = c.bundle["entry"].as_array().unwrap();
        entries.iter().map(|e| e["resource"].clone()).find(|r| r["resourceType"] == "Flag").unwrap()
    };
    assert_eq!(flag(&begun)["id"], flag(&ended)["id"]);
    assert_eq!((&flag(&begun)["status"], &flag(&ended)["status"]), (&"active".into(), &"inactive".into()));
    let broken = yaml
        .replace("CP0: {ends: CP1}", "CP0: {ends: CP9}")
        .replace("-from, as: date-time", "-form, as: date");
    let errors = super::compile::compile(&broken, super::built_in_concerns()).unwrap_err();
    assert_eq!(errors.len(), 2);
    assert!(errors.iter().all(|e| e.place.line > 0 && e.place.column > 0), "{errors:?}");
}

#[test]
fn the_schema_of_mapping_files_takes_those_that_are_shipped() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../profiles/schemas/mapping.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (id, text) in Mappings::builtin_texts() {
        let value = crate::document::Node::from_yaml(text).unwrap().to_json();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{id}: {errors:#?}");
    }
}
