use super::{Kind, NodeId, Tree};
use crate::fhir::json::Limits;

fn read(text: &str) -> Tree<'_> {
    Tree::from_json(text, &Limits::DEFAULT).unwrap()
}

fn shape(tree: &Tree<'_>, node: NodeId) -> String {
    let mut out = tree.name(node).to_owned();
    if tree.was_array(node) {
        out += &format!("[{}]", tree.index(node));
    }
    if let Some(value) = tree.value(node) {
        out += &format!("={value}");
    }
    if tree.kind(node) == Kind::Absent {
        out += "~";
    }
    if tree.has_children(node) {
        let inner: Vec<String> = tree.children(node).map(|child| shape(tree, child)).collect();
        out += &format!("({})", inner.join(" "));
    }
    out
}

fn both(text: &str) -> (String, Vec<&'static str>) {
    let tree = read(text);
    let value = crate::fhir::json::parse_str(text, &Limits::DEFAULT);
    let rules: Vec<&'static str> = tree.problems().iter().map(|problem| problem.rule).collect();
    if let Ok(value) = value {
        let other = Tree::from_value(&value);
        let mut own: Vec<_> = other.problems().iter().map(|problem| problem.rule).collect();
        let mut theirs = rules.clone();
        own.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(own, theirs, "{text}");
        assert_eq!(other.len(), tree.len());
    }
    (shape(&tree, tree.root()), rules)
}

