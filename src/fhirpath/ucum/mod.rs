//! The Unified Code for Units of Measure: the grammar of a code and what it measures.
//!
//! Implements <https://ucum.org/ucum> (case sensitive). A code is reduced to the seven base units and one factor in
//! double precision, so two values compare equal when they agree to twelve digits; arbitrary units (`[iU]`) measure
//! only themselves, and special units (`Cel`, `[pH]`) convert by their function but cannot be multiplied.
//! No existing crate was taken: what FHIRPath needs is this file and the table beside it.

mod special;

use special::Special;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Why a text is not a UCUM code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UcumError {
    /// The text breaks the grammar.
    #[error("the text breaks the grammar of unit codes")]
    Grammar,
    /// A unit in it does not exist.
    #[error("the code names a unit that does not exist")]
    Unit,
    /// The text is longer than 256 bytes, or an exponent has more than two digits.
    #[error("the code is too long")]
    Length,
}

/// Checks that a text is a UCUM code: the grammar holds and every unit in it exists.
pub fn check(code: &str) -> Result<(), UcumError> {
    read(code).map(|_| ())
}

/// What a unit measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measure {
    factor: f64,
    /// Exponents of m, s, g, rad, K, C, cd.
    dimensions: [i16; 7],
    /// A signature of the arbitrary units within.
    arbitrary: i64,
    special: Option<Special>,
}

const NUMBER: Measure = Measure { factor: 1.0, dimensions: [0; 7], arbitrary: 0, special: None };

/// A value in base units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    value: f64,
    dimensions: [i16; 7],
    arbitrary: i64,
}

/// What a code measures; nothing when it is no UCUM code.
pub(super) fn measure(code: &str) -> Option<Measure> {
    read(code).ok()
}

impl Measure {
    /// A value of this unit, in base units.
    pub(super) fn scaled(&self, value: f64) -> Measured {
        let value = match self.special {
            Some(special) => special.to_proper(value) * self.factor,
            None => value * self.factor,
        };
        Measured { value, dimensions: self.dimensions, arbitrary: self.arbitrary }
    }

    /// How many of the other unit make one of this; nothing when they measure different things.
    pub(super) fn ratio(&self, other: &Measure) -> Option<f64> {
        let same = self.dimensions == other.dimensions && self.arbitrary == other.arbitrary;
        let plain = self.special.is_none() && other.special.is_none();
        (same && plain && other.factor != 0.0).then(|| self.factor / other.factor)
    }

    fn power(self, exponent: i16) -> Option<Measure> {
        if self.special.is_some() && exponent != 1 {
            return None;
        }
        Some(Measure {
            factor: self.factor.powi(i32::from(exponent)),
            dimensions: self.dimensions.map(|d| d.saturating_mul(exponent)),
            arbitrary: self.arbitrary.wrapping_mul(i64::from(exponent)),
            special: self.special,
        })
    }

    fn times(self, other: Measure, sign: i16) -> Option<Measure> {
        let other = other.power(sign)?;
        let plain = |m: &Measure| m.special.is_none();
        // A special unit may stand with numbers only.
        if !plain(&self) && other.dimensions != [0; 7] || !plain(&other) && self.dimensions != [0; 7] {
            return None;
        }
        let mut dimensions = self.dimensions;
        for (dimension, added) in dimensions.iter_mut().zip(other.dimensions) {
            *dimension = dimension.saturating_add(added);
        }
        Some(Measure {
            factor: self.factor * other.factor,
            dimensions,
            arbitrary: self.arbitrary.wrapping_add(other.arbitrary),
            special: self.special.or(other.special),
        })
    }
}

impl Measured {
    /// The order of two values; nothing when they measure different things.
    pub(super) fn compare(&self, other: &Measured) -> Option<Ordering> {
        if self.dimensions != other.dimensions || self.arbitrary != other.arbitrary {
            return None;
        }
        let scale = self.value.abs().max(other.value.abs());
        if (self.value - other.value).abs() <= scale * 1e-12 {
            return Some(Ordering::Equal);
        }
        self.value.partial_cmp(&other.value)
    }
}

/// One line of the table.
struct Atom {
    metric: bool,
    class: &'static str,
    factor: f64,
    unit: &'static str,
    special: Option<Special>,
    number: usize,
}

