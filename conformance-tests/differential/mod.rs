//! Mutants of valid resources, judged by this validator and by the reference implementation.
//!
//! Needs the reference: `SGW_ORACLE` names a program that reads one `{"id","body"}` a line and answers one
//! `{"id","valid","issues"}` a line (`--definitions PATH` and `--stdin` are given). Skipped aloud without it.
//!
//! `SGW_DIFFERENTIAL_COUNT` mutants (600) are made from `SGW_DIFFERENTIAL_SEED` (1); every third is XML. Seeds are
//! the passing fixtures, those under `fixtures/differential/seeds`, and the JSON files in the folders of
//! `SGW_DIFFERENTIAL_SEEDS` (parted by `:`); definitions beside our own come from `SGW_DIFFERENTIAL_DEFINITIONS`
//! or, without it, are those of UK Core and NHS England under `SGW_REFERENCE_DATA`. `SGW_DIFFERENTIAL_CACHE` names
//! a file that keeps the reference's answers, so that a repeated run costs only our side.
//! `SGW_DIFFERENTIAL_GROUP` names the one group of seeds to use (`our profiles`, `UK Core`, `examples` …).
//! A seed on which the two disagree counts as a difference too (`as published`).
//! Every difference is printed; `SGW_DIFFERENTIAL_REPORT` names a file for them with their mutants.

mod accepted;
mod json;
pub mod oracle;
pub mod random;
mod seeds;
mod xml;

use accepted::{Difference, Reasons};
use oracle::Oracle;
use random::Random;
use seeds::Seed;
use serde_json::Value;
use sgw::definitions::Definitions;
use sgw::validate::{Report, Settings, Validator};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

struct Mutant {
    what: String,
    body: String,
}

pub fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str, default: u64) -> u64 {
    setting(name).map_or(default, |value| value.parse().expect("a number"))
}

fn paths(name: &str) -> Vec<PathBuf> {
    setting(name).map_or(Vec::new(), |list| list.split(':').map(PathBuf::from).collect())
}

fn ours(validator: &Validator, body: &str) -> Report {
    if body.trim_start().starts_with('<') {
        validator.validate_xml(body, &[])
    } else {
        validator.validate_json(body, &[])
    }
}

/// What refuses: the rule, the place and the text of each finding.
fn findings(report: &Report) -> Vec<[String; 3]> {
    let refusing = report.issues.iter().filter(|issue| issue.severity.refuses());
    refusing.map(|i| [i.rule.to_string(), i.expression.clone(), i.text.clone()]).collect()
}

pub fn errors_of(answer: &Value) -> Vec<String> {
    if let Some(failure) = answer["failed"].as_str() {
        return vec![failure.to_owned()];
    }
    let issues = answer["issues"].as_array().map_or(&[][..], Vec::as_slice);
    let grave = |issue: &&Value| matches!(issue["severity"].as_str(), Some("error" | "fatal"));
    issues.iter().filter(grave).map(|issue| format!("{} at {}", issue["text"], issue["at"])).collect()
}

fn make(seeds: &[Seed], count: usize, random: &mut Random) -> Vec<Mutant> {
    let trees: Vec<_> = seeds.iter().map(|seed| xml::Element::of(&seed.value)).collect();
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, seed) in seeds.iter().enumerate() {
        groups.entry(&seed.group).or_default().push(index);
    }
    let groups: Vec<Vec<usize>> = groups.into_values().collect();
    let mut mutants = Vec::with_capacity(count);
    while mutants.len() < count {
        let group = &groups[random.below(groups.len())];
        let index = group[random.below(group.len())];
        let Seed { name, value, .. } = &seeds[index];
        let made = match &trees[index] {
            Some(tree) if mutants.len() % 3 == 0 => {
                xml::mutant(tree, random).map(|(what, body)| (format!("xml {what}"), body))
            }
            _ => json::mutant(value, random),
        };
        if let Some((what, body)) = made {
            mutants.push(Mutant { what: format!("{name}: {what}"), body });
        }
    }
    mutants
}

