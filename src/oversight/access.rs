//! Who saw what about one patient, and under which authority: for the process of a subject's request.

use crate::audit::StoredLeaf;
use serde::Serialize;
use serde_json::Value;

/// One access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Access {
    /// When.
    pub when: String,
    /// What was done: `disclosure`, `read`, `search`, `break-glass`, `quarantine` or `received` (what another
    /// organisation recorded about an access of its own).
    pub act: String,
    /// The organisation (ODS code), and the credential or person.
    pub who: String,
    /// What was seen.
    pub what: String,
    /// The purpose's code.
    pub purpose: String,
    /// The agreement, rule, lawful basis and Consents, or the role and reason of an emergency.
    pub authority: String,
    /// `given`, or `refused` when nothing was.
    pub outcome: &'static str,
    /// The record, which can be proved.
    pub record: String,
}

/// The details that say under which authority something was done.
const AUTHORITY: [&str; 7] =
    ["agreement", "rule", "lawful-basis", "consent", "overrode-dissent", "role", "reason"];

impl Access {
    /// The access that a leaf records; `None` for acts by which nobody saw anything, for erased records, and for a
    /// read that was permitted, because the disclosure recorded with it says all that it says.
    pub fn of(leaf: &StoredLeaf) -> Option<Access> {
        let own: Value = serde_json::from_str(&leaf.leaf).ok()?;
        let event: Value = serde_json::from_str(leaf.body.as_deref()?).ok()?;
        let act = text(&own, "/act");
        let (mut what, mut authority, mut decided) = (Vec::new(), Vec::new(), String::new());
        for entity in list(&event, "entity") {
            let (reference, role) = (text(entity, "/what/reference"), text(entity, "/role/code"));
            let object = text(entity, "/what/identifier/value");
            if !reference.is_empty() && role != "13" {
                what.push(reference.to_owned());
            } else if role == "20" && !object.is_empty() {
                what.push(format!("quarantined payload {object}"));
            }
            for detail in list(entity, "detail") {
                let (name, value) = (text(detail, "/type"), text(detail, "/valueString"));
                if name == "outcome" {
                    value.clone_into(&mut decided);
                }
                if AUTHORITY.contains(&name) {
                    authority.push(format!("{name} {value}"));
                }
                if name == "step" && value != "read" {
                    return None;
                }
            }
        }
        let outcome = match act {
            "disclosure" | "break-glass" | "search" | "quarantine" => "given",
            "read" if decided == "permit" => return None,
            "read" if decided.is_empty() => "given",
            "read" => "refused",
            // What others tell counts only when it tells of somebody who looked, or of a copy that went on.
            "received" if matches!(text(&event, "/action"), "R" | "E") => "given",
            _ => return None,
        };
        if act == "search" {
            what.push("a search; what it gave is listed by itself".to_owned());
        }
        let observer = text(&event, "/source/observer/identifier/value");
        let who = |agent: &Value| text(agent, "/who/identifier/value").to_owned();
        let agents = list(&event, "agent");
        let other = agents
            .iter()
            .find(|agent| who(agent) != observer)
            .or_else(|| agents.iter().find(|agent| agent.get("requestor") == Some(&Value::Bool(true))))
            .or_else(|| agents.last());
        let who = other.map(|agent| format!("{} ({})", who(agent), text(agent, "/altId")));
        Some(Access {
            when: text(&own, "/at").to_owned(),
            act: act.to_owned(),
            who: who.unwrap_or_default(),
            what: what.join(" "),
            purpose: text(&event, "/purposeOfEvent/0/coding/0/code").to_owned(),
            authority: authority.join("; "),
            outcome,
            record: format!("AuditEvent/{}", leaf.id),
        })
    }
}

/// The report in words that a person who asked can be given, once somebody has looked through it.
pub fn letter(accesses: &[Access]) -> String {
    let given = accesses.iter().filter(|access| access.outcome == "given").count();
    let mut text = format!(
        "Who has seen what this gateway holds about you\n\n\
         This list has every time that information about you was sent, read or searched for through the safeguarding \
         gateway: {} entries, {given} in which something was given. It does not show what happened inside the \
         organisations that received it; ask them. Each entry names its record, which can be proved to be complete \
         and unchanged.\n\n\
         Before this is given out, somebody must decide what may be told: an entry can show that a safeguarding \
         concern exists, or who raised it (Data Protection Act 2018, schedule 3 part 5 and schedule 2).\n",
        accesses.len()
    );
    for access in accesses {
        let did = match (access.act.as_str(), access.outcome) {
            (_, "refused") => "asked for, and was not given,",
            ("disclosure", _) => "was given",
            ("break-glass", _) => "in an emergency saw",
            ("search", _) => "made",
            ("received", _) => "reported that somebody there saw",
            _ => "saw",
        };
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        text.push_str(&format!(
            "\n{}: {} {did} {}\n    why: {}\n    under which authority: {}\n    record: {}\n",
            access.when,
            access.who,
            or(&access.what, "a record"),
            or(&access.purpose, "not stated"),
            or(&access.authority, "its role at this gateway"),
            access.record
        ));
    }
    text
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
