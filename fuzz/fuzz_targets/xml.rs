//! XML: the tree and the validator.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sgw::fhir::{json::Limits, tree::Tree, xml};
use sgw::validate::Validator;
use std::sync::LazyLock;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(Validator::builtin);

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = xml::text(bytes) else { return };
    let _ = Tree::from_xml(&text, &Limits::default());
    let _ = VALIDATOR.validate_xml(&text, &[]);
});
