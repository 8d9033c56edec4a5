//! What redaction leaves, element by element.

use super::dataset::Dataset;
use super::permit::{ReleaseError, Released};
use super::release::{Place, apply};
use crate::fhir::systems;
use serde_json::{Value, json};

const REDACTED: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

fn flag() -> Value {
    json!({"resourceType": "Flag", "id": "f", "meta": {"versionId": "3"}, "implicitRules": "https://r.example",
        "language": "en", "modifierExtension": [{"url": "https://m.example", "valueBoolean": true}],
        "text": {"status": "generated", "div": "<div>x</div>"},
        "extension": [{"url": "https://x.example/kept", "valueCode": "a"}, {"url": "https://x.example/gone", "valueCode": "b"}],
        "status": "active", "_status": {"id": "s"},
        "category": [{"coding": [{"system": "https://c.example", "code": "c", "display": "C"}], "text": "c"}, {"text": "only words"}],
        "code": {"coding": [{"system": "https://c.example", "code": "x", "display": "X"}], "text": "words"},
        "subject": {"reference": "Patient/p", "display": "A Name"}})
}

fn minimum(elements: &[&str]) -> Dataset {
    let elements: Vec<String> = elements.iter().map(|element| (*element).to_owned()).collect();
    Dataset::compile("Flag", &elements).unwrap()
}

fn masks(paths: &[&str]) -> Vec<Vec<String>> {
    paths.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect()
}

fn copy(resource: &Value, dataset: &Dataset, masked: &[&str], place: Place) -> Released {
    apply(resource, dataset, &masks(masked), place, false).unwrap()
}

/// The copy without the labels that say it is one.
fn bare(released: &Released) -> Value {
    let mut resource = released.resource.clone();
    resource.as_object_mut().unwrap().shift_remove("meta");
    resource
}

#[test]
fn what_a_dataset_does_not_name_goes_and_what_a_copy_needs_stays() {
    let whole = copy(&flag(), &Dataset::everything(), &[], Place::Exact);
    assert!(!whole.redacted && whole.obligations.is_empty());
    assert_eq!(whole.resource, flag());
    let narrow = copy(
        &flag(),
        &minimum(&[
            "category.coding.code",
            "code.coding",
            "subject.reference",
            "extension(https://x.example/kept)",
        ]),
        &[],
        Place::Exact,
    );
    assert_eq!(
        bare(&narrow),
        json!({"resourceType": "Flag", "id": "f", "implicitRules": "https://r.example", "language": "en",
            "modifierExtension": [{"url": "https://m.example", "valueBoolean": true}],
            "extension": [{"url": "https://x.example/kept", "valueCode": "a"}],
            "status": "active", "_status": {"id": "s"},
            "category": [{"coding": [{"code": "c"}]}],
            "code": {"coding": [{"system": "https://c.example", "code": "x", "display": "X"}]},
            "subject": {"reference": "Patient/p"}})
    );
    assert_eq!(narrow.obligations, ["minimum-dataset"]);
    assert_eq!(
        narrow.resource["meta"],
        json!({"versionId": "3", "security": [{"system": REDACTED, "code": "REDACTED"}],
            "tag": [{"system": REDACTED, "code": "SUBSETTED"}]})
    );
    // No extension named, or all: none, or all.
    let none = copy(&flag(), &minimum(&["status"]), &[], Place::Exact);
    assert!(none.resource.get("extension").is_none() && none.redacted);
    let all = copy(&flag(), &minimum(&["extension"]), &[], Place::Exact);
    assert_eq!(all.resource["extension"].as_array().unwrap().len(), 2);
    // Nothing to leave out: nothing was redacted, and the narrative stays.
    let plain = json!({"resourceType": "Flag", "id": "f", "status": "active", "code": {"text": "x"},
        "subject": {"reference": "Patient/p"}, "extension": [{"url": "https://x.example/kept", "valueCode": "a"}],
        "category": [{"text": "c"}]});
    let same =
        copy(&plain, &minimum(&["category.text", "extension(https://x.example/kept)"]), &[], Place::Exact);
    assert!(!same.redacted && same.obligations.is_empty() && same.resource == plain);
    for (path, left) in [("status.value", None), ("category.nothing", None), ("category.coding", Some(1))] {
        let copy = copy(&plain_with_two_codings(), &minimum(&[path]), &[], Place::Exact);
        assert!(copy.redacted, "{path}");
        let name = path.split('.').next().unwrap();
        assert_eq!(copy.resource.get(name).map(|value| value.as_array().map_or(0, Vec::len)), left, "{path}");
    }
}

fn plain_with_two_codings() -> Value {
    json!({"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": {"reference": "Patient/p"},
        "category": [{"coding": [{"code": "c"}]}, {"text": "words"}]})
}

