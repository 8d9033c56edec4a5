//! What was done: everything the log can say.

use crate::govern::{Caller, Decision, Partner};
use jiff::Timestamp;

/// An organisation, and the credential or registration by which it acted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Party<'a> {
    /// The credential, partner or source id.
    pub id: &'a str,
    /// Its ODS code.
    pub organisation: &'a str,
    /// Its name, if known.
    pub name: &'a str,
    /// Its network address or endpoint, if known.
    pub address: &'a str,
}

impl<'a> From<&'a Caller> for Party<'a> {
    fn from(caller: &'a Caller) -> Party<'a> {
        let Caller { credential: id, organisation, address, .. } = caller;
        Party { id, organisation, name: "", address }
    }
}

impl<'a> From<&'a Partner> for Party<'a> {
    fn from(partner: &'a Partner) -> Party<'a> {
        Party { id: &partner.id, organisation: &partner.organisation, name: &partner.name, address: "" }
    }
}

impl<'a> Party<'a> {
    /// The same party with its address.
    pub fn at(mut self, address: &'a str) -> Party<'a> {
        self.address = address;
        self
    }
}

/// A resource, or one version of it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its type.
    pub resource_type: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its version, when one is meant.
    pub version: Option<u64>,
}

impl<'a> Target<'a> {
    /// One version of a resource.
    pub fn version(resource_type: &'a str, id: &'a str, version: u64) -> Target<'a> {
        Target { resource_type, id, version: Some(version) }
    }

    /// A resource as such.
    pub fn resource(resource_type: &'a str, id: &'a str) -> Target<'a> {
        Target { resource_type, id, version: None }
    }

    /// The reference without a version.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.resource_type, self.id)
    }

    /// The reference with its version, if one is meant.
    pub fn versioned(&self) -> String {
        match self.version {
            Some(version) => format!("{}/{}/_history/{version}", self.resource_type, self.id),
            None => self.reference(),
        }
    }
}

/// A change to a resource through the FHIR interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was created.
    Create,
    /// It was updated.
    Update,
    /// It was deleted.
    Delete,
}

/// What happened to a quarantined item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuarantineStep {
    /// It was put there.
    Kept,
    /// It was listed or read.
    Read,
    /// It was sent in again.
    Resubmitted,
    /// It was discarded.
    Discarded,
}

/// One act. `patient` is the `patient_key` of the store; no other member may hold a patient's value.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "members are named after what they are; variants are documented")]
pub enum Act<'a> {
    /// A source's payload was taken in and made these resource versions.
    Submission {
        caller: Party<'a>,
        source: &'a str,
        submission: &'a str,
        format: &'a str,
        made: &'a [Target<'a>],
        repeated: bool,
        patient: Option<&'a str>,
    },
    /// A source's payload was refused, and kept in quarantine if it says where.
    SubmissionRefused {
        caller: Option<Party<'a>>,
        source: &'a str,
        submission: &'a str,
        rule: &'a str,
        text: &'a str,
        quarantine: Option<&'a str>,
        patient: Option<&'a str>,
    },
    /// The gateway decided. `recipient` is absent for the decision to hold; `trigger` says what asked: `intake`,
    /// `send`, `retry`, `replay`, `read`, `events`, `explain`.
    Decision {
        decision: &'a Decision,
        recipient: Option<Party<'a>>,
        target: Target<'a>,
        patient: Option<&'a str>,
        trigger: &'a str,
    },
    /// A copy left the gateway. Obligations as [`crate::govern::Released`] names them.
    Disclosure {
        decision: &'a Decision,
        recipient: Party<'a>,
        target: Target<'a>,
        patient: Option<&'a str>,
        obligations: &'a [&'static str],
        subscription: Option<&'a str>,
        event_number: Option<u64>,
    },
    /// A notification could not be delivered; `dead` when it will not be tried again unasked.
    DeliveryFailed {
        recipient: Party<'a>,
        target: Target<'a>,
        patient: Option<&'a str>,
        subscription: &'a str,
        event_number: Option<u64>,
        status: Option<u16>,
        text: &'a str,
        dead: bool,
    },
    /// A request was refused: no credential, a wrong one, or one without the role.
    Refused {
        caller: Option<Party<'a>>,
        operation: &'a str,
        rule: &'a str,
        text: &'a str,
        target: Option<Target<'a>>,
        patient: Option<&'a str>,
    },
    /// A resource was read; the decision is absent for what is not about a patient.
    Read {
        caller: Party<'a>,
        target: Target<'a>,
        patient: Option<&'a str>,
        purpose: &'a str,
        decision: Option<&'a Decision>,
    },
    /// A search was answered. One event for each patient in the result.
    Search {
        caller: Party<'a>,
        resource_type: &'a str,
        query: &'a str,
        purpose: &'a str,
        found: usize,
        patient: Option<&'a str>,
    },
    /// A resource was created, updated or deleted through the FHIR interface.
    Changed { caller: Party<'a>, change: Change, target: Target<'a>, patient: Option<&'a str> },
    /// A quarantined item was handled.
    Quarantine {
        caller: Option<Party<'a>>,
        step: QuarantineStep,
        item: &'a str,
        rule: &'a str,
        text: &'a str,
        patient: Option<&'a str>,
    },
    /// An administrative act, such as `agreements-activated`, `agreements-refused`, `replay`, `subscription-off`.
    Administration {
        actor: Party<'a>,
        operation: &'a str,
        subject: Option<Target<'a>>,
        details: &'a [(&'a str, &'a str)],
    },
    /// The emergency path was used; a review is due.
    BreakGlass {
        caller: Party<'a>,
        user: &'a str,
        role: &'a str,
        reason: &'a str,
        text: &'a str,
        target: Target<'a>,
        patient: Option<&'a str>,
        review_due: Timestamp,
    },
    /// The content of an earlier event was erased, on this ground; its leaf stays.
    Erased { actor: Party<'a>, event: &'a str, ground: &'a str },
}

impl Act<'_> {
    /// The stable name of the kind of act: the CodeSystem `audit-act`.
    pub fn kind(&self) -> &'static str {
        match self {
            Act::Submission { .. } => "submission",
            Act::SubmissionRefused { .. } => "submission-refused",
            Act::Decision { .. } => "decision",
            Act::Disclosure { .. } => "disclosure",
            Act::DeliveryFailed { .. } => "delivery-failed",
            Act::Refused { .. } => "refused",
            Act::Read { .. } => "read",
            Act::Search { .. } => "search",
            Act::Changed { change: Change::Create, .. } => "create",
            Act::Changed { change: Change::Update, .. } => "update",
            Act::Changed { change: Change::Delete, .. } => "delete",
            Act::Quarantine { .. } => "quarantine",
            Act::Administration { .. } => "administration",
            Act::BreakGlass { .. } => "break-glass",
            Act::Erased { .. } => "erased",
        }
    }

    /// The patient the act is about, as the store keys it.
    pub fn patient(&self) -> Option<&str> {
        match self {
            Act::Submission { patient, .. }
            | Act::SubmissionRefused { patient, .. }
            | Act::Decision { patient, .. }
            | Act::Disclosure { patient, .. }
            | Act::DeliveryFailed { patient, .. }
            | Act::Refused { patient, .. }
            | Act::Read { patient, .. }
            | Act::Search { patient, .. }
            | Act::Changed { patient, .. }
            | Act::Quarantine { patient, .. }
            | Act::BreakGlass { patient, .. } => *patient,
            Act::Administration { .. } | Act::Erased { .. } => None,
        }
    }
}
