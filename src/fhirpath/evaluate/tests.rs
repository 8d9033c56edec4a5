use crate::fhirpath::{Environment, Expression};
use jiff::Timestamp;

fn now() -> Timestamp {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

fn text(expression: &str) -> String {
    let parsed = match Expression::parse(expression) {
        Ok(parsed) => parsed,
        Err(error) => return format!("syntax: {error}"),
    };
    let environment = Environment::untyped(now());
    let result = parsed.evaluate_alone(&environment);
    match result {
        Ok(items) => {
            items.iter().map(|i| i.to_text().unwrap_or_default().into_owned()).collect::<Vec<_>>().join("|")
        }
        Err(error) => format!("error: {}", error.text),
    }
}

#[test]
fn literals_and_arithmetic() {
    let mut wrong = Vec::new();
    for (expression, expected) in [
        ("2 + 2 /* a comment */", "4"),
        ("-3 != 3", "true"),
        ("1.2 * 1.8", "2.16"),
        ("5 div 2", "2"),
        ("2.2 mod 1.8", "0.4"),
        ("1 / 0", ""),
        ("1 / 2", "0.5"),
        ("4.0 'g' / 2.0 'm' = 2 'g/m'", "true"),
        ("4 'g' ~ 4040 'mg'", "true"),
        ("7 days = 1 'wk'", "true"),
        ("'1 \\'a\\''.toQuantity() = 1 year", ""),
        ("3 'm' + 3 'cm'", "303 'cm'"),
        ("@1973-12-25 + 7 days", "1974-01-01"),
        ("@1973-12-25T00:00:00.000+10:00 + 0.1 's'", "1973-12-25T00:00:00.000+10:00"),
        ("@2014 + 24 months", "2016"),
        ("@T23:00:00 + 2 hours", "01:00:00"),
        (
            "@1973-12-25 + 1 'mo'",
            "error: a date can be moved only by a duration of definite length or a calendar word",
        ),
        ("(1 | 1 is Integer).count()", "2"),
        ("'abc'.replace('', 'x')", "xaxbxcx"),
        ("(3 | 2 | 1).sort(-$this).first()", "3"),
        ("('a' | 'b').sort($this desc)", "b|a"),
        ("1.587.lowBoundary()", "1.58650000"),
        ("@2014-01-01T08.lowBoundary(17)", "2014-01-01T08:00:00.000+14:00"),
        ("@2014-01-01T08:05+08:00.lowBoundary(8)", "2014-01-01"),
        ("@T10:30.highBoundary(9)", "10:30:59.999"),
        ("@2014.highBoundary(6)", "2014-12"),
        ("(true and 'foo').empty()", "false"),
        ("1.2 / 1.8 ~ 0.67", "true"),
        ("2.power(3)", "8"),
        ("0.exp()", "1"),
        ("16.log(2)", "4"),
        ("defineVariable('a', 3).select(%a + 1)", ""),
        ("(1).defineVariable('a', 3).select(%a + 1)", "4"),
        ("(1|2|3).aggregate($this + $total, 0)", "6"),
        ("iif({} | true, 'yes', 'no')", "yes"),
        ("1 + /", "syntax: `/` is not expected here (line 1, column 5)"),
        ("(1 | 2).nothing()", "syntax: the function `nothing` is not known (line 1, column 9)"),
    ] {
        let found = text(expression);
        if found != expected {
            wrong.push(format!("{expression}: {found}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn depth_and_fuel_end_what_runs_away() {
    assert!(text(&"(".repeat(10_000)).starts_with("syntax"));
    assert!(text(&format!("{}1", "-".repeat(10_000))).starts_with("syntax"));
    assert!(text(&format!("1{}", ".first()".repeat(5000))).starts_with("syntax"));
    assert!(text("(1).repeatAll($this)").starts_with("error: the evaluation takes more steps"));
    let ten = "(1|2|3|4|5|6|7|8|9|10)";
    let deep =
        format!("{ten}.select({ten}.select({ten}.select({ten}.select({ten}.select({ten}.select(1))))))");
    assert!(text(&deep).starts_with("error: the evaluation takes more steps"));
    let long = "'aaaaaaaaaaaaaaaa'.replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa')".to_owned()
        + &".replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')".repeat(12);
    assert!(text(&long).starts_with("error: the evaluation takes more steps"));
}

#[test]
fn a_path_from_the_resource_is_walked_once_for_all_values() {
    let entries = vec![serde_json::json!({"request": {"method": "PUT"}}); 2_000];
    let bundle = serde_json::json!({"resourceType": "Bundle", "entry": entries, "type": "batch"});
    let tree = crate::fhir::tree::Tree::from_value(&bundle);
    let root = tree.all().next().unwrap();
    for (text, expected) in [
        ("entry.all(request.exists() = (%resource.type = 'batch' or %resource.type = 'history'))", true),
        ("entry.all(request.exists() = (%resource.type = 'history'))", false),
        ("entry.request.exists(method = 'PUT' and %resource.type.length() = 5)", true),
    ] {
        let environment = Environment { fuel: 60_000, ..Environment::untyped(now()) };
        let found = Expression::parse(text).unwrap().evaluate_boolean(&tree, root, &environment);
        assert_eq!(found, Ok(Some(expected)), "{text}");
    }
}
