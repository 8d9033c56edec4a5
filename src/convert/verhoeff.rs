//! The check digit of SNOMED CT identifiers (Verhoeff), so that a code cut short by a spreadsheet is found.

const MULTIPLY: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
const STEP: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/// Whether a text is a SNOMED CT identifier: 6 to 18 digits, no leading zero, and the check digit follows.
pub fn is_sctid(text: &str) -> bool {
    let digits = text.as_bytes();
    if !(6..=18).contains(&digits.len())
        || digits.first() == Some(&b'0')
        || !digits.iter().all(u8::is_ascii_digit)
    {
        return false;
    }
    let mut check = 0u8;
    for (position, digit) in digits.iter().rev().enumerate() {
        let mut value = digit - b'0';
        for _ in 0..position % 8 {
            value = STEP.get(usize::from(value)).copied().unwrap_or(0);
        }
        check = MULTIPLY
            .get(usize::from(check))
            .and_then(|row| row.get(usize::from(value)))
            .copied()
            .unwrap_or(1);
    }
    check == 0
}

#[cfg(test)]
mod tests {
    use super::is_sctid;

    #[test]
    fn codes_cut_short_are_found() {
        for good in [
            "342191000000101",
            "342891000000105",
            "818901000000100",
            "417430008",
            "1054321000000107",
            "386423001",
        ] {
            assert!(is_sctid(good), "{good}");
        }
        for bad in [
            "1054321000000100",
            "1076171000000100",
            "104586100000100",
            "12345",
            "0417430008",
            "4174300080000000000",
        ] {
            assert!(!is_sctid(bad), "{bad}");
        }
    }
}
