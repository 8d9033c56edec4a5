//! FHIRPath: parsing, checking, and evaluating within a budget; both ways to evaluate agree.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use sgw::definitions::{Definitions, FhirTypes};
use sgw::fhir::{json::Limits, tree::Tree};
use sgw::fhirpath::{Environment, Expression, Item, ucum};

const PATIENT: &str = r##"{"resourceType":"Patient","id":"a","birthDate":"1974-12-25","name":[{"given":["A","B"],
"period":{"start":"2001"}}],"multipleBirthInteger":2,"contained":[{"resourceType":"Organization","id":"o"}],
"managingOrganization":{"reference":"#o"}}"##;

fuzz_target!(|text: &str| {
    let _ = ucum::check(text);
    let Ok(expression) = Expression::parse(text) else { return };
    let _ = expression.check(FhirTypes::get(), Some("Patient"));
    let Ok(tree) = Tree::from_json(PATIENT, &Limits::default()) else { return };
    let definitions = Definitions::builtin();
    let environment =
        Environment { fuel: 20_000, ..Environment::new(FhirTypes::get(), &*definitions, Timestamp::UNIX_EPOCH) };
    let items = expression.evaluate(&tree, tree.root(), &environment);
    let truth = expression.evaluate_boolean(&tree, tree.root(), &environment);
    if let (Ok(items), Ok(truth)) = (items, truth)
        && let [Item::Boolean(value)] = items.as_slice()
    {
        assert_eq!(Some(*value), truth);
    }
});
