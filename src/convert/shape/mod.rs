//! Shapes: a Flag as a partner's systems expect it.
//!
//! The gateway's own Flag is plain R4 and says everything. Some receivers look for a published shape: UK Core, the NHS
//! England Patient Flag, CP-IS in both of its models, FGM-IS, a BaRS safeguarding Flag, an Interweave Flag. A shape is
//! a pure function of the Flag (and, for CP-IS, of the resources it refers to). It adds what the receiver looks for and
//! takes nothing away that it need not: the gateway's extensions and labels stay, because a receiver must ignore
//! extensions that it does not know (<https://hl7.org/fhir/R4/extensibility.html>). What cannot be said in a shape is a
//! [`ShapeError`], never a Flag that says something else.

mod around;
mod cpis;
mod flags;

pub use around::{Outcome, in_bundle, referred, shaped};

use serde_json::{Map, Value, json};

/// A published shape of a Flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// UKCore-Flag 1.2.0 (draft).
    UkCore,
    /// England-Flag-PatientFlag 0.3.0 (draft) of the NHS England Patient Flags API.
    PatientFlag,
    /// CP-IS as the Patient Flags API has it: a Flag whose detail is a CarePlan with its CareTeam.
    #[serde(rename = "cp-is-flag")]
    CpisFlag,
    /// CP-IS as its own guide has it: a CareTeam that carries the plan and the authority's telephones.
    #[serde(rename = "cp-is-care-team")]
    CpisCareTeam,
    /// FGM-IS: a UKCore-Flag with the one code, and a reason when it is removed.
    FgmIs,
    /// The safeguarding Flag of Booking and Referral (BaRS).
    Bars,
    /// Interweave-Flag (R4 draft).
    Interweave,
}