#[test]
fn mutants_are_judged_as_the_reference_judges_them() {
    let Some(oracle) = setting("SGW_ORACLE") else {
        eprintln!("skipped: SGW_ORACLE does not name the reference validator");
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reasons_for = Reasons::read();
    let mut given = paths("SGW_DIFFERENTIAL_DEFINITIONS");
    if given.is_empty()
        && let Some(data) = setting("SGW_REFERENCE_DATA")
    {
        given = ["uk-core", "nhs-england"].map(|folder| Path::new(&data).join(folder)).to_vec();
    }
    let mut definitions: Vec<PathBuf> = ["structuredefinitions", "codesystems", "valuesets"]
        .map(|folder| root.join("profiles").join(folder))
        .to_vec();
    definitions.extend(given.iter().cloned());
    let known = if given.is_empty() {
        Definitions::builtin()
    } else {
        Definitions::load(&given).expect("the definitions can be used").definitions
    };
    let settings = Settings { allow_extensions: vec!["any".to_owned()], ..Settings::default() };
    let validator = Validator::with(known, settings);

    let cache = setting("SGW_DIFFERENTIAL_CACHE").map(PathBuf::from);
    let mut oracle = Oracle::new(oracle, definitions, cache);

    // A seed counts only when both find it valid, as JSON and as XML.
    let mut seeds = seeds::all();
    if let Some(wanted) = setting("SGW_DIFFERENTIAL_GROUP") {
        seeds.retain(|seed| seed.group == wanted);
    }
    let both = |value: &Value| [Some(value.to_string()), xml::Element::of(value).map(|tree| tree.to_text())];
    let bodies: Vec<String> = seeds.iter().flat_map(|seed| both(&seed.value)).flatten().collect();
    let answers = oracle.ask(&bodies);
    assert_eq!(answers.len(), bodies.len(), "the oracle answers every question");
    let mut sound = Vec::new();
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    let (mut published, mut refused) = (0, 0);
    for (index, seed) in seeds.into_iter().enumerate() {
        let two = [2 * index, 2 * index + 1];
        let theirs = two.iter().all(|i| answers[*i]["valid"] == true);
        let reports: Vec<Report> = two.iter().map(|i| ours(&validator, &bodies[*i])).collect();
        let fine = reports.iter().all(Report::is_valid);
        if theirs && fine {
            *groups.entry(seed.group.clone()).or_default() += 1;
            sound.push(seed);
        } else if theirs != fine {
            let texts = two.iter().flat_map(|i| errors_of(&answers[*i])).collect();
            let aborted = two.iter().any(|i| answers[*i]["valid"].is_null());
            let what = format!("{}: as published", seed.name);
            let found = reports.iter().flat_map(findings).collect();
            let difference = Difference { what, ours: fine, rules: found, theirs: texts, aborted };
            published += 1;
            if reasons_for.of(&difference).is_none() {
                // What the reference alone refuses is no seed, and said; what we alone refuse is a fault of ours.
                refused += usize::from(!fine);
                println!("seed {} ours {fine}: {:?} | {:?}", seed.name, difference.rules, difference.theirs);
            }
        }
    }
    println!(
        "{published} seeds are judged differently, {refused} of them refused by us alone without a reason"
    );
    assert!(!sound.is_empty(), "there are seeds");

    let count = number("SGW_DIFFERENTIAL_COUNT", 600) as usize;
    let seed = number("SGW_DIFFERENTIAL_SEED", 1);
    let mutants = make(&sound, count, &mut Random::new(seed));
    let bodies: Vec<String> = mutants.iter().map(|mutant| mutant.body.clone()).collect();
    let answers = oracle.ask(&bodies);
    assert_eq!(answers.len(), mutants.len(), "the oracle answers every question");

    let of_xml = mutants.iter().filter(|mutant| mutant.body.starts_with('<')).count();
    let (mut agreed, mut explained, mut false_valid, mut different) = (0, 0, 0, 0);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut report = String::new();
    for (mutant, answer) in mutants.iter().zip(&answers) {
        let judged = ours(&validator, &mutant.body);
        let aborted = answer["valid"].is_null();
        if judged.is_valid() == (answer["valid"] == true) && !aborted {
            agreed += 1;
            continue;
        }
        let difference = Difference {
            what: mutant.what.clone(),
            ours: judged.is_valid(),
            rules: findings(&judged),
            theirs: errors_of(answer),
            aborted,
        };
        if let Some(reason) = reasons_for.of(&difference) {
            explained += 1;
            *reasons.entry(reason).or_default() += 1;
            let _ = writeln!(report, "accepted {}: {:?}", difference.what, difference.rules);
            continue;
        }
        different += 1;
        false_valid += usize::from(difference.ours);
        let verdict = if difference.ours { "FALSE VALID" } else { "false invalid" };
        let line = format!("{verdict} {}: {:?} | {:?}", difference.what, difference.rules, difference.theirs);
        println!("{line}");
        let _ = writeln!(report, "{line}\n    {}", mutant.body.replace('\n', " "));
    }
    let rate = (agreed + explained) as f64 / mutants.len() as f64;
    println!(
        "seed {seed}: {} mutants ({of_xml} of them XML) of {} resources {groups:?}: {agreed} agree, {explained} differ for a written reason, {different} \
         differ ({false_valid} of them false valid): {:.2} %",
        mutants.len(),
        sound.len(),
        rate * 100.0
    );
    reasons.iter().for_each(|(reason, count)| println!("  {count} × {reason}"));
    if let Some(path) = setting("SGW_DIFFERENTIAL_REPORT") {
        std::fs::write(path, report).expect("the report can be written");
    }
    assert_eq!(refused, 0, "what the reference finds valid as published is valid, or there is a reason");
    assert!(rate >= 0.98, "the verdicts agree on 98 % of the mutants");
    assert!(false_valid * 200 <= mutants.len(), "at most 0.5 % are valid for us alone");
}
