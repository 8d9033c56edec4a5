//! Definitions from outside: loading, snapshots, value sets, and validating with them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sgw::definitions::Definitions;
use sgw::validate::{Settings, Validator};

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    let url = value.get("url").and_then(|url| url.as_str()).unwrap_or("").to_owned();
    let Ok(loaded) = Definitions::with_resources([("fuzz".to_owned(), value)]) else { return };
    let _ = loaded.definitions.value_set(&url);
    let _ = loaded.definitions.structure(&url);
    let validator = Validator::with(loaded.definitions, Settings::default());
    let _ = validator.validate_json(r#"{"resourceType":"Flag","status":"active"}"#, &[&url]);
});
