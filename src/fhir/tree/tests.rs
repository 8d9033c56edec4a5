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
