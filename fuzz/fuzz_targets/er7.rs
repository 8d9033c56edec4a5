//! HL7 v2 messages in ER7.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sgw::convert::{charset, er7};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = charset::decode(bytes) {
        let _ = er7::read(&text, &Default::default());
    }
});
