//! LinuxForHealth's converter on the same message in the same run, when `SGW_LINUXFORHEALTH` names the folder with its jars.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Prints both as a table, ours by the median of what `ours` takes; says aloud when theirs is not there.
pub fn beside(mut ours: impl FnMut()) {
    let Ok(jars) = std::env::var("SGW_LINUXFORHEALTH") else {
        println!("SKIPPED: LinuxForHealth's converter was not asked, for SGW_LINUXFORHEALTH is not set");
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("java")
        .args(["-cp", &format!("{jars}/*")])
        .arg(root.join("benches/convert/LinuxForHealth.java"))
        .arg(root.join("fixtures/convert/hl7v2-a08-child-protection/input.hl7"))
        .arg("1000")
        .output()
        .expect("java runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rev().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let line = line.unwrap_or_else(|| panic!("no figures: {}", String::from_utf8_lossy(&output.stderr)));
    let theirs = |name: &str| line[name].as_f64().expect("a number");
    let mut times: Vec<f64> = (0..2_000)
        .map(|_| {
            let begun = Instant::now();
            ours();
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (ours, warm) = (times[times.len() / 2], theirs("warm_ms"));
    println!("| HL7 v2 ADT to validated Bundle | ours | LinuxForHealth, warm | ratio | its first |");
    println!("|---|---|---|---|---|");
    println!(
        "| one message | {ours:.3} ms | {warm:.2} ms | {:.0} × | {:.1} s |",
        warm / ours,
        theirs("first_ms") / 1e3
    );
}
