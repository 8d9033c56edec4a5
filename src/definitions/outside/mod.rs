//! Code systems that FHIR does not publish: what can be said of a code without a licence or a server.
//!
//! Small public systems (languages, media types, countries, currencies, UCUM's grammar) are decided; of SNOMED CT, LOINC and
//! the like only the form of a code is checked.

mod identifiers;
mod media;
mod places;

pub use identifiers::{check_loinc, check_snomed};
pub use media::{check_language, check_media_type};
pub(super) use places::countries;

use crate::fhirpath::ucum::{self, UcumError};

/// What is known of a code of an outside system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The code is one of the system.
    Sound,
    /// The code cannot be one of the system: why.
    Broken(&'static str),
    /// The code has the form of the system, but whether it exists is not known here.
    Plausible,
    /// Nothing is known of the system.
    UnknownSystem,
}

/// A UCUM code: the grammar, and units that exist.
fn check_unit(code: &str) -> Result<(), &'static str> {
    ucum::check(code).map_err(|error| match error {
        UcumError::Unit => "the code names a unit that UCUM does not have",
        UcumError::Grammar | UcumError::Length => "the code breaks the grammar of UCUM",
    })
}

/// Looks at a code of an outside system.
pub fn check(system: &str, code: &str) -> Form {
    let form = |result: Result<(), &'static str>, sound: Form| result.map_or_else(Form::Broken, |()| sound);
    match system {
        "http://snomed.info/sct" => form(check_snomed(code), Form::Plausible),
        "http://loinc.org" => form(check_loinc(code), Form::Plausible),
        "urn:ietf:bcp:47" => form(check_language(code), Form::Sound),
        "urn:ietf:bcp:13" => form(check_media_type(code), Form::Sound),
        "urn:iso:std:iso:3166" => form(places::check_country(code), Form::Sound),
        "urn:iso:std:iso:3166:-2" => form(places::check_subdivision(code), Form::Plausible),
        "urn:iso:std:iso:4217" => form(places::check_currency(code), Form::Sound),
        "urn:ietf:rfc:3986" => form(identifiers::check_uri(code), Form::Sound),
        "http://unitsofmeasure.org" => form(check_unit(code), Form::Sound),
        "http://hl7.org/fhir/sid/cvx" => form(identifiers::check_digits(code, 1, 3), Form::Plausible),
        "http://www.nlm.nih.gov/research/umls/rxnorm" => {
            form(identifiers::check_digits(code, 1, 8), Form::Plausible)
        }
        "http://hl7.org/fhir/sid/ndc"
        | "http://hl7.org/fhir/sid/icd-10"
        | "http://hl7.org/fhir/sid/icd-9-cm" => Form::Plausible,
        _ => Form::UnknownSystem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_decided_by_their_grammar() {
        for code in
            ["mg", "kg/m2", "{score}", "mm[Hg]", "10*3/uL", "mL/(24.h)", "1", "%", "a", "Cel", "[lb_av]"]
        {
            assert_eq!(check("http://unitsofmeasure.org", code), Form::Sound, "{code}");
        }
        for code in ["", "m g", "(mg", "mm[Hg", "°C", "furlong"] {
            assert!(matches!(check("http://unitsofmeasure.org", code), Form::Broken(_)), "{code}");
        }
    }
}
