//! The account over all fixtures: values in, mapped, carried, dropped by reason; and the page that tells it.

use super::doors::cases;
use sgw::convert::ledger::Outcome;
use sgw::convert::{Context, Source, convert_each};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- counted: begin; a test writes and checks these lines -->\n";
const END: &str = "<!-- counted: end -->";

const ENDS: [&str; 8] = [
    "mapped",
    "carried",
    "administrative",
    "out-of-scope",
    "duplicate",
    "suppressed-for-safety",
    "unmappable-code",
    "empty-by-sender",
];

/// The counts of one mapping: fixtures, values, and how many met each end.
#[derive(Default)]
struct Row {
    fixtures: usize,
    values: usize,
    ends: BTreeMap<&'static str, usize>,
}

fn count() -> (BTreeMap<String, Row>, usize) {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut unreadable = 0;
    for case in cases() {
        let source = Source {
            id: "fixture".into(),
            organisation: "RXX".into(),
            name: "Example organisation".into(),
            format: case.mapping.format,
            mapping: case.mapping.id.clone(),
            lawful_basis: vec!["ca2004-s11".into()],
            tier: None,
        };
        let context = Context::new("2026-11-21T09:00:00Z".parse().unwrap(), "submission-1");
        let row = rows.entry(case.mapping.id.clone()).or_default();
        row.fixtures += 1;
        let read = convert_each(&case.payload, &source, &case.mapping, &context, &mut |one| match one {
            Ok(one) => {
                let summary = one.ledger.summary();
                assert_eq!(summary.values, one.ledger.entries().count(), "{}", case.name);
                row.values += summary.values;
                for entry in one.ledger.entries() {
                    let end = match entry.outcome {
                        Outcome::Mapped => "mapped",
                        Outcome::Carried => "carried",
                        Outcome::Dropped(reason) => reason.code(),
                    };
                    *row.ends.entry(end).or_default() += 1;
                }
            }
            Err(_) => unreadable += 1,
        });
        unreadable += usize::from(read.is_err());
    }
    (rows, unreadable)
}

fn table(rows: &BTreeMap<String, Row>, unreadable: usize) -> String {
    let mut text =
        format!("| mapping | fixtures | values in | {} |\n|---|{}\n", ENDS.join(" | "), "---:|".repeat(10));
    let mut all = Row::default();
    for (id, row) in rows {
        line(&mut text, &format!("`{id}`"), row);
        all.fixtures += row.fixtures;
        all.values += row.values;
        row.ends.iter().for_each(|(end, count)| *all.ends.entry(end).or_default() += count);
    }
    line(&mut text, "all", &all);
    let _ = writeln!(
        text,
        "\n{unreadable} fixtures cannot be read at all and are refused whole; no value of the others is unaccounted for."
    );
    text
}

fn line(text: &mut String, name: &str, row: &Row) {
    let _ = write!(text, "| {name} | {} | {} |", row.fixtures, row.values);
    for end in ENDS {
        let _ = write!(text, " {} |", row.ends.get(end).copied().unwrap_or(0));
    }
    text.push('\n');
}

#[test]
fn every_value_of_every_fixture_is_accounted_for_and_the_page_says_so() {
    let (rows, unreadable) = count();
    for (id, row) in &rows {
        let known: usize = ENDS.iter().filter_map(|end| row.ends.get(end)).sum();
        assert_eq!(known, row.values, "{id}: values in against values with an end");
    }
    let table = table(&rows, unreadable);
    println!("{table}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats/README.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the counts");
    let (stated, after) = rest.split_once(END).expect("and its end");
    if std::env::var_os("SGW_WRITE_FIXTURES").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(stated, table, "write the page anew with SGW_WRITE_FIXTURES=1");
}
