//! Proof and oversight through the front door: what the demonstration left, looked at by the commands that an auditor
//! has, and counted again by code that shares nothing with the gateway's.

mod demonstrated;
mod erased;
mod reviewed;
mod searched;
mod tampered;
mod witnessed;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Runs a program; its exit code and everything it said.
pub fn run(program: &str, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

pub fn sgw(arguments: &[&str]) -> (i32, String) {
    run(env!("CARGO_BIN_EXE_sgw"), arguments)
}

pub fn sgw_verify(arguments: &[&str]) -> (i32, String) {
    run(env!("CARGO_BIN_EXE_sgw-verify"), arguments)
}

/// The site that one run of the demonstration left, with its log exported.
pub struct Demonstrated {
    folder: tempfile::TempDir,
    /// Every line of the export: the leaf, and the event.
    pub log: Vec<(Value, Value)>,
}

impl Demonstrated {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn config(&self) -> String {
        self.text("site/sgw.toml")
    }

    pub fn key(&self) -> String {
        self.text("site/audit.pub")
    }
}

/// The demonstration, run once for all tests that look at what it left.
pub fn demonstrated() -> &'static Demonstrated {
    static ONCE: OnceLock<Demonstrated> = OnceLock::new();
    ONCE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site").display().to_string();
        let (code, said) = sgw(&["demo", "--folder", &site]);
        assert_eq!(code, 0, "{said}");
        let export = folder.path().join("export").display().to_string();
        let config = format!("{site}/sgw.toml");
        let (code, said) = sgw(&["audit", "export", "--out", &export, "--config", &config]);
        assert_eq!(code, 0, "{said}");
        let log = exported(Path::new(&export));
        Demonstrated { folder, log }
    })
}

/// The lines of an export, read without the gateway's own reader.
pub fn exported(folder: &Path) -> Vec<(Value, Value)> {
    let text = std::fs::read_to_string(folder.join("audit.ndjson")).unwrap();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let inner = |name: &str| line[name].as_str().map(|text| serde_json::from_str(text).unwrap());
        (inner("leaf").unwrap(), inner("event").unwrap_or(Value::Null))
    };
    text.lines().map(line).collect()
}

/// Every detail of an event with this name.
pub fn details<'e>(event: &'e Value, name: &str) -> Vec<&'e str> {
    let entities = event["entity"].as_array().map(Vec::as_slice).unwrap_or_default();
    let all = entities.iter().filter_map(|entity| entity["detail"].as_array()).flatten();
    all.filter(|detail| detail["type"] == name).filter_map(|detail| detail["valueString"].as_str()).collect()
}
