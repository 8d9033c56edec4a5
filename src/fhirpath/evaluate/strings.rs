//! Functions on texts.

use super::filters::first;
use super::{Machine, Outcome, Scope, encode};
use crate::fhirpath::expression::ExprId;
use crate::fhirpath::function::Function;
use crate::fhirpath::value::{Collection, Item, maybe, one, truth};
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;

impl<'t> Machine<'t> {
    pub(super) fn text_function(
        &mut self,
        focus: &[Item<'t>],
        function: Function,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        if function == Function::Join {
            return self.join(focus, args, at, scope);
        }
        let text = match self.single(focus, at)? {
            None => return Ok(Collection::new()),
            Some(Item::Text(text)) => text,
            // Dates and numbers have texts too; only what has none is an error.
            Some(other) => match other.to_text() {
                Some(text) => text,
                None => return self.fail(at, format!("`{}` needs a text", function.name())),
            },
        };
        self.spend(text.len() / 16, at)?;
        match function {
            Function::Length => Ok(one(count(text.chars().count()))),
            Function::Upper => Ok(self.owned_text(text.to_uppercase())),
            Function::Lower => Ok(self.owned_text(text.to_lowercase())),
            Function::Trim => Ok(one(match text {
                Cow::Borrowed(text) => Item::text(text.trim()),
                Cow::Owned(text) => Item::Text(Cow::Owned(text.trim().to_owned())),
            })),
            Function::ToChars => {
                self.spend(text.len(), at)?;
                Ok(text.chars().map(|c| Item::Text(Cow::Owned(c.to_string()))).collect())
            }
            Function::Substring => self.substring(&text, args, at, scope),
            Function::Matches | Function::MatchesFull => {
                let Some(pattern) = self.pattern(function, args, at, scope)? else {
                    return Ok(Collection::new());
                };
                Ok(truth(pattern.is_match(&text)))
            }
            Function::ReplaceMatches => self.replace_matches(&text, args, at, scope),
            Function::Replace => {
                let old = self.string(first(args, at), scope)?;
                let new = self.string(args.get(1).copied().unwrap_or(at), scope)?;
                let (Some(old), Some(new)) = (old, new) else { return Ok(Collection::new()) };
                self.spend(text.len().saturating_mul(new.len() + 1) / 16, at)?;
                Ok(self.owned_text(text.replace(&*old, &new)))
            }
            _ => {
                let Some(argument) = self.string(first(args, at), scope)? else {
                    return Ok(Collection::new());
                };
                self.with_text(&text, function, &argument, at)
            }
        }
    }

    fn with_text(
        &mut self,
        text: &str,
        function: Function,
        argument: &str,
        at: ExprId,
    ) -> Outcome<Collection<'t>> {
        let place = |found: Option<usize>| {
            one(match found {
                Some(byte) => count(text.get(..byte).unwrap_or("").chars().count()),
                None => Item::Integer(-1),
            })
        };
        match function {
            Function::StartsWith => Ok(truth(text.starts_with(argument))),
            Function::EndsWith => Ok(truth(text.ends_with(argument))),
            Function::Contains => Ok(truth(text.contains(argument))),
            Function::IndexOf => Ok(place(text.find(argument))),
            Function::LastIndexOf => Ok(place(text.rfind(argument))),
            Function::Split => {
                self.spend(text.len(), at)?;
                let part = |part: &str| Item::Text(Cow::Owned(part.to_owned()));
                Ok(if argument.is_empty() {
                    one(part(text))
                } else {
                    text.split(argument).map(part).collect()
                })
            }
            _ => {
                let changed = match function {
                    Function::Encode => encode::encode(text, argument),
                    Function::Decode => encode::decode(text, argument),
                    Function::Escape => encode::escape(text, argument),
                    _ => encode::unescape(text, argument),
                };
                Ok(maybe(changed.map(|text| Item::Text(Cow::Owned(text)))))
            }
        }
    }

