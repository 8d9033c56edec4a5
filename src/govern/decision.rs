//! What `decide` answers.

use super::permit::Permit;
use super::tier::Tier;

/// The verdict.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a decision is made, used and dropped; it is never kept in lists"
)]
pub enum Outcome {
    /// It may be, within the permit's obligations.
    Permit(Permit),
    /// It may not.
    Withhold,
    /// Something is missing that a person must supply.
    Quarantine,
}

impl Outcome {
    /// A stable name: `permit`, `withhold`, `quarantine`.
    pub fn code(&self) -> &'static str {
        match self {
            Outcome::Permit(_) => "permit",
            Outcome::Withhold => "withhold",
            Outcome::Quarantine => "quarantine",
        }
    }
}

/// Why something is not shared: the CodeSystem `reason-not-shared`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is explained by its text and by the CodeSystem")]
pub enum ReasonCode {
    NoAgreement,
    AgreementNotInForce,
    AgreementReviewOverdue,
    NotShareable,
    CategoryNotCovered,
    TierNotCovered,
    PurposeNotPermitted,
    LawfulBasisMissing,
    LawfulBasisNotAccepted,
    LabelNotCleared,
    ConsentDissent,
    ConsentMissing,
    RecipientUnknown,
    RecipientSuspended,
    TipOffRisk,
    Superseded,
    SubscriptionEnded,
    EvaluationError,
}

impl ReasonCode {
    /// The code in the CodeSystem.
    pub fn code(self) -> &'static str {
        match self {
            ReasonCode::NoAgreement => "no-agreement",
            ReasonCode::AgreementNotInForce => "agreement-not-in-force",
            ReasonCode::AgreementReviewOverdue => "agreement-review-overdue",
            ReasonCode::NotShareable => "not-shareable",
            ReasonCode::CategoryNotCovered => "category-not-covered",
            ReasonCode::TierNotCovered => "tier-not-covered",
            ReasonCode::PurposeNotPermitted => "purpose-not-permitted",
            ReasonCode::LawfulBasisMissing => "lawful-basis-missing",
            ReasonCode::LawfulBasisNotAccepted => "lawful-basis-not-accepted",
            ReasonCode::LabelNotCleared => "label-not-cleared",
            ReasonCode::ConsentDissent => "consent-dissent",
            ReasonCode::ConsentMissing => "consent-missing",
            ReasonCode::RecipientUnknown => "recipient-unknown",
            ReasonCode::RecipientSuspended => "recipient-suspended",
            ReasonCode::TipOffRisk => "tip-off-risk",
            ReasonCode::Superseded => "superseded",
            ReasonCode::SubscriptionEnded => "subscription-ended",
            ReasonCode::EvaluationError => "evaluation-error",
        }
    }

    /// What it means, as the middle of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            ReasonCode::NoAgreement => "no agreement lets this organisation receive from that source",
            ReasonCode::AgreementNotInForce => "the agreement is not in force today",
            ReasonCode::AgreementReviewOverdue => "the review of the agreement is overdue",
            ReasonCode::NotShareable => "this kind of resource is not shared under the agreement",
            ReasonCode::CategoryNotCovered => "the category of concern is not covered, or not defined",
            ReasonCode::TierNotCovered => "the sharing tier is not covered",
            ReasonCode::PurposeNotPermitted => "the purpose is not permitted",
            ReasonCode::LawfulBasisMissing => "no lawful basis in force was given",
            ReasonCode::LawfulBasisNotAccepted => "the agreement does not accept the lawful basis given",
            ReasonCode::LabelNotCleared => "the recipient is not cleared for its security labels",
            ReasonCode::ConsentDissent => "a consent directive denies it",
            ReasonCode::ConsentMissing => "the agreement asks for a consent, and none permits it",
            ReasonCode::RecipientUnknown => "the recipient is not registered",
            ReasonCode::RecipientSuspended => "the recipient is suspended",
            ReasonCode::TipOffRisk => "the person alleged to cause harm could learn of it",
            ReasonCode::Superseded => "a newer version has taken its place",
            ReasonCode::SubscriptionEnded => "the subscription has ended",
            ReasonCode::EvaluationError => "the rules could not be evaluated on these facts",
        }
    }

    /// Every reason, for documentation and checks.
    pub const ALL: [ReasonCode; 18] = [
        ReasonCode::NoAgreement,
        ReasonCode::AgreementNotInForce,
        ReasonCode::AgreementReviewOverdue,
        ReasonCode::NotShareable,
        ReasonCode::CategoryNotCovered,
        ReasonCode::TierNotCovered,
        ReasonCode::PurposeNotPermitted,
        ReasonCode::LawfulBasisMissing,
        ReasonCode::LawfulBasisNotAccepted,
        ReasonCode::LabelNotCleared,
        ReasonCode::ConsentDissent,
        ReasonCode::ConsentMissing,
        ReasonCode::RecipientUnknown,
        ReasonCode::RecipientSuspended,
        ReasonCode::TipOffRisk,
        ReasonCode::Superseded,
        ReasonCode::SubscriptionEnded,
        ReasonCode::EvaluationError,
    ];
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The code.
    pub code: ReasonCode,
    /// What it means here; never a patient's value.
    pub text: String,
}

