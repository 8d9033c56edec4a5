use super::super::tests::{context, source};
use super::super::{Mappings, built_in_concerns, compile, convert};
use super::*;

fn cut(mapping: &str, text: &[u8]) -> Vec<Record> {
    let mut found = Vec::new();
    split(text, Mappings::builtin().get(mapping).unwrap(), &Limits::default(), &mut |record| {
        found.push(record);
        true
    })
    .unwrap();
    found
}

fn text(record: &Record) -> &str {
    std::str::from_utf8(&record.payload).unwrap()
}

#[test]
fn each_row_of_a_table_is_a_table_of_one_row() {
    let found = cut("ssd-missing", b"\xEF\xBB\xBFa,b\n1,\"x, \"\"y\"\"\nz\"\n\n2\n");
    let places: Vec<&str> = found.iter().map(|r| r.at.as_str()).collect();
    assert_eq!(places, ["row 2", "row 3"]);
    assert_eq!(text(&found[0]), "a,b\n1,\"x, \"\"y\"\"\nz\"\n");
    assert_eq!(text(&found[1]), "a,b\n2\n");
    assert!(matches!(
        split(&b""[..], Mappings::builtin().get("ssd-missing").unwrap(), &Limits::default(), &mut |_| true),
        Err(Unreadable::Csv { row: 1, .. })
    ));
}

#[test]
fn messages_keep_their_own_bytes_and_the_batch_is_accounted_for() {
    let batch =
        b"FHS|^~\\&|PAS\rBHS|^~\\&|PAS\r\nMSH|^~\\&|A\rPID|Si\xE2n\r\nMSH|^~\\&|B\rPID|2\rBTS|2\rFTS|1\r";
    let mut found = Vec::new();
    let hl7 = Mappings::builtin().get("hl7v2-adt").unwrap();
    let frame = split(&batch[..], hl7, &Limits::default(), &mut |record| {
        found.push(record);
        true
    });
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].payload, b"MSH|^~\\&|A\rPID|Si\xE2n\r");
    assert_eq!((found[1].number, found[1].at.as_str()), (2, "message 2"));
    assert!(frame.unwrap().unwrap().summary().values >= 4);
    let framed = cut("hl7v2-adt", b"\x0bMSH|^~\\&|A\rPID|1\r\x1c\r");
    assert_eq!((framed.len(), text(&framed[0])), (1, "MSH|^~\\&|A\rPID|1\r"));
}

#[test]
fn objects_one_a_line_are_records_and_one_over_many_lines_is_one() {
    assert_eq!(cut("json-alert", b"{\"a\":1}\n\n{\"a\":2}\n").len(), 2);
    assert_eq!(cut("json-alert", b"{\n\"a\":1\n}\n").len(), 1);
    assert_eq!(cut("json-alert", b"{\"a\":1}").len(), 1);
}

#[test]
fn each_child_of_a_census_stands_in_its_own_return() {
    let one = include_str!("../../fixtures/convert/cin-census-child/input.xml");
    let (from, to) = (one.find("<Child>").unwrap(), one.rfind("</Child>").unwrap() + "</Child>".len());
    let child = &one[from..to];
    let many =
        format!("{}{}{}", &one[..to], child.replace("</Child>", "<!-- the second --></Child>"), &one[to..]);
    let found = cut("cin-census", many.as_bytes());
    assert_eq!(found.len(), 2);
    let mapping = Mappings::builtin().get("cin-census").unwrap();
    let first = convert(&found[0].payload, &source(Format::Xml, "cin-census"), mapping, &context()).unwrap();
    let alone = convert(one.as_bytes(), &source(Format::Xml, "cin-census"), mapping, &context()).unwrap();
    assert_eq!(first.bundle, alone.bundle);
    assert!(found[1].at.ends_with("Child[2]"), "{}", found[1].at);
    assert!(found[1].own.ends_with("Child"));
    assert!(text(&found[1]).contains("<Child>") && !text(&found[1]).contains(child));
}

#[test]
fn the_items_that_a_json_mapping_calls_records_stand_alone() {
    let yaml = "mapping: m\nversion: \"1\"\ntitle: t\nformat: json\nrecords: /people[]\nproduce: {}\n";
    let mapping = compile::compile(yaml, built_in_concerns()).unwrap();
    let mut found = Vec::new();
    split(
        &br#"{"sent":"x","people":[{"n":1.50},{"n":2}]}"#[..],
        &mapping,
        &Limits::default(),
        &mut |record| {
            found.push(record);
            true
        },
    )
    .unwrap();
    assert_eq!(text(&found[0]), r#"{"sent":"x","people":[{"n":1.50}]}"#);
    assert_eq!((found[1].at.as_str(), found[1].own.as_str()), ("/people/1", "/people/0"));
}
