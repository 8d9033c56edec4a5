//! Text to tokens (the lexical part of the N1 grammar).

use super::SyntaxError;
use crate::fhirpath::temporal::{self, Temporal};
use rust_decimal::Decimal;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or keyword.
    Identifier(String),
    /// A name in backticks: never a keyword.
    Delimited(String),
    Text(String),
    Integer(i64),
    Decimal(Decimal),
    Temporal(Temporal),
    /// `%name`.
    Variable(String),
    /// `$this` and its like, without the sign.
    Special(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// A token and the byte offset at which it begins.
pub(super) type Placed = (Token, u32);

const SIGNS: [&str; 25] = [
    "!=", "!~", "<=", ">=", "(", ")", "[", "]", "{", "}", ".", ",", "+", "-", "*", "/", "&", "|", "=", "~",
    "<", ">", "!", ":", ";",
];

/// Splits an expression into tokens; the last one is [`Token::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Placed>, SyntaxError> {
    let mut lexer = Lexer { source, at: 0 };
    let mut list = Vec::new();
    loop {
        lexer.space()?;
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        list.push((token, u32::try_from(start).unwrap_or(u32::MAX)));
        if end {
            return Ok(list);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn fail<T>(&self, at: usize, text: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError::new(self.source, at, text))
    }

    /// Skips white space and comments.
    fn space(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let bare = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{a0}', '\u{feff}']);
            self.at += rest.len() - bare.len();
            if bare.starts_with("//") {
                self.at += bare.find('\n').unwrap_or(bare.len());
            } else if let Some(comment) = bare.strip_prefix("/*") {
                match comment.find("*/") {
                    Some(length) => self.at += length + 4,
                    None => return self.fail(self.at, "the comment is not closed"),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn take(&mut self, accept: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or("")
    }

    fn token(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        let Some(first) = self.peek() else { return Ok(Token::End) };
        match first {
            'A'..='Z' | 'a'..='z' | '_' => Ok(Token::Identifier(self.name().to_owned())),
            '0'..='9' => self.number(),
            '\'' => {
                self.at += 1;
                Ok(Token::Text(self.quoted('\'')?))
            }
            '`' => {
                self.at += 1;
                Ok(Token::Delimited(self.quoted('`')?))
            }
            '"' => {
                self.at += 1;
                Ok(Token::Delimited(self.quoted('"')?))
            }
            '@' => {
                self.at += 1;
                self.temporal(start)
            }
            '%' => {
                self.at += 1;
                self.variable(start)
            }
            '$' => {
                self.at += 1;
                Ok(Token::Special(self.name().to_owned()))
            }
            _ => {
                for sign in SIGNS {
                    if self.rest().starts_with(sign) {
                        self.at += sign.len();
                        return Ok(Token::Sign(sign));
                    }
                }
                self.fail(start, format!("`{}` has no meaning here", first.escape_default()))
            }
        }
    }

    fn name(&mut self) -> &'s str {
        self.take(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    fn variable(&mut self, start: usize) -> Result<Token, SyntaxError> {
        let name = match self.peek() {
            Some(quote @ ('`' | '\'' | '"')) => {
                self.at += 1;
                self.quoted(quote)?
            }
            _ => self
                .take(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
                .trim_end_matches('-')
                .to_owned(),
        };
        if name.is_empty() {
            return self.fail(start, "a variable needs a name");
        }
        Ok(Token::Variable(name))
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        self.take(|c| c.is_ascii_digit());
        let mut bytes = self.rest().bytes();
        let fraction = bytes.next() == Some(b'.') && bytes.next().is_some_and(|b| b.is_ascii_digit());
        if fraction {
            self.at += 1;
            self.take(|c| c.is_ascii_digit());
        }
        let text = self.source.get(start..self.at).unwrap_or("");
        if !fraction {
            if self.rest().starts_with('L') {
                self.at += 1;
            }
            if let Ok(number) = text.parse() {
                return Ok(Token::Integer(number));
            }
        }
        match Decimal::from_str_exact(text) {
            Ok(number) => Ok(Token::Decimal(number)),
            Err(_) => self.fail(start, "the number has more digits than can be kept"),
        }
    }

    fn temporal(&mut self, start: usize) -> Result<Token, SyntaxError> {
        // A time zone may follow only a time of day after a date; `@T10:30+1` would be an addition.
        let rest = self.rest();
        let mut length = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        let date = length;
        if rest.get(length..).is_some_and(|after| after.starts_with('T')) {
            length += 1;
            let clock = |c: char| c.is_ascii_digit() || c == ':' || c == '.';
            let after = rest.get(length..).unwrap_or("");
            let mut time = after.find(|c| !clock(c)).unwrap_or(after.len());
            // A dot that no digit follows begins an invocation: `@T14.is(Time)`.
            if let Some(dot) = after.get(..time).and_then(|t| t.find('.')) {
                let digits =
                    after.get(dot + 1..time).unwrap_or("").bytes().take_while(u8::is_ascii_digit).count();
                time = if digits == 0 { dot } else { dot + 1 + digits };
            }
            length += time;
            if date > 0 && time > 0 {
                length += zone_length(rest.get(length..).unwrap_or(""));
            }
        }
        let text = rest.get(..length).unwrap_or("");
        self.at += length;
        match temporal::literal(text) {
            Some(value) => Ok(Token::Temporal(value)),
            None => self.fail(start, "this is no date, time or date with time"),
        }
    }

    /// Reads to the closing quote, resolving escapes.
    fn quoted(&mut self, quote: char) -> Result<String, SyntaxError> {
        let start = self.at - 1;
        let mut text = String::new();
        loop {
            let plain = self.take(|c| c != quote && c != '\\');
            text.push_str(plain);
            let Some(next) = self.peek() else { return self.fail(start, "the text is not closed") };
            self.at += 1;
            if next == quote {
                return Ok(text);
            }
            let at = self.at - 1;
            let Some(escape) = self.peek() else { return self.fail(start, "the text is not closed") };
            self.at += escape.len_utf8();
            match escape {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'f' => text.push('\u{c}'),
                'u' => text.push(self.unicode(at)?),
                '\'' | '"' | '`' | '\\' | '/' => text.push(escape),
                _ => return self.fail(at, "this escape is not known"),
            }
        }
    }

    fn hex(&mut self, at: usize) -> Result<u32, SyntaxError> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|d| u32::from_str_radix(d, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.fail(at, "`\\u` needs four hexadecimal digits"),
        }
    }

    fn unicode(&mut self, at: usize) -> Result<char, SyntaxError> {
        let mut code = self.hex(at)?;
        if (0xD800..0xDC00).contains(&code) && self.rest().starts_with("\\u") {
            self.at += 2;
            let low = self.hex(at)?;
            if (0xDC00..0xE000).contains(&low) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            }
        }
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => self.fail(at, "this is half a character"),
        }
    }
}

fn zone_length(rest: &str) -> usize {
    if rest.starts_with('Z') {
        return 1;
    }
    let zone = rest.as_bytes().get(..6).is_some_and(|zone| {
        matches!(zone, [b'+' | b'-', a, b, b':', c, d] if [a, b, c, d].iter().all(|x| x.is_ascii_digit()))
    });
    if zone { 6 } else { 0 }
}
