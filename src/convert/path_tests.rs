use super::path_syntax::{Declared, parse};
use super::tree::{Notation, ROOT};
use super::{Limits, er7};

const MESSAGE: &str = "MSH|^~\\&|A|B\rPID|1||X1^^^HOSP^MR~9000000009^^^NHS^NH||DOE^ANN\rOBX|1|CE|CPALERT||CP^Child\rNTE|1||first\rNTE|2||second\rOBX|2|CE|OTHER||Q\rZSG|1|CP|20260101";

fn find(path: &str, segment: &str) -> Vec<String> {
    let tree = er7::read(MESSAGE, &Limits::default()).unwrap();
    let mut declared = Declared::default();
    declared.fields.insert("ZSG".into(), [("alert-code".to_owned(), 2)].into());
    let here = tree.children(ROOT).find(|(_, n)| n.name == segment).map_or(ROOT, |(id, _)| id);
    let path = parse(path, Notation::Er7, &declared, Some(segment)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut found = Vec::new();
    path.visit(&tree, here, &mut |id| {
        found.push(tree.value(id).map(|(_, t)| t.to_owned()).unwrap_or_default());
        true
    });
    found
}

#[test]
fn hl7_paths_lead_to_their_values() {
    assert_eq!(find("PID-3[5=NH].1", ""), ["9000000009"]);
    assert_eq!(find("PID-3.1", ""), ["X1", "9000000009"]);
    assert_eq!(find("PID-3[2].1", ""), ["9000000009"]);
    assert_eq!(find("PID-3[4=NHS|XX][5!=MR].1", ""), ["9000000009"]);
    assert_eq!(find("OBX[3=CPALERT]-5.2", ""), ["Child"]);
    assert_eq!(find("OBX[3=CP*]-5", ""), ["CP"]);
    assert_eq!(find("OBX[3=OTHER]-5.1", ""), ["Q"]);
    assert_eq!(find("OBX-5.1", "OBX"), ["CP"]);
    assert_eq!(find("OBX[3=OTHER]-5.1", "OBX"), Vec::<String>::new(), "this segment is not the other");
    assert_eq!(find("/OBX[3=OTHER]-5.1", "OBX"), ["Q"], "from the whole message");
    assert_eq!(find("-5.1", "OBX"), ["CP"]);
    assert_eq!(find(">NTE-3", "OBX"), ["first", "second"]);
    assert_eq!(find("ZSG-alert-code", ""), ["CP"]);
    assert_eq!(find("-alert-code", "ZSG"), ["CP"]);
    assert!(find("OBX[3=CPALERT]-6", "").is_empty());
}

#[test]
fn wrong_paths_say_where() {
    let wrong = |t: &str, n: Notation| parse(t, n, &Declared::default(), None).unwrap_err();
    assert_eq!(wrong("PIDX-3", Notation::Er7).at, 0);
    assert_eq!(wrong("PID-x", Notation::Er7).at, 5);
    assert!(wrong("PID-3[5=NHS", Notation::Er7).reason.contains("`]` is missing"));
    assert!(wrong("PID-3.1.2.3", Notation::Er7).reason.contains("component"));
    assert!(wrong("/a//b", Notation::Json).reason.contains("name is missing"));
    assert!(wrong("/x:a", Notation::Xml).reason.contains("prefix"));
    for text in ["", "[", "PID[", "-", "PID-3[!", ">", "/", "a[b=", "PID-3[=x]"] {
        for notation in [Notation::Er7, Notation::Json, Notation::Xml, Notation::Flat] {
            let _ = parse(text, notation, &Declared::default(), None);
        }
    }
}
