//! Purposes of use: HL7 v3 ActReason codes, and one of our own for safeguarding, which ActReason lacks.

use crate::fhir::systems;

/// The gateway's own purpose: to protect a child or an adult at risk. HL7 v3 ActReason has no such code, so it lives
/// in the project's CodeSystem `purpose-of-use`.
pub const SAFEGUARDING: &str = "SAFEGUARDING";

/// Code and the wider purpose that includes it (v3 ActReason's hierarchy, as far as agreements use it).
const PURPOSES: &[(&str, Option<&str>)] = &[
    (SAFEGUARDING, None),
    ("TREAT", None),
    ("COC", Some("TREAT")),
    ("ETREAT", Some("TREAT")),
    ("BTG", Some("ETREAT")),
    ("ERTREAT", Some("ETREAT")),
    ("CAREMGT", Some("TREAT")),
    ("PUBHLTH", None),
    ("THREAT", Some("PUBHLTH")),
    ("DISASTER", Some("PUBHLTH")),
    ("HOPERAT", None),
    ("HLEGAL", Some("HOPERAT")),
    ("PATSFTY", Some("HOPERAT")),
    ("HSYSADMIN", Some("HOPERAT")),
    ("HPAYMT", None),
    ("HRESCH", None),
    ("PATRQT", None),
    ("FAMRQT", None),
    ("HMARKT", None),
];

/// Whether this code is a purpose of use that the gateway knows.
pub fn is_known(code: &str) -> bool {
    PURPOSES.iter().any(|(known, _)| *known == code)
}

/// Whether the wider purpose is the narrower one or includes it (`TREAT` includes `BTG`).
pub fn includes(wider: &str, narrower: &str) -> bool {
    std::iter::successors(Some(narrower), |code| above(code)).any(|code| code == wider)
}

/// The purpose that includes this one, if there is one.
fn above(code: &str) -> Option<&'static str> {
    PURPOSES.iter().find(|(known, _)| *known == code).and_then(|(_, parent)| *parent)
}

/// The code system of a purpose.
pub fn system(code: &str) -> String {
    if code == SAFEGUARDING {
        systems::canonical("CodeSystem/purpose-of-use")
    } else {
        systems::ACT_REASON.to_owned()
    }
}

/// Whether this coding's system is one that purposes come from.
pub fn is_system(uri: &str) -> bool {
    uri == systems::ACT_REASON
        || uri.strip_prefix(systems::base()).is_some_and(|rest| rest == "/CodeSystem/purpose-of-use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_includes_itself_and_what_is_below_it() {
        assert!(includes("TREAT", "TREAT"));
        assert!(includes("TREAT", "BTG"));
        assert!(!includes("BTG", "TREAT"));
        assert!(!includes("TREAT", SAFEGUARDING));
        assert!(includes("PUBHLTH", "THREAT"));
        assert!(!is_known("MADE-UP"));
    }

    #[test]
    fn every_wider_purpose_is_known_and_none_includes_itself_through_another() {
        for (code, parent) in PURPOSES {
            assert!(parent.is_none_or(is_known));
            let steps = std::iter::successors(*parent, |code| above(code));
            assert!(steps.take(PURPOSES.len()).all(|above| above != *code), "{code}");
        }
    }

    #[test]
    fn each_purpose_comes_from_its_system() {
        let own = systems::canonical("CodeSystem/purpose-of-use");
        assert_eq!((system(SAFEGUARDING), system("TREAT")), (own.clone(), systems::ACT_REASON.to_owned()));
        assert!(is_system(&own) && is_system(systems::ACT_REASON));
        assert!(
            !is_system(&format!("{own}x"))
                && !is_system("https://elsewhere.example/CodeSystem/purpose-of-use")
        );
    }
}
