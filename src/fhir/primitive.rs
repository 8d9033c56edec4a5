//! The primitive types: whether a text has the form, and the meaning, of its type.
//!
//! Implements <https://hl7.org/fhir/R4/datatypes.html#primitive>.

/// A primitive type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// `true` or `false`.
    Boolean,
    /// A signed 32-bit number.
    Integer,
    /// A number from 0.
    UnsignedInt,
    /// A number from 1.
    PositiveInt,
    /// A decimal number; its precision is kept as text.
    Decimal,
    /// Text.
    String,
    /// Text from a controlled set, without idle white space.
    Code,
    /// 1 to 64 letters, digits, `-` and `.`.
    Id,
    /// Text in Markdown.
    Markdown,
    /// A URI.
    Uri,
    /// A URL that leads somewhere.
    Url,
    /// The URL of a definition, with `|version` where wanted.
    Canonical,
    /// `urn:oid:` and an object identifier.
    Oid,
    /// `urn:uuid:` and a UUID in lower case.
    Uuid,
    /// Base64 (RFC 4648).
    Base64Binary,
    /// A year, a month or a day.
    Date,
    /// A year, a month, a day, or an instant with its time zone.
    DateTime,
    /// An instant with its time zone.
    Instant,
    /// A time of day.
    Time,
}

/// The longest string FHIR allows, in bytes.
pub(crate) const LONGEST: usize = 1024 * 1024;

/// What is wrong with a text, or nothing.
pub type Verdict = Result<(), &'static str>;

impl Primitive {
    /// The primitive type of this name.
    pub fn of(type_code: &str) -> Option<Primitive> {
        Some(match type_code {
            "boolean" => Primitive::Boolean,
            "integer" => Primitive::Integer,
            "unsignedInt" => Primitive::UnsignedInt,
            "positiveInt" => Primitive::PositiveInt,
            "decimal" => Primitive::Decimal,
            "string" | "http://hl7.org/fhirpath/System.String" => Primitive::String,
            "code" => Primitive::Code,
            "id" => Primitive::Id,
            "markdown" => Primitive::Markdown,
            "uri" => Primitive::Uri,
            "url" => Primitive::Url,
            "canonical" => Primitive::Canonical,
            "oid" => Primitive::Oid,
            "uuid" => Primitive::Uuid,
            "base64Binary" => Primitive::Base64Binary,
            "date" => Primitive::Date,
            "dateTime" => Primitive::DateTime,
            "instant" => Primitive::Instant,
            "time" => Primitive::Time,
            _ => return None,
        })
    }

    /// Whether JSON writes the type as a number.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Primitive::Integer | Primitive::UnsignedInt | Primitive::PositiveInt | Primitive::Decimal
        )
    }

    /// Checks a text; the error says what is wrong and never holds the text.
    #[inline]
    pub fn check(self, text: &str) -> Verdict {
        let bytes = text.as_bytes();
        match self {
            Primitive::Boolean => ensure(matches!(text, "true" | "false"), "a boolean is `true` or `false`"),
            Primitive::Integer => integer(text, i64::from(i32::MIN)),
            Primitive::UnsignedInt => integer(text, 0),
            Primitive::PositiveInt => integer(text, 1),
            Primitive::Decimal => decimal(bytes),
            Primitive::String | Primitive::Markdown => string(bytes),
            Primitive::Code => code(text),
            Primitive::Id => id(bytes),
            Primitive::Uri | Primitive::Url | Primitive::Canonical => uri(text),
            Primitive::Oid => oid(text),
            Primitive::Uuid => uuid(text),
            Primitive::Base64Binary => base64(bytes),
            Primitive::Date => match date(bytes) {
                Some([]) => Ok(()),
                _ => Err("a date is a real `YYYY`, `YYYY-MM` or `YYYY-MM-DD`"),
            },
            Primitive::DateTime => date_time(bytes),
            Primitive::Instant => instant(bytes),
            Primitive::Time => match time(bytes) {
                Some([]) => Ok(()),
                _ => Err("a time is `hh:mm:ss` with an optional fraction, and no time zone"),
            },
        }
    }
}

fn ensure(holds: bool, text: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(text) }
}

fn integer(text: &str, least: i64) -> Verdict {
    let digits = text.strip_prefix('-').or_else(|| text.strip_prefix('+')).unwrap_or(text).as_bytes();
    let plain = match digits {
        [b'0'] => digits.len() == text.len() || least < 0,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !plain {
        return Err("a whole number is written in digits without leading zeros");
    }
    match text.parse::<i64>() {
        Ok(number) if number > i64::from(i32::MAX) || number < i64::from(i32::MIN) => {
            Err("the number does not fit in 32 bits")
        }
        Ok(number) if number < least => Err("the number is below what its type allows"),
        Ok(_) => Ok(()),
        Err(_) => Err("the number does not fit in 32 bits"),
    }
}

fn decimal(bytes: &[u8]) -> Verdict {
    let wrong = Err("a decimal is written in digits, with an optional fraction and exponent");
    let rest = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (whole, rest) = digits(rest);
    if whole.is_empty() || (whole.len() > 1 && whole.first() == Some(&b'0')) {
        return wrong;
    }
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => match digits(fraction) {
            ([], _) => return wrong,
            (_, rest) => rest,
        },
        None => rest,
    };
    let rest = match rest {
        [b'e' | b'E', exponent @ ..] => {
            let exponent =
                exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
            match digits(exponent) {
                ([], _) => return wrong,
                (_, rest) => rest,
            }
        }
        rest => rest,
    };
    if rest.is_empty() { Ok(()) } else { wrong }
}

fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}

fn string(bytes: &[u8]) -> Verdict {
    if bytes.len() > LONGEST {
        return Err("a string is no longer than 1 MB");
    }
    let control = bytes.iter().any(|byte| *byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n'));
    ensure(!control, "a string has no control characters")
}

fn code(text: &str) -> Verdict {
    let fine = "a code has no white space at its ends, and single spaces only within";
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(fine);
    }
    let mut before = false;
    for character in text.chars() {
        let space = character.is_whitespace();
        if (space && before) || character.is_control() {
            return Err(fine);
        }
        before = space;
    }
    Ok(())
}

fn id(bytes: &[u8]) -> Verdict {
    if bytes.len() > 64 {
        return Err("an id has 64 characters at most");
    }
    let fine = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    ensure(fine && !bytes.is_empty(), "an id is made of letters, digits, `-` and `.`")
}

fn uri(text: &str) -> Verdict {
    if text.bytes().any(|byte| byte <= b' ') || (!text.is_ascii() && text.chars().any(char::is_whitespace)) {
        return Err("a URI has no white space");
    }
    let lower = text.as_bytes().first().is_some_and(|byte| matches!(byte, b'u' | b'o'));
    if lower {
        if text.starts_with("oid:") || text.starts_with("uuid:") {
            return Err("an OID or UUID is written with `urn:` before it");
        }
        if text.starts_with("urn:oid:") {
            return oid(text);
        }
        if text.starts_with("urn:uuid:") {
            return uuid(text.split('#').next().unwrap_or(text));
        }
    }
    Ok(())
}

fn oid(text: &str) -> Verdict {
    let wrong = "an OID is `urn:oid:` and numbers parted by dots, the first of them 0, 1 or 2";
    let Some(arcs) = text.strip_prefix("urn:oid:") else { return Err(wrong) };
    let mut count = 0;
    for arc in arcs.split('.') {
        let leading = arc.len() > 1 && arc.starts_with('0');
        if arc.is_empty() || leading || !arc.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong);
        }
        if count == 0 && !matches!(arc, "0" | "1" | "2") {
            return Err(wrong);
        }
        count += 1;
    }
    ensure(count > 1, wrong)
}

fn uuid(text: &str) -> Verdict {
    let wrong = "a UUID is `urn:uuid:` and 8-4-4-4-12 hexadecimal digits in lower case";
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return Err(wrong) };
    let fine = uuid.len() == 36
        && uuid.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    ensure(fine, wrong)
}

fn base64(bytes: &[u8]) -> Verdict {
    let (mut count, mut padding) = (0usize, 0usize);
    for byte in bytes {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => count += 1,
            _ => return Err("base64 holds letters, digits, `+` and `/`, and `=` at its end"),
        }
    }
    ensure(padding <= 2 && (count + padding).is_multiple_of(4), "base64 comes in groups of four characters")
}

/// Reads a number of exactly `width` digits.
fn number(bytes: &[u8], width: usize) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_at_checked(width)?;
    let mut number = 0;
    for byte in head {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u32::from(byte - b'0');
    }
    Some((number, rest))
}

/// Reads a year, month or day that exists; answers what follows.
fn date(bytes: &[u8]) -> Option<&[u8]> {
    let (year, rest) = number(bytes, 4)?;
    if year == 0 {
        return None;
    }
    let Some(rest) = rest.strip_prefix(b"-") else { return Some(rest) };
    let (month, rest) = number(rest, 2)?;
    if !(1..=12).contains(&month) {
        return None;
    }
    let Some(rest) = rest.strip_prefix(b"-") else { return Some(rest) };
    let (day, rest) = number(rest, 2)?;
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    (1..=last).contains(&day).then_some(rest)
}

/// Reads a time of day; answers what follows.
fn time(bytes: &[u8]) -> Option<&[u8]> {
    let (hour, rest) = number(bytes, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = number(rest.strip_prefix(b":")?, 2)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    match rest.strip_prefix(b".") {
        Some(fraction) => match digits(fraction) {
            ([], _) => None,
            (_, rest) => Some(rest),
        },
        None => Some(rest),
    }
}

/// Whether this is a time zone: `Z` or an offset up to 14 hours.
fn zone(bytes: &[u8]) -> bool {
    let [b'+' | b'-', rest @ ..] = bytes else { return bytes == b"Z" };
    let Some((hour, rest)) = number(rest, 2) else { return false };
    let Some((minute, [])) = rest.strip_prefix(b":").and_then(|rest| number(rest, 2)) else { return false };
    (hour < 14 && minute < 60) || (hour == 14 && minute == 0)
}

fn date_time(bytes: &[u8]) -> Verdict {
    match date(bytes) {
        None => Err("a dateTime begins with a real date"),
        Some([]) => Ok(()),
        Some(_) => {
            instant(bytes).map_err(|_| "a dateTime with a time is `YYYY-MM-DDThh:mm:ss` and a time zone")
        }
    }
}

fn instant(bytes: &[u8]) -> Verdict {
    let wrong = Err("an instant is `YYYY-MM-DDThh:mm:ss` with an optional fraction and a time zone");
    let (Some([b'T', clock @ ..]), true) = (date(bytes), bytes.get(10) == Some(&b'T')) else { return wrong };
    match time(clock) {
        Some(rest) if zone(rest) => Ok(()),
        _ => wrong,
    }
}
#[cfg(test)]
mod tests;