impl From<ReasonCode> for Reason {
    fn from(code: ReasonCode) -> Reason {
        Reason { code, text: code.text().to_owned() }
    }
}

/// A policy that contributed to the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyReference {
    /// A term of an agreement.
    Agreement {
        /// The agreement.
        id: String,
        /// Its version.
        version: String,
        /// The term.
        term: String,
    },
    /// A rule of the gateway itself, such as `own-record` or `tip-off-protection`.
    Rule(&'static str),
}

/// What a Consent version contributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentReference {
    /// The Consent.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// What it said about this request.
    pub said: super::consent::Say,
    /// Whether its dissent was overridden by a statutory basis.
    pub overridden: bool,
    /// Whether a Consent given later counts instead, where the agreement says so.
    pub superseded: bool,
    /// Whether its review is overdue.
    pub review_overdue: bool,
}

/// The answer to one request.
#[derive(Debug)]
pub struct Decision {
    /// The verdict.
    pub outcome: Outcome,
    /// Why not; empty for a permit.
    pub reasons: Vec<Reason>,
    /// The policies that were decisive.
    pub contributed: Vec<PolicyReference>,
    /// The Consents that spoke.
    pub consents: Vec<ConsentReference>,
    /// The tier, given or derived.
    pub tier: Option<Tier>,
    /// The categories of concern that the gateway knows: codes of the CodeSystem `concern-category`.
    pub categories: Vec<&'static str>,
    /// The resource's lawful bases that are known and in force.
    pub lawful_bases: Vec<String>,
    /// The purpose asked for.
    pub purpose: String,
    /// The policy's version.
    pub policy_version: String,
    /// The basis that overrode a dissent, when one did.
    pub overrode_dissent: Option<String>,
    /// Whether the emergency path was used.
    pub break_glass: bool,
    /// The decision in a sentence or two, for people; never a patient's value.
    pub rationale: String,
}

impl Decision {
    /// The permit, when there is one.
    pub fn permit(&self) -> Option<&Permit> {
        match &self.outcome {
            Outcome::Permit(permit) => Some(permit),
            Outcome::Withhold | Outcome::Quarantine => None,
        }
    }

    /// A decision to withhold that the caller of `decide` makes itself, because the question has gone away: the
    /// version was superseded, or the subscription has ended.
    pub fn withheld(code: ReasonCode, purpose: &str) -> Decision {
        Decision {
            outcome: Outcome::Withhold,
            reasons: vec![code.into()],
            contributed: Vec::new(),
            consents: Vec::new(),
            tier: None,
            categories: Vec::new(),
            lawful_bases: Vec::new(),
            purpose: purpose.to_owned(),
            policy_version: String::new(),
            overrode_dissent: None,
            break_glass: false,
            rationale: format!("Withheld: {}.", code.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_of_the_code_system() {
        let text = include_str!("../../profiles/codesystems/reason-not-shared.json");
        let system: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut published: Vec<&str> =
            system["concept"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect();
        let mut known: Vec<&str> = ReasonCode::ALL.iter().map(|reason| reason.code()).collect();
        published.sort_unstable();
        known.sort_unstable();
        assert_eq!(published, known);
    }
}
