//! The README's lines "by hand" are run as they stand, against the real binary, on ports of this machine's choosing.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

const BEGIN: &str = "<!-- by hand: begin";
const END: &str = "<!-- by hand: end";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The shell lines between the two marks.
fn lines_by_hand() -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let marked = readme
        .split(BEGIN)
        .nth(1)
        .and_then(|rest| rest.split(END).next())
        .expect("the marks are in the README");
    let blocks = marked.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let text: String = blocks.collect();
    assert!(text.contains("curl"), "the README has its curl lines");
    text
}

#[test]
fn the_lines_by_hand_do_what_the_readme_says() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    let (http, mllp, partner) = (free_port(), free_port(), free_port());
    let lines = lines_by_hand()
        .replace("sgw init site", &format!("sgw init site --listen 127.0.0.1:{http} --mllp 127.0.0.1:{mllp}"))
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{http}"))
        .replace("127.0.0.1:8081", &format!("127.0.0.1:{partner}"));
    let folder = tempfile::tempdir().unwrap();
    let example = "sed -i 's/127.0.0.1:8081/127.0.0.1:PARTNER/' site/examples/*.json\n"
        .replace("PARTNER", &partner.to_string());
    let lines = lines.replacen("key() {", &format!("{example}key() {{"), 1);
    let script = format!(
        "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{lines}\necho every line was run\n"
    );
    let binary = Path::new(env!("CARGO_BIN_EXE_sgw"));
    let path =
        format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("timeout")
        .args(["90", "bash", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "exit {:?}\n--- out\n{said}\n--- err\n{complained}",
        output.status.code()
    );
    assert!(said.contains("every line was run"), "{said}\n{complained}");
    for seen in ["safeguarding-flag", "transaction-response", "AuditEvent"] {
        assert!(said.contains(seen), "`{seen}` is missing from what the lines print:\n{said}");
    }
}
