//! Damaged input: readers answer, never panic, and agree with independent parsers about what is JSON and XML.

use serde_json::Value;
use sgw::definitions::{Definitions, node_json, resource_json};
use sgw::fhir::json::{self, Limits};
use sgw::fhir::tree::Tree;

/// A small generator of numbers that is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

const BITS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0041",
    "\\ud800",
    "null",
    "true",
    "-",
    "0",
    "1e5",
    "1.50",
    "_",
    "é",
    "\u{1}",
    "<",
    ">",
    "/>",
    "</",
    "=",
    "'",
    "&amp;",
    "&x;",
    "&#65;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?x?>",
    "<!DOCTYPE a>",
    "xmlns=\"urn:x\"",
    "xmlns:a=\"urn:a\"",
    "a:",
    "id=\"1\"",
    "value=\"\"",
    " ",
    "\n",
    "div",
    "😀",
];

fn mutate(dice: &mut Dice, seed: &str) -> String {
    let mut text: Vec<char> = seed.chars().collect();
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(text.len() + 1);
        match dice.roll(5) {
            0 if at < text.len() => {
                text.remove(at);
            }
            1 => text.truncate(at),
            2 => {
                let (from, length) = (dice.roll(text.len() + 1), dice.roll(20));
                let copy: Vec<char> = text.iter().skip(from).take(length).copied().collect();
                text.splice(at..at, copy);
            }
            _ => {
                let bit: Vec<char> = BITS[dice.roll(BITS.len())].chars().collect();
                text.splice(at..at, bit);
            }
        }
    }
    text.into_iter().collect()
}

const JSON: &[&str] = &[
    r#"{"resourceType":"Flag","id":"a","meta":{"profile":["urn:x"]},"status":"active","_status":{"id":"s"},
      "category":[{"coding":[{"system":"urn:y","code":"c"}]}],"period":{"start":"2026-01-01"},
      "extension":[{"url":"urn:e","valueDecimal":1.50},{"url":"urn:f","valueBoolean":true}]}"#,
    r#"{"resourceType":"Patient","name":[{"given":["A",null,"B\u00e9\n"],"_given":[null,{"id":"x"},null]}],
      "contained":[{"resourceType":"Organization","active":false}],"multipleBirthInteger":-0}"#,
];

#[test]
fn damaged_json_is_read_as_an_independent_parser_reads_it() {
    let mut dice = Dice(0x5eed_2026);
    let (mut accepted, rounds) = (0, 8_000);
    for round in 0..rounds {
        let text = mutate(&mut dice, JSON[round % JSON.len()]);
        let tree = Tree::from_json(&text, &Limits::DEFAULT);
        let value = json::parse_str(&text, &Limits::DEFAULT);
        let other: Result<Value, _> = serde_json::from_str(&text);
        match (&value, &other) {
            (Ok(ours), Ok(theirs)) => assert!(alike(ours, theirs), "{text}"),
            (Err(error), Ok(_)) => assert_eq!(error.rule, "duplicate-key", "{text}"),
            (Ok(_), Err(error)) => panic!("only serde_json refuses ({error}): {text}"),
            (Err(_), Err(_)) => {}
        }
        match tree {
            Ok(tree) => {
                accepted += 1;
                assert!(value.is_ok() || value.as_ref().is_err_and(|e| e.rule == "duplicate-key"), "{text}");
                if let Ok(value) = &value {
                    let again = Tree::from_value(value);
                    assert_eq!(again.len(), tree.len(), "{text}");
                    if tree.problems().is_empty() {
                        assert_eq!(node_json(&Definitions::builtin(), &tree, tree.root()), *value, "{text}");
                    }
                }
                for node in tree.all() {
                    assert!(!tree.location(node).is_empty() && tree.position(node).is_some());
                }
            }
            Err(error) => assert!(value.is_err() || error.rule == "not-a-resource", "{error}: {text}"),
        }
    }
    println!("{accepted} of {rounds} texts were read as a tree");
}

/// Equal, but for the sign that serde_json writes into an exponent (we keep a number's text).
fn alike(ours: &Value, theirs: &Value) -> bool {
    let bare = |text: String| text.replace("e+", "e").replace("E+", "E");
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| alike(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Number(a), Value::Number(b)) => bare(a.to_string()) == bare(b.to_string()),
        (a, b) => a == b,
    }
}

