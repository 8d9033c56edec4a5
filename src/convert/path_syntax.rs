//! How paths are written in each format; see [`super::path`].

use super::path::{Filter, Path, Start, Step, Test, Wanted};
use super::tree::Notation;
use crate::document::unescaped;
use std::collections::HashMap;

/// What a mapping file declares that paths may use.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Field names of segments: `ZSG` → `alert-code` → 2.
    pub fields: HashMap<String, HashMap<String, u32>>,
    /// XML namespace prefixes; the empty prefix is the default for elements.
    pub namespaces: HashMap<String, String>,
}

/// What is wrong with a path, and at which character (from 0).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at character {} of the path)", at + 1)]
pub struct PathError {
    /// What is wrong.
    pub reason: String,
    /// The character, from 0.
    pub at: usize,
}

/// Compiles a path of the format. `segment` is the name of the segment that a relative HL7 v2 path with a declared
/// field name refers to, where known.
pub fn parse(
    text: &str,
    notation: Notation,
    declared: &Declared,
    segment: Option<&str>,
) -> Result<Path, PathError> {
    let mut reader = Reader { text, at: 0, notation, declared };
    let (start, steps) = match notation {
        Notation::Csv => (Start::Top, vec![step(Test::Name(text.into(), None))]),
        Notation::Er7 => reader.er7(segment)?,
        Notation::Json | Notation::Xml | Notation::Flat => reader.slashed()?,
    };
    if notation != Notation::Csv && reader.at < text.len() {
        return Err(reader.error("something is left over"));
    }
    Ok(Path { text: text.to_owned(), start, steps })
}

