//! What the demonstration saw: each outcome is printed as it is observed, and one that was not observed fails the run.

use crate::app::say;
use serde_json::Value;

/// Prints the story and keeps count of what was, and was not, observed.
#[derive(Default)]
pub struct Observed {
    step: u32,
    seen: u32,
    missing: Vec<String>,
}

impl Observed {
    /// Opens the next step of the story.
    pub fn step(&mut self, title: &str) {
        self.step += 1;
        say("");
        say(&format!("{}. {title}", self.step));
    }

    /// Prints a fact of the current step under a short label.
    pub fn tell(&self, label: &str, text: &str) {
        say(&format!("   {label:<10} {text}"));
    }

    /// States an outcome: printed with a tick when it was observed, with a cross when it was not.
    pub fn expect(&mut self, holds: bool, outcome: &str) {
        if holds {
            self.seen += 1;
            self.tell("observed", &format!("✓ {outcome}"));
        } else {
            self.missing.push(format!("step {}: {outcome}", self.step));
            self.tell("MISSING", &format!("✗ {outcome}"));
        }
    }

    /// How many outcomes were observed.
    pub fn seen(&self) -> u32 {
        self.seen
    }

    /// The outcomes that were not observed.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }
}

/// The numbers of the events that a notification Bundle tells of.
pub fn event_numbers(bundle: &Value) -> Vec<u64> {
    let Some(parameters) = bundle.pointer("/entry/0/resource/parameter").and_then(Value::as_array) else {
        return Vec::new();
    };
    let events = parameters.iter().filter(|parameter| parameter["name"] == "notification-event");
    events
        .filter_map(|event| {
            let parts = event["part"].as_array()?;
            let number = parts.iter().find(|part| part["name"] == "event-number")?;
            number["valueString"].as_str()?.parse().ok()
        })
        .collect()
}

/// The Flags that a notification Bundle carries.
pub fn flags(bundle: &Value) -> Vec<&Value> {
    let entries = bundle["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries
        .iter()
        .map(|entry| &entry["resource"])
        .filter(|resource| resource["resourceType"] == "Flag")
        .collect()
}

/// The value of a Flag's business identifier, by which the story recognises its own alerts.
pub fn fact(flag: &Value) -> &str {
    flag.pointer("/identifier/0/value").and_then(Value::as_str).unwrap_or_default()
}
