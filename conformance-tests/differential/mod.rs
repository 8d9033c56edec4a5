//! Mutants of valid resources, judged by this validator and by the reference implementation.
//!
//! Needs the reference: `SGW_ORACLE` names a program that reads one `{"id","body"}` a line and answers one
//! `{"id","valid","issues"}` a line (`--definitions PATH` and `--stdin` are given). Skipped aloud without it.
//!
//! `SGW_DIFFERENTIAL_COUNT` mutants (600) are made from `SGW_DIFFERENTIAL_SEED` (1); every third is XML. Seeds are
//! the passing fixtures, those under `fixtures/differential`, and the JSON files in the folders of
//! `SGW_DIFFERENTIAL_SEEDS` (parted by `:`); definitions beside our own come from `SGW_DIFFERENTIAL_DEFINITIONS`.
//! Every difference is printed; `SGW_DIFFERENTIAL_REPORT` names a file for them with their mutants.

mod accepted;
mod json;
pub mod random;
mod xml;

use accepted::Difference;
use random::Random;
use serde_json::{Value, json};
use sgw::definitions::Definitions;
use sgw::validate::{Report, Settings, Validator};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Mutant {
    what: String,
    body: String,
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str, default: u64) -> u64 {
    setting(name).map_or(default, |value| value.parse().expect("a number"))
}

fn paths(name: &str) -> Vec<PathBuf> {
    setting(name).map_or(Vec::new(), |list| list.split(':').map(PathBuf::from).collect())
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "json") {
            found.push(path);
        }
    }
}

/// The resources that mutants are made of: name and content, in a fixed order.
fn seeds() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    walk(&root.join("fixtures/profiles"), &mut files);
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pass-")));
    walk(&root.join("fixtures/differential"), &mut files);
    paths("SGW_DIFFERENTIAL_SEEDS").iter().for_each(|folder| walk(folder, &mut files));
    files.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).ok().filter(|text| text.len() < 20_000)?;
        let value: Value = serde_json::from_str(&text).ok()?;
        value.get("resourceType")?;
        Some((path.file_stem()?.to_string_lossy().into_owned(), value))
    };
    files.iter().filter_map(read).collect()
}

fn ours(validator: &Validator, body: &str) -> Report {
    if body.trim_start().starts_with('<') {
        validator.validate_xml(body, &[])
    } else {
        validator.validate_json(body, &[])
    }
}

/// Asks the reference about every mutant, in order.
fn ask(oracle: &str, definitions: &[PathBuf], bodies: &[String]) -> Vec<Value> {
    let mut command = Command::new(oracle);
    for path in definitions {
        command.arg("--definitions").arg(path);
    }
    let mut child = command
        .arg("--stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle starts");
    let mut stdin = child.stdin.take().expect("its input");
    let stdout = BufReader::new(child.stdout.take().expect("its output"));
    let lines: Vec<String> = bodies
        .iter()
        .enumerate()
        .map(|(i, body)| json!({"id": i.to_string(), "body": body}).to_string())
        .collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            if writeln!(stdin, "{line}").is_err() {
                return;
            }
        }
    });
    let answers: Vec<Value> =
        stdout.lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect();
    writer.join().expect("the questions are asked");
    let _ = child.wait();
    answers
}

fn errors_of(answer: &Value) -> Vec<String> {
    if let Some(failure) = answer["failed"].as_str() {
        return vec![failure.to_owned()];
    }
    let issues = answer["issues"].as_array().map_or(&[][..], Vec::as_slice);
    let grave = |issue: &&Value| matches!(issue["severity"].as_str(), Some("error" | "fatal"));
    issues.iter().filter(grave).map(|issue| format!("{} at {}", issue["text"], issue["at"])).collect()
}

fn make(seeds: &[(String, Value)], count: usize, random: &mut Random) -> Vec<Mutant> {
    let trees: Vec<_> = seeds.iter().map(|(_, value)| xml::Element::of(value)).collect();
    let mut mutants = Vec::with_capacity(count);
    while mutants.len() < count {
        let index = random.below(seeds.len());
        let (name, value) = &seeds[index];
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
    let given = paths("SGW_DIFFERENTIAL_DEFINITIONS");
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

    // A seed counts only when both find it valid, as JSON and as XML.
    let seeds = seeds();
    let both = |value: &Value| [Some(value.to_string()), xml::Element::of(value).map(|tree| tree.to_text())];
    let bodies: Vec<String> = seeds.iter().flat_map(|(_, value)| both(value)).flatten().collect();
    let answers = ask(&oracle, &definitions, &bodies);
    assert_eq!(answers.len(), bodies.len(), "the oracle answers every question");
    let mut sound = Vec::new();
    for (index, (name, value)) in seeds.into_iter().enumerate() {
        let two = [2 * index, 2 * index + 1];
        let theirs = two.iter().all(|i| answers[*i]["valid"] == true);
        let reports: Vec<Report> = two.iter().map(|i| ours(&validator, &bodies[*i])).collect();
        let fine = reports.iter().all(Report::is_valid);
        if theirs && fine {
            sound.push((name, value));
        } else if theirs != fine {
            let found: Vec<_> =
                reports.iter().flat_map(|r| &r.issues).filter(|i| i.severity.refuses()).collect();
            let texts: Vec<_> = two.iter().flat_map(|i| errors_of(&answers[*i])).collect();
            println!("seed {name}: ours {fine}, theirs {theirs}: {:?} | {texts:?}", found.first());
        }
    }
    assert!(!sound.is_empty(), "there are seeds");

    let count = number("SGW_DIFFERENTIAL_COUNT", 600) as usize;
    let seed = number("SGW_DIFFERENTIAL_SEED", 1);
    let mutants = make(&sound, count, &mut Random::new(seed));
    let bodies: Vec<String> = mutants.iter().map(|mutant| mutant.body.clone()).collect();
    let answers = ask(&oracle, &definitions, &bodies);
    assert_eq!(answers.len(), mutants.len(), "the oracle answers every question");

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
            rules: judged
                .issues
                .iter()
                .filter(|i| i.severity.refuses())
                .map(|i| i.rule.to_string())
                .collect(),
            theirs: errors_of(answer),
            aborted,
        };
        if let Some(reason) = accepted::reason(&difference) {
            explained += 1;
            *reasons.entry(reason).or_default() += 1;
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
        "seed {seed}: {} mutants of {} resources: {agreed} agree, {explained} differ for a written reason, {different} \
         differ ({false_valid} of them false valid): {:.2} %",
        mutants.len(),
        sound.len(),
        rate * 100.0
    );
    reasons.iter().for_each(|(reason, count)| println!("  {count} × {reason}"));
    if let Some(path) = setting("SGW_DIFFERENTIAL_REPORT") {
        std::fs::write(path, report).expect("the report can be written");
    }
    assert!(rate >= 0.98, "the verdicts agree on 98 % of the mutants");
    assert!(false_valid * 200 <= mutants.len(), "at most 0.5 % are valid for us alone");
}
