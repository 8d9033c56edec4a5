//! Security labels: confidentiality as a scale, sensitivities as a set.
//!
//! HL7 v3 Confidentiality and ActCode, after the FHIR DS4P guide: exactly one confidentiality label counts (the
//! highest, if a source sent several), and no label of a source is ever lowered.

use crate::fhir::systems;
use serde::Deserialize;
use serde_json::Value;

/// HL7 v3 Confidentiality, the most open first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum Confidentiality {
    /// Unrestricted.
    U,
    /// Low.
    L,
    /// Moderate.
    M,
    /// Normal.
    N,
    /// Restricted.
    R,
    /// Very restricted.
    V,
}

impl Confidentiality {
    /// The v3 code.
    pub fn code(self) -> &'static str {
        match self {
            Confidentiality::U => "U",
            Confidentiality::L => "L",
            Confidentiality::M => "M",
            Confidentiality::N => "N",
            Confidentiality::R => "R",
            Confidentiality::V => "V",
        }
    }

    /// The confidentiality of this v3 code.
    pub fn parse(code: &str) -> Option<Confidentiality> {
        use Confidentiality::{L, M, N, R, U, V};
        [U, L, M, N, R, V].into_iter().find(|label| label.code() == code)
    }
}

/// The sensitivity codes that mean "do not let the patient, family or carers see it".
const NO_PATIENT: &str = "NOPAT";

/// The codes of v3-ActCode that are sensitivities, with the wider code that includes each.
const SENSITIVITIES: &[(&str, Option<&str>)] = &[
    ("SDV", None),
    ("VIO", None),
    ("ADOL", None),
    ("LIVARG", None),
    ("LOCIS", None),
    ("SSP", None),
    ("SPI", None),
    ("PSY", Some("SPI")),
    ("MH", Some("SPI")),
    ("SUD", Some("SPI")),
    ("ETHUD", Some("SUD")),
    ("OPIOIDUD", Some("SUD")),
    ("ETH", None),
    ("HIV", None),
    ("SEX", None),
];

/// Whether this code of v3-ActCode is a sensitivity the gateway knows.
pub fn is_sensitivity(code: &str) -> bool {
    SENSITIVITIES.iter().any(|(known, _)| *known == code)
}

/// Whether the wider sensitivity is the narrower one or includes it.
pub fn includes(wider: &str, narrower: &str) -> bool {
    let mut at = Some(narrower);
    for _ in 0..=SENSITIVITIES.len() {
        match at {
            Some(code) if code == wider => return true,
            Some(code) => {
                at = SENSITIVITIES.iter().find(|(known, _)| *known == code).and_then(|(_, wider)| *wider);
            }
            None => return false,
        }
    }
    false
}

/// The labels of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels<'a> {
    /// The highest confidentiality given, if any.
    pub confidentiality: Option<Confidentiality>,
    /// Sensitivities: the code of v3-ActCode, or of the project's own CodeSystem `sensitivity`.
    pub sensitivities: Vec<&'a str>,
    /// Whether patient, family and carers must not see it (refrain code `NOPAT`).
    pub no_patient: bool,
    /// Labels in a known system whose code is not known: they count as not cleared.
    pub unknown: bool,
}

impl<'a> Labels<'a> {
    /// Reads `meta.security`.
    pub fn of(resource: &'a Value) -> Labels<'a> {
        let mut labels = Labels::default();
        let codings = resource.get("meta").and_then(|meta| meta.get("security")).and_then(Value::as_array);
        for coding in codings.into_iter().flatten() {
            let system = coding.get("system").and_then(Value::as_str).unwrap_or_default();
            let code = coding.get("code").and_then(Value::as_str).unwrap_or_default();
            if system == systems::CONFIDENTIALITY {
                match Confidentiality::parse(code) {
                    Some(label) => labels.confidentiality = labels.confidentiality.max(Some(label)),
                    None => labels.unknown = true,
                }
            } else if system == systems::ACT_CODE {
                if code == NO_PATIENT {
                    labels.no_patient = true;
                } else if is_sensitivity(code) {
                    labels.sensitivities.push(code);
                } else if !is_handling(code) {
                    labels.unknown = true;
                }
            } else if is_local(system) {
                labels.sensitivities.push(code);
            }
        }
        labels
    }
}

/// Obligations and refrains of v3-ActCode that restrict handling after release, not release itself.
fn is_handling(code: &str) -> bool {
    matches!(
        code,
        "AOD"
            | "AUDIT"
            | "CPLYCD"
            | "ENCRYPT"
            | "ENCRYPTT"
            | "ENCRYPTR"
            | "ENCRYPTU"
            | "HUAPRV"
            | "MASK"
            | "MINEC"
            | "PERSISTLABEL"
            | "REDACT"
            | "NOAUTH"
            | "NODSCLCD"
            | "NORDSCLCD"
            | "NOREUSE"
            | "ORCON"
            | "PROCESSINLINELABEL"
    )
}

/// Whether the code is an obligation or refrain of v3-ActCode that the gateway knows.
pub(crate) fn is_handling_or_refrain(code: &str) -> bool {
    code == NO_PATIENT || is_handling(code)
}

/// Whether the code is a security label that the gateway knows, of whatever kind.
pub(crate) fn is_known(code: &str) -> bool {
    Confidentiality::parse(code).is_some()
        || is_sensitivity(code)
        || is_handling_or_refrain(code)
        || LOCAL_SENSITIVITIES.contains(&code)
}

fn is_local(system: &str) -> bool {
    system.strip_prefix(systems::base()) == Some("/CodeSystem/sensitivity")
}

/// The local sensitivity codes: no national or international one for child safeguarding exists.
pub const LOCAL_SENSITIVITIES: &[&str] = &["CHILDSAFE", "ADULTSAFE", "TIPOFF"];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_highest_confidentiality_counts() {
        let resource = json!({"meta": {"security": [
            {"system": systems::CONFIDENTIALITY, "code": "V"},
            {"system": systems::CONFIDENTIALITY, "code": "N"},
            {"system": systems::ACT_CODE, "code": "SDV"},
            {"system": systems::ACT_CODE, "code": "NOPAT"},
            {"system": "http://elsewhere.example", "code": "x"},
        ]}});
        let labels = Labels::of(&resource);
        assert_eq!(labels.confidentiality, Some(Confidentiality::V));
        assert_eq!(labels.sensitivities, ["SDV"]);
        assert!(labels.no_patient && !labels.unknown);
    }

    #[test]
    fn an_unknown_label_of_a_known_system_is_remembered() {
        for coding in [
            json!({"system": systems::CONFIDENTIALITY, "code": "X"}),
            json!({"system": systems::CONFIDENTIALITY}),
            json!({"system": systems::ACT_CODE, "code": "SECRET"}),
        ] {
            assert!(Labels::of(&json!({"meta": {"security": [coding]}})).unknown);
        }
    }

    #[test]
    fn sensitivities_include_what_is_below_them() {
        assert!(includes("SPI", "ETHUD") && includes("SUD", "SUD"));
        assert!(!includes("SUD", "PSY") && !includes("ETHUD", "SUD"));
    }
}
