//! Language tags and media types.

use super::places::is_region;

const LANGUAGES: &str = include_str!("../../../profiles/codes/languages.txt");

/// A language tag: the grammar of RFC 5646, two-letter languages of ISO 639-1, two-letter regions of ISO 3166-1.
pub fn check_language(code: &str) -> Result<(), &'static str> {
    const FORM: &str = "the code is not a language tag (BCP 47)";
    let alphabetic = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let alphanumeric =
        |part: &str| !part.is_empty() && part.len() <= 8 && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let mut parts = code.split('-').peekable();
    let language = parts.next().unwrap_or("");
    if !code.split('-').all(alphanumeric) {
        return Err(FORM);
    }
    if language.eq_ignore_ascii_case("x") || language.eq_ignore_ascii_case("i") {
        return if parts.peek().is_some() { Ok(()) } else { Err(FORM) };
    }
    match language.len() {
        2 if LANGUAGES.lines().any(|known| known.eq_ignore_ascii_case(language)) => {}
        2 => return Err("the language of the tag is not one of ISO 639-1"),
        3 if alphabetic(language) => {}
        // The registry has no longer languages.
        _ => return Err(FORM),
    }
    let mut extended = 0;
    while extended < 3
        && language.len() < 4
        && parts.next_if(|part| part.len() == 3 && alphabetic(part)).is_some()
    {
        extended += 1;
    }
    let _script = parts.next_if(|part| part.len() == 4 && alphabetic(part));
    let two = |part: &str| part.len() == 2 && alphabetic(part);
    if let Some(region) = parts.next_if(|part| two(part)) {
        if !is_region(region) && !matches!(region.to_ascii_uppercase().as_str(), "EU" | "UN" | "ZZ") {
            return Err("the region of the language tag is not one of ISO 3166-1");
        }
    } else {
        let _numeric =
            parts.next_if(|part| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit()));
    }
    let variant =
        |part: &str| part.len() >= 5 || part.len() == 4 && part.starts_with(|c: char| c.is_ascii_digit());
    while parts.next_if(|part| variant(part)).is_some() {}
    while let Some(singleton) = parts.next() {
        if singleton.len() != 1 || parts.next_if(|part| !part.is_empty()).is_none() {
            return Err(FORM);
        }
        let private = singleton.eq_ignore_ascii_case("x");
        while parts.next_if(|part| private || part.len() > 1).is_some() {}
    }
    Ok(())
}

/// A media type: a registered top-level type, a subtype, and parameters (RFC 6838); FHIR's short names of its own
/// formats are accepted too.
pub fn check_media_type(code: &str) -> Result<(), &'static str> {
    const TOP: &[&str] = &[
        "application",
        "audio",
        "font",
        "haptics",
        "image",
        "message",
        "model",
        "multipart",
        "text",
        "video",
        "example",
    ];
    if matches!(code, "json" | "xml" | "ttl") {
        return Ok(());
    }
    let (essence, parameters) = code.split_once(';').unwrap_or((code, ""));
    let Some((top, sub)) = essence.trim_end().split_once('/') else {
        return Err("a media type has a type and a subtype, parted by `/`");
    };
    if !TOP.iter().any(|known| known.eq_ignore_ascii_case(top)) && !top.starts_with("x-") {
        return Err("the media type does not begin with a registered type");
    }
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+*%'`|~".contains(&b))
    };
    if !token(sub) {
        return Err("the subtype of the media type is not sound");
    }
    // The value of a parameter is a token or quoted (RFC 2045); published examples leave the quotes away.
    let sound = parameters.split(';').map(str::trim).filter(|one| !one.is_empty()).all(|one| {
        one.split_once('=').is_some_and(|(name, value)| token(name.trim()) && !value.trim().is_empty())
    });
    if sound { Ok(()) } else { Err("a parameter of the media type is not sound") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_tags() {
        for tag in [
            "en",
            "en-GB",
            "zh-Hant-TW",
            "sl-rozaj-biske",
            "de-CH-1996",
            "es-419",
            "x-whatever",
            "cy",
            "en-a-bbb-x-a",
        ] {
            assert_eq!(check_language(tag), Ok(()), "{tag}");
        }
        for tag in ["", "e", "qq", "en_GB", "en-", "en-QQ", "english-language-toolong", "en-GB-u"] {
            assert!(check_language(tag).is_err(), "{tag}");
        }
    }

    #[test]
    fn media_types() {
        for code in [
            "text/plain",
            "application/fhir+json; fhirVersion=4.0",
            "application/pdf",
            "json",
            "image/svg+xml",
        ] {
            assert_eq!(check_media_type(code), Ok(()), "{code}");
        }
        for code in ["text", "foo/bar", "text/", "text/pl ain", "application/pdf;x"] {
            assert!(check_media_type(code).is_err(), "{code}");
        }
    }
}
