//! Names as numbers, so that most comparisons of names cost one instruction.

/// A name's length and first letters as one number: names that differ almost always differ in it, and names of up to
/// [`Tag::WHOLE`] bytes are equal if it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tag(u64);

impl Tag {
    /// The length up to which a tag holds all of a name.
    pub const WHOLE: usize = 7;

    /// The tag of a name.
    #[inline]
    pub const fn of(name: &str) -> Tag {
        let bytes = name.as_bytes();
        let length = bytes.len();
        let mut number = 0u64;
        if let Some(head) = bytes.first_chunk::<8>() {
            number = u64::from_le_bytes(*head) & LETTERS;
        } else {
            let mut rest = bytes;
            let mut shift = 0;
            while let [first, others @ ..] = rest {
                number |= (*first as u64) << shift;
                shift += 8;
                rest = others;
            }
        }
        Tag(number | (if length < 255 { length as u64 } else { 255 }) << 56)
    }

    /// The tag of the `length` bytes of `text` from `start`.
    #[inline]
    pub(super) fn at(text: &str, start: usize, length: usize) -> Tag {
        let ahead = text.as_bytes().get(start..).and_then(|rest| rest.first_chunk::<8>());
        let (Some(ahead), true) = (ahead, length < 255) else {
            return Tag::of(text.get(start..start + length).unwrap_or(""));
        };
        let kept = if length >= Tag::WHOLE { LETTERS } else { (1u64 << (length * 8)) - 1 };
        Tag((u64::from_le_bytes(*ahead) & kept) | (length as u64) << 56)
    }

    /// Whether the name begins with up to [`Tag::WHOLE`] letters.
    #[inline]
    pub const fn starts(self, letters: &str) -> bool {
        let wanted = Tag::of(letters).0 & LETTERS;
        let kept = (1u64 << (if letters.len() < Tag::WHOLE { letters.len() } else { Tag::WHOLE } * 8)) - 1;
        self.0 & kept == wanted
    }

    /// Whether a name with this tag may begin with the whole of another, or with its first [`Tag::WHOLE`] letters.
    #[inline]
    pub const fn may_begin(self, with: Tag) -> bool {
        let length = with.0 >> 56;
        let kept = if length >= Tag::WHOLE as u64 { LETTERS } else { (1u64 << (length * 8)) - 1 };
        (self.0 ^ with.0) & kept == 0
    }

    /// Whether equal tags mean equal names.
    #[inline]
    pub const fn is_whole(self) -> bool {
        (self.0 >> 56) as usize <= Tag::WHOLE
    }

    /// A number that spreads tags over a table.
    #[inline]
    pub const fn spread(self) -> u64 {
        (self.0 ^ (self.0 >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

const LETTERS: u64 = u64::MAX >> 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_have_equal_tags_wherever_they_stand() {
        let names = [
            "",
            "i",
            "id",
            "url",
            "valueCo",
            "valueCod",
            "valueCode",
            "valueCoding",
            "extension",
            "é",
            "日本語の名",
        ];
        let long = "x".repeat(300);
        for name in names.into_iter().chain([long.as_str()]) {
            for rest in ["", "\":1}", "\": \"something longer than a tag\"}"] {
                let text = format!("{{\"{name}{rest}");
                assert_eq!(Tag::at(&text, 2, name.len()), Tag::of(name), "{name}");
            }
            assert_eq!(Tag::of(name).is_whole(), name.len() <= Tag::WHOLE);
        }
        for (index, name) in names.iter().enumerate() {
            for other in names.iter().skip(index + 1) {
                assert!(Tag::of(name) != Tag::of(other), "{name} {other}");
            }
        }
    }
}
