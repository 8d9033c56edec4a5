//! CSV files, converted by the mapping that their header asks for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sgw::convert::{Format, Mappings};

fuzz_target!(|bytes: &[u8]| {
    let builtin = Mappings::builtin();
    let known = builtin.recognise(bytes).filter(|mapping| mapping.format == Format::Csv);
    let Some(mapping) = known.or(builtin.get("emis-problems")) else { return };
    sgw_fuzz::convert(bytes, mapping);
});
