use super::*;

const SNOMED: &str = "http://snomed.info/sct";
const CATEGORY: &str = "https://fhir.sgw.example/CodeSystem/concern-category";

fn ask(query: Query) -> Vec<Match> {
    let maps = maps(Mappings::builtin(), []);
    translate(maps.values().map(AsRef::as_ref), &query, &|_, _, _| None)
}

fn of(system: &str, code: &str) -> Query {
    Query { codings: vec![(system.into(), code.into())], ..Query::default() }
}

#[test]
fn a_code_is_translated_forth_and_back() {
    let forth = ask(Query { target_system: Some(CATEGORY.into()), ..of(SNOMED, "342191000000101") });
    assert!(forth.iter().any(|m| m.concept.1 == "child-protection" && m.equivalence == "wider"), "{forth:?}");
    assert!(forth.iter().all(|m| m.concept.0 == CATEGORY && m.counts()));
    let url = "https://fhir.sgw.example/ConceptMap/snomed-safeguarding".to_owned();
    let back = ask(Query { url: Some(url), reverse: true, ..of(CATEGORY, "child-protection") });
    assert!(back.iter().any(|m| m.concept.1 == "342191000000101" && m.equivalence == "narrower"), "{back:?}");
    assert!(ask(of(SNOMED, "1")).is_empty());
    assert!(ask(of(CATEGORY, "342191000000101")).is_empty());
}

#[test]
fn the_tables_of_mappings_are_maps_too() {
    let maps = maps(Mappings::builtin(), []);
    let mut of_mappings = maps.iter().filter(|(id, _)| id.starts_with("hl7v2-adt-"));
    let (_, map) = of_mappings.next().expect("the alerts' own table");
    let group = &map["group"][0];
    let code = group["element"][0]["code"].as_str().unwrap();
    let url = map["url"].as_str().unwrap().to_owned();
    let found = ask(Query { url: Some(url), ..of(group["source"].as_str().unwrap(), code) });
    assert!(!found.is_empty());
}

#[test]
fn what_a_group_does_not_have_is_provided_fixed_or_looked_up_elsewhere() {
    let map = |url: &str, unmapped: Value| {
        json!({"resourceType": "ConceptMap", "url": url, "targetUri": "v", "group": [{"source": "s", "target": "t",
            "element": [{"code": "a", "target": [
                {"code": "x", "equivalence": "equal", "product": [{"property": "p", "system": "q", "value": "r"}]},
                {"code": "y", "equivalence": "equal", "dependsOn": [{"property": "p", "value": "r"}]},
                {"code": "z", "equivalence": "disjoint"}]}],
            "unmapped": unmapped}]})
    };
    let maps = [
        map("1", json!({"mode": "provided"})),
        map("2", json!({"mode": "fixed", "code": "f"})),
        map("3", json!({"mode": "other-map", "url": "2"})),
        map("4", json!({"mode": "other-map", "url": "4"})),
    ];
    let codes = |url: &str, code: &str, target: &str| {
        let query = Query { url: Some(url.into()), target: Some(target.into()), ..of("s", code) };
        let found = translate(maps.iter(), &query, &|_, _, _| None);
        found.into_iter().map(|m| (m.concept.1, m.map)).collect::<Vec<_>>()
    };
    let pair = |code: &str, map: &str| (code.to_owned(), map.to_owned());
    assert_eq!(codes("1", "a", "v"), [pair("x", "1"), pair("z", "1")]);
    assert_eq!(codes("1", "b", "v"), [pair("b", "1")]);
    assert_eq!(codes("2", "b", "t"), [pair("f", "2")]);
    assert_eq!(codes("3", "b", "t"), [pair("f", "2")]);
    assert!(codes("4", "b", "t").is_empty(), "a map that leads to itself ends");
    assert!(codes("1", "a", "another value set").is_empty());
    let query = Query { target: Some("v".into()), ..of("s", "a") };
    let only = translate(&maps[..1], &query, &|_, _, code| Some(code == "x"));
    assert_eq!(only[0].products, [("p".to_owned(), "q".to_owned(), "r".to_owned())]);
    assert_eq!(only.len(), 1);
}