    fn substring(
        &mut self,
        text: &str,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let Some(start) = self.integer(first(args, at), scope)? else { return Ok(Collection::new()) };
        let length = match args.get(1) {
            Some(length) => self.integer(*length, scope)?,
            None => None,
        };
        let total = text.chars().count();
        let Some(start) = usize::try_from(start).ok().filter(|start| *start < total) else {
            return Ok(Collection::new());
        };
        let length = length.map_or(usize::MAX, |length| usize::try_from(length.max(0)).unwrap_or(usize::MAX));
        Ok(self.owned_text(text.chars().skip(start).take(length).collect()))
    }

    fn join(
        &mut self,
        focus: &[Item<'t>],
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        if focus.is_empty() {
            return Ok(Collection::new());
        }
        let separator = match args.first() {
            Some(separator) => self.string(*separator, scope)?.unwrap_or(Cow::Borrowed("")),
            None => Cow::Borrowed(""),
        };
        let mut text = String::new();
        for (index, item) in focus.iter().enumerate() {
            match self.simplified(item).to_text() {
                Some(part) => {
                    if index > 0 {
                        text.push_str(&separator);
                    }
                    text.push_str(&part);
                }
                None => return self.fail(at, "only texts can be joined"),
            }
            self.spend(1 + separator.len() / 16, at)?;
        }
        self.spend(text.len() / 16, at)?;
        Ok(self.owned_text(text))
    }

    fn replace_matches(
        &mut self,
        text: &str,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let pattern = self.pattern(Function::ReplaceMatches, args, at, scope)?;
        let new = self.string(args.get(1).copied().unwrap_or(at), scope)?;
        let (Some(pattern), Some(new)) = (pattern, new) else { return Ok(Collection::new()) };
        if pattern.as_str().ends_with("(?:)") || pattern.as_str().is_empty() {
            return Ok(self.owned_text(text.to_owned()));
        }
        self.spend(text.len().saturating_mul(new.len() + 1) / 4, at)?;
        let new = groups(&new);
        let replaced = pattern.replace_all(text, new.as_str()).into_owned();
        self.spend(replaced.len() / 16, at)?;
        Ok(self.owned_text(replaced))
    }

    /// The regular expression of a call: compiled once when it is a literal.
    fn pattern(
        &mut self,
        function: Function,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Option<Regex>> {
        let id = first(args, at);
        let flags_at = if function == Function::ReplaceMatches { 2 } else { 1 };
        let flags = match args.get(flags_at) {
            Some(flags) => self.string(*flags, scope)?,
            None => None,
        };
        let slot = if flags.is_none() { self.expression.pattern(at) } else { None };
        if let Some(Some(compiled)) = slot.and_then(|slot| slot.get()) {
            return Ok(Some(compiled.clone()));
        }
        let Some(source) = self.string(id, scope)? else { return Ok(None) };
        self.spend(64 + source.len() * 8, at)?;
        let compiled = compile(&source, function == Function::MatchesFull, flags.as_deref().unwrap_or(""));
        match compiled {
            Some(compiled) => {
                if let Some(slot) = slot {
                    let _ = slot.set(Some(compiled.clone()));
                }
                Ok(Some(compiled))
            }
            None => self.fail(id, "the regular expression is not acceptable"),
        }
    }
}

/// Compiles in "single line" mode: a dot matches also a line break.
fn compile(source: &str, full: bool, flags: &str) -> Option<Regex> {
    let source = if full { Cow::Owned(format!("^(?:{source})$")) } else { Cow::Borrowed(source) };
    let mut builder = RegexBuilder::new(&source);
    builder.dot_matches_new_line(true).size_limit(1 << 20);
    builder.case_insensitive(flags.contains('i')).multi_line(flags.contains('m'));
    builder.build().ok()
}

/// `$1` of other dialects would swallow the letters that follow it: braces set it apart.
fn groups(replacement: &str) -> String {
    let mut text = String::with_capacity(replacement.len());
    let mut rest = replacement;
    while let Some(at) = rest.find('$') {
        let (head, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        text.push_str(head);
        let after = tail.get(1..).unwrap_or("");
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        match after.get(..digits) {
            Some(number) if digits > 0 => {
                text.push_str(&format!("${{{number}}}"));
                rest = after.get(digits..).unwrap_or("");
            }
            _ => {
                text.push('$');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

fn count(number: usize) -> Item<'static> {
    Item::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