fn step(test: Test) -> Step {
    Step { deep: false, test, filters: Vec::new() }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    notation: Notation,
    declared: &'t Declared,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, wanted: char) -> bool {
        let hit = self.rest().starts_with(wanted);
        if hit {
            self.at += wanted.len_utf8();
        }
        hit
    }

    fn word(&mut self, stop: &[char]) -> &'t str {
        let rest = self.rest();
        let end = rest.find(stop).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn error(&self, reason: impl Into<String>) -> PathError {
        PathError { reason: reason.into(), at: self.text.get(..self.at).map_or(0, |t| t.chars().count()) }
    }

    fn er7(&mut self, segment: Option<&str>) -> Result<(Start, Vec<Step>), PathError> {
        let mut steps = Vec::new();
        let mut name = segment.unwrap_or_default().to_owned();
        let start = if self.take('>') {
            Start::Attached
        } else if self.take('/') {
            Start::Whole
        } else if self.rest().starts_with('-') {
            Start::Top
        } else {
            Start::Root
        };
        if self.rest().starts_with('.') {
            if self.text == "." {
                self.at = 1;
                return Ok((Start::Here, steps));
            }
            self.components(&mut steps)?;
            return Ok((Start::Here, steps));
        }
        if start != Start::Top {
            let word = self.word(&['-', '[']);
            if word.len() != 3 || !word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
                self.at = 0;
                return Err(self.error(format!("`{word}` is not a segment name (three capitals or digits)")));
            }
            name = word.to_owned();
            let mut found = step(Test::Name(word.into(), None));
            self.filters(&mut found)?;
            steps.push(found);
        }
        if self.take('-') {
            let word = self.word(&['.', '[', ']', '=', '!', '|']);
            let number = word
                .parse()
                .ok()
                .or_else(|| self.declared.fields.get(&name).and_then(|f| f.get(word)).copied());
            let Some(number) = number.filter(|n| *n > 0) else {
                return Err(self
                    .error(format!("`{word}` is neither a field number nor a declared field of `{name}`")));
            };
            let mut field = step(Test::Number(number));
            self.filters(&mut field)?;
            steps.push(field);
            self.components(&mut steps)?;
        }
        Ok((start, steps))
    }

    fn components(&mut self, steps: &mut Vec<Step>) -> Result<(), PathError> {
        let mut count = 0;
        while self.take('.') {
            let word = self.word(&['.', '[', ']', '=', '!', '|']);
            let number = word.parse().ok().filter(|n| *n > 0);
            count += 1;
            let (Some(number), true) = (number, count <= 2) else {
                return Err(self.error(format!("`{word}` is not a component or sub-component number")));
            };
            steps.push(step(Test::Number(number)));
        }
        Ok(())
    }

    fn slashed(&mut self) -> Result<(Start, Vec<Step>), PathError> {
        let mut steps = Vec::new();
        if self.text == "." {
            self.at = 1;
            return Ok((Start::Here, steps));
        }
        let absolute = self.rest().starts_with('/')
            || (self.notation == Notation::Flat && self.rest().starts_with("*/"));
        let mut first = !self.rest().starts_with('/');
        while !self.rest().is_empty() && !self.rest().starts_with([']', '=', '!']) {
            let mut deep = false;
            if first {
                first = false;
            } else if self.notation == Notation::Flat && self.rest().starts_with('|') {
                // The attribute keeps its bar in its name.
            } else if self.take('/') {
                deep = self.notation != Notation::Json && self.take('/');
            } else {
                return Err(self.error("a `/` is missing"));
            }
            let mut found = self.name()?;
            found.deep = deep;
            self.filters(&mut found)?;
            steps.push(found);
            while self.notation == Notation::Json && self.rest().starts_with('[') {
                let mut item = step(Test::Any);
                self.filters(&mut item)?;
                steps.push(item);
            }
        }
        if steps.is_empty() {
            return Err(self.error("the path is empty"));
        }
        Ok((if absolute { Start::Root } else { Start::Here }, steps))
    }

    fn name(&mut self) -> Result<Step, PathError> {
        let stops: &[char] = match self.notation {
            Notation::Flat => &['/', '[', ']', '=', '!', '|'],
            _ => &['/', '[', ']', '=', '!'],
        };
        let bar = self.notation == Notation::Flat && self.take('|');
        let word = self.word(stops);
        if word.is_empty() {
            return Err(self.error("a name is missing"));
        }
        if word == ".." {
            return Ok(step(Test::Parent));
        }
        if word == "*" && !bar {
            return Ok(step(Test::Any));
        }
        Ok(step(match self.notation {
            Notation::Json => Test::Name(unescaped(word).into(), None),
            Notation::Xml => {
                let attribute = word.starts_with('@');
                let plain = word.trim_start_matches('@');
                let (prefix, local) = plain.split_once(':').unwrap_or(("", plain));
                let space = self.declared.namespaces.get(prefix);
                if space.is_none() && !prefix.is_empty() {
                    return Err(self.error(format!("the namespace prefix `{prefix}` is not declared")));
                }
                let space = if attribute && prefix.is_empty() { None } else { space };
                let space = space.map(|s| s.as_str().into());
                if attribute { Test::Attribute(local.into(), space) } else { Test::Name(local.into(), space) }
            }
            _ if bar => Test::Name(format!("|{word}").into(), None),
            _ => Test::Name(word.into(), None),
        }))
    }

    /// Reads `[…]`: for JSON at most one (the caller turns each into a step over the items).
    fn filters(&mut self, into: &mut Step) -> Result<(), PathError> {
        if self.notation == Notation::Json && into.test != Test::Any {
            return Ok(());
        }
        while self.take('[') {
            if self.take(']') {
                if self.notation == Notation::Json {
                    return Ok(());
                }
                return Err(self.error("an empty `[]` means each item of a JSON array only"));
            }
            let filter = self.filter()?;
            if !self.take(']') {
                return Err(self.error("a `]` is missing"));
            }
            into.filters.push(filter);
            if self.notation == Notation::Json {
                return Ok(());
            }
        }
        Ok(())
    }

    fn filter(&mut self) -> Result<Filter, PathError> {
        let digits = self.rest().split(']').next().unwrap_or_default();
        if let Ok(position) = digits.parse() {
            self.at += digits.len();
            return Ok(Filter::Position(position));
        }
        let steps = if self.notation == Notation::Er7 {
            let mut steps = Vec::new();
            let word = self.word(&['.', '=', '!', ']']);
            let number = word
                .parse()
                .map_err(|_| self.error(format!("`{word}` is not a field or component number")))?;
            steps.push(step(Test::Number(number)));
            self.components(&mut steps)?;
            steps
        } else {
            self.slashed()?.1
        };
        let negated = self.take('!');
        if !self.take('=') {
            return if negated {
                Err(self.error("a `=` is missing after `!`"))
            } else {
                Ok(Filter::Exists(steps))
            };
        }
        let wanted = self.word(&[']']).split('|').map(|w| match w.strip_suffix('*') {
            Some(start) => Wanted { text: start.into(), prefix: true },
            None => Wanted { text: w.into(), prefix: false },
        });
        Ok(Filter::Holds(steps, wanted.collect(), negated))
    }
}
