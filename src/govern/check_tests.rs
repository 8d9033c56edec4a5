//! What is refused when agreements and partners are read, at the edge of each rule: the last that is accepted and the
//! first that is not.

use super::basis::Register;
use super::{Partner, Policy, PolicyError, read_folder};
use jiff::civil::date;

const ED: &str = include_str!("../../profiles/agreements/eastmoor-ed.yaml");
const HUB: &str = include_str!("../../profiles/agreements/northshire-hub.yaml");

fn read(text: &str, partners: Vec<Partner>) -> Result<Policy, Vec<PolicyError>> {
    Policy::from_documents(&[("ed.yaml".to_owned(), text.to_owned())], partners)
}

/// The rules that refuse the agreement with one part of it written otherwise.
fn refused(from: &str, to: &str) -> Vec<&'static str> {
    assert!(ED.contains(from), "{from}");
    let errors = read(&ED.replacen(from, to, 1), Vec::new()).err().unwrap_or_default();
    errors.iter().map(|error| error.rule).collect()
}

#[test]
fn an_agreement_may_last_a_day_and_be_due_for_review_on_its_first() {
    let until = |day: &str| refused("until: 2031-03-31", &format!("until: {day}"));
    assert_eq!(until("2026-04-01"), Vec::<&str>::new());
    assert_eq!(until("2026-03-31"), ["period-reversed"]);
    let due = |day: &str| refused("due: 2029-03-31", &format!("due: {day}"));
    assert_eq!(due("2026-04-01"), Vec::<&str>::new());
    assert_eq!(due("2026-03-31"), ["period-reversed"]);
}

#[test]
fn a_party_acts_only_in_the_role_it_signed_for() {
    assert_eq!(refused("to: [RZZ02]", "to: [RZZ01]"), ["party-unknown"], "a source");
    assert_eq!(refused("to: [RZZ02]", "to: [RZZ02]\n    from: [RZZ02]"), ["party-unknown"], "a recipient");
    assert_eq!(refused("to: [RZZ02]", "to: [RZZ02]\n    from: [RZZ01]"), Vec::<&str>::new());
}

#[test]
fn a_warning_comes_thirty_days_ahead_unless_the_agreement_says_otherwise() {
    let warned = |text: &str, day: &str| {
        let policy = read(text, Vec::new()).unwrap();
        let found = policy.warnings(format!("{day}T12:00:00Z").parse().unwrap());
        found.into_iter().map(|one| (one.last_day, one.days_left, one.review)).collect::<Vec<_>>()
    };
    let plain = ED.replace("due: 2029-03-31, warn-days: 60", "due: 2029-03-31");
    assert_eq!(warned(&plain, "2029-02-28"), []);
    assert_eq!(warned(&plain, "2029-03-01"), [(date(2029, 3, 31), 30, true)]);
    assert_eq!(warned(ED, "2029-01-29"), []);
    assert_eq!(warned(ED, "2029-01-30"), [(date(2029, 3, 31), 60, true)]);
    assert_eq!(
        warned(ED, "2031-04-01"),
        [(date(2029, 3, 31), -731, true), (date(2031, 3, 31), -1, false)],
        "both have gone"
    );
    assert_eq!(warned(&ED.replace("status: in-force", "status: retired"), "2031-04-01"), []);
}

#[test]
fn partners_are_told_apart_and_ask_for_known_purposes() {
    let rules = |partners: Vec<Partner>| {
        let errors = read(ED, partners).err().unwrap_or_default();
        errors.iter().map(|error| (error.file.clone(), error.rule)).collect::<Vec<_>>()
    };
    let (ed, hub) = (Partner::new("ed", "RZZ02", "ED"), Partner::new("hub", "LZZ01", "Hub"));
    assert_eq!(rules(vec![ed.clone(), hub.clone()]), []);
    let policy = read(ED, vec![ed.clone(), hub.clone()]).unwrap();
    assert_eq!(policy.partners().iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["ed", "hub"]);
    let registry = |rule| ("registry".to_owned(), rule);
    assert_eq!(
        rules(vec![ed.clone(), Partner { id: "ed".into(), ..hub.clone() }]),
        [registry("partner-twice")]
    );
    let same = Partner { organisation: "RZZ02".into(), ..hub.clone() };
    assert_eq!(rules(vec![ed, same]), [registry("partner-twice")]);
    assert_eq!(rules(vec![Partner { purpose: "CURIOSITY".into(), ..hub }]), [registry("purpose-unknown")]);
}

#[test]
fn a_wider_purpose_overlaps_with_a_narrower_one_whichever_comes_first() {
    let at = HUB.find("  - id: consents").unwrap();
    let overlaps = |first: &str, second: &str| {
        let (head, term) = HUB.split_at(at);
        let again = term.replace("id: consents", "id: more").replace("[SAFEGUARDING]", second);
        let text = format!("{head}{}{again}", term.replace("[SAFEGUARDING]", first));
        let errors = read(&text, Vec::new()).err().unwrap_or_default();
        errors.iter().filter(|error| error.rule == "agreements-overlap").count()
    };
    assert_eq!(overlaps("[TREAT]", "[BTG]"), 1);
    assert_eq!(overlaps("[BTG]", "[TREAT]"), 1);
    assert_eq!(overlaps("[BTG]", "[COC]"), 0, "both are treatment, and neither includes the other");
}

#[test]
fn a_basis_holds_until_its_last_day() {
    let pack = "jurisdiction: x\ntitle: X\nbases:\n  - {code: a, kind: statute, title: A, source: s, in-force-from: 2020-01-01, in-force-until: 2026-11-21}\n";
    let register = Register::from_documents(&[("x.yaml", pack)]).unwrap();
    let basis = register.get("a").unwrap();
    let holds = [date(2019, 12, 31), date(2020, 1, 1), date(2026, 11, 21), date(2026, 11, 22)]
        .map(|day| basis.in_force(day));
    assert_eq!(holds, [false, true, true, false]);
}

#[test]
fn a_refusal_names_file_line_and_column() {
    let errors = read(&ED.replacen("to: [RZZ02]", "to: [RZZ09]", 1), Vec::new()).unwrap_err();
    let (line, column) = (errors[0].line.unwrap(), errors[0].column.unwrap());
    assert!(ED.lines().nth(line as usize - 1).unwrap()[column as usize - 1..].starts_with("RZZ02"));
    let said = errors[0].to_string();
    assert!(said.starts_with(&format!("ed.yaml:{line}:{column}: `RZZ09`")), "{said}");
    assert!(said.ends_with("(`party-unknown`)"), "{said}");
    let same = vec![Partner::new("a", "X", "X"), Partner::new("a", "Y", "Y")];
    let said = read(ED, same).unwrap_err()[0].to_string();
    assert_eq!(said, "registry: the partner `a` is registered twice (`partner-twice`)");
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names_and_only_yaml() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("b.yaml", "2"), ("a.yaml", "1"), ("notes.txt", "3"), ("c.yml", "4")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let found = read_folder(folder.path()).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    assert_eq!(found, [(path("a.yaml"), "1".to_owned()), (path("b.yaml"), "2".to_owned())]);
    let missing = read_folder(&folder.path().join("none")).unwrap_err();
    assert_eq!((missing.len(), missing[0].rule, missing[0].line), (1, "file", None));
}