#[test]
fn merges_the_halves_of_a_primitive_in_either_order() {
    for text in [
        r#"{"resourceType":"Patient","birthDate":"1970","_birthDate":{"id":"a"},"x":1}"#,
        r#"{"_birthDate":{"id":"a"},"resourceType":"Patient","x":1,"birthDate":"1970"}"#,
    ] {
        assert_eq!(both(text), ("(birthDate=1970(id=a) x=1)".into(), vec![]));
    }
    for text in [
        r#"{"given":["A",null,"B"],"_given":[null,{"id":"b"},{"id":"c"}],"x":true}"#,
        r#"{"_given":[null,{"id":"b"},{"id":"c"}],"x":true,"given":["A",null,"B"]}"#,
    ] {
        let tree = "(given[0]=A given[1]~(id=b) given[2]=B(id=c) x=true)";
        assert_eq!(both(text), (tree.into(), vec![]));
    }
    assert_eq!(both(r#"{"_x":{"id":"a"}}"#).0, "(x~(id=a))");
}

#[test]
fn records_what_can_be_read_around() {
    for (text, rules) in [
        (r#"{"a":1,"a":{"b":[1]},"c":2}"#, vec!["duplicate-key"]),
        (r#"{"a":null}"#, vec!["null-value"]),
        (r#"{"a":"x","_a":null}"#, vec!["null-value"]),
        (r#"{"a":[null,"x"],"_a":[null,{"id":"i"}]}"#, vec!["null-value"]),
        (r#"{"a":[],"b":{},"c":""}"#, vec!["empty-array", "empty-object", "empty-string"]),
        (r#"{"a":["x"],"_a":[{"id":"i"},{"id":"j"}]}"#, vec!["misaligned-array"]),
        (r#"{"a":["x","y"],"_a":[{"id":"i"}]}"#, vec!["misaligned-array"]),
        (r#"{"_a":[{"id":"i"}],"a":["x","y"]}"#, vec!["misaligned-array"]),
        (r#"{"a":["x"],"_a":{"id":"i"}}"#, vec!["misaligned-array"]),
        (r#"{"a":"x","_a":"y"}"#, vec!["underscore-shape"]),
        (r#"{"a":{"b":1},"_a":{"id":"i"}}"#, vec!["underscore-shape"]),
        (r#"{"a":[[1],2]}"#, vec!["nested-array"]),
        (r#"{"resourceType":7}"#, vec!["resource-type"]),
    ] {
        assert_eq!(both(text).1, rules, "{text}");
    }
}

#[test]
fn knows_places() {
    let tree = read(
        "{\"resourceType\":\"Flag\",\n \"code\":{\"coding\":[{\"code\":\"é\"},\n  {\"code\":\"b\\u0041\"}]}}",
    );
    let code = tree.child(tree.root(), "code").unwrap();
    let second = tree.named(code, "coding").nth(1).unwrap();
    assert_eq!(tree.location(second), "Flag.code.coding[1]");
    assert_eq!(tree.position(second), Some((3, 3)));
    assert_eq!(tree.child_value(second, "code"), Some("bA"));
    assert_eq!(tree.resource_of(second), tree.root());
    assert_eq!(tree.parent(second), Some(code));
    let error = Tree::from_json("{\"a\":[{\"b\":tru}]}", &Limits::DEFAULT).unwrap_err();
    assert_eq!((error.pointer.as_str(), error.column), ("/a/0/b", 12));
}

#[test]
fn many_members_are_found_by_a_table() {
    let mut text = String::from("{");
    for i in 0..500 {
        text += &format!("\"k{i}\":{i},");
    }
    text += "\"_k400\":{\"id\":\"x\"},\"k7\":1}";
    let tree = read(&text);
    assert_eq!(tree.children(tree.root()).count(), 500);
    assert_eq!(tree.problems().len(), 1);
    assert!(tree.has_underscore(tree.child(tree.root(), "k400").unwrap()));
}

#[test]
fn an_arena_serves_the_next_document() {
    let first = read(r#"{"a":"x\n"}"#);
    let second = Tree::from_json_in(first.into_arena(), r#"{"b":[true]}"#, &Limits::DEFAULT).unwrap();
    assert_eq!(shape(&second, second.root()), "(b[0]=true)");
}

#[test]
fn reads_xml_as_the_same_elements() {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><Bundle xmlns=\"http://hl7.org/fhir\" \
        xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"a b\">\n <entry id=\"e\">\
        <resource><Patient><id value=\"p\"/><text><div xmlns=\"http://www.w3.org/1999/xhtml\">x<br/>&lt;</div></text>\
        <name><given value=\"A &amp;&#x42;\"/><given value=\"C\nD\"/></name></Patient></resource></entry></Bundle>";
    let tree = Tree::from_xml(text, &Limits::DEFAULT).unwrap();
    assert_eq!(tree.problems(), []);
    assert_eq!(tree.resource_type(tree.root()), Some("Bundle"));
    let div = "div=<div xmlns=\"http://www.w3.org/1999/xhtml\">x<br/>&lt;</div>";
    let expected = format!("(entry(id=e resource(id=p text({div}) name(given[0]=A &B given[1]=C D))))");
    assert_eq!(shape(&tree, tree.root()), expected);
    let given = tree.all().find(|node| tree.value(*node) == Some("C D")).unwrap();
    assert_eq!(tree.location(given), "Bundle.entry.resource.name.given[1]");
}

#[test]
fn records_what_is_wrong_in_xml() {
    for (inside, rule) in [
        ("<a xmlns=\"urn:x\" value=\"1\"/>", "xml-namespace"),
        ("<a value=\"1\">text</a>", "xml-text"),
        ("<a value=\"1\"><![CDATA[x]]></a>", "xml-text"),
        ("<a valu=\"1\"/>", "xml-attribute"),
        ("<a xml:lang=\"en\"/>", "xml-attribute"),
        ("<a value=\"\"/>", "empty-string"),
        ("<text><div>x</div></text>", "xml-namespace"),
        ("<contained><A/><B/></contained>", "xml-resource"),
    ] {
        let text = format!("<Flag xmlns=\"http://hl7.org/fhir\">{inside}</Flag>");
        let tree = Tree::from_xml(&text, &Limits::DEFAULT).unwrap();
        let rules: Vec<_> = tree.problems().iter().map(|problem| problem.rule).collect();
        assert_eq!(rules, [rule], "{inside}");
    }
}

#[test]
fn refuses_xml_that_is_not_well_formed() {
    for (text, rule) in [
        ("", "xml-syntax"),
        ("hello", "xml-syntax"),
        ("<a>", "xml-syntax"),
        ("<a></b>", "xml-syntax"),
        ("<a b=\"1\" b=\"2\"/>", "xml-syntax"),
        ("<a b=1/>", "xml-syntax"),
        ("<a b=\"<\"/>", "xml-syntax"),
        ("<a>&nbsp;</a>", "xml-syntax"),
        ("<a b='&#0;'/>", "xml-syntax"),
        ("<x:a/>", "xml-syntax"),
        ("<a/><b/>", "xml-syntax"),
        ("<a/>x", "xml-syntax"),
        ("<!DOCTYPE a><a/>", "xml-dtd"),
        ("<a><!-- -- --></a>", "xml-syntax"),
        ("<a ", "xml-syntax"),
        ("</a>", "xml-syntax"),
        ("<a><?xml version='1.0'?></a>", "xml-syntax"),
        ("<a\u{1}/>", "xml-syntax"),
    ] {
        assert_eq!(Tree::from_xml(text, &Limits::DEFAULT).unwrap_err().rule, rule, "{text}");
    }
    let deep = "<a>".repeat(80);
    assert_eq!(Tree::from_xml(&deep, &Limits::DEFAULT).unwrap_err().rule, "depth");
}
