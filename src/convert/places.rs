//! Where a finding stands in both texts: in what the sender sent and in what it became. The ledger knows both.

use super::{Converted, Ledger};
use crate::fhir::Issue;
use serde_json::Value;

/// The most places that are named beside the first.
const MOST: usize = 5;

impl Converted {
    /// Names for each finding that has its place in the source the elements that came from there, and for each that has
    /// its place in the Bundle (`Bundle.entry[3].resource.period.start`) the values that it came from.
    pub fn place(&self, issues: &mut [Issue]) {
        let entries = self.bundle.get("entry").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for issue in issues.iter_mut().filter(|issue| !issue.expression.is_empty() && issue.also.is_empty()) {
            issue.also = match in_bundle(&issue.expression) {
                Some((index, element)) => {
                    let url = entries.get(index).and_then(|entry| entry.pointer("/request/url"));
                    let reference = url.and_then(Value::as_str).unwrap_or_default();
                    sources_of(&self.ledger, reference, element)
                }
                None => self.results_of(&issue.expression, entries),
            };
        }
    }

    fn results_of(&self, place: &str, entries: &[Value]) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (at, to, _) in self.ledger.uses() {
            let rest = at.strip_prefix(place);
            if rest.is_none_or(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric())) {
                continue;
            }
            let Some((reference, element)) = to.split_once('#') else { continue };
            let index = entries
                .iter()
                .position(|entry| entry.pointer("/request/url").and_then(Value::as_str) == Some(reference));
            let Some(index) = index else { continue };
            let result = format!("Bundle.entry[{index}].resource.{element}");
            if found.len() < MOST && !found.contains(&result) {
                found.push(result);
            }
        }
        found
    }
}

impl Ledger {
    /// As [`Converted::place`] for findings about one resource (`Flag/x`), whose places begin with its type.
    pub fn place_resource(&self, reference: &str, issues: &mut [Issue]) {
        for issue in issues.iter_mut().filter(|issue| issue.also.is_empty()) {
            if let Some((_, element)) = issue.expression.split_once('.') {
                issue.also = sources_of(self, reference, element);
            }
        }
    }
}

/// The index of the entry and the element of a place in a Bundle.
fn in_bundle(expression: &str) -> Option<(usize, &str)> {
    let (index, rest) = expression.strip_prefix("Bundle.entry[")?.split_once(']')?;
    let element = rest.strip_prefix(".resource")?;
    // `.resource/*Flag/…*/` and the like say the type again.
    let element = element.rsplit_once("*/").map_or(element, |(_, element)| element);
    Some((index.parse().ok()?, element.trim_start_matches('.')))
}

/// The places of the values that an element, or else the nearest element around it, came from.
fn sources_of(ledger: &Ledger, reference: &str, element: &str) -> Vec<String> {
    let wanted = steps(element);
    let mut best = 0;
    let mut found: Vec<String> = Vec::new();
    for (at, to, _) in ledger.uses() {
        let Some((made, target)) = to.split_once('#') else { continue };
        if made != reference {
            continue;
        }
        let shared = steps(target).iter().zip(&wanted).take_while(|(a, b)| a == b).count();
        if shared > best {
            best = shared;
            found.clear();
        }
        if shared == best && shared > 0 && found.len() < MOST && !found.iter().any(|known| known == at) {
            found.push(at.to_owned());
        }
    }
    found
}

/// The names of a path's steps, without indices and functions.
fn steps(path: &str) -> Vec<&str> {
    path.split('.')
        .map(|step| step.split(['[', '(']).next().unwrap_or(step))
        .filter(|s| !s.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{context, source};
    use super::super::{Format, Mappings, convert};
    use super::*;

    #[test]
    fn a_finding_is_placed_in_both_texts() {
        let text = include_bytes!("../../fixtures/convert/hl7v2-a08-child-protection/input.hl7");
        let mapping = Mappings::builtin().get("hl7v2-adt").unwrap();
        let one = convert(text, &source(Format::Hl7v2, "hl7v2-adt"), mapping, &context()).unwrap();
        let entries = one.bundle["entry"].as_array().unwrap();
        let patient = entries.iter().position(|e| e["resource"]["resourceType"] == "Patient").unwrap();
        let at = format!("Bundle.entry[{patient}].resource.birthDate");
        let mut issues =
            vec![Issue::error("value", "r", "PID[1]-7", "t"), Issue::error("value", "r", at.clone(), "t")];
        one.place(&mut issues);
        assert_eq!((&issues[0].also, &issues[1].also), (&vec![at], &vec!["PID[1]-7".to_owned()]));
        let mut issues = vec![Issue::error("value", "r", "Patient.birthDate.extension[0]", "t")];
        one.ledger.place_resource(entries[patient]["request"]["url"].as_str().unwrap(), &mut issues);
        assert_eq!(issues[0].also, ["PID[1]-7"]);
        assert_eq!(issues[0].to_json()["expression"][1], "PID[1]-7");
    }
}