const XML: &[&str] = &[
    "<?xml version=\"1.0\"?><Flag xmlns=\"http://hl7.org/fhir\"><id value=\"a\"/><text><status value=\"generated\"/>\
     <div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x &amp; <b>y</b></p></div></text><extension url=\"urn:e\">\
     <valueDecimal value=\"1.50\"/></extension><status id=\"s\" value=\"active\"/></Flag>",
    "<f:Bundle xmlns:f=\"http://hl7.org/fhir\"><!-- c --><f:type value='batch'/><f:entry><f:resource><f:Patient>\
     <f:name><f:given value=\"A&#66;\"/><f:given value=\"C\"/></f:name></f:Patient></f:resource></f:entry></f:Bundle>",
];

#[test]
fn damaged_xml_is_refused_where_an_independent_parser_refuses_it() {
    let mut dice = Dice(0x5eed_2027);
    let (mut accepted, rounds) = (0, 8_000);
    let mut lenient = Vec::new();
    let mut strict = Vec::new();
    for round in 0..rounds {
        let text = mutate(&mut dice, XML[round % XML.len()]);
        let tree = Tree::from_xml(&text, &Limits::DEFAULT);
        let other = roxmltree::Document::parse(&text);
        match (&tree, &other) {
            (Ok(_), Err(error)) => lenient.push(format!("{error}: {text}")),
            (Err(error), Ok(_)) => strict.push(format!("{error}: {text}")),
            _ => {}
        }
        if let Ok(tree) = tree {
            accepted += 1;
            let value = resource_json(&Definitions::builtin(), &tree);
            assert!(value.is_object());
            for node in tree.all() {
                assert!(!tree.location(node).is_empty() && tree.position(node).is_some());
            }
        }
    }
    println!(
        "{accepted} of {rounds} texts were read; {} only by us, {} only by roxmltree",
        lenient.len(),
        strict.len()
    );
    for one in lenient.iter().take(8).chain(strict.iter().take(8)) {
        println!("   {one}");
    }
    // What roxmltree lets pass: processing instructions without a sound target, versions such as `1.`.
    assert!(lenient.is_empty() && strict.len() * 100 < rounds);
}

#[test]
fn damaged_definitions_are_named_and_never_panic() {
    let mut dice = Dice(0x5eed_2028);
    let builtin = Definitions::builtin();
    let seeds: Vec<Value> = ["bp", "patient-genderIdentity", "bodyweight", "hdlcholesterol"]
        .iter()
        .filter_map(|name| {
            builtin
                .resource("StructureDefinition", &format!("http://hl7.org/fhir/StructureDefinition/{name}"))
        })
        .map(|artefact| {
            let mut body = artefact.body.clone();
            body["url"] = "urn:damaged".into();
            body.as_object_mut().map(|members| members.remove("snapshot"));
            body
        })
        .collect();
    let (mut loaded, rounds) = (0, 120);
    for round in 0..rounds {
        let mut body = seeds[round % seeds.len()].clone();
        for _ in 0..=dice.roll(3) {
            damage(&mut dice, &mut body, 0);
        }
        match Definitions::with_resources([("damaged".to_owned(), body)]) {
            Ok(_) => loaded += 1,
            Err(error) => assert!(error.to_string().contains("damaged"), "{error}"),
        }
    }
    println!("{loaded} of {rounds} damaged definitions could still be used");
}

fn damage(dice: &mut Dice, value: &mut Value, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let name = map.keys().nth(dice.roll(map.len())).cloned().unwrap();
            match dice.roll(if depth == 0 { 40 } else { 6 }) {
                0 => {
                    map.remove(&name);
                }
                1 => {
                    map.insert(name, Value::Null);
                }
                2 => {
                    map.insert(name, "wrong".into());
                }
                _ => damage(dice, &mut map[&name], depth + 1),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = dice.roll(items.len());
            match dice.roll(8) {
                0 => {
                    items.remove(at);
                }
                1 => {
                    let copy = items[at].clone();
                    items.push(copy);
                }
                _ => damage(dice, &mut items[at], depth + 1),
            }
        }
        Value::String(text) => *text = mutate(dice, text),
        other => *other = Value::Bool(true),
    }
}
