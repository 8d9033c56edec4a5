//! Character sets of HL7 v2 messages, as MSH-18 declares them (HL7 table 0211).

use super::Unreadable;
use std::borrow::Cow;

/// What Windows-1252 has at 0x80 to 0x9F; `\0` where nothing is defined.
const WINDOWS_1252: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘', '’', '“',
    '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// Decodes a message by its MSH-18.
///
/// ASCII, 8859-1, Windows-1252 and UTF-8 are known. A message that declares nothing must be valid UTF-8 (ASCII is).
/// A byte that the declared set does not define is an error: a guess could put a wrong name on a child.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let declared = declared(bytes);
    let name: String = declared
        .iter()
        .filter(|b| b.is_ascii_alphanumeric())
        .map(|b| char::from(b.to_ascii_uppercase()))
        .collect();
    match name.as_str() {
        "" | "UTF8" | "UNICODEUTF8" => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|e| Unreadable::Encoding { set: "UTF-8", offset: e.valid_up_to() }),
        "ASCII" | "USASCII" | "ISOIR6" => match bytes.iter().position(|b| !b.is_ascii()) {
            None => std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|e| Unreadable::Encoding { set: "ASCII", offset: e.valid_up_to() }),
            Some(offset) => Err(Unreadable::Encoding { set: "ASCII", offset }),
        },
        "88591" | "ISO88591" | "ISOIR100" | "LATIN1" => {
            Ok(Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()))
        }
        "WINDOWS1252" | "CP1252" | "1252" => windows(bytes).map(Cow::Owned),
        _ => Err(Unreadable::UnknownCharacterSet),
    }
}

fn windows(bytes: &[u8]) -> Result<String, Unreadable> {
    let mut out = String::with_capacity(bytes.len() + 16);
    for (offset, byte) in bytes.iter().enumerate() {
        let c = match byte {
            0x80..=0x9F => WINDOWS_1252.get(usize::from(byte - 0x80)).copied().unwrap_or('\0'),
            other => char::from(*other),
        };
        if c == '\0' && *byte != 0 {
            return Err(Unreadable::Encoding { set: "Windows-1252", offset });
        }
        out.push(c);
    }
    Ok(out)
}

/// The first repetition of MSH-18, as bytes; empty when the message is not one or declares nothing.
fn declared(bytes: &[u8]) -> &[u8] {
    let mut lines = bytes.split(|b| *b == b'\r' || *b == b'\n').map(<[u8]>::trim_ascii_start);
    // What surrounds a batch declares nothing; its first message does.
    let around = |line: &&[u8]| line.is_empty() || line.starts_with(b"FHS") || line.starts_with(b"BHS");
    let header = lines.find(|line| !around(line)).unwrap_or_default();
    let Some(separator) = header.get(3) else { return &[] };
    if !header.starts_with(b"MSH") {
        return &[];
    }
    let repetition = header.get(5).copied().unwrap_or(b'~');
    let field = header.split(|b| b == separator).nth(17).unwrap_or_default();
    field.split(|b| *b == repetition).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(set: &str, name: &[u8]) -> Vec<u8> {
        let mut m =
            format!("MSH|^~\\&|A|B|C|D|20260101||ADT^A08|1|P|2.4||||||{set}\rPID|1||x||").into_bytes();
        m.extend_from_slice(name);
        m
    }

    #[test]
    fn declared_sets_are_decoded_and_nothing_is_guessed() {
        assert!(decode(&message("8859/1", b"Si\xE2n")).unwrap().ends_with("Siân"));
        assert!(decode(&message("WINDOWS-1252", b"O\x92Neil")).unwrap().ends_with("O’Neil"));
        assert!(decode(&message("UNICODE UTF-8", "Siân".as_bytes())).unwrap().ends_with("Siân"));
        let batch = [b"FHS|^~\\&\rBHS|^~\\&\r".as_slice(), &message("8859/1", b"Si\xE2n")].concat();
        assert!(decode(&batch).unwrap().ends_with("Siân"));
        assert!(decode(&message("", "Siân".as_bytes())).unwrap().ends_with("Siân"));
        assert!(matches!(decode(&message("", b"Si\xE2n")), Err(Unreadable::Encoding { .. })));
        assert!(matches!(decode(&message("ASCII", b"Si\xE2n")), Err(Unreadable::Encoding { .. })));
        assert!(matches!(decode(&message("WINDOWS-1252", b"\x81")), Err(Unreadable::Encoding { .. })));
        assert!(matches!(decode(&message("JAS2020", b"x")), Err(Unreadable::UnknownCharacterSet)));
    }
}
