//! The canonical base of the gateway's own definitions, and the names of the systems it uses.

use std::sync::OnceLock;

/// The canonical base the project ships with; a reserved name (RFC 2606), so that nobody else can own it.
pub const DEFAULT_BASE: &str = "https://fhir.sgw.example";

static BASE: OnceLock<String> = OnceLock::new();

/// Sets the canonical base, once, at start; later calls are ignored and answer `false`.
pub fn set_base(base: &str) -> bool {
    BASE.set(base.trim_end_matches('/').to_owned()).is_ok()
}

/// The canonical base in force, without a trailing slash.
pub fn base() -> &'static str {
    BASE.get().map_or(DEFAULT_BASE, String::as_str)
}

/// The full canonical of one of the gateway's own definitions: `canonical("CodeSystem/concern-category")`.
pub fn canonical(path: &str) -> String {
    [base(), "/", path].concat()
}

/// NHS number (`Identifier.system`).
pub const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// ODS organisation code (`Identifier.system`).
pub const ODS_ORGANIZATION: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// SNOMED CT.
pub const SNOMED: &str = "http://snomed.info/sct";
/// HL7 v3 Confidentiality.
pub const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
/// HL7 v3 ActCode: sensitivity labels, obligations and refrains.
pub const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
/// HL7 v3 ActReason: purposes of use.
pub const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
