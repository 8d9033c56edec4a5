//! One term of an agreement against the facts, and the words for what came of it.

use super::agreement::Onward;
use super::decide::in_force;
use super::decision::{Decision, PolicyReference, ReasonCode};
use super::facts::{Facts, Reading, list};
use super::labels::{self, Confidentiality};
use super::permit::Grant;
use super::policy::{CompiledCategory, CompiledTerm, Policy};
use super::purpose;
use super::request::Request;
use super::tier::Tier;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

/// Where the facts stand, for testing terms.
pub(crate) struct Stand<'a> {
    pub policy: &'a Policy,
    pub facts: &'a Facts<'a>,
    pub reading: &'a Reading<'a>,
    pub purpose: &'a str,
    pub today: Date,
}

impl Stand<'_> {
    /// Whether the term covers the facts; if not, how far the test came and why it stopped. Labels and Consents come
    /// after: they decide about a term that covers, not which term does.
    pub fn test(&self, term: &CompiledTerm) -> Result<(), (u8, ReasonCode)> {
        if !term.sources.contains(self.facts.source_organisation) {
            return Err((1, ReasonCode::NoAgreement));
        }
        in_force(term, self.today).map_err(|code| (2, code))?;
        if !term.resources.iter().any(|resource| resource == self.facts.resource_type) {
            return Err((3, ReasonCode::NotShareable));
        }
        if self.facts.resource_type == "Flag" {
            self.test_flag(term)?;
        } else if !term.purposes.iter().any(|wider| purpose::includes(wider, self.purpose)) {
            return Err((6, ReasonCode::PurposeNotPermitted));
        }
        Ok(())
    }

    fn test_flag(&self, term: &CompiledTerm) -> Result<(), (u8, ReasonCode)> {
        let reading = self.reading;
        let covered = |concern: &str| {
            term.categories.iter().any(|category| covers(category, concern, self.facts.resource))
        };
        if reading.categories_undefined || !reading.categories.iter().all(|concern| covered(concern)) {
            return Err((4, ReasonCode::CategoryNotCovered));
        }
        if !reading.tier.is_some_and(|tier| term.tiers.contains(&tier)) {
            return Err((5, ReasonCode::TierNotCovered));
        }
        if !term.purposes.iter().any(|wider| purpose::includes(wider, self.purpose)) {
            return Err((6, ReasonCode::PurposeNotPermitted));
        }
        let bases = bases_in_force(self.policy, reading, self.today);
        if bases.is_empty() {
            return Err((7, ReasonCode::LawfulBasisMissing));
        }
        if !supported(self.policy, term, &bases, true) {
            return Err((8, ReasonCode::LawfulBasisNotAccepted));
        }
        Ok(())
    }
}

/// Whether the bases are those the term asks for: one that it accepts, and one of each kind that it requires. Without a
/// Consent that permits, a basis that is the patient's consent does not count.
pub(crate) fn supported(policy: &Policy, term: &CompiledTerm, bases: &[String], consented: bool) -> bool {
    let standing = || {
        let known = bases.iter().filter_map(|code| policy.register().get(code));
        known.filter(|basis| consented || !basis.by_consent)
    };
    standing().any(|basis| term.accept.contains(&basis.code))
        && term.require.iter().all(|kind| standing().any(|basis| basis.kind == *kind))
}

/// The resource's bases that are known and in force, in the order given, each once.
pub(crate) fn bases_in_force(policy: &Policy, reading: &Reading, today: Date) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for code in &reading.bases {
        let valid = policy.register().get(code).is_some_and(|basis| basis.in_force(today));
        if valid && !found.iter().any(|known| known == code) {
            found.push((*code).to_owned());
        }
    }
    found
}

fn covers(category: &CompiledCategory, concern: &str, resource: &Value) -> bool {
    if !category.concern.iter().any(|known| known == concern) {
        return false;
    }
    let text =
        |value: &Value, name: &str, wanted: &str| value.get(name).and_then(Value::as_str) == Some(wanted);
    let meta = resource.get("meta").unwrap_or(&Value::Null);
    let coded = || {
        let concepts = resource.get("code").into_iter().chain(list(resource, "category"));
        let mut codings = concepts.flat_map(|concept| list(concept, "coding"));
        codings.any(|coding| {
            category
                .codes
                .iter()
                .any(|(system, code)| text(coding, "system", system) && text(coding, "code", code))
        })
    };
    let claimed = || {
        list(meta, "profile")
            .filter_map(Value::as_str)
            .any(|profile| category.profiles.iter().any(|known| profile.split('|').next() == Some(known)))
    };
    let labelled = || {
        list(meta, "security").any(|coding| category.labels.iter().any(|label| text(coding, "code", label)))
    };
    (category.codes.is_empty() || coded())
        && (category.profiles.is_empty() || claimed())
        && (category.labels.is_empty() || labelled())
}

