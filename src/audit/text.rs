//! Canonical JSON text (RFC 8785) written straight, member by member, in the order of the names.
//!
//! The events of the log are built as text, not as a tree that is then sorted: recording must cost microseconds. The
//! order of members is the writer's duty; a test compares every kind of event with its canonical form.

/// Text under construction.
#[derive(Debug, Default)]
pub(crate) struct Text(String);

impl Text {
    pub fn with_capacity(bytes: usize) -> Text {
        Text(String::with_capacity(bytes))
    }

    pub fn finish(self) -> String {
        self.0
    }

    fn separate(&mut self) {
        if !matches!(self.0.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(',');
        }
    }

    /// Starts a member; its value must follow.
    pub fn name(&mut self, name: &str) -> &mut Text {
        self.separate();
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self
    }

    /// A string.
    pub fn text(&mut self, value: &str) {
        self.separate();
        self.0.push('"');
        escape(&mut self.0, value);
        self.0.push('"');
    }

    /// A member that is a string.
    pub fn pair(&mut self, name: &str, value: &str) {
        self.name(name).text(value);
    }

    /// A member that is a string, left out when empty.
    pub fn pair_if(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.pair(name, value);
        }
    }

    /// A member that is a boolean or a number, already written.
    pub fn raw(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push_str(value);
    }

    /// An object.
    pub fn object(&mut self, members: impl FnOnce(&mut Text)) {
        self.separate();
        self.0.push('{');
        members(self);
        self.0.push('}');
    }

    /// An array.
    pub fn array(&mut self, items: impl FnOnce(&mut Text)) {
        self.separate();
        self.0.push('[');
        items(self);
        self.0.push(']');
    }
}

/// The members of a coding.
pub(crate) fn coding(o: &mut Text, system: &str, code: &str) {
    o.pair("code", code);
    o.pair("system", system);
}

/// The members of a concept with one coding.
pub(crate) fn concept(o: &mut Text, system: &str, code: &str) {
    o.name("coding").array(|list| list.object(|o| coding(o, system, code)));
}

/// Escapes a string as RFC 8785 section 3.2.2.2 says.
fn escape(out: &mut String, value: &str) {
    let mut rest = value;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let byte = special.as_bytes().first().copied().unwrap_or_default();
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            other => {
                const DIGITS: [char; 16] =
                    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
                let digit = |n: u8| DIGITS.get(usize::from(n & 15)).copied().unwrap_or('0');
                out.push_str("\\u00");
                out.push(digit(other >> 4));
                out.push(digit(other));
            }
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_json_with_the_escapes_of_rfc_8785() {
        let mut text = Text::default();
        text.object(|o| {
            o.pair("a", "\u{20ac}$\u{f}\nA'\u{42}\u{22}\u{5c}\\\"/");
            o.name("b").array(|list| {
                list.text("x");
                list.object(|_| {});
            });
            o.raw("c", "true");
        });
        assert_eq!(text.finish(), "{\"a\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\",\"b\":[\"x\",{}],\"c\":true}");
    }
}
