//! NHS numbers: checked, never repaired.

/// Why a text is not an NHS number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NhsNumberError {
    /// It is not ten digits (single spaces or hyphens between groups are not removed: the sender must).
    #[error("an NHS number has exactly ten digits")]
    NotTenDigits,
    /// The check digit does not follow from the other nine (modulus 11).
    #[error("the check digit of the NHS number is wrong (modulus 11)")]
    CheckDigit,
}

/// Checks an NHS number by the modulus 11 rule of the NHS Data Dictionary.
pub fn check_nhs_number(text: &str) -> Result<(), NhsNumberError> {
    let digits = text.as_bytes();
    if digits.len() != 10 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NhsNumberError::NotTenDigits);
    }
    let weighted: u32 = digits.iter().zip((2..=10).rev()).map(|(d, w)| u32::from(d - b'0') * w).sum();
    let check = match 11 - weighted % 11 {
        11 => 0,
        10 => return Err(NhsNumberError::CheckDigit),
        digit => digit,
    };
    if digits.last().map(|d| u32::from(d - b'0')) == Some(check) {
        Ok(())
    } else {
        Err(NhsNumberError::CheckDigit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_numbers_whose_check_digit_follows() {
        assert_eq!(check_nhs_number("9000000009"), Ok(()));
        assert_eq!(check_nhs_number("9434765919"), Ok(()));
        assert_eq!(check_nhs_number("9000000008"), Err(NhsNumberError::CheckDigit));
        assert_eq!(check_nhs_number("900 000 0009"), Err(NhsNumberError::NotTenDigits));
        assert_eq!(check_nhs_number("٩٠٠٠٠٠٠٠٠٩"), Err(NhsNumberError::NotTenDigits));
        assert_eq!(check_nhs_number(""), Err(NhsNumberError::NotTenDigits));
    }
}
