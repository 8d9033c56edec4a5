//! What a Consent says about one request: R4 Consent with the semantics of IHE Privacy Consent on FHIR 1.1.
//!
//! - Only an `active` Consent of scope `patient-privacy` speaks.
//! - A provision applies when every criterion it names matches (criteria are ANDed, repeats of one are ORed; an
//!   absent criterion matches everything). Nested provisions are exceptions: each level flips the type. One that has
//!   the type of the provision around it adds to it instead.
//! - When several exceptions of one level apply and disagree, the one that denies wins.
//! - What cannot be told (an unresolvable reference, an unreadable date, an unknown code system) never helps to
//!   disclose: a provision that denies applies, one that permits does not.
//! - A Consent that is disputed or uncertain (extension `consent-dispute`) permits nothing; a dissent holds.
//! - Core says that the root has no type and builds on `policyRule`; PCF requires a type. Both are understood; a
//!   Consent with neither, or one that cannot be understood, denies.

use super::facts::list;
use super::matching::{Asked, Match, matches};
use super::period;
use crate::fhir::systems;
use jiff::Timestamp;
use serde_json::Value;

/// What one Consent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Say {
    /// It permits what is asked.
    Permit,
    /// It denies it, or cannot be understood.
    Deny,
    /// It does not speak about it.
    Silent,
    /// It belongs to another patient: whoever gathered the facts erred.
    Foreign,
}

/// The type of a provision.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Permit,
    Deny,
}

impl Kind {
    fn flipped(self) -> Kind {
        match self {
            Kind::Permit => Kind::Deny,
            Kind::Deny => Kind::Permit,
        }
    }
}

const DEEPEST: usize = 16;

/// What this Consent says about the request.
pub(crate) fn evaluate(consent: &Value, asked: &Asked) -> Say {
    if consent.get("status").and_then(Value::as_str) != Some("active") {
        return Say::Silent;
    }
    if is_foreign(consent, asked) {
        return Say::Foreign;
    }
    match in_scope(consent) {
        Some(true) => {}
        Some(false) => return Say::Silent,
        None => return Say::Deny,
    }
    if consent.get("modifierExtension").is_some() {
        return Say::Deny;
    }
    let Some(kind) = root_kind(consent) else { return Say::Deny };
    let nothing = Value::Null;
    let root = consent.get("provision").unwrap_or(&nothing);
    let matched = if root.is_null() { Match::Yes } else { matches(root, kind == Kind::Deny, asked) };
    let Ok(result) = apply(root, matched, kind, asked, 0) else { return Say::Deny };
    match result {
        None => Say::Silent,
        Some(Kind::Deny) => Say::Deny,
        // A permission that hangs on a root nobody can read, or that is not given yet, is none.
        Some(Kind::Permit)
            if matched == Match::Unknown || given_later(consent, asked.now) || is_disputed(consent) =>
        {
            Say::Silent
        }
        Some(Kind::Permit) => Say::Permit,
    }
}

/// A provision that cannot be understood.
struct Malformed;

/// What one provision and those within it come to; `None` when none of them applies.
///
/// A provision within another is an exception to it, of the other type, and counts only where the outer one applies;
/// or, when it has the same type, an addition beside it, as in the advanced examples of Privacy Consent on FHIR
/// ("normal data to everybody, restricted data to one practitioner").
fn apply(
    provision: &Value,
    matched: Match,
    kind: Kind,
    asked: &Asked,
    depth: usize,
) -> Result<Option<Kind>, Malformed> {
    let applies = match matched {
        Match::Yes => true,
        Match::No => false,
        Match::Unknown => kind == Kind::Deny,
    };
    let (mut excepted, mut added) = (None, None);
    for inner in nested(provision)? {
        if depth >= DEEPEST {
            return Err(Malformed);
        }
        if kind_of(inner)? == Some(kind) {
            let whole = addition(provision, inner, kind);
            let matched = matches(&whole, kind == Kind::Deny, asked);
            added = stricter(added, apply(&whole, matched, kind, asked, depth + 1)?);
        } else if applies {
            let matched = matches(inner, kind == Kind::Permit, asked);
            excepted = stricter(excepted, apply(inner, matched, kind.flipped(), asked, depth + 1)?);
        }
    }
    Ok(stricter(applies.then(|| excepted.unwrap_or(kind)), added))
}

/// Of two answers the one that denies.
fn stricter(one: Option<Kind>, other: Option<Kind>) -> Option<Kind> {
    match (one, other) {
        (Some(Kind::Deny), _) | (_, Some(Kind::Deny)) => Some(Kind::Deny),
        (one, other) => one.or(other),
    }
}

/// An addition as a provision of its own. A permission keeps the criteria of the outer one, save those it names itself;
/// a dissent stands by its own criteria alone: of two ways to read it, each time the one that discloses less.
fn addition(outer: &Value, inner: &Value, kind: Kind) -> Value {
    let mut whole = inner.clone();
    if let (Kind::Permit, Some(of_outer), Some(of_whole)) = (kind, outer.as_object(), whole.as_object_mut()) {
        for (name, criterion) in of_outer.iter().filter(|(name, _)| *name != "provision") {
            of_whole.entry(name.clone()).or_insert_with(|| criterion.clone());
        }
    }
    whole
}

