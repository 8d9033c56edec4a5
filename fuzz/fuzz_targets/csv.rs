//! CSV files, converted by the mapping that their header asks for.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use sgw::convert::Format;use sgw::convert::{Context, Source, convert_each, Mappings};

fuzz_target!(|bytes: &[u8]| {
    let builtin = Mappings::builtin();
    let known = builtin.recognise(bytes).filter(|mapping| mapping.format == Format::Csv);
    let Some(mapping) = known.or(builtin.get("emis-problems")) else { return };
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