#[test]
fn a_masked_element_says_that_it_is_masked() {
    let masked = json!({"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]});
    let mut resource = flag();
    resource["note"] = json!([{"text": "one"}, {"text": "two"}]);
    resource["names"] = json!(["a", "b"]);
    for (path, pointer, value) in [
        ("code.text", "/code/_text", masked.clone()),
        ("subject", "/subject", masked.clone()),
        ("note", "/note", json!([masked])),
        ("note.text", "/note/1/_text", masked.clone()),
        ("names", "/_names", json!([masked])),
        ("category.coding.display", "/category/0/coding/0/_display", masked.clone()),
        ("code.coding", "/code/coding", json!([masked])),
    ] {
        // Without its subject a Flag is none: that is tried on a Consent.
        let mut resource = resource.clone();
        if path == "subject" {
            resource["resourceType"] = "Basic".into();
        }
        let released = copy(&resource, &Dataset::everything(), &[path], Place::Exact);
        assert_eq!(released.obligations, ["masked"], "{path}");
        assert_eq!(released.resource.pointer(pointer), Some(&value), "{path}: {}", released.resource);
        let plain = pointer.replace("/_", "/");
        if plain != pointer {
            assert_eq!(released.resource.pointer(&plain), None, "{path} itself goes");
        }
    }
    let sibling =
        copy(&flag(), &Dataset::everything(), &["absent", "absent.deep", "status.deep"], Place::Exact);
    assert_eq!(sibling.obligations, Vec::<&str>::new(), "{}", sibling.resource);
    let status = copy(&flag(), &Dataset::everything(), &["status"], Place::Exact);
    assert_eq!((status.resource.get("status"), &status.resource["_status"]), (None, &masked));
    let mut only_sibling = flag();
    only_sibling.as_object_mut().unwrap().shift_remove("status");
    let gone = copy(&only_sibling, &Dataset::everything(), &["status"], Place::Exact);
    assert_eq!((gone.obligations.as_slice(), gone.resource.get("_status")), (["masked"].as_slice(), None));
}

/// A Flag with nothing that has to go, and these members.
fn plain(more: &Value) -> Value {
    let mut resource = json!({"resourceType": "Flag", "status": "active",
        "code": {"coding": [{"code": "x"}]}, "subject": {"reference": "Patient/p"}});
    resource.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    resource
}

#[test]
fn whatever_is_taken_out_is_said_wherever_it_stood() {
    let kept = json!({"url": "https://x.example/kept", "valueCode": "a"});
    let gone = json!({"url": "https://x.example/gone", "valueCode": "b"});
    let dataset = minimum(&["category.coding", "extension(https://x.example/kept)"]);
    let listed = json!([{"coding": [{"code": "c"}]}]);
    for (more, said) in [
        (json!({"extension": [kept], "category": listed}), false),
        (json!({"extension": [kept, gone]}), true),
        (json!({"category": [{"coding": [{"code": "c"}]}, {}]}), true),
        // What was left out first is not forgotten when all of a later list stays.
        (json!({"identifier": [{"value": "1"}], "extension": [kept]}), true),
        (json!({"identifier": [{"value": "1"}], "category": listed}), true),
    ] {
        let released = copy(&plain(&more), &dataset, &[], Place::Exact);
        assert_eq!((released.redacted, released.obligations.len()), (said, usize::from(said)), "{more}");
    }
    for (more, said) in [
        (json!({"author": {"reference": "Organization/o"}}), false),
        (json!({"author": {"reference": "Organization/o", "display": "Ward 3"}}), true),
        (json!({"author": {"display": "Ward 3", "identifier": {"value": "o"}}}), true),
    ] {
        let released = copy(&plain(&more), &Dataset::everything(), &[], Place::Withheld);
        let obligations: &[&str] = if said { &["location-withheld"] } else { &[] };
        assert_eq!(released.obligations, obligations, "{more}");
    }
}

#[test]
fn a_place_made_general_is_said_and_nothing_is_where_there_was_none() {
    let with = |address: Value| json!({"url": "https://x.example/at", "valueAddress": address});
    let other = json!({"url": "https://x.example/b", "extension": [{"url": "c", "valueCode": "d"}]});
    for (more, said) in [
        (json!({}), false),
        (json!({"extension": [other]}), false),
        (json!({"extension": [with(json!({"city": "Northtown"}))]}), false),
        (json!({"extension": [with(json!({"city": "Northtown", "line": ["1 Street"]})), other]}), true),
        (json!({"extension": [{"url": "https://x.example/at", "_valueAddress": {"id": "a"}}, other]}), true),
    ] {
        let released = copy(&plain(&more), &Dataset::everything(), &[], Place::General);
        let obligations: &[&str] = if said { &["location-generalised"] } else { &[] };
        assert_eq!(released.obligations, obligations, "{more}");
    }
}

#[test]
fn what_tells_a_place_goes_at_every_depth_and_nothing_else_does() {
    let mut resource = flag();
    resource["contained"] = json!([{"resourceType": "Patient", "address": [{"line": ["1"]}]}]);
    resource["encounter"] = json!({"reference": "Encounter/e"});
    resource["author"] = json!({"identifier": {"value": "RZZ01"}, "display": "Ward 3, Northtown"});
    resource["_comment"] = json!({"id": "c"});
    resource["extension"] = json!([
        {"url": "https://x.example/met", "valueString": "at the school"},
        {"url": "https://x.example/deep", "extension": [{"url": "a", "valueAddress": {"city": "x"}}, {"url": "b", "valueCode": "b"}]},
        {"url": "https://x.example/code", "valueCoding": {"system": "https://c.example", "code": "c", "display": "kept"}}]);
    let released = copy(&resource, &Dataset::everything(), &[], Place::Withheld);
    assert_eq!(released.obligations, ["location-withheld"]);
    assert_eq!(
        bare(&released),
        json!({"resourceType": "Flag", "id": "f", "implicitRules": "https://r.example", "language": "en",
            "modifierExtension": [{"url": "https://m.example", "valueBoolean": true}],
            "extension": [
                {"url": "https://x.example/deep", "extension": [{"url": "b", "valueCode": "b"}]},
                {"url": "https://x.example/code", "valueCoding": {"system": "https://c.example", "code": "c", "display": "kept"}}],
            "status": "active", "_status": {"id": "s"},
            "category": [{"coding": [{"system": "https://c.example", "code": "c", "display": "C"}]}, {}],
            "code": {"coding": [{"system": "https://c.example", "code": "x", "display": "X"}]},
            "subject": {"reference": "Patient/p"},
            "author": {"identifier": {"value": "RZZ01"}}})
    );
    let nothing = json!({"resourceType": "Flag", "status": "active", "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"code": "x"}]}});
    let same = copy(&nothing, &Dataset::everything(), &[], Place::Withheld);
    assert!(!same.redacted && same.obligations.is_empty() && same.resource == nothing);
    let texts = json!({"resourceType": "Flag", "status": "active", "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"code": "x"}], "text": "12 Secret Lane"}});
    let without = copy(&texts, &Dataset::everything(), &[], Place::Withheld);
    assert_eq!(without.obligations, ["location-withheld"]);
    assert_eq!(without.resource["code"], json!({"coding": [{"code": "x"}]}));
}

#[test]
fn a_copy_that_lost_its_concept_says_so_and_one_that_lost_whom_it_is_about_is_none() {
    let mut resource = flag();
    resource["code"] = json!({"text": "12 Secret Lane"});
    let released = copy(&resource, &Dataset::everything(), &[], Place::Withheld);
    assert_eq!(released.resource["code"]["text"], "withheld");
    assert_eq!(released.resource["code"]["extension"][0]["valueCode"], "masked");
    for (kind, member, dataset) in [("Flag", "subject", "subject"), ("Consent", "patient", "patient")] {
        let mut resource = flag();
        resource["resourceType"] = kind.into();
        resource[member] = json!({"display": "A Name"});
        let refused = apply(&resource, &Dataset::everything(), &[], Place::Exact, false);
        assert_eq!(refused, Err(ReleaseError::Incomplete(kind.to_owned(), dataset)));
        for about in [json!({"reference": "Patient/p"}), json!({"identifier": {"value": "1"}})] {
            resource[member] = about;
            assert!(apply(&resource, &Dataset::everything(), &[], Place::Exact, false).is_ok());
        }
    }
    let organisation = json!({"resourceType": "Organization", "name": "x"});
    assert_eq!(copy(&organisation, &Dataset::everything(), &[], Place::Exact).resource, organisation);
    assert_eq!(
        apply(&json!({"resourceType": "Flag"}), &Dataset::everything(), &[], Place::Exact, false),
        Err(ReleaseError::Incomplete("Flag".to_owned(), "subject"))
    );
    assert_eq!(
        apply(&json!("Flag"), &Dataset::default(), &[], Place::Exact, false).unwrap().resource,
        json!({})
    );
}

#[test]
fn labels_are_added_once_and_beside_others() {
    let mut resource = flag();
    for (system, code, labels) in [
        (systems::ACT_CODE, "NORDSCLCD", 1),
        (systems::ACT_CODE, "SDV", 2),
        ("https://elsewhere.example", "NORDSCLCD", 2),
    ] {
        resource["meta"]["security"] = json!([{"system": system, "code": code}]);
        let released = apply(&resource, &Dataset::everything(), &[], Place::Exact, true).unwrap();
        let security = released.resource["meta"]["security"].as_array().unwrap();
        assert_eq!(security.len(), labels, "{system} {code}");
        assert!(security.contains(&json!({"system": systems::ACT_CODE, "code": "NORDSCLCD"})));
        assert_eq!(released.obligations, ["no-onward-sharing"]);
        assert!(!released.redacted && released.resource.get("text").is_some());
    }
    let mut bare = resource.clone();
    bare.as_object_mut().unwrap().shift_remove("meta");
    let released = apply(&bare, &Dataset::everything(), &[], Place::Exact, true).unwrap();
    assert_eq!(released.resource["meta"]["security"].as_array().unwrap().len(), 1);
}
