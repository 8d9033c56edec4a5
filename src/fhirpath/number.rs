//! Arithmetic on whole numbers and decimals that keep their digits.

use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, RoundingStrategy};

/// Reads a decimal as FHIR and FHIRPath write it; digits beyond 28 are rounded off.
pub(super) fn read_decimal(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all(whole) || fraction.is_some_and(|part| !all(part)) {
        return None;
    }
    if exponent.is_some() { Decimal::from_scientific(text).ok() } else { text.parse().ok() }
}

/// Whether two decimals are equivalent: equal at the precision of the less precise.
pub(super) fn equivalent(a: Decimal, b: Decimal) -> bool {
    let scale = a.normalize().scale().min(b.normalize().scale());
    let round = |value: Decimal| value.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero);
    round(a) == round(b)
}

/// The quotient, without trailing zeros; nothing when the divisor is 0.
pub(super) fn divide(a: Decimal, b: Decimal) -> Option<Decimal> {
    if b.is_zero() { None } else { a.checked_div(b).map(|quotient| quotient.normalize()) }
}

/// The result of a function that is not exact, to 15 significant digits.
pub(super) fn inexact(value: f64) -> Option<Decimal> {
    if !value.is_finite() {
        return None;
    }
    Decimal::from_f64(value)
}

/// A power: exact where the exponent is a whole number.
pub(super) fn power(base: Decimal, exponent: Decimal) -> Option<Decimal> {
    if let Some(whole) = exponent.is_integer().then(|| exponent.to_i64()).flatten()
        && whole.unsigned_abs() <= 1024
    {
        let mut result = Decimal::ONE;
        let mut factor = base;
        let mut left = whole.unsigned_abs();
        loop {
            if left & 1 == 1 {
                result = result.checked_mul(factor)?;
            }
            left >>= 1;
            if left == 0 {
                break;
            }
            factor = factor.checked_mul(factor)?;
        }
        return if whole < 0 { divide(Decimal::ONE, result) } else { Some(result) };
    }
    inexact(base.to_f64()?.powf(exponent.to_f64()?))
}

/// The lowest or highest number that rounds to this one, to so many digits after the dot.
pub(super) fn boundary(value: Decimal, high: bool, digits: i64) -> Option<Decimal> {
    let digits = u32::try_from(digits).ok().filter(|digits| *digits <= 28)?;
    let half = Decimal::from_i128_with_scale(5, value.scale().checked_add(1).filter(|scale| *scale <= 28)?);
    let strategy =
        if high { RoundingStrategy::ToPositiveInfinity } else { RoundingStrategy::ToNegativeInfinity };
    let bound = if high { value.checked_add(half)? } else { value.checked_sub(half)? };
    let mut bound = bound.round_dp_with_strategy(digits, strategy);
    bound.rescale(digits);
    (bound.scale() == digits).then_some(bound)
}

/// How many digits a decimal has after the dot.
pub(super) fn precision(value: Decimal) -> i64 {
    i64::from(value.scale())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        read_decimal(text).unwrap()
    }

    #[test]
    fn boundaries_move_away_from_the_value() {
        let bound = |text, high, digits| boundary(decimal(text), high, digits).map(|d| d.to_string());
        assert_eq!(bound("1.587", false, 8).as_deref(), Some("1.58650000"));
        assert_eq!(bound("-1.587", false, 2).as_deref(), Some("-1.59"));
        assert_eq!(bound("12.587", false, 2).as_deref(), Some("12.58"));
        assert_eq!(bound("120", false, 2).as_deref(), Some("119.50"));
        assert_eq!(bound("1", true, 0).as_deref(), Some("2"));
        assert_eq!(bound("1", false, 0).as_deref(), Some("0"));
        assert_eq!(bound("1.587", false, 32), None);
        assert_eq!(bound("1.587", false, -1), None);
    }

    #[test]
    fn equivalence_uses_the_smaller_precision() {
        assert!(equivalent(decimal("0.66666667"), decimal("0.67")));
        assert!(!equivalent(decimal("0.6666667"), decimal("0.6")));
        assert!(equivalent(decimal("1.10"), decimal("1.1")));
    }

    #[test]
    fn powers() {
        assert_eq!(power(decimal("2.5"), decimal("2")), Some(decimal("6.25")));
        assert_eq!(power(decimal("-1"), decimal("0.5")), None);
    }
}
