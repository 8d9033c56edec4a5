//! The proof that a decision permitted: only [`decide`](super::decide()) can make a [`Permit`].

use super::agreement::{Location, Onward};
use super::dataset::Dataset;
use super::facts::{Facts, Reading};
use super::policy::{CompiledTerm, Policy};
use super::release::{self, Place};
use super::request::{Action, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::sync::Arc;

/// How long a permit may be used after the decision: what is true now may not be true in a minute.
pub const PERMIT_LIFE: SignedDuration = SignedDuration::from_secs(60);

/// By what a permit was granted.
#[derive(Debug)]
pub(crate) enum Grant {
    /// A rule of the gateway itself: the whole resource.
    Whole(&'static str),
    /// A term of an agreement: its minimum dataset.
    Term(Arc<CompiledTerm>),
}

/// Leave to release one resource version to one recipient for one purpose, for a minute. It can be neither made nor
/// copied elsewhere, nor written down.
#[derive(Debug)]
pub struct Permit {
    grant: Grant,
    recipient: String,
    purpose: String,
    action: Action,
    resource_type: String,
    id: String,
    version: u64,
    consents: Vec<(String, u64)>,
    policy_version: String,
    expires: Timestamp,
    withhold_location: bool,
    notices: Vec<String>,
}

/// Why a permit cannot be used for this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The facts are those of another resource version than the one decided about.
    #[error("the permit is for another resource version")]
    OtherResource,
    /// The Consents are not those decided about.
    #[error("the consents have changed since the decision")]
    OtherConsents,
    /// The permit is too old.
    #[error("the permit has expired")]
    Expired,
    /// The permit was for the gateway to hold the resource, not to release it.
    #[error("the permit is not one to release")]
    NotForRelease,
    /// What would be left of the resource is not enough to be one.
    #[error("`{0}` cannot be released without `{1}`")]
    Incomplete(String, &'static str),
    /// The copy is not valid any more once the obligations are applied: the rule that it breaks.
    #[error("the copy would break the rule `{0}`")]
    Invalid(String),
}

/// A resource as the recipient may have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Released {
    /// The resource, obligations applied.
    pub resource: Value,
    /// Whether anything was left out or masked.
    pub redacted: bool,
    /// What was applied, by stable names: `minimum-dataset`, `masked`, `location-withheld`, `location-generalised`,
    /// `no-onward-sharing`.
    pub obligations: Vec<&'static str>,
    /// Notices that must accompany the copy, such as that of 42 CFR Part 2.
    pub notices: Vec<String>,
    /// The response expected of the recipient, as an ISO 8601 duration.
    pub response_time: Option<String>,
}

impl Permit {
    pub(crate) fn new(
        grant: Grant,
        request: &Request,
        facts: &Facts,
        reading: &Reading,
        policy: &Policy,
        now: Timestamp,
    ) -> Permit {
        let bases = reading.bases.iter().filter_map(|code| policy.register().get(code));
        Permit {
            recipient: request.organisation().to_owned(),
            purpose: request.purpose.to_owned(),
            action: request.action,
            resource_type: facts.resource_type.to_owned(),
            id: facts.id.to_owned(),
            version: facts.version,
            consents: facts.consents.iter().map(|c| (c.id.to_owned(), c.version)).collect(),
            policy_version: policy.version().to_owned(),
            expires: now.saturating_add(PERMIT_LIFE).unwrap_or(now),
            withhold_location: reading.location_restricted && matches!(grant, Grant::Term(_)),
            notices: bases.filter_map(|basis| basis.notice.clone()).collect(),
            grant,
        }
    }

    /// The organisation it is for.
    pub fn recipient(&self) -> &str {
        &self.recipient
    }

    /// The purpose it is for.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// The resource version it is for.
    pub fn resource(&self) -> (&str, &str, u64) {
        (&self.resource_type, &self.id, self.version)
    }

    /// The policy it was granted under.
    pub fn policy_version(&self) -> &str {
        &self.policy_version
    }

    /// When it can no longer be used.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The response expected of the recipient, as an ISO 8601 duration.
    pub fn response_time(&self) -> Option<&str> {
        match &self.grant {
            Grant::Whole(_) => None,
            Grant::Term(term) => term.written.response_time.as_deref(),
        }
    }

    /// Days until the review of an emergency disclosure under this permit is due; `None` without an emergency path.
    pub fn review_days(&self) -> Option<u16> {
        match &self.grant {
            Grant::Whole(_) => None,
            Grant::Term(term) => term.written.break_glass.as_ref().map(|path| path.review_days),
        }
    }

    /// What will be applied to a copy, by stable names: `minimum-dataset`, `masked`, `location-withheld`,
    /// `location-generalised`, `no-onward-sharing`. A release may find that there is nothing to leave out.
    pub fn obligations(&self) -> Vec<&'static str> {
        let Grant::Term(term) = &self.grant else { return Vec::new() };
        let mut found = Vec::new();
        if term.datasets.get(&self.resource_type).is_none_or(|dataset| !dataset.whole) {
            found.push("minimum-dataset");
        }
        if term.masks.contains_key(&self.resource_type) {
            found.push("masked");
        }
        if self.withhold_location {
            found.push("location-withheld");
        } else if term.location == Location::General {
            found.push("location-generalised");
        }
        if term.written.onward_sharing == Onward::No {
            found.push("no-onward-sharing");
        }
        found
    }

    /// Makes the copy that the recipient may have: minimum dataset, masking, location withheld, labels added.
    ///
    /// # Errors
    /// When the facts are not those decided about, the permit has expired, or too little would be left.
    pub fn release(&self, facts: &Facts, now: Timestamp) -> Result<Released, ReleaseError> {
        if self.action == Action::Hold {
            return Err(ReleaseError::NotForRelease);
        }
        if self.expires <= now {
            return Err(ReleaseError::Expired);
        }
        if (self.resource_type.as_str(), self.id.as_str(), self.version)
            != (facts.resource_type, facts.id, facts.version)
        {
            return Err(ReleaseError::OtherResource);
        }
        let same = self.consents.len() == facts.consents.len()
            && self
                .consents
                .iter()
                .zip(facts.consents)
                .all(|((id, version), c)| id == c.id && *version == c.version);
        if !same {
            return Err(ReleaseError::OtherConsents);
        }
        let term = match &self.grant {
            Grant::Whole(_) => {
                return Ok(Released {
                    resource: facts.resource.clone(),
                    redacted: false,
                    obligations: Vec::new(),
                    notices: Vec::new(),
                    response_time: None,
                });
            }
            Grant::Term(term) => term,
        };
        let nothing = Dataset::default();
        let dataset = term.datasets.get(&self.resource_type).unwrap_or(&nothing);
        let masks = term.masks.get(&self.resource_type).map(Vec::as_slice).unwrap_or_default();
        let no_onward = term.written.onward_sharing == Onward::No;
        let place = match (self.withhold_location, term.location) {
            (true, _) => Place::Withheld,
            (false, Location::General) => Place::General,
            (false, Location::Exact) => Place::Exact,
        };
        let mut released = release::apply(facts.resource, dataset, masks, place, no_onward)?;
        released.notices = self.notices.clone();
        released.response_time = term.written.response_time.clone();
        Ok(released)
    }
}