fn nested(provision: &Value) -> Result<&[Value], Malformed> {
    match provision.get("provision") {
        None => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(Malformed),
    }
}

fn kind_of(provision: &Value) -> Result<Option<Kind>, Malformed> {
    match provision.get("type") {
        None => Ok(None),
        Some(Value::String(code)) if code == "permit" => Ok(Some(Kind::Permit)),
        Some(Value::String(code)) if code == "deny" => Ok(Some(Kind::Deny)),
        Some(_) => Err(Malformed),
    }
}

/// The type of the root: its own, else what `policyRule` stands for. `None` when nobody can say.
fn root_kind(consent: &Value) -> Option<Kind> {
    let own = match consent.get("provision") {
        None => None,
        Some(root @ Value::Object(_)) => kind_of(root).ok()?,
        Some(_) => return None,
    };
    own.or_else(|| {
        let rule = consent.get("policyRule")?;
        list(rule, "coding")
            .filter(|coding| coding.get("system").and_then(Value::as_str) == Some(systems::ACT_CODE))
            .find_map(|coding| match coding.get("code").and_then(Value::as_str)? {
                "OPTIN" | "OPTINR" | "IMPLIED" | "IMPLIEDD" => Some(Kind::Permit),
                "OPTOUT" | "OPTOUTE" => Some(Kind::Deny),
                _ => None,
            })
    })
}

/// Whether the scope is patient privacy; `None` when it has no scope that can be read.
fn in_scope(consent: &Value) -> Option<bool> {
    let scope = consent.get("scope")?;
    let mut known = false;
    for coding in list(scope, "coding") {
        if coding.get("system").and_then(Value::as_str)
            == Some("http://terminology.hl7.org/CodeSystem/consentscope")
        {
            known = true;
            if coding.get("code").and_then(Value::as_str) == Some("patient-privacy") {
                return Some(true);
            }
        }
    }
    known.then_some(false)
}

fn given_later(consent: &Value, now: Timestamp) -> bool {
    match consent.get("dateTime") {
        None => false,
        Some(text) => match text.as_str().and_then(period::interval) {
            Some((start, _)) => start > now,
            None => true,
        },
    }
}

/// When the Consent was given, for telling which of several was given last: a dissent whose date is absent or cannot be
/// read counts as the last, a permission as the first.
pub(crate) fn given(consent: &Value, said: Say) -> Timestamp {
    let unknown = if said == Say::Permit { Timestamp::MIN } else { Timestamp::MAX };
    let date = consent.get("dateTime").and_then(Value::as_str).and_then(period::interval);
    date.map_or(unknown, |(start, _)| start)
}

/// Whether the review of this Consent is overdue: extension `review-due` with a day that has gone, or is unreadable.
pub(crate) fn review_overdue(consent: &Value, now: Timestamp) -> bool {
    list(consent, "extension")
        .filter(|extension| {
            let url = extension.get("url").and_then(Value::as_str).unwrap_or_default();
            url.strip_prefix(systems::base()) == Some("/StructureDefinition/review-due")
        })
        .any(|extension| {
            let due = extension.get("valueDate").and_then(Value::as_str).and_then(period::interval);
            due.is_none_or(|(_, end)| end <= now)
        })
}

/// Whether the Consent is disputed or uncertain (extension `consent-dispute`), whatever the extension says in detail.
fn is_disputed(consent: &Value) -> bool {
    dispute(consent).is_some()
}

/// The code of the dispute (CodeSystem `consent-dispute`); `uncertain` when the extension gives none.
pub fn dispute(consent: &Value) -> Option<&str> {
    let mut disputes = list(consent, "extension").filter(|extension| {
        let url = extension.get("url").and_then(Value::as_str).unwrap_or_default();
        url.strip_prefix(systems::base()) == Some("/StructureDefinition/consent-dispute")
    });
    let found = disputes.next()?;
    Some(found.pointer("/valueCoding/code").and_then(Value::as_str).unwrap_or("uncertain"))
}

/// Whether Consent and resource name different patients in the same identifier system.
fn is_foreign(consent: &Value, asked: &Asked) -> bool {
    let Some(of_consent) = consent.get("patient").and_then(|patient| patient.get("identifier")) else {
        return false;
    };
    let Some(system) = of_consent.get("system").and_then(Value::as_str) else { return false };
    let value = of_consent.get("value").and_then(Value::as_str);
    let subject = asked.resource.get("subject").or_else(|| asked.resource.get("patient"));
    let known = subject.and_then(|subject| subject.get("identifier"));
    let of_patient = asked.patient.into_iter().flat_map(|patient| list(patient, "identifier"));
    let mut same_system = known
        .into_iter()
        .chain(of_patient)
        .filter(|identifier| identifier.get("system").and_then(Value::as_str) == Some(system))
        .peekable();
    same_system.peek().is_some()
        && !same_system.any(|identifier| identifier.get("value").and_then(Value::as_str) == value)
}
