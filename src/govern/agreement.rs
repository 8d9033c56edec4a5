//! A sharing agreement as it is written: YAML, checked against `profiles/schemas/agreement.schema.json`.

use super::labels::Confidentiality;
use jiff::civil::Date;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Where an agreement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgreementStatus {
    /// Being written: permits nothing.
    Draft,
    /// Signed: permits between its dates, while its review is not overdue.
    InForce,
    /// Stopped for now.
    Suspended,
    /// Stopped for good.
    Retired,
}

/// What an organisation does under an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartyRole {
    /// Its information may be shared.
    Source,
    /// It may receive.
    Recipient,
}

/// An organisation that signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Party {
    /// Its ODS code.
    pub organisation: String,
    /// Its name.
    pub name: String,
    /// What it does.
    pub roles: Vec<PartyRole>,
}

/// From when until when.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Effective {
    /// The first day.
    pub from: Date,
    /// The last day; open without one.
    #[serde(default)]
    pub until: Option<Date>,
}

/// When the agreement is to be looked at again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Review {
    /// The last day on which it permits without having been reviewed.
    pub due: Date,
    /// How many days ahead the gateway warns.
    #[serde(default = "thirty")]
    pub warn_days: u16,
}

fn thirty() -> u16 {
    30
}

/// Who signed, and when.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Signatory {
    /// The organisation.
    pub organisation: String,
    /// The post, such as `Caldicott Guardian`.
    pub role: String,
    /// The day.
    pub signed: Date,
}

/// A category of data that the agreement defines for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CategoryDefinition {
    /// Concern categories it stands for.
    pub concern: Vec<String>,
    /// If given, one of the resource's codings must be among these (`system|code`).
    #[serde(default)]
    pub codes: Vec<String>,
    /// If given, the resource must claim one of these profiles.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// If given, the resource must carry one of these security labels (code).
    #[serde(default)]
    pub labels: Vec<String>,
}

/// What of a resource a recipient may have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DatasetDefinition {
    /// The elements that stay, for each resource type; see `govern::dataset` for how they are written.
    pub elements: BTreeMap<String, Vec<String>>,
    /// Elements that stay, but whose content is masked.
    #[serde(default)]
    pub mask: BTreeMap<String, Vec<String>>,
    /// How exactly a place may be told.
    #[serde(default)]
    pub location: Location,
}

/// How exactly a copy may tell where somebody lives. Where the patient's location is restricted it is withheld anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Location {
    /// Addresses leave as they are.
    #[default]
    Exact,
    /// Of an address only town, district, county, country and the first half of the postcode.
    General,
}

/// What a Consent does to sharing under a term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentRule {
    /// A dissent that applies withholds; without any Consent the term permits.
    #[default]
    DissentWithholds,
    /// As above, save that a basis which overrides dissent lets it go, and the override is recorded.
    StatutoryOverride,
    /// Only with a Consent that permits.
    Required,
}

/// Which Consent counts when several speak about the same thing and disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentConflict {
    /// All do, and the one that denies wins.
    #[default]
    MostRestrictive,
    /// The one given last, by its `dateTime`; of several given at the same time the one that denies. A dissent without a
    /// date counts as given last, a permission without one as given first.
    Newest,
}

/// Whether the recipient may share further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Onward {
    /// No further sharing: released copies are labelled `NORDSCLCD`.
    #[default]
    No,
    /// Only under an agreement of its own.
    UnderAgreement,
}

/// Which bases a term accepts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TermBases {
    /// At least one of the resource's bases must be among these.
    pub accept: Vec<String>,
    /// And, if given, one of each of these kinds.
    #[serde(default)]
    pub require: Vec<super::basis::BasisKind>,
}

/// Up to which labels a term permits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Clearance {
    /// The highest confidentiality.
    pub up_to: Confidentiality,
    /// Sensitivities the recipient is cleared for.
    #[serde(default)]
    pub sensitivities: Vec<String>,
}

/// Whether, and for whom, the emergency path is open under a term.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BreakGlass {
    /// The roles that may use it.
    pub roles: Vec<String>,
    /// The reason codes that are accepted.
    pub reasons: Vec<String>,
    /// Days until its review is due.
    pub review_days: u16,
}

/// One term: who may have what, why and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Term {
    /// Its id within the agreement.
    pub id: String,
    /// The organisations whose information it covers; every source party when empty.
    #[serde(default)]
    pub from: Vec<String>,
    /// The organisations that may receive.
    pub to: Vec<String>,
    /// Resource types (default `Flag`).
    #[serde(default = "flags")]
    pub resources: Vec<String>,
    /// Tiers.
    pub tiers: Vec<String>,
    /// Categories: codes of `concern-category` or names the agreement defines.
    pub categories: Vec<String>,
    /// Purposes of use.
    pub purposes: Vec<String>,
    /// Lawful bases.
    pub lawful_bases: TermBases,
    /// What a Consent does.
    #[serde(default)]
    pub consent: ConsentRule,
    /// Which Consent counts when several disagree.
    #[serde(default)]
    pub consent_conflict: ConsentConflict,
    /// Whether a Consent whose review is overdue counts as a dissent.
    #[serde(default)]
    pub overdue_consent_withholds: bool,
    /// The name of the minimum dataset; the whole resource is never implied.
    pub minimum_dataset: String,
    /// Labels.
    pub clearance: Clearance,
    /// The response expected of the recipient, as an ISO 8601 duration.
    #[serde(default)]
    pub response_time: Option<String>,
    /// Further sharing.
    #[serde(default)]
    pub onward_sharing: Onward,
    /// The emergency path; closed when absent.
    #[serde(default)]
    pub break_glass: Option<BreakGlass>,
}

fn flags() -> Vec<String> {
    vec!["Flag".to_owned()]
}

/// A sharing agreement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Agreement {
    /// Its id.
    pub id: String,
    /// Its version. A version that was in force is never changed: a new one is written.
    pub version: String,
    /// Its title.
    pub title: String,
    /// The jurisdiction whose bases it may name.
    pub jurisdiction: String,
    /// Where it stands.
    pub status: AgreementStatus,
    /// Its dates.
    pub effective: Effective,
    /// Its review.
    pub review: Review,
    /// Why the sharing is necessary and proportionate.
    pub necessity: String,
    /// How long recipients keep what they receive, as an ISO 8601 duration.
    pub retention: String,
    /// Its parties.
    pub parties: Vec<Party>,
    /// Who signed.
    #[serde(default)]
    pub signatories: Vec<Signatory>,
    /// Categories it defines.
    #[serde(default)]
    pub categories: BTreeMap<String, CategoryDefinition>,
    /// Minimum datasets it defines.
    pub minimum_datasets: BTreeMap<String, DatasetDefinition>,
    /// Its terms.
    pub terms: Vec<Term>,
}

impl Agreement {
    /// Whether the organisation signed with this role.
    pub fn has_party(&self, organisation: &str, role: PartyRole) -> bool {
        self.parties.iter().any(|party| party.organisation == organisation && party.roles.contains(&role))
    }
}
