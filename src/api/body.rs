//! Bodies and media types.

use super::answer::ApiError;
use super::settings::HttpSettings;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};

/// Reads a body within the limits of size and time.
pub async fn read(body: Body, headers: &HeaderMap, settings: &HttpSettings) -> Result<Bytes, ApiError> {
    let limit = settings.max_body_bytes;
    let stated = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|length| length > limit as u64) {
        return Err(ApiError::TooLarge { limit });
    }
    let seconds = settings.body_timeout_seconds;
    tokio::time::timeout(settings.body_timeout(), whole(body, limit))
        .await
        .map_err(|_| ApiError::TooSlow { seconds })?
}

async fn whole(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| ApiError::Broken)?;
        if first.len() + all.len() + piece.len() > limit {
            return Err(ApiError::TooLarge { limit });
        }
        if first.is_empty() && all.is_empty() {
            first = piece;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&piece);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// The media type of a body, in lower case and without parameters; empty when none is stated.
pub fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    text.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// The `charset` and `fhirVersion` parameters of the body's media type, in that order.
fn parameters(headers: &HeaderMap) -> (Option<String>, Option<String>) {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let named = |wanted: &str| {
        text.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
        })
    };
    (named("charset"), named("fhirversion"))
}

/// Checks that a body is FHIR R4 in JSON and UTF-8.
pub fn require_fhir(headers: &HeaderMap) -> Result<(), ApiError> {
    require_version(headers, &["4.0", "4.0.1"])
}

/// Checks that a body is FHIR R4 or STU3 in JSON and UTF-8.
pub fn require_fhir_or_stu3(headers: &HeaderMap) -> Result<(), ApiError> {
    require_version(headers, &["4.0", "4.0.1", "3.0", "3.0.1", "3.0.2"])
}

fn require_version(headers: &HeaderMap, known: &[&str]) -> Result<(), ApiError> {
    let refused = Err(ApiError::MediaType { expected: "application/fhir+json" });
    if !matches!(media_type(headers).as_str(), "application/fhir+json" | "application/json" | "text/json") {
        return refused;
    }
    let (charset, version) = parameters(headers);
    if charset.is_some_and(|charset| charset != "utf-8" && charset != "us-ascii") {
        return refused;
    }
    if version.is_some_and(|version| !known.contains(&version.as_str())) {
        return Err(ApiError::MediaType { expected: "application/fhir+json; fhirVersion=4.0" });
    }
    Ok(())
}

/// Checks that the client takes FHIR in JSON. `_format` stands before `Accept`.
pub fn require_acceptable(headers: &HeaderMap, query: Option<&str>) -> Result<(), ApiError> {
    let format = query.unwrap_or("").split('&').find_map(|pair| pair.strip_prefix("_format="));
    if let Some(format) = format {
        let format = format.replace("%2F", "/").replace("%2f", "/").replace("%2B", "+").replace("%2b", "+");
        let known =
            ["json", "application/json", "application/fhir+json", "application/fhir json", "text/json"];
        return if known.contains(&format.as_str()) { Ok(()) } else { Err(ApiError::NotAcceptable) };
    }
    let mut stated = false;
    for value in headers.get_all(ACCEPT) {
        for range in value.to_str().unwrap_or("").split(',') {
            let range = range.trim().to_ascii_lowercase();
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or("");
            if kind.is_empty() {
                continue;
            }
            stated = true;
            let parameters: Vec<&str> = parts.collect();
            let refused =
                parameters.iter().any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
            let other_version = parameters
                .iter()
                .filter_map(|p| p.strip_prefix("fhirversion="))
                .any(|version| !matches!(version, "4.0" | "4.0.1"));
            let known = matches!(
                kind,
                "*/*" | "application/*" | "application/fhir+json" | "application/json" | "text/json"
            );
            if known && !refused && !other_version {
                return Ok(());
            }
        }
    }
    if stated { Err(ApiError::NotAcceptable) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn only_fhir_r4_in_json_is_taken() {
        let taken = |value: &str| require_fhir(&headers("content-type", value)).is_ok();
        assert!(taken("application/fhir+json"));
        assert!(taken("Application/FHIR+JSON; charset=UTF-8; fhirVersion=4.0"));
        assert!(!taken("application/fhir+json; fhirVersion=5.0"));
        assert!(!taken("application/fhir+json; charset=iso-8859-1"));
        assert!(!taken("application/fhir+xml"));
        assert!(require_fhir(&HeaderMap::new()).is_err());
    }

    #[test]
    fn only_fhir_in_json_is_given() {
        let given = |value: &str| require_acceptable(&headers("accept", value), None).is_ok();
        assert!(given("*/*"));
        assert!(given("application/fhir+xml, application/fhir+json;q=0.5"));
        assert!(!given("application/fhir+xml"));
        assert!(!given("application/fhir+json;q=0"));
        assert!(!given("application/fhir+json; fhirVersion=3.0"));
        let none = HeaderMap::new();
        assert!(require_acceptable(&none, None).is_ok());
        assert!(
            require_acceptable(&headers("accept", "text/html"), Some("_format=application%2Ffhir%2Bjson"))
                .is_ok()
        );
        assert!(require_acceptable(&none, Some("a=b&_format=xml")).is_err());
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_put_together_up_to_the_limit() {
        let pieces = |count: usize| {
            let pieces = (0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789")));
            let pieces: Vec<_> = pieces.collect();
            Body::from_stream(futures_util::stream::iter(pieces))
        };
        assert_eq!(whole(pieces(3), 30).await.unwrap().len(), 30);
        assert!(matches!(whole(pieces(4), 30).await, Err(ApiError::TooLarge { limit: 30 })));
        assert_eq!(whole(Body::empty(), 30).await.unwrap().len(), 0);
    }
}
