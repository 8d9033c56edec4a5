//! What is read from outside does no harm: the seeds of the fuzz targets and thousands of mutants of them are read
//! without a panic and in bounded time. `fuzz/` does the same for longer, with a nightly compiler; here
//! `SGW_HARDNESS_ROUNDS` (60) mutants are made of every seed.

use crate::differential::random::Random;
use bytes::BytesMut;
use jiff::Timestamp;
use sgw::api::mllp::frame::Frames;
use sgw::convert::{Context, Mappings, Source, built_in_concerns, charset, compile, convert_each, er7};
use sgw::definitions::{Definitions, FhirTypes};
use sgw::fhir::json::{self, Limits};
use sgw::fhir::tree::Tree;
use sgw::fhir::xml;
use sgw::fhirpath::{Environment, Expression, ucum};
use sgw::validate::{Settings, Validator};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::codec::Decoder;

fn mutated(seed: &[u8], random: &mut Random) -> Vec<u8> {
    const PIECES: [&str; 20] = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "null",
        "<a>",
        "</a>",
        "&#0;",
        "<![CDATA[",
        "\\u0000",
        "1e999",
        "|",
        "^~\\&",
        "(((",
        "-",
        "\u{feff}",
        "é",
    ];
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(5) {
            0 if at < bytes.len() => bytes[at] = random.next() as u8,
            1 if at < bytes.len() => {
                let end = (at + 1 + random.below(24)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let piece = random.pick(&PIECES).as_bytes();
                bytes.splice(at..at, piece.iter().copied());
            }
            3 if at < bytes.len() => {
                let end = (at + 1 + random.below(64)).min(bytes.len());
                let again = bytes[at..end].repeat(1 + random.below(40));
                bytes.splice(at..at, again);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn each(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let rounds = std::env::var("SGW_HARDNESS_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut random = Random::new(7);
    for file in files {
        let seed = std::fs::read(&file).unwrap();
        run(&seed);
        for _ in 0..rounds {
            let bytes = mutated(&seed, &mut random);
            let start = Instant::now();
            run(&bytes);
            assert!(start.elapsed() < Duration::from_secs(20), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn json_does_no_harm() {
    let validator = Validator::builtin();
    each("json", |bytes| {
        let limits = Limits::default();
        let value = json::parse(bytes, &limits);
        let Ok(text) = json::text(bytes, &limits) else { return };
        if let (Ok(value), Ok(tree)) = (value, Tree::from_json(text, &limits)) {
            assert_eq!(tree.resource_type(tree.root()), value["resourceType"].as_str());
        }
        validator.validate_json(text, &[]);
    });
}

#[test]
fn xml_does_no_harm() {
    let validator = Validator::builtin();
    each("xml", |bytes| {
        if let Ok(text) = xml::text(bytes) {
            validator.validate_xml(&text, &[]);
        }
    });
}

#[test]
fn expressions_do_no_harm() {
    let definitions = Definitions::builtin();
    let tree = Tree::from_json(r#"{"resourceType":"Patient","name":[{"given":["A"]}]}"#, &Limits::default())
        .unwrap();
    each("fhirpath", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let _ = ucum::check(&text);
        let Ok(expression) = Expression::parse(&text) else { return };
        let environment = Environment {
            fuel: 20_000,
            ..Environment::new(FhirTypes::get(), &*definitions, Timestamp::UNIX_EPOCH)
        };
        let _ = expression.check(FhirTypes::get(), Some("Patient"));
        let _ = expression.evaluate(&tree, tree.root(), &environment);
    });
}

#[test]
fn definitions_do_no_harm() {
    each("definitions", |bytes| {
        let Ok(value) = json::parse(bytes, &Limits::default()) else { return };
        let url = value["url"].as_str().unwrap_or("").to_owned();
        let Ok(loaded) = Definitions::with_resources([("seed".to_owned(), value)]) else { return };
        let _ = loaded.definitions.value_set(&url);
        let _ = loaded.definitions.structure(&url);
        let validator = Validator::with(loaded.definitions, Settings::default());
        validator.validate_json(r#"{"resourceType":"Flag","status":"active"}"#, &[&url]);
    });
}

#[test]
fn messages_do_no_harm() {
    each("er7", |bytes| {
        if let Ok(text) = charset::decode(bytes) {
            let _ = er7::read(&text, &Default::default());
        }
    });
}

/// Converts by the mapping that the payload asks for, or by this one.
fn converts(target: &str, otherwise: &str) {
    let mappings = Mappings::builtin();
    each(target, |bytes| {
        let mapping = mappings.recognise(bytes).or(mappings.get(otherwise)).unwrap();
        let source = Source {
            id: "seed".into(),
            organisation: "RZZ01".into(),
            name: "Seed".into(),
            format: mapping.format,
            mapping: mapping.id.clone(),
            lawful_basis: vec!["ca2004-s11".into()],
            tier: None,
        };
        let context = Context::new(Timestamp::UNIX_EPOCH, "seed");
        let _ = convert_each(bytes, &source, mapping, &context, &mut |_| {});
    });
}

#[test]
fn submissions_do_no_harm() {
    converts("er7", "hl7v2-adt");
    converts("cda", "cda");
    converts("csv", "emis-problems");
}

#[test]
fn mapping_files_do_no_harm() {
    each("mapping", |bytes| {
        let _ = compile::compile(&String::from_utf8_lossy(bytes), built_in_concerns());
    });
}

#[test]
fn frames_are_the_same_however_their_bytes_arrive() {
    let frames = |bytes: &[u8], piece: usize| {
        let (mut codec, mut buffer, mut found) = (Frames::new(512), BytesMut::new(), Vec::new());
        for part in bytes.chunks(piece) {
            buffer.extend_from_slice(part);
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(frame)) => found.push(frame.to_vec()),
                    Ok(None) => break,
                    Err(_) => return (found, true),
                }
            }
        }
        (found, false)
    };
    each("mllp", |bytes| {
        let whole = frames(bytes, bytes.len().max(1));
        assert_eq!(whole, frames(bytes, 1));
        assert_eq!(whole, frames(bytes, 7));
    });
}
