//! Lawful bases, by jurisdiction, as data: what each is, where it stands, since when it is in force.

use super::policy::{PolicyError, Refusals};
use crate::document::Node;
use jiff::civil::Date;
use serde::Deserialize;
use std::collections::HashMap;

/// What kind of ground a basis is. An agreement may require one of each of several kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BasisKind {
    /// A condition of UK GDPR Article 6 (or its equal elsewhere): why processing is lawful at all.
    #[serde(rename = "article-6")]
    Article6,
    /// A condition of UK GDPR Article 9: why special category data may be processed.
    #[serde(rename = "article-9")]
    Article9,
    /// A condition of Data Protection Act 2018 Schedule 1.
    ScheduleCondition,
    /// A statute that allows or obliges to share.
    Statute,
    /// The common law duty of confidentiality: how it is set aside.
    CommonLaw,
    /// A permission of a federal rule, such as HIPAA.
    Permission,
    /// The patient's written consent, where law asks for it.
    Consent,
}

/// One lawful basis.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Basis {
    /// Its code in the CodeSystem `lawful-basis`.
    pub code: String,
    /// What kind of ground it is.
    pub kind: BasisKind,
    /// Its name, for people.
    pub title: String,
    /// Where the law is published.
    pub source: String,
    /// The first day it is in force; absent when it has not commenced or that is not confirmed: such a basis
    /// supports nothing.
    #[serde(default)]
    pub in_force_from: Option<Date>,
    /// The last day it was in force.
    #[serde(default)]
    pub in_force_until: Option<Date>,
    /// Whether it obliges or allows sharing against the wish of the patient.
    #[serde(default)]
    pub overrides_dissent: bool,
    /// Whether it is the patient's own consent: it supports nothing without a Consent that permits.
    #[serde(default)]
    pub by_consent: bool,
    /// What must accompany the information, such as the re-disclosure notice of 42 CFR Part 2.
    #[serde(default)]
    pub notice: Option<String>,
    /// Whether it supports sharing by itself, without one of kind `article-6` beside it.
    #[serde(default)]
    pub sufficient: bool,
    /// What a reader should know.
    #[serde(default)]
    pub note: Option<String>,
}

impl Basis {
    /// Whether it is in force on this day.
    pub fn in_force(&self, day: Date) -> bool {
        self.in_force_from.is_some_and(|from| from <= day)
            && self.in_force_until.is_none_or(|until| day <= until)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Pack {
    jurisdiction: String,
    #[serde(rename = "title")]
    _title: String,
    #[serde(default)]
    includes: Vec<String>,
    #[serde(default)]
    bases: Vec<Basis>,
}

/// The bases of every jurisdiction that was loaded.
#[derive(Clone, Debug, Default)]
pub struct Register {
    bases: HashMap<String, Basis>,
    jurisdictions: HashMap<String, Vec<String>>,
}

const BUILTIN: &[(&str, &str)] = &[
    ("england.yaml", include_str!("../../profiles/lawful-bases/england.yaml")),
    ("united-kingdom.yaml", include_str!("../../profiles/lawful-bases/united-kingdom.yaml")),
    ("wales.yaml", include_str!("../../profiles/lawful-bases/wales.yaml")),
    ("scotland.yaml", include_str!("../../profiles/lawful-bases/scotland.yaml")),
    ("northern-ireland.yaml", include_str!("../../profiles/lawful-bases/northern-ireland.yaml")),
    ("united-states.yaml", include_str!("../../profiles/lawful-bases/united-states.yaml")),
];

impl Register {
    /// The packs the project ships with.
    pub fn builtin() -> Result<Register, Vec<PolicyError>> {
        Register::from_documents(BUILTIN)
    }

    /// Reads packs, each a file name and its text. A code defined twice, an unknown member or an unreadable file
    /// refuses them all.
    pub fn from_documents(documents: &[(&str, &str)]) -> Result<Register, Vec<PolicyError>> {
        let mut register = Register::default();
        let mut packs = Vec::new();
        let mut refusals = Refusals::default();
        for (file, text) in documents {
            let document = match Node::from_yaml(text) {
                Ok(document) => document,
                Err(error) => {
                    refusals.unreadable(file, &error);
                    continue;
                }
            };
            match serde_json::from_value::<Pack>(document.to_json()) {
                Ok(pack) => packs.push((*file, pack, document)),
                Err(error) => refusals.add(file, Some(&document), "", "pack-shape", error.to_string()),
            }
        }
        for (file, pack, document) in &packs {
            for (index, basis) in pack.bases.iter().enumerate() {
                if register.bases.insert(basis.code.clone(), basis.clone()).is_some() {
                    let text = format!("the lawful basis `{}` is defined twice", basis.code);
                    refusals.add(file, Some(document), &format!("/bases/{index}/code"), "basis-twice", text);
                }
            }
        }
        for (file, pack, document) in &packs {
            let mut codes: Vec<String> = pack.bases.iter().map(|basis| basis.code.clone()).collect();
            for (index, included) in pack.includes.iter().enumerate() {
                match packs.iter().find(|(_, other, _)| other.jurisdiction == *included) {
                    Some((_, other, _)) => codes.extend(other.bases.iter().map(|basis| basis.code.clone())),
                    None => refusals.add(
                        file,
                        Some(document),
                        &format!("/includes/{index}"),
                        "jurisdiction-unknown",
                        format!("there is no pack for `{included}`"),
                    ),
                }
            }
            register.jurisdictions.insert(pack.jurisdiction.clone(), codes);
        }
        refusals.finish(register)
    }

    /// The basis with this code, in whatever jurisdiction.
    pub fn get(&self, code: &str) -> Option<&Basis> {
        self.bases.get(code)
    }

    /// The codes that hold in a jurisdiction, or nothing when there is no pack for it.
    pub fn jurisdiction(&self, name: &str) -> Option<&[String]> {
        self.jurisdictions.get(name).map(Vec::as_slice)
    }

    /// Every basis, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Basis> {
        self.bases.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_packs_are_readable_and_cover_the_code_system() {
        let register = Register::builtin().unwrap_or_else(|errors| panic!("{errors:?}"));
        let text = include_str!("../../profiles/codesystems/lawful-basis.json");
        let system: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut published: Vec<&str> =
            system["concept"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect();
        let mut known: Vec<&str> = register.iter().map(|basis| basis.code.as_str()).collect();
        published.sort_unstable();
        known.sort_unstable();
        assert_eq!(published, known);
        assert!(register.jurisdiction("england").unwrap().iter().any(|code| code == "gdpr-6-1-e"));
        assert!(register.jurisdiction("united-states").unwrap().iter().all(|code| code.starts_with("us-")));
    }

    #[test]
    fn a_basis_that_has_not_commenced_supports_nothing() {
        let register = Register::builtin().unwrap();
        assert!(!register.get("ca2004-s16LA").unwrap().in_force(date(2026, 11, 21)));
        assert!(register.get("ca1989-s47").unwrap().in_force(date(2026, 11, 21)));
        assert!(!register.get("gdpr-6-1-ea").unwrap().in_force(date(2024, 1, 1)));
    }

    #[test]
    fn a_basis_defined_twice_is_refused_with_its_place() {
        let pack = "jurisdiction: x\ntitle: X\nbases:\n  - {code: a, kind: statute, title: A, source: s}\n  - {code: a, kind: statute, title: A, source: s}\n";
        let errors = Register::from_documents(&[("x.yaml", pack)]).unwrap_err();
        assert_eq!((errors[0].line, errors[0].rule), (Some(5), "basis-twice"));
    }
}