/// Why a Flag cannot be said in a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// It is not a Flag.
    #[error("only a Flag has shapes")]
    NotAFlag,
    /// What the Flag is about has no place in the shape.
    #[error("the shape `{0}` has no code for what the Flag is about")]
    NoCode(&'static str),
    /// The Flag's status has no place in the shape.
    #[error("the shape `{0}` has no place for a Flag of this status")]
    Status(&'static str),
    /// The shape needs something that the Flag does not say.
    #[error("the shape `{shape}` needs {needs}")]
    Missing {
        /// The shape.
        shape: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// What was made would not be valid.
    #[error("the Flag in the shape `{shape}` would break the rule `{rule}`")]
    Invalid {
        /// The shape.
        shape: &'static str,
        /// The rule.
        rule: String,
    },
}

/// Finds the resource that a reference leads to, when it is at hand.
pub type Resolve<'r> = &'r dyn Fn(&str) -> Option<&'r Value>;

impl Shape {
    /// Every shape with its name in settings and on the command line.
    pub const ALL: [(&'static str, Shape); 7] = [
        ("uk-core", Shape::UkCore),
        ("patient-flag", Shape::PatientFlag),
        ("cp-is-flag", Shape::CpisFlag),
        ("cp-is-care-team", Shape::CpisCareTeam),
        ("fgm-is", Shape::FgmIs),
        ("bars", Shape::Bars),
        ("interweave", Shape::Interweave),
    ];

    /// The shape of this name.
    pub fn named(name: &str) -> Option<Shape> {
        Shape::ALL.iter().find(|(n, _)| *n == name).map(|(_, s)| *s)
    }

    /// The name in settings and on the command line.
    pub fn name(self) -> &'static str {
        Shape::ALL.iter().find(|(_, s)| *s == self).map_or("", |(n, _)| n)
    }

    /// The profile that the shaped resource claims, when one is published for it.
    pub fn profile(self) -> Option<&'static str> {
        match self {
            Shape::UkCore | Shape::FgmIs => Some("https://fhir.hl7.org.uk/StructureDefinition/UKCore-Flag"),
            Shape::PatientFlag | Shape::CpisFlag => {
                Some("https://fhir.nhs.uk/England/StructureDefinition/England-Flag-PatientFlag")
            }
            Shape::CpisCareTeam => {
                Some("https://fhir.nhs.uk/England/StructureDefinition/England-CareTeam-Flag")
            }
            Shape::Interweave => {
                Some("https://fhir.interweavedigital.nhs.uk/StructureDefinition/Interweave-Flag")
            }
            Shape::Bars => None,
        }
    }

    /// Whether the shape says something of the resources that the Flag refers to: the authority behind it.
    pub fn tells_of_authority(self) -> bool {
        matches!(self, Shape::CpisFlag | Shape::CpisCareTeam)
    }

    /// The Flag in this shape. `resolve` finds the resources that it refers to; only the CP-IS shapes ask for any.
    ///
    /// The errors are what the shape cannot say: the caller then has the Flag as it is.
    pub fn of(self, flag: &Value, resolve: Resolve<'_>) -> Result<Value, ShapeError> {
        let members = flag
            .as_object()
            .filter(|m| m.get("resourceType").and_then(Value::as_str) == Some("Flag"))
            .ok_or(ShapeError::NotAFlag)?;
        let mut shaped = members.clone();
        if let Some(profile) = self.profile() {
            claim(&mut shaped, profile);
        }
        match self {
            Shape::UkCore => flags::priority(&mut shaped),
            Shape::PatientFlag => flags::patient_flag(&mut shaped)?,
            Shape::CpisFlag => cpis::flag(&mut shaped, resolve)?,
            Shape::CpisCareTeam => shaped = cpis::care_team(&shaped, resolve)?,
            Shape::FgmIs => flags::fgm_is(&mut shaped)?,
            Shape::Bars => flags::bars(&mut shaped)?,
            Shape::Interweave => flags::interweave(&mut shaped),
        }
        Ok(Value::Object(shaped))
    }
}

/// Says that the resource follows the profile, beside the gateway's own.
fn claim(resource: &mut Map<String, Value>, profile: &str) {
    let meta = resource.entry("meta").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut()
        && let Some(list) = meta.entry("profile").or_insert_with(|| json!([])).as_array_mut()
        && !list.iter().any(|p| p.as_str() == Some(profile))
    {
        list.push(profile.into());
    }
}

/// The gateway's concern categories of a Flag.
fn concerns(flag: &Map<String, Value>) -> Vec<&str> {
    let system = crate::fhir::systems::canonical("CodeSystem/concern-category");
    let list = flag.get("category").and_then(Value::as_array);
    codings(list.into_iter().flatten()).filter(|(s, _)| *s == system).map(|(_, code)| code).collect()
}

/// Every coding of these concepts, as system and code.
fn codings<'v>(concepts: impl Iterator<Item = &'v Value>) -> impl Iterator<Item = (&'v str, &'v str)> {
    concepts
        .filter_map(|c| c.get("coding").and_then(Value::as_array))
        .flatten()
        .filter_map(|c| Some((c.get("system")?.as_str()?, c.get("code")?.as_str()?)))
}

/// The SNOMED CT codes of a Flag.
fn snomed(flag: &Map<String, Value>) -> Vec<&str> {
    codings(flag.get("code").into_iter())
        .filter(|(s, _)| *s == crate::fhir::systems::SNOMED)
        .map(|(_, code)| code)
        .collect()
}

fn status(flag: &Map<String, Value>) -> &str {
    flag.get("status").and_then(Value::as_str).unwrap_or_default()
}

/// Puts a concept in front of the Flag's others.
fn first(flag: &mut Map<String, Value>, member: &str, concept: Value) {
    if let Some(list) = flag.entry(member).or_insert_with(|| json!([])).as_array_mut() {
        list.retain(|c| *c != concept);
        list.insert(0, concept);
    }
}

/// Puts a coding in front of the Flag's code.
fn first_coding(flag: &mut Map<String, Value>, coding: Value) {
    let code = flag.entry("code").or_insert_with(|| json!({}));
    if let Some(code) = code.as_object_mut()
        && let Some(list) = code.entry("coding").or_insert_with(|| json!([])).as_array_mut()
    {
        list.retain(|c| c.get("system") != coding.get("system") || c.get("code") != coding.get("code"));
        list.insert(0, coding);
    }
}
