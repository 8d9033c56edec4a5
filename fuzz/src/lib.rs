//! What the targets of the payload formats share.

use jiff::Timestamp;
use sgw::convert::{Context, Mapping, Source, convert_each};

/// Converts a payload by a mapping, as a registered source that sends it would have it converted.
pub fn convert(payload: &[u8], mapping: &Mapping) {
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
    let _ = convert_each(payload, &source, mapping, &context, &mut |_| {});
}
