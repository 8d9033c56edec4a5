//! Who takes part: partners that receive, and callers that hold a credential.

use super::purpose;
use crate::convert::shape::Shape;
use serde::Deserialize;

/// What kind of organisation a partner is. The kind decides nothing by itself, save that what a `patient-portal`
/// shows can be seen by the patient's household (see [`Partner::visible_to`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartnerKind {
    /// A hospital, community or mental health provider.
    #[default]
    Healthcare,
    /// A general practice.
    GeneralPractice,
    /// A council's children's or adults' social care.
    SocialCare,
    /// A multi-agency safeguarding hub.
    SafeguardingHub,
    /// A housing provider.
    Housing,
    /// A school, college or early help setting.
    Education,
    /// A police force.
    Police,
    /// A shared care record.
    SharedCareRecord,
    /// A record that patients or their proxies look into.
    PatientPortal,
    /// Anything else.
    Other,
}

/// Who, beyond the partner's staff, can see what a partner holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// The patient.
    Patient,
    /// Somebody who acts for the patient, such as a parent with proxy access.
    Proxy,
    /// Somebody who lives with the patient.
    Household,
}

/// An organisation that may receive what an agreement covers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Partner {
    /// The partner's id in the registry, such as `northshire-mash`.
    pub id: String,
    /// Its ODS code (or the code by which agreements name it).
    pub organisation: String,
    /// Its name, for people.
    pub name: String,
    /// What kind of organisation it is.
    #[serde(default)]
    pub kind: PartnerKind,
    /// The purpose it asks for when it names none (default `SAFEGUARDING`).
    #[serde(default = "default_purpose")]
    pub purpose: String,
    /// Who beyond its staff can see what it holds; drives tip-off protection.
    #[serde(default)]
    pub visible_to: Vec<Audience>,
    /// Identifiers of people and places that belong to the partner (staff, sites): a concern that names one of
    /// them as the party alleged to cause harm is not sent to it.
    #[serde(default)]
    pub people: Vec<String>,
    /// References by which Consents name it (`Organization/…`), beside its ODS code.
    #[serde(default)]
    pub references: Vec<String>,
    /// The shape in which it gets Flags in notifications, when not the gateway's own.
    #[serde(default)]
    pub shape: Option<Shape>,
    /// Whether it is suspended: a suspended partner receives nothing.
    #[serde(default)]
    pub suspended: bool,
}

fn default_purpose() -> String {
    purpose::SAFEGUARDING.to_owned()
}

impl Partner {
    /// A partner with nothing but its names, asking for `SAFEGUARDING`.
    pub fn new(id: impl Into<String>, organisation: impl Into<String>, name: impl Into<String>) -> Partner {
        Partner {
            id: id.into(),
            organisation: organisation.into(),
            name: name.into(),
            kind: PartnerKind::default(),
            purpose: default_purpose(),
            visible_to: Vec::new(),
            people: Vec::new(),
            references: Vec::new(),
            shape: None,
            suspended: false,
        }
    }
}

/// What the holder of a credential may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Submits alerts and consents.
    Source,
    /// Subscribes and is notified.
    Subscriber,
    /// Validates and converts without storing.
    Tester,
    /// Reads AuditEvents, decisions and review packs.
    Auditor,
    /// Runs the gateway: quarantine, replay, activation of agreements.
    Operator,
    /// May state an emergency, for the named people who use it; needs `subscriber` too.
    BreakGlass,
}

/// The holder of a credential, as authentication found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The credential's id (never its secret).
    pub credential: String,
    /// The organisation it is bound to (ODS code).
    pub organisation: String,
    /// What it may do.
    pub roles: Vec<Role>,
    /// The partner it acts as, when the organisation is one.
    pub partner: Option<String>,
    /// The source it submits as, when it is bound to one.
    pub source: Option<String>,
    /// The network address that it calls from; empty when that is not known. Recorded, never decided upon.
    pub address: String,
}

impl Caller {
    /// Whether the caller has this role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}
