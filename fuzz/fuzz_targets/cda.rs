//! CDA documents, converted by the built-in mapping.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use sgw::convert::{Context, Source, convert_each, Mappings};

fuzz_target!(|bytes: &[u8]| {
    let Some(mapping) = Mappings::builtin().get("cda") else { return };
    let source = Source {
        id: "fuzz".into(),
        organisation: "RZZ01".into(),
        name: "Fuzz".into(),
        format: mapping.format,
        mapping: mapping.id.clone(),
        lawful_basis: vec!["ca2004-s11".into()],
        tier: None,
    };
    let context = Context::new(Timestamp::UNIX_EPOCH, "fuzz");
    let _ = convert_each(bytes, &source, mapping, &context, &mut |_| {});
});