const TABLE: &str = include_str!("units.txt");
const BASE: [&str; 7] = ["m", "s", "g", "rad", "K", "C", "cd"];
const PREFIXES: [(&str, f64); 28] = [
    ("da", 1e1),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Q", 1e30),
    ("R", 1e27),
    ("Y", 1e24),
    ("Z", 1e21),
    ("E", 1e18),
    ("P", 1e15),
    ("T", 1e12),
    ("G", 1e9),
    ("M", 1e6),
    ("k", 1e3),
    ("h", 1e2),
    ("d", 1e-1),
    ("c", 1e-2),
    ("m", 1e-3),
    ("u", 1e-6),
    ("n", 1e-9),
    ("p", 1e-12),
    ("f", 1e-15),
    ("a", 1e-18),
    ("z", 1e-21),
    ("y", 1e-24),
    ("r", 1e-27),
    ("q", 1e-30),
];

fn atoms() -> &'static HashMap<&'static str, Atom> {
    static ATOMS: OnceLock<HashMap<&'static str, Atom>> = OnceLock::new();
    ATOMS.get_or_init(|| {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let read = |(number, line): (usize, &'static str)| {
            let (line, function) = match line.split_once(" special ") {
                Some((head, tail)) => (head, Some(tail)),
                None => (line, None),
            };
            let mut parts = line.split(' ');
            let code = parts.next()?;
            let metric = parts.next() == Some("m");
            if let Some(tail) = function {
                let (head, function) = tail.rsplit_once(' ')?;
                let (factor, unit) = head.split_once(' ')?;
                let special = Some(Special::named(function)?);
                let factor = factor.parse().ok()?;
                return Some((code, Atom { metric, class: "special", factor, unit, special, number }));
            }
            let class = parts.next()?;
            let factor = parts.next()?.parse().ok()?;
            let unit = parts.next()?;
            Some((code, Atom { metric, class, factor, unit, special: None, number }))
        };
        lines.enumerate().filter_map(read).collect()
    })
}

fn read(code: &str) -> Result<Measure, UcumError> {
    if code.len() > 256 {
        return Err(UcumError::Length);
    }
    let mut reader = Reader { rest: code, depth: 0 };
    let value = reader.main()?;
    if reader.rest.is_empty() { Ok(value) } else { Err(UcumError::Grammar) }
}

struct Reader<'c> {
    rest: &'c str,
    depth: u8,
}