/// The confidentiality of a resource that carries none: `R` for what is safeguarding-critical, `V` for restricted.
pub(crate) fn assumed(tier: Option<Tier>) -> Confidentiality {
    match tier {
        Some(Tier::RoutineCoordination) => Confidentiality::N,
        Some(Tier::SafeguardingCritical) => Confidentiality::R,
        Some(Tier::Restricted) | None => Confidentiality::V,
    }
}

/// Whether the labels go beyond the term's clearance.
pub(crate) fn labels_refused(term: &CompiledTerm, reading: &Reading) -> bool {
    let clearance = &term.written.clearance;
    let actual = reading.confidentiality.unwrap_or_else(|| assumed(reading.tier));
    let cleared = |code: &str| {
        let local = labels::LOCAL_SENSITIVITIES.contains(&code);
        clearance
            .sensitivities
            .iter()
            .any(|known| if local { known == code } else { labels::includes(known, code) })
    };
    reading.labels.unknown
        || actual > clearance.up_to
        || !reading.labels.sensitivities.iter().all(|code| cleared(code))
}

/// Whether the emergency that is claimed is one the term accepts, now and for this patient.
pub(crate) fn emergency_accepted(term: &CompiledTerm, request: &Request, now: Timestamp) -> bool {
    match (&request.emergency, &term.written.break_glass) {
        (Some(claimed), Some(path)) => {
            path.roles.iter().any(|role| role == claimed.role)
                && path.reasons.iter().any(|reason| reason == claimed.reason)
                && !claimed.text.trim().is_empty()
                && !claimed.user.is_empty()
                && !claimed.patient_key.is_empty()
                && claimed.patient_key == claimed.of_resource
                && now < claimed.until
        }
        _ => false,
    }
}

/// The reference to a term.
pub(crate) fn reference(term: &CompiledTerm) -> PolicyReference {
    PolicyReference::Agreement {
        id: term.agreement.clone(),
        version: term.version.clone(),
        term: term.term.clone(),
    }
}

/// A permit in words.
pub(crate) fn rationale(grant: &Grant, decision: &Decision, facts: &Facts, request: &Request) -> String {
    let term = match grant {
        Grant::Whole("intake") => {
            return format!(
                "Held: the category is defined and a lawful basis was given ({}).",
                or_none(&decision.lawful_bases)
            );
        }
        Grant::Whole("own-record") => return "Permitted: the organisation's own record.".to_owned(),
        Grant::Whole(rule) => return format!("Permitted by the rule `{rule}`."),
        Grant::Term(term) => term,
    };
    let mut text = format!(
        "Permitted to {} for {} by agreement {} version {}, term {}: {} of tier {}, on {}.",
        request.organisation(),
        request.purpose,
        term.agreement,
        term.version,
        term.term,
        facts.resource_type,
        decision.tier.map_or("none", Tier::code),
        or_none(&decision.lawful_bases),
    );
    if let Some(basis) = &decision.overrode_dissent {
        text.push_str(&format!(" A dissent is overridden by {basis}."));
    } else if !decision.consents.is_empty() && decision.consents.iter().all(|consent| !consent.overridden) {
        text.push_str(" A consent permits it.");
    }
    if decision.break_glass {
        text.push_str(" By the emergency path; a review is due.");
    }
    if term.written.onward_sharing == Onward::No {
        text.push_str(" No further sharing.");
    }
    text
}

/// A refusal in words.
pub(crate) fn refusal(decision: &Decision, request: &Request) -> String {
    let reasons: Vec<&str> = decision.reasons.iter().map(|reason| reason.text.as_str()).collect();
    let verb = match request.organisation() {
        "" => "Quarantined".to_owned(),
        organisation => format!("Withheld from {organisation}"),
    };
    format!("{verb}: {}.", reasons.join("; "))
}

fn or_none(bases: &[String]) -> String {
    if bases.is_empty() { "no basis of its own".to_owned() } else { bases.join(", ") }
}
