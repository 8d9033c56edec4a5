use crate::definitions::{Definitions, Element, read};
use serde_json::Value;
use std::collections::BTreeMap;

/// What validation reads of an element, as text that can be compared.
fn facts(element: &Element) -> BTreeMap<&'static str, String> {
    let mut constraints: Vec<_> =
        element.constraints.iter().map(|one| (&one.key, one.is_error, &one.expression)).collect();
    constraints.sort();
    let types: Vec<_> = element
        .types
        .iter()
        .map(|one| (&one.code, &one.profiles, &one.targets, &one.aggregation, &one.versioning))
        .collect();
    let binding = element.binding.as_ref().map(|one| (one.strength, &one.value_set, &one.max_value_set));
    BTreeMap::from([
        ("min", element.min.to_string()),
        ("max", format!("{:?}", element.max)),
        ("repeats", element.repeats.to_string()),
        ("types", format!("{types:?}")),
        ("contentReference", format!("{:?}", element.content_reference)),
        ("fixed", format!("{:?}", element.fixed)),
        ("pattern", format!("{:?}", element.pattern)),
        ("minValue", format!("{:?}", element.min_value)),
        ("maxValue", format!("{:?}", element.max_value)),
        ("maxLength", format!("{:?}", element.max_length)),
        ("binding", format!("{binding:?}")),
        ("constraints", format!("{constraints:?}")),
        ("slicing", format!("{:?}", element.slicing)),
        ("isModifier", element.is_modifier.to_string()),
        ("mustSupport", element.must_support.to_string()),
        ("sliceName", format!("{:?}", element.slice_name)),
        ("path", element.path.clone()),
    ])
}

fn typed(elements: &[Value]) -> Vec<Element> {
    elements.iter().map(|element| read::element(element).unwrap()).collect()
}

#[test]
fn regenerated_snapshots_equal_the_published_ones() {
    let definitions = Definitions::builtin();
    let (mut profiles, mut equal, mut elements) = (0, 0, 0);
    let mut differences: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for listing in definitions.packed() {
        if listing.resource_type != "StructureDefinition" || listing.derivation != "constraint" {
            continue;
        }
        let artefact = definitions.resource("StructureDefinition", listing.url).unwrap();
        let Some(published) = artefact.body.pointer("/snapshot/element").and_then(Value::as_array) else {
            continue;
        };
        profiles += 1;
        let generated = match definitions.generate(&artefact) {
            Ok(generated) => generated,
            Err(why) => {
                differences.entry("FAILED".into()).or_default().push(why.text);
                continue;
            }
        };
        for violation in &generated.violations {
            differences
                .entry(format!("VIOLATION {}", violation.rule))
                .or_default()
                .push(format!("{} {}: {}", listing.name, violation.element, violation.text));
        }
        let (ours, theirs) = (typed(&generated.elements), typed(published));
        elements += theirs.len();
        let ids = |list: &[Element]| -> BTreeMap<String, BTreeMap<&'static str, String>> {
            list.iter().map(|element| (element.id.clone(), facts(element))).collect()
        };
        let (ours, theirs) = (ids(&ours), ids(&theirs));
        let mut same = true;
        for (id, fact) in &theirs {
            let Some(own) = ours.get(id) else {
                same = false;
                differences
                    .entry("missing element".into())
                    .or_default()
                    .push(format!("{} {id}", listing.name));
                continue;
            };
            for (name, value) in fact {
                if own[name] != *value {
                    same = false;
                    differences.entry((*name).to_owned()).or_default().push(format!(
                        "{} {id}\n      ours   {}\n      theirs {value}",
                        listing.name, own[name]
                    ));
                }
            }
        }
        for id in ours.keys().filter(|id| !theirs.contains_key(*id)) {
            same = false;
            differences.entry("extra element".into()).or_default().push(format!("{} {id}", listing.name));
        }
        equal += usize::from(same);
    }
    println!("{equal} of {profiles} profiles equal, {elements} elements");
    for (kind, list) in &differences {
        println!("{kind}: {}", list.len());
        for one in list.iter().take(12) {
            println!("   {one}");
        }
    }
    assert!(equal > 400);
}
