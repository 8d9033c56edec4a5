//! JSON: the tree, the lossless value, and the validator.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sgw::fhir::json::{self, Limits};
use sgw::fhir::tree::Tree;
use sgw::validate::Validator;
use std::sync::LazyLock;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(Validator::builtin);

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let value = json::parse(bytes, &limits);
    let Ok(text) = json::text(bytes, &limits) else { return };
    let tree = Tree::from_json(text, &limits);
    if let (Ok(value), Ok(tree)) = (&value, &tree) {
        // What both accept is the same document.
        assert_eq!(tree.resource_type(tree.root()), value.get("resourceType").and_then(|name| name.as_str()));
    }
    let _ = VALIDATOR.validate_json(text, &[]);
});
