//! CDA documents, converted by the built-in mapping.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sgw::convert::Mappings;

fuzz_target!(|bytes: &[u8]| {
    let Some(mapping) = Mappings::builtin().get("cda") else { return };
    sgw_fuzz::convert(bytes, mapping);
});
