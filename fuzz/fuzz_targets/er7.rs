//! HL7 v2 messages in ER7: the reader, the header that acknowledgements need, and the conversion.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sgw::api::mllp::header::Header;
use sgw::convert::{Mappings, charset, er7};

fuzz_target!(|bytes: &[u8]| {
    let _ = Header::read(bytes);
    if let Ok(text) = charset::decode(bytes) {
        let _ = er7::read(&text, &Default::default());
    }
    let Some(mapping) = Mappings::builtin().get("hl7v2-adt") else { return };
    sgw_fuzz::convert(bytes, mapping);
});
