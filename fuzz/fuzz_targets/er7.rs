//! HL7 v2 messages in ER7: the reader, the header that acknowledgements need, and the conversion.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use sgw::api::mllp::header::Header;
use sgw::convert::{Context, Source, charset, convert_each, er7, Mappings};

fuzz_target!(|bytes: &[u8]| {
    let _ = Header::read(bytes);
    if let Ok(text) = charset::decode(bytes) {
        let _ = er7::read(&text, &Default::default());
    }
    let Some(mapping) = Mappings::builtin().get("hl7v2-adt") else { return };
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
