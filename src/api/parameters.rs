//! What headers and query strings ask for.

use super::answer::{ApiError, malformed};
use crate::exchange::{Condition, Search};
use http::HeaderMap;
use http::header::IF_MATCH;

/// What a write is answered with (`Prefer: return=…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    Representation,
    Minimal,
    Outcome,
}

/// Names and values of a query string or form, decoded.
pub(super) type Pairs = Vec<(String, String)>;

/// Parameters that concern the form of the answer and never what is found.
const FORM: [&str; 5] = ["_format", "_pretty", "_summary", "_count", "_shape"];

/// The directives of all `Prefer` headers.
fn preferences(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split([',', ';']))
        .map(str::trim)
}

/// What a write is answered with; an unknown wish is ignored, as RFC 7240 asks.
pub(super) fn wanted(headers: &HeaderMap) -> Return {
    preferences(headers)
        .find_map(|wish| match wish {
            "return=minimal" => Some(Return::Minimal),
            "return=OperationOutcome" => Some(Return::Outcome),
            "return=representation" => Some(Return::Representation),
            _ => None,
        })
        .unwrap_or(Return::Representation)
}

/// Whether an unknown parameter is an error (`Prefer: handling=strict`).
pub(super) fn strict(headers: &HeaderMap) -> bool {
    preferences(headers).any(|wish| wish == "handling=strict")
}

/// The purpose for which the caller asks (`X-Purpose-Of-Use`, a code of v3 ActReason or the gateway's own).
pub(super) fn purpose(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-purpose-of-use")?.to_str().ok().map(str::trim).filter(|code| !code.is_empty())
}

/// The version in an entity tag, `W/"3"` or `"3"`.
fn version_of(tag: &str) -> Option<u64> {
    tag.trim().trim_start_matches("W/").strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// The condition that `If-Match` sets for an update.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Condition, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(Condition::default()) };
    let version = value.to_str().ok().and_then(version_of);
    let version = version.ok_or_else(|| malformed("`If-Match` must name one version, such as `W/\"3\"`"))?;
    Ok(Condition { version: Some(version), none_exists: None })
}

/// The condition that `If-None-Exist` sets for a create.
pub(super) fn if_none_exist(headers: &HeaderMap) -> Result<Condition, ApiError> {
    let Some(value) = headers.get("if-none-exist") else { return Ok(Condition::default()) };
    let text = "`If-None-Exist` must be `identifier=SYSTEM|VALUE`";
    let query = value.to_str().map_err(|_| malformed(text))?;
    let pairs = decode(query.trim_start_matches('?'));
    match pairs.as_slice() {
        [(name, token)] if name == "identifier" => match token.split_once('|') {
            Some((system, value)) if !system.is_empty() && !value.is_empty() => {
                Ok(Condition { version: None, none_exists: Some((system.to_owned(), value.to_owned())) })
            }
            _ => Err(malformed(text)),
        },
        _ => Err(malformed(text)),
    }
}

/// Names and values of a query string.
pub(super) fn decode(query: &str) -> Pairs {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent(name), percent(value))
        })
        .collect()
}

fn percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let hex = (byte == b'%').then(|| Some((digit(ahead.next()?)?, digit(ahead.next()?)?))).flatten();
        match (byte, hex) {
            (_, Some((high, low))) => {
                bytes.push(high << 4 | low);
                rest = ahead;
            }
            (b'+', None) => bytes.push(b' '),
            (byte, None) => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A search for clinical resources. Exactly one of `_id`, `identifier` and `patient.identifier` (for Flag also
/// `subject:identifier`, for both `patient:identifier`) says what is looked for.
///
/// An unknown parameter is an error with `Prefer: handling=strict`; it is ignored otherwise, and left out of `self`.
pub(super) fn search(pairs: &Pairs, headers: &HeaderMap) -> Result<(Search, Pairs), ApiError> {
    let strict = strict(headers);
    let mut found = None;
    let mut used = Pairs::new();
    for (name, value) in pairs {
        let token = |value: &str| match value.split_once('|') {
            Some((system, value)) => (Some(system.to_owned()), value.to_owned()),
            None => (None, value.to_owned()),
        };
        let one = match name.as_str() {
            "_id" => Search::Id(value.clone()),
            "identifier" => {
                let (system, value) = token(value);
                Search::Identifier(system, value)
            }
            "patient.identifier"
            | "patient:identifier"
            | "subject.identifier"
            | "subject:identifier"
            | "subject:Patient.identifier" => match token(value) {
                (Some(system), value) => Search::PatientIdentifier(system, value),
                (None, _) => return Err(malformed(format!("`{name}` must be `SYSTEM|VALUE`"))),
            },
            name if FORM.contains(&name) => continue,
            name if strict => return Err(malformed(format!("the parameter `{name}` is not known here"))),
            _ => continue,
        };
        if found.replace(one).is_some() {
            return Err(malformed("only one of `_id`, `identifier` and `patient.identifier` can be given"));
        }
        used.push((name.clone(), value.clone()));
    }
    let found =
        found.ok_or_else(|| malformed("a search needs `_id`, `identifier` or `patient.identifier`"))?;
    Ok((found, used))
}

/// A query string of these names and values, for `self` links and audit.
pub(super) fn encode(pairs: &Pairs) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/:|".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn entity_tags_name_versions() {
        assert_eq!(if_match(&headers("if-match", "W/\"3\"")).unwrap().version, Some(3));
        assert_eq!(if_match(&headers("if-match", "\"12\"")).unwrap().version, Some(12));
        assert_eq!(if_match(&HeaderMap::new()).unwrap().version, None);
        for bad in ["*", "3", "W/3", "W/\"x\"", "W/\"1\", W/\"2\""] {
            assert!(if_match(&headers("if-match", bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_conditional_create_names_one_identifier() {
        let condition = if_none_exist(&headers("if-none-exist", "identifier=urn%3Ax|7")).unwrap();
        assert_eq!(condition.none_exists, Some(("urn:x".into(), "7".into())));
        for bad in ["identifier=7", "identifier=|7", "status=active", "identifier=a|b&identifier=a|c", ""] {
            assert!(if_none_exist(&headers("if-none-exist", bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_search_names_one_thing() {
        let of = |query: &str| search(&decode(query), &HeaderMap::new());
        assert_eq!(of("_id=a").unwrap().0, Search::Id("a".into()));
        let (found, used) = of("patient.identifier=urn:nhs%7C9000000009&odd=1").unwrap();
        assert_eq!(found, Search::PatientIdentifier("urn:nhs".into(), "9000000009".into()));
        assert_eq!(encode(&used), "patient.identifier=urn:nhs|9000000009");
        assert!(of("").is_err());
        assert!(of("_id=a&_id=b").is_err());
        assert!(search(&decode("_id=a&odd=1"), &headers("prefer", "handling=strict")).is_err());
    }

    #[test]
    fn percent_encoding_is_undone_and_broken_encoding_kept() {
        assert_eq!(decode("a=%C3%A9+b&c=%zz%4"), [("a".into(), "é b".into()), ("c".into(), "%zz%4".into())]);
    }
}
