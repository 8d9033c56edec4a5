//! HL7 v2 in its pipe notation (ER7), versions 2.2 to 2.8, read into a [`Tree`] on borrowed slices.
//!
//! Segments are children of the root; each repetition of a field is a child of its segment, components and
//! sub-components hang below. A repetition without component separators is itself the value, so `PID-3` and
//! `PID-3.1` name the same thing, as HL7's rules on compatibility ask (v2.5.1 section 2.8).

use super::tree::{Notation, ROOT, Tree};
use super::{Limits, Unreadable};
use std::borrow::Cow;
use std::collections::HashMap;

/// The delimiters of one message, from MSH-1 and MSH-2.
#[derive(Clone, Copy, Debug)]
struct Delimiters {
    field: u8,
    component: u8,
    repetition: u8,
    escape: u8,
    sub: u8,
}

impl Delimiters {
    fn of(header: &str) -> Result<Delimiters, Unreadable> {
        let bytes = header.as_bytes();
        let field = *bytes.get(3).ok_or(Unreadable::NotHl7)?;
        let encoding = header
            .get(4..)
            .unwrap_or_default()
            .split(char::from(field))
            .next()
            .unwrap_or_default()
            .as_bytes();
        let at = |i: usize| encoding.get(i).copied().unwrap_or(0);
        let found = Delimiters { field, component: at(0), repetition: at(1), escape: at(2), sub: at(3) };
        let all = [field, at(0), at(1), at(2), at(3), at(4)];
        for (i, d) in all.iter().enumerate() {
            let odd = *d != 0 && !d.is_ascii_punctuation();
            let twice = *d != 0 && all.iter().skip(i + 1).any(|other| other == d);
            if odd || twice || (i < 2 && *d == 0) || encoding.len() > 5 {
                return Err(Unreadable::Delimiters);
            }
        }
        Ok(found)
    }
}

/// Reads one message. It must begin with an MSH segment; segments end with CR, LF or CRLF.
///
/// The errors are a header that is no header, delimiters that are not distinct punctuation, a line that does not begin
/// with a segment name, and more values than the limits allow. No content makes it panic.
pub fn read<'a>(text: &'a str, limits: &Limits) -> Result<Tree<'a>, Unreadable> {
    if text.len() > limits.bytes {
        return Err(Unreadable::TooLarge { limit: limits.bytes });
    }
    let start = text.len() - text.trim_start_matches(['\r', '\n', ' ', '\u{feff}', '\u{b}']).len();
    let body = text.get(start..).unwrap_or_default();
    if !matches!(body.get(..3), Some("MSH" | "FHS" | "BHS")) {
        return Err(Unreadable::NotHl7);
    }
    let header = body.split(['\r', '\n']).next().unwrap_or_default();
    let delimiters = Delimiters::of(header)?;
    let mut tree = Tree::new(Notation::Er7, 64 + text.len() / 8);
    let (mut at, mut segments, mut counts) = (start, 0, HashMap::new());
    for line in body.split(['\r', '\n']) {
        let offset = at;
        at += line.len() + 1;
        if line.is_empty() || line == "\u{1c}" {
            continue;
        }
        segment(&mut tree, line, offset, &delimiters, &mut counts)?;
        segments += 1;
        if segments > limits.segments {
            return Err(Unreadable::TooManyValues { limit: limits.segments });
        }
        if tree.len() > limits.values {
            return Err(Unreadable::TooManyValues { limit: limits.values });
        }
    }
    Ok(tree)
}