impl<'c> Reader<'c> {
    fn sign(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn main(&mut self) -> Result<Measure, UcumError> {
        if self.sign('/') {
            let first = self.component()?;
            let inverse = NUMBER.times(first, -1).ok_or(UcumError::Unit)?;
            return self.term(inverse);
        }
        let first = self.component()?;
        self.term(first)
    }

    fn term(&mut self, mut value: Measure) -> Result<Measure, UcumError> {
        loop {
            let sign = if self.sign('.') {
                1
            } else if self.sign('/') {
                -1
            } else {
                return Ok(value);
            };
            let next = self.component()?;
            value = value.times(next, sign).ok_or(UcumError::Unit)?;
        }
    }

    fn annotation(&mut self) -> Result<bool, UcumError> {
        if !self.sign('{') {
            return Ok(false);
        }
        let end = self.rest.find('}').ok_or(UcumError::Grammar)?;
        let text = self.rest.get(..end).unwrap_or("");
        if text.contains('{') || !text.bytes().all(|b| (33..=126).contains(&b)) {
            return Err(UcumError::Grammar);
        }
        self.rest = self.rest.get(end + 1..).unwrap_or("");
        Ok(true)
    }

    fn component(&mut self) -> Result<Measure, UcumError> {
        if self.annotation()? {
            return Ok(NUMBER);
        }
        if self.sign('(') {
            self.depth += 1;
            if self.depth > 16 {
                return Err(UcumError::Length);
            }
            let value = self.main()?;
            self.depth -= 1;
            return if self.sign(')') { Ok(value) } else { Err(UcumError::Grammar) };
        }
        let symbol = self.symbol()?;
        let value = if symbol.bytes().all(|b| b.is_ascii_digit()) {
            let number: f64 = symbol.parse().map_err(|_| UcumError::Grammar)?;
            Measure { factor: number, ..NUMBER }
        } else {
            let (name, exponent) = exponent(symbol)?;
            unit(name)?.power(exponent).ok_or(UcumError::Unit)?
        };
        self.annotation()?;
        Ok(value)
    }

    /// The text up to the next sign, brackets taken whole.
    fn symbol(&mut self) -> Result<&'c str, UcumError> {
        let mut inside = false;
        let end = self.rest.find(|c: char| {
            inside = if inside { c != ']' } else { c == '[' };
            !inside && matches!(c, '.' | '/' | '(' | ')' | '{' | '}')
        });
        let (symbol, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or(("", ""));
        if symbol.is_empty() || inside || !symbol.bytes().all(|b| (33..=126).contains(&b)) {
            return Err(UcumError::Grammar);
        }
        self.rest = rest;
        Ok(symbol)
    }
}

/// Splits a trailing exponent off.
fn exponent(symbol: &str) -> Result<(&str, i16), UcumError> {
    let bare = symbol.trim_end_matches(|c: char| c.is_ascii_digit());
    if bare.len() == symbol.len() {
        return Ok((symbol, 1));
    }
    let name = bare.strip_suffix(['+', '-']).unwrap_or(bare);
    let digits = symbol.get(name.len()..).unwrap_or("");
    if digits.len() > 3 {
        return Err(UcumError::Length);
    }
    let exponent = digits.parse().map_err(|_| UcumError::Grammar)?;
    Ok((name, exponent))
}

fn unit(name: &str) -> Result<Measure, UcumError> {
    if let Some(atom) = atoms().get(name) {
        return atom_measure(name, atom);
    }
    for (prefix, factor) in PREFIXES {
        if let Some(rest) = name.strip_prefix(prefix)
            && let Some(atom) = atoms().get(rest).filter(|atom| atom.metric)
        {
            let value = atom_measure(rest, atom)?;
            return Ok(match value.special {
                Some(special) => Measure { special: Some(special.prefixed(factor)), ..value },
                None => Measure { factor: value.factor * factor, ..value },
            });
        }
    }
    Err(UcumError::Unit)
}

fn atom_measure(code: &str, atom: &Atom) -> Result<Measure, UcumError> {
    if atom.class == "base" {
        let mut value = NUMBER;
        for (dimension, base) in value.dimensions.iter_mut().zip(BASE) {
            *dimension = i16::from(base == code);
        }
        return Ok(value);
    }
    let mut value = read(atom.unit)?;
    value.factor *= atom.factor;
    value.special = atom.special;
    if atom.class == "arbitrary" {
        // Two arbitrary units are the same only when they are the same line of the table.
        value.arbitrary = value.arbitrary.wrapping_add((atom.number as i64 + 1).wrapping_mul(1_000_003));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(a: f64, left: &str, b: f64, right: &str) -> Option<Ordering> {
        measure(left).unwrap().scaled(a).compare(&measure(right).unwrap().scaled(b))
    }

    #[test]
    fn every_unit_of_the_table_can_be_measured() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        for code in lines.filter_map(|line| line.split(' ').next()) {
            assert!(measure(code).is_some(), "{code}");
        }
    }

    #[test]
    fn values_compare_across_units() {
        assert_eq!(compare(4.0, "g", 4000.0, "mg"), Some(Ordering::Equal));
        assert_eq!(compare(1.0, "[lb_av]", 1.0, "kg"), Some(Ordering::Less));
        assert_eq!(compare(100.0, "Cel", 212.0, "[degF]"), Some(Ordering::Equal));
        assert_eq!(compare(2.0, "g/m", 2.0, "kg/km"), Some(Ordering::Equal));
        assert_eq!(compare(1.0, "m", 1.0, "s"), None);
        assert_eq!(compare(1.0, "[iU]", 1.0, "[arb'U]"), None);
        assert_eq!(compare(1000.0, "m[iU]/mL", 1.0, "[iU]/mL"), Some(Ordering::Equal));
        assert_eq!(compare(1.0, "mm[Hg]", 133.322, "Pa"), Some(Ordering::Equal));
    }

    #[test]
    fn the_grammar_is_checked() {
        for code in
            ["10*3/uL", "mg/dL", "/min", "{beats}/min", "kg.m/s2", "m2", "10*-6", "%", "ug/(kg.h)", "m{a}"]
        {
            assert_eq!(check(code), Ok(()), "{code}");
        }
        for code in ["", "mg dL", "lbs", "k%", "m//s", "(m", "{a", "kk", "m{a", "foo"] {
            assert!(check(code).is_err(), "{code}");
        }
    }
}
