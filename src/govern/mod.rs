//! Sharing agreements, lawful bases, Consent evaluation, security labels, [`decide`](decide()) and [`Permit`].
//!
//! Pure: takes values and `now`, reads no clock, opens nothing (save [`Policy::load`], which reads a folder when
//! asked). The way through: [`Policy`] is read once and replaced as a whole; [`Request`] says who wants what and why;
//! [`Facts`] what the store knows; [`decide`](decide()) answers with a [`Decision`]; its [`Permit`] makes the copy that
//! may leave.
//!
//! Rules that hold here:
//! - Anything that no agreement covers is withheld; what cannot be evaluated is withheld.
//! - Two terms of agreements in force that could both decide about the same thing are refused when they are read.
//! - The tier is the source's; when it gave none, it follows from category and action ([`tier`]).
//! - Rationale and reasons never hold a patient's value.

pub mod agreement;
pub mod basis;
mod check;
mod consent;
pub mod dataset;
mod decide;
mod decision;
mod facts;
pub mod labelling;
pub mod labels;
mod matching;
mod partner;
mod period;
mod permit;
mod policy;
pub mod purpose;
mod release;
mod request;
mod revalidate;
pub mod task;
mod term;
pub mod tier;

#[cfg(test)]
mod by_consent_tests;
#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod consent_tests;
#[cfg(test)]
mod matching_tests;
#[cfg(test)]
mod obligation_tests;
#[cfg(test)]
mod pcf_tests;
#[cfg(test)]
mod release_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod term_tests;
#[cfg(test)]
mod tests;

pub use check::SCHEMA as AGREEMENT_SCHEMA;
pub(crate) use consent::review_overdue;
pub use consent::{Say, dispute};
pub use decide::decide;
pub use decision::{ConsentReference, Decision, Outcome, PolicyReference, Reason, ReasonCode};
pub use facts::{Facts, StoredConsent};
pub use labelling::LabelRules;
pub use partner::{Audience, Caller, Partner, PartnerKind, Role};
pub use permit::{PERMIT_LIFE, Permit, ReleaseError, Released};
pub use policy::{AgreementWarning, Policy, PolicyError, read_folder};
pub use request::{Action, Emergency, Recipient, Request};
pub use tier::Tier;
