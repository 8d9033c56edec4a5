//! The HL7 reference validator on the same Flag in the same run, when `SGW_ORACLE` names its command.

use super::material;
use sgw::validate::Validator;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What the reference validator took.
struct Theirs {
    process: Duration,
    first: Option<f64>,
    warm: Option<f64>,
}

fn ask(oracle: &str, file: &Path, profile: Option<&str>, repeat: u32) -> Theirs {
    let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let mut command = Command::new(oracle);
    for folder in ["structuredefinitions", "valuesets", "codesystems"] {
        command.arg("--definitions").arg(definitions.join(folder));
    }
    if let Some(profile) = profile {
        command.args(["--profile", profile]);
    }
    let begun = Instant::now();
    let output = command.args(["--repeat", &repeat.to_string()]).arg(file).output().expect("the oracle runs");
    let process = begun.elapsed();
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let number = |name: &str| line[name].as_f64();
    let warm = number("warm_ms").or_else(|| number("median_ms")).or_else(|| number("warm_median_ms"));
    Theirs { process, first: number("first_ms"), warm }
}

/// The median of one validation by us, in milliseconds.
fn ours(validator: &Validator, text: &str, profiles: &[&str]) -> f64 {
    let mut times: Vec<f64> = (0..2_000)
        .map(|_| {
            let begun = Instant::now();
            assert!(validator.validate_json(text, profiles).is_valid());
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Prints both beside each other as a table; says aloud when the reference validator is not there.
pub fn beside() {
    let Ok(oracle) = std::env::var("SGW_ORACLE") else {
        println!("SKIPPED: the reference validator was not asked, for SGW_ORACLE is not set");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let validator = Validator::builtin();
    println!("| 2 KB Flag | ours, warm | the HL7 validator, warm | ratio | its first | its process |");
    println!("|---|---|---|---|---|---|");
    let flag = (material::flag(), Some(material::PROFILE));
    for (name, (text, profile)) in
        [("with the safeguarding profile", flag), ("base R4", (material::plain(), None))]
    {
        let file = folder.path().join("flag.json");
        std::fs::write(&file, &text).expect("the Flag is written");
        let theirs = ask(&oracle, &file, profile, 200);
        let profiles: Vec<&str> = profile.into_iter().collect();
        let ours = ours(&validator, &text, &profiles);
        let (warm, first) = (theirs.warm.unwrap_or(f64::NAN), theirs.first.unwrap_or(f64::NAN));
        println!(
            "| {name} | {ours:.4} ms | {warm:.2} ms | {:.0} × | {first:.0} ms | {:.1} s |",
            warm / ours,
            theirs.process.as_secs_f64()
        );
    }
}
