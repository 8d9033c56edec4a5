//! What is asked, and of whom.

use super::partner::{Caller, Partner};
use jiff::Timestamp;

/// Who is to have it.
#[derive(Clone, Copy, Debug)]
pub enum Recipient<'a> {
    /// The gateway itself: may it hold and label this?
    Gateway,
    /// A partner, by subscription.
    Partner(&'a Partner),
    /// The holder of a credential, by a request of its own.
    Caller(&'a Caller),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Hold and label, at intake.
    Hold,
    /// Send, unasked, to a subscriber.
    Notify,
    /// Answer a read or search.
    Read,
}

impl Action {
    /// A stable name: `hold`, `notify`, `read`.
    pub fn code(self) -> &'static str {
        match self {
            Action::Hold => "hold",
            Action::Notify => "notify",
            Action::Read => "read",
        }
    }
}

/// A claim to the emergency path: one named user, one patient, until a moment.
#[derive(Clone, Copy, Debug)]
pub struct Emergency<'a> {
    /// Who claims it.
    pub user: &'a str,
    /// The role in which.
    pub role: &'a str,
    /// The reason, a code that the agreement accepts.
    pub reason: &'a str,
    /// The reason in words; never empty.
    pub text: &'a str,
    /// The patient (`patient_key` of the store) it is bound to.
    pub patient_key: &'a str,
    /// The patient key of the resource that is asked for, as the store has it.
    pub of_resource: &'a str,
    /// Until when.
    pub until: Timestamp,
}

/// One question to [`decide`](super::decide()).
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who is to have it.
    pub recipient: Recipient<'a>,
    /// The purpose of use.
    pub purpose: &'a str,
    /// What is to be done.
    pub action: Action,
    /// The emergency that is claimed, if any.
    pub emergency: Option<Emergency<'a>>,
}

impl<'a> Request<'a> {
    /// May the gateway hold this?
    pub fn hold() -> Request<'static> {
        Request {
            recipient: Recipient::Gateway,
            purpose: super::purpose::SAFEGUARDING,
            action: Action::Hold,
            emergency: None,
        }
    }

    /// May this partner be notified, for the purpose it is registered with?
    pub fn notify(partner: &'a Partner) -> Request<'a> {
        Request {
            recipient: Recipient::Partner(partner),
            purpose: &partner.purpose,
            action: Action::Notify,
            emergency: None,
        }
    }

    /// May this caller read it, for this purpose?
    pub fn read(caller: &'a Caller, purpose: &'a str) -> Request<'a> {
        Request { recipient: Recipient::Caller(caller), purpose, action: Action::Read, emergency: None }
    }

    /// The same question, with an emergency claimed.
    pub fn in_emergency(mut self, emergency: Emergency<'a>) -> Request<'a> {
        self.emergency = Some(emergency);
        self
    }

    /// The organisation that would receive; empty for the gateway itself.
    pub fn organisation(&self) -> &'a str {
        match self.recipient {
            Recipient::Gateway => "",
            Recipient::Partner(partner) => &partner.organisation,
            Recipient::Caller(caller) => &caller.organisation,
        }
    }
}
