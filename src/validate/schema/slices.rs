//! Slicing compiled to tests.

use serde_json::Value;
use std::sync::OnceLock;

/// Whether elements outside all slices are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Rules {
    Open,
    Closed,
    OpenAtEnd,
}

/// How an element is sliced.
#[derive(Debug)]
pub(in super::super) struct Slicing {
    pub discriminators: Vec<Discriminator>,
    pub rules: Rules,
    pub ordered: bool,
    pub slices: Vec<Slice>,
}

/// One discriminator.
#[derive(Debug)]
pub(in super::super) struct Discriminator {
    pub kind: DiscriminatorKind,
    /// The path in steps; `None` when it is not of the restricted form that R4 allows.
    pub steps: Option<Vec<Step>>,
}

/// The kinds of discriminator (`pattern` means the same as `value`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum DiscriminatorKind {
    Value,
    Exists,
    Type,
    Profile,
}

/// One step of a discriminator's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Step {
    Child(Box<str>),
    Extension(Box<str>),
    Resolve,
    OfType(Box<str>),
}

/// One slice.
#[derive(Debug)]
pub(in super::super) struct Slice {
    pub name: Box<str>,
    /// Its element in the snapshot.
    pub element: u32,
    /// What an element must meet to be in the slice, one for each discriminator; found at first use.
    pub tests: OnceLock<Vec<Expectation>>,
}

impl Slice {
    /// Whether this is the slice for everything that is in no other (`@default`).
    pub fn is_default(&self) -> bool {
        self.name.as_ref() == "@default"
    }
}

/// What a slice expects at the place a discriminator names.
#[derive(Clone, Debug)]
pub(in super::super) enum Expectation {
    /// One of the values there matches this pattern.
    Pattern(Value),
    /// One of the values there is exactly this.
    Fixed(Value),
    /// Below the place, each of these paths leads to a value that matches.
    All(Vec<(Vec<Step>, Expectation)>),
    /// One of the values there is in this value set.
    Bound(String),
    /// Something is there, or nothing is.
    Exists(bool),
    /// What is there has one of these types.
    Type(Vec<Box<str>>),
    /// What is there meets one of these profiles.
    Profile(Vec<Box<str>>),
    /// The extension has this `url`.
    Url(Box<str>),
    /// The slice says nothing at that place: it cannot be told from others.
    Unknown,
}

/// The steps of a discriminator's path: `$this`, names, `extension('url')`, `resolve()`, `ofType(X)`.
pub(in super::super) fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let end = step_end(rest)?;
        let (step, after) = rest.split_at_checked(end)?;
        rest = after.strip_prefix('.').unwrap_or(after);
        if step == "$this" {
            continue;
        }
        steps.push(match step.split_once('(') {
            None if step.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'[' | b']')) => {
                Step::Child(step.strip_suffix("[x]").unwrap_or(step).into())
            }
            None => return None,
            Some((function, argument)) => {
                let argument = argument.strip_suffix(')')?.trim();
                match function {
                    "resolve" if argument.is_empty() => Step::Resolve,
                    "ofType" => Step::OfType(argument.strip_prefix("FHIR.").unwrap_or(argument).into()),
                    "extension" => Step::Extension(argument.trim_matches(['\'', '"']).into()),
                    _ => return None,
                }
            }
        });
    }
    Some(steps)
}

/// Where the first step ends: at a dot outside brackets and quotes.
fn step_end(path: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0usize, false);
    for (index, byte) in path.bytes().enumerate() {
        match byte {
            b'\'' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.checked_sub(1)?,
            b'.' if !quoted && depth == 0 => return Some(index),
            _ => {}
        }
    }
    (depth == 0 && !quoted).then_some(path.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_paths_that_the_specification_allows() {
        let child = |name: &str| Step::Child(name.into());
        assert_eq!(steps("$this"), Some(vec![]));
        assert_eq!(steps("coding.code"), Some(vec![child("coding"), child("code")]));
        assert_eq!(steps("$this.value[x]"), Some(vec![child("value")]));
        assert_eq!(
            steps("extension('http://a.b/c').value.ofType(Coding)"),
            Some(vec![Step::Extension("http://a.b/c".into()), child("value"), Step::OfType("Coding".into())])
        );
        assert_eq!(steps("item.resolve().code"), Some(vec![child("item"), Step::Resolve, child("code")]));
        assert_eq!(steps("a.where(b = 1)"), None);
        assert_eq!(steps("extension('x"), None);
    }
}