fn segment<'a>(
    tree: &mut Tree<'a>,
    line: &'a str,
    offset: usize,
    d: &Delimiters,
    counts: &mut HashMap<&'a str, u32>,
) -> Result<(), Unreadable> {
    let name = line.get(..3).unwrap_or_default();
    let named = name.len() == 3 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let rest = line.get(3..).unwrap_or_default();
    if !named || !(rest.is_empty() || rest.as_bytes().first() == Some(&d.field)) {
        return Err(Unreadable::NotASegment { offset });
    }
    let ordinal = counts.entry(name).or_insert(0);
    *ordinal += 1;
    let ordinal = *ordinal;
    let header = matches!(name, "MSH" | "FHS" | "BHS");
    let id = tree.push(ROOT, name, ordinal, offset);
    let mut number = u32::from(header);
    let mut at = offset + 4;
    for field in Split::new(rest.get(1..).unwrap_or_default(), d.field) {
        number += 1;
        // The header's first two fields are the delimiters themselves.
        let delimiters = header && number == 2;
        if !field.is_empty() && !delimiters {
            repetitions(tree, id, field, number, at, d);
        }
        at += field.len() + 1;
    }
    Ok(())
}

fn repetitions<'a>(
    tree: &mut Tree<'a>,
    segment: u32,
    field: &'a str,
    number: u32,
    offset: usize,
    d: &Delimiters,
) {
    let mut at = offset;
    for (repeat, text) in (1u32..).zip(Split::new(field, d.repetition)) {
        if !text.is_empty() {
            // A repetition of separators only holds no value.
            if has_value(text, d) {
                let id = tree.push(segment, "", number, at);
                if let Some(node) = tree.node_mut(id) {
                    node.repeat = repeat;
                }
                components(tree, id, text, at, d, true);
            }
        }
        at += text.len() + 1;
    }
}

fn has_value(text: &str, d: &Delimiters) -> bool {
    text.bytes().any(|b| b != d.component && (b != d.sub || d.sub == 0))
}

fn components<'a>(tree: &mut Tree<'a>, parent: u32, text: &'a str, offset: usize, d: &Delimiters, top: bool) {
    let separator = if top { d.component } else { d.sub };
    if separator == 0 || memchr::memchr(separator, text.as_bytes()).is_none() {
        if top && d.sub != 0 && memchr::memchr(d.sub, text.as_bytes()).is_some() {
            let id = tree.push(parent, "", 1, offset);
            components(tree, id, text, offset, d, false);
        } else {
            let decoded = unescape(text, d);
            if let Some(node) = tree.node_mut(parent).filter(|_| !decoded.is_empty()) {
                node.text = Some(decoded);
            }
        }
        return;
    }
    let mut at = offset;
    for (number, part) in (1u32..).zip(Split::new(text, separator)) {
        if !part.is_empty() && (!top || has_value(part, d)) {
            let id = tree.push(parent, "", number, at);
            if top && d.sub != 0 && memchr::memchr(d.sub, part.as_bytes()).is_some() {
                components(tree, id, part, at, d, false);
            } else {
                let decoded = unescape(part, d);
                if let Some(node) = tree.node_mut(id).filter(|_| !decoded.is_empty()) {
                    node.text = Some(decoded);
                }
            }
        }
        at += part.len() + 1;
    }
}

/// Splits at one ASCII byte; faster than `str::split` with a `char`, and never inside a character.
struct Split<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Split<'a> {
    fn new(text: &'a str, separator: u8) -> Split<'a> {
        Split { rest: Some(text), separator }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let found = if self.separator == 0 { None } else { memchr::memchr(self.separator, rest.as_bytes()) };
        match found {
            Some(at) => {
                self.rest = rest.get(at + 1..);
                rest.get(..at)
            }
            None => self.rest.take(),
        }
    }
}

/// The messages of a payload: one, or those of a batch or file (FHS, BHS, then messages, BTS, FTS; v2.5.1 section
/// 2.10.3), each with its offset; and the segments of the envelope.
pub fn messages(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut messages, mut envelope) = (Vec::new(), Vec::new());
    let (mut start, mut at): (Option<usize>, usize) = (None, 0);
    for line in text.split(['\r', '\n']) {
        let outer = line.get(..3).is_some_and(|n| matches!(n, "FHS" | "BHS" | "BTS" | "FTS"));
        if outer || line.starts_with("MSH") {
            if let Some(from) = start.take() {
                messages.push(text.get(from..at).unwrap_or_default());
            }
            if outer {
                envelope.push(line);
            } else {
                start = Some(at);
            }
        } else if start.is_none() && !line.trim().is_empty() {
            start = Some(at);
        }
        at += line.len() + 1;
    }
    if let Some(from) = start {
        messages.push(text.get(from..).unwrap_or_default());
    }
    (messages, envelope)
}

