//! Which registered source a stored resource came from, kept in `meta.source` (<https://hl7.org/fhir/R4/resource.html#Meta>).
//!
//! The gateway itself stamps it on every version that it stores, and overwrites what a sender put there: decisions ask
//! whose information it is, and must not have to believe the sender.

use serde_json::Value;

const PREFIX: &str = "urn:sgw:source:";

/// The value of `meta.source` for a resource from this source of this organisation (ODS code).
pub fn stamp(organisation: &str, source: &str) -> String {
    format!("{PREFIX}{organisation}:{source}")
}

/// The organisation (ODS code) whose source sent the resource; none if the gateway has not stamped it.
pub fn organisation(resource: &Value) -> Option<&str> {
    let (organisation, _) = parts(resource)?;
    Some(organisation)
}

/// The id of the source that sent the resource; none if the gateway has not stamped it.
pub fn source(resource: &Value) -> Option<&str> {
    let (_, source) = parts(resource)?;
    Some(source)
}

fn parts(resource: &Value) -> Option<(&str, &str)> {
    resource.pointer("/meta/source")?.as_str()?.strip_prefix(PREFIX)?.split_once(':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stamp_is_read_back_and_nothing_else_is_taken_for_one() {
        let resource = json!({"meta": {"source": stamp("RX1", "st-elsewhere-adt")}});
        assert_eq!((organisation(&resource), source(&resource)), (Some("RX1"), Some("st-elsewhere-adt")));
        assert_eq!(organisation(&json!({"meta": {"source": "https://elsewhere.example"}})), None);
        assert_eq!(organisation(&json!({})), None);
    }
}
