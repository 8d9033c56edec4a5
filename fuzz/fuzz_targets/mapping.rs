//! Mapping files: compiling them, and converting with what compiles.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sgw::convert::{Format, built_in_concerns, compile};

const ER7: &[u8] = b"MSH|^~\\&|PAS|RZZ01|SGW|X|20260101120000||ADT^A08|1|P|2.4\rPID|1||9000000009^^^NHS^NH||Example^Ada\r";
const CSV: &[u8] = b"nhs_number,code,date\n9000000009,13Iv,2026-01-01\n";
const JSON: &[u8] = br#"{"subject":{"nhsNumber":"9000000009"},"items":[{"code":"a"},{"code":"b"}]}"#;
const XML: &[u8] = b"<a><b c='1'>x</b><b>y</b></a>";

fuzz_target!(|text: &str| {
    let Ok(mapping) = compile::compile(text, built_in_concerns()) else { return };
    let payload = match mapping.format {
        Format::Hl7v2 => ER7,
        Format::Csv => CSV,
        Format::Xml => XML,
        _ => JSON,
    };
    sgw_fuzz::convert(payload, &mapping);
});
