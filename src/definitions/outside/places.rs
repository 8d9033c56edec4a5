//! Countries and currencies.

const COUNTRIES: &str = include_str!("../../../profiles/codes/countries.txt");
const CURRENCIES: &str = include_str!("../../../profiles/codes/currencies.txt");

fn listed(list: &str, code: &str) -> bool {
    !code.is_empty() && list.split_ascii_whitespace().any(|known| known == code)
}

/// ISO 3166-1: two letters, three letters or three digits.
pub(super) fn check_country(code: &str) -> Result<(), &'static str> {
    if listed(COUNTRIES, code) { Ok(()) } else { Err("the code is not one of ISO 3166-1") }
}

/// Every code of ISO 3166-1.
pub(in crate::definitions) fn countries() -> impl Iterator<Item = &'static str> {
    COUNTRIES.split_ascii_whitespace()
}

/// Whether two letters are a country, for language tags.
pub(super) fn is_region(code: &str) -> bool {
    COUNTRIES.lines().any(|line| line.get(..2).is_some_and(|known| known.eq_ignore_ascii_case(code)))
}

/// ISO 3166-2: a country, a hyphen and up to three letters or digits.
pub(super) fn check_subdivision(code: &str) -> Result<(), &'static str> {
    let sound = code.split_once('-').is_some_and(|(country, part)| {
        country.len() == 2
            && check_country(country).is_ok()
            && (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    });
    if sound { Ok(()) } else { Err("the code does not have the form of ISO 3166-2") }
}

/// ISO 4217, alphabetic codes.
pub(super) fn check_currency(code: &str) -> Result<(), &'static str> {
    let sound = code.len() == 3 && CURRENCIES.lines().any(|line| line.get(..3) == Some(code));
    if sound { Ok(()) } else { Err("the code is not one of ISO 4217") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_countries_and_currencies() {
        assert!(check_country("GB").is_ok() && check_country("GBR").is_ok() && check_country("826").is_ok());
        assert!(check_country("gb").is_err() && check_country("UK").is_err() && check_country("").is_err());
        assert!(
            check_currency("GBP").is_ok() && check_currency("XXY").is_err() && check_currency("826").is_err()
        );
        assert!(check_subdivision("GB-ENG").is_ok() && check_subdivision("ZZ-ENG").is_err());
    }
}
