//! Identifiers with check digits, and URIs.

/// SNOMED CT concept identifiers: 6 to 18 digits, a Verhoeff check digit, and a partition for concepts (`00`, `10`).
/// Expressions (post-coordinated) are accepted by their brackets and operators alone.
pub fn check_snomed(code: &str) -> Result<(), &'static str> {
    if code.contains([':', '+', '|', '=']) {
        return Ok(());
    }
    let bytes = code.as_bytes();
    if !(6..=18).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_digit) || code.starts_with('0') {
        return Err("a SNOMED CT identifier has 6 to 18 digits and does not begin with 0");
    }
    if !verhoeff(bytes) {
        return Err("the check digit of the SNOMED CT identifier is wrong");
    }
    match bytes.get(bytes.len() - 3..bytes.len() - 1) {
        Some(b"00" | b"10") => Ok(()),
        _ => Err("the SNOMED CT identifier is not that of a concept (its partition is neither 00 nor 10)"),
    }
}

fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTE: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let multiply = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let check = digits.iter().rev().enumerate().fold(0, |check, (place, digit)| {
        let mut value = digit - b'0';
        for _ in 0..place % 8 {
            value = PERMUTE.get(usize::from(value)).copied().unwrap_or(0);
        }
        multiply(check, value)
    });
    check == 0
}

/// LOINC codes: up to seven digits, a hyphen and a Luhn check digit. Of parts (`LP…`), answers (`LA…`) and lists only
/// the form is checked.
pub fn check_loinc(code: &str) -> Result<(), &'static str> {
    const FORM: &str = "a LOINC code has up to seven digits, a hyphen and a check digit";
    let digits = ["LP", "LA", "LL", "LG"].iter().find_map(|prefix| code.strip_prefix(prefix)).unwrap_or(code);
    let (number, check) = digits.split_once('-').ok_or(FORM)?;
    let sound = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !sound(number, 7) || !sound(check, 1) {
        return Err(FORM);
    }
    if digits.len() < code.len() {
        return Ok(());
    }
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            let doubled = if place % 2 == 0 { digit * 2 } else { digit };
            doubled / 10 + doubled % 10
        })
        .sum();
    let expected = (10 - sum % 10) % 10;
    if check.parse() == Ok(expected) { Ok(()) } else { Err("the check digit of the LOINC code is wrong") }
}

/// A URI or a reference relative to one (RFC 3986, section 4.1), as the published examples of R4 have them.
pub(super) fn check_uri(code: &str) -> Result<(), &'static str> {
    let sound = !code.is_empty() && !code.contains(|c: char| c.is_whitespace() || c.is_control());
    if sound { Ok(()) } else { Err("the code is not a URI") }
}

pub(super) fn check_digits(code: &str, least: usize, most: usize) -> Result<(), &'static str> {
    let sound = (least..=most).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    if sound { Ok(()) } else { Err("the code is not a number of the length the system uses") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snomed_identifiers() {
        for code in ["73211009", "404684003", "138875005", "999000011000000103", "10828004", "1078229009"] {
            assert_eq!(check_snomed(code), Ok(()), "{code}");
        }
        for code in ["73211008", "12345", "abc", "073211009", "73211o09", "900000000000013009123"] {
            assert!(check_snomed(code).is_err(), "{code}");
        }
        // A description identifier has the partition 01.
        assert!(check_snomed("754786011").is_err());
    }

    #[test]
    fn loinc_codes() {
        for code in ["8867-4", "8480-6", "85354-9", "29463-7", "LP43571-6", "LA28866-4", "718-7", "72166-2"] {
            assert_eq!(check_loinc(code), Ok(()), "{code}");
        }
        for code in ["8867-5", "8867", "x-1", "12345678-9", "", "8867-44"] {
            assert!(check_loinc(code).is_err(), "{code}");
        }
    }
}
