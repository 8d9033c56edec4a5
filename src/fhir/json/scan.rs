//! The pull scanner under every JSON reader of this crate.

use std::borrow::Cow;

/// A piece of the source, by byte offsets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub start: usize,
    pub end: usize,
    /// Whether the piece holds backslash escapes.
    pub escaped: bool,
}

/// What stands at the head of a value. Containers are only peeked: the caller opens them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Token {
    Object,
    Array,
    String(Span),
    Number(Span),
    Bool(bool),
    Null,
}

/// A fault of the text; the path is collected, innermost first, while the readers unwind.
#[derive(Debug)]
pub(crate) struct Fault {
    pub offset: usize,
    pub rule: &'static str,
    pub text: Cow<'static, str>,
    path: Vec<String>,
}

impl Fault {
    #[cold]
    pub fn new(offset: usize, rule: &'static str, text: &'static str) -> Box<Fault> {
        Box::new(Fault { offset, rule, text: Cow::Borrowed(text), path: Vec::new() })
    }

    #[cold]
    pub fn under_member(mut self: Box<Self>, name: &str) -> Box<Fault> {
        self.path.push(name.replace('~', "~0").replace('/', "~1"));
        self
    }

    #[cold]
    pub fn under_item(mut self: Box<Self>, index: usize) -> Box<Fault> {
        self.path.push(index.to_string());
        self
    }

    pub fn pointer(&self) -> String {
        self.path.iter().rev().fold(String::new(), |pointer, segment| pointer + "/" + segment)
    }
}

pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// The offset of the opening quote of the key that [`Scanner::member`] read last.
    pub key_offset: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str, depth: usize) -> Scanner<'a> {
        Scanner { text, bytes: text.as_bytes(), at: 0, depth, key_offset: 0 }
    }

    #[inline]
    pub fn offset(&self) -> usize {
        self.at
    }

    #[inline]
    pub fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    #[cold]
    fn syntax<T>(&self, text: &'static str) -> Result<T, Box<Fault>> {
        Err(Fault::new(self.at, "json-syntax", text))
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' => {
                    self.at += 1;
                    while word(self.bytes, self.at) == Some(u64::from_le_bytes(*b"        ")) {
                        self.at += 8;
                    }
                }
                b'\n' | b'\r' | b'\t' => self.at += 1,
                _ => return,
            }
        }
    }

    /// Skips white space and tells what comes next without reading it.
    #[inline]
    pub fn peek_value(&mut self) -> Option<u8> {
        self.space();
        self.peek()
    }

    /// Reads a scalar, or tells that a container begins here.
    #[inline]
    pub fn token(&mut self) -> Result<Token, Box<Fault>> {
        match self.peek_value() {
            Some(b'"') => self.string().map(Token::String),
            Some(b'{') => Ok(Token::Object),
            Some(b'[') => Ok(Token::Array),
            Some(b'-' | b'0'..=b'9') => self.number().map(Token::Number),
            Some(b't') => self.literal("true", Token::Bool(true)),
            Some(b'f') => self.literal("false", Token::Bool(false)),
            Some(b'n') => self.literal("null", Token::Null),
            Some(_) => self.syntax("expected a value"),
            None => self.syntax("the text ends where a value is expected"),
        }
    }

    fn literal(&mut self, word: &'static str, token: Token) -> Result<Token, Box<Fault>> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(token)
        } else {
            self.syntax("expected `true`, `false` or `null`")
        }
    }

    /// Enters the container that [`Scanner::token`] announced.
    #[inline]
    pub fn open(&mut self) -> Result<(), Box<Fault>> {
        if self.depth == 0 {
            return Err(Fault::new(self.at, "depth", "the document is nested more deeply than accepted"));
        }
        self.depth -= 1;
        self.at += 1;
        Ok(())
    }

    /// Leaves the container whose end was just read.
    #[inline]
    pub fn close(&mut self) {
        self.depth += 1;
    }

    /// The key of the next member, its colon read; nothing at the end of the object.
    #[inline]
    pub fn member(&mut self, first: &mut bool) -> Result<Option<Span>, Box<Fault>> {
        match self.peek_value() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !*first => {
                self.at += 1;
                self.space();
            }
            Some(b'"') if *first => {}
            Some(_) if *first => return self.syntax("expected a member or `}`"),
            Some(_) => return self.syntax("expected `,` or `}`"),
            None => return self.syntax("the text ends inside an object"),
        }
        *first = false;
        if self.peek() != Some(b'"') {
            return self.syntax("expected the name of a member in quotes");
        }
        self.key_offset = self.at;
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return self.syntax("expected `:` after the name of a member");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether another item follows; the separator is read.
    #[inline]
    pub fn item(&mut self, first: &mut bool) -> Result<bool, Box<Fault>> {
        match self.peek_value() {
            Some(b']') => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !*first => self.at += 1,
            Some(_) if *first => {}
            Some(_) => return self.syntax("expected `,` or `]`"),
            None => return self.syntax("the text ends inside an array"),
        }
        *first = false;
        Ok(true)
    }

    /// Nothing but white space may follow.
    pub fn end(&mut self) -> Result<(), Box<Fault>> {
        match self.peek_value() {
            None => Ok(()),
            Some(_) => self.syntax("text follows the end of the document"),
        }
    }

    /// Reads over one value and checks only its syntax.
    pub fn skip(&mut self) -> Result<(), Box<Fault>> {
        let mut first = true;
        match self.token()? {
            Token::Object => {
                self.open()?;
                while let Some(key) = self.member(&mut first)? {
                    self.unescaped(key)?;
                    self.skip()?;
                }
                self.close();
            }
            Token::Array => {
                self.open()?;
                while self.item(&mut first)? {
                    self.skip()?;
                }
                self.close();
            }
            Token::String(span) => {
                self.unescaped(span)?;
            }
            Token::Number(_) | Token::Bool(_) | Token::Null => {}
        }
        Ok(())
    }

    #[inline]
    fn string(&mut self) -> Result<Span, Box<Fault>> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            while let Some(word) = word(self.bytes, at) {
                let hits = special(word);
                if hits != 0 {
                    at += (hits.trailing_zeros() / 8) as usize;
                    break;
                }
                at += 8;
            }
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Span { start, end: at, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(0..=0x1f) => {
                    self.at = at;
                    return self.syntax("a control character stands unescaped in a string");
                }
                Some(_) => at += 1,
                None => {
                    self.at = self.bytes.len();
                    return self.syntax("the text ends inside a string");
                }
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Span, Box<Fault>> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 {
            return self.syntax("expected a digit");
        }
        if zero && whole > 1 {
            self.at = start;
            return self.syntax("a number must not begin with 0");
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.syntax("expected a digit after the decimal point");
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.syntax("expected a digit in the exponent");
            }
        }
        Ok(Span { start, end: self.at, escaped: false })
    }

    /// The text of a string: borrowed unless it holds escapes.
    #[inline]
    pub fn unescaped(&self, span: Span) -> Result<Cow<'a, str>, Box<Fault>> {
        if !span.escaped {
            return Ok(Cow::Borrowed(self.slice(span)));
        }
        let mut out = String::with_capacity(span.end - span.start);
        self.unescape_into(span, &mut out)?;
        Ok(Cow::Owned(out))
    }

    /// Appends the text of a string that holds escapes.
    pub fn unescape_into(&self, span: Span, out: &mut String) -> Result<(), Box<Fault>> {
        let bad = |at: usize, text| Fault::new(at, "json-syntax", text);
        let mut at = span.start;
        while at < span.end {
            let rest = self.text.get(at..span.end).unwrap_or("");
            let plain = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
            out.push_str(rest.get(..plain).unwrap_or(""));
            at += plain;
            if at >= span.end {
                break;
            }
            let code = self.bytes.get(at + 1).copied().unwrap_or(b' ');
            let plain = match code {
                b'"' | b'\\' | b'/' => char::from(code),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => {
                    let (character, length) = self
                        .unicode(at, span.end)
                        .ok_or_else(|| bad(at, "a `\\u` escape is not a Unicode character"))?;
                    out.push(character);
                    at += length;
                    continue;
                }
                _ => return Err(bad(at, "a string holds an escape that JSON does not know")),
            };
            out.push(plain);
            at += 2;
        }
        Ok(())
    }

    fn unicode(&self, at: usize, end: usize) -> Option<(char, usize)> {
        let unit = |from: usize| {
            let digits = self.text.get(from..(from + 4).min(end))?;
            let sound = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            if sound { u32::from_str_radix(digits, 16).ok() } else { None }
        };
        let high = unit(at + 2)?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high).map(|character| (character, 6));
        }
        if self.bytes.get(at + 6..at + 8) != Some(b"\\u") {
            return None;
        }
        let low = unit(at + 8)?;
        if !(0xDC00..0xE000).contains(&low) {
            return None;
        }
        char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).map(|character| (character, 12))
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let chunk: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_le_bytes(chunk))
}

/// A high bit for the first byte that is a quote, a backslash or a control character (bits above it may be wrong).
#[inline]
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x & HIGH;
    let quote = zero(word ^ (ONES * 0x22));
    let backslash = zero(word ^ (ONES * 0x5c));
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
    quote | backslash | control
}