/// Resolves escape sequences (v2.5.1 section 2.7); an unknown or broken one is kept as it was written.
fn unescape<'a>(text: &'a str, d: &Delimiters) -> Cow<'a, str> {
    if d.escape == 0 || memchr::memchr(d.escape, text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let escape = char::from(d.escape);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(escape) {
        out.push_str(before);
        let Some((sequence, tail)) = after.split_once(escape) else {
            out.push(escape);
            rest = after;
            continue;
        };
        if let Some(resolved) = resolve(sequence, d) {
            out.push_str(&resolved);
            rest = tail;
        } else {
            out.push(escape);
            rest = after;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn resolve(sequence: &str, d: &Delimiters) -> Option<String> {
    let one = |b: u8| Some(if b == 0 { String::new() } else { char::from(b).to_string() });
    match sequence {
        "F" => one(d.field),
        "S" => one(d.component),
        "T" => one(d.sub),
        "R" => one(d.repetition),
        "E" => one(d.escape),
        "H" | "N" => Some(String::new()),
        ".br" | ".sp" | ".ce" => Some("\n".into()),
        _ => {
            if let Some(count) = sequence.strip_prefix(".sp").or_else(|| sequence.strip_prefix(".sk")) {
                let count: usize = count.trim_start_matches('+').trim().parse().ok()?;
                let with = if sequence.starts_with(".sp") { "\n" } else { " " };
                return Some(with.repeat(count.min(64)));
            }
            let bytes = hex::decode(sequence.strip_prefix('X')?).ok()?;
            match String::from_utf8(bytes) {
                Ok(text) => Some(text),
                Err(e) => Some(e.into_bytes().iter().map(|b| char::from(*b)).collect()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn places(text: &str) -> Vec<(String, String)> {
        let tree = read(text, &Limits::default()).unwrap();
        tree.values().map(|(id, n)| (tree.place(id), n.text.as_ref().unwrap().to_string())).collect()
    }

    #[test]
    fn every_value_has_its_place_and_its_decoded_text() {
        let found = places("MSH|^~\\&|A\rPID|1||9^^^NHS&x~8||O\\T\\B^^\\X41\\||^^~&\r");
        let expected = [
            ("MSH[1]-3", "A"),
            ("PID[1]-1", "1"),
            ("PID[1]-3.1", "9"),
            ("PID[1]-3.4.1", "NHS"),
            ("PID[1]-3.4.2", "x"),
            ("PID[1]-3[2]", "8"),
            ("PID[1]-5.1", "O&B"),
            ("PID[1]-5.3", "A"),
        ];
        let expected: Vec<_> = expected.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn custom_delimiters_and_refusals() {
        assert_eq!(places("MSH*:+?!*A*B:c!d").last().unwrap().0, "MSH[1]-4.2.2");
        let refused = |t: &str| read(t, &Limits::default()).err().unwrap();
        assert!(matches!(refused("PID|1"), Unreadable::NotHl7));
        assert!(matches!(refused("MSH|^^\\&|A"), Unreadable::Delimiters));
        assert!(matches!(refused("MSHA"), Unreadable::Delimiters));
        assert!(matches!(refused("MSH|^~\\&|A\rpid|1"), Unreadable::NotASegment { .. }));
        assert!(matches!(refused("MSH"), Unreadable::NotHl7));
    }

    proptest! {
        #[test]
        fn never_panics(tail in "\\PC{0,200}", head in prop::sample::select(vec!["MSH|^~\\&", "MSH", "MSH*:+?!", ""])) {
            let _ = read(&format!("{head}{tail}"), &Limits::default());
        }
    }
}
