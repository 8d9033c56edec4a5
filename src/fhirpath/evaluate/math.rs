//! Arithmetic functions.

use super::filters::first;
use super::{Machine, Outcome, Scope};
use crate::fhirpath::expression::ExprId;
use crate::fhirpath::function::Function;
use crate::fhirpath::number;
use crate::fhirpath::value::{Collection, Item, maybe};
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

impl<'t> Machine<'t> {
    pub(super) fn math_function(
        &mut self,
        focus: &[Item<'t>],
        function: Function,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let Some(value) = self.single(focus, at)? else { return Ok(Collection::new()) };
        if let Item::Quantity(mut quantity) = value {
            let changed = match function {
                Function::Abs => quantity.value.abs(),
                Function::Ceiling => quantity.value.ceil(),
                Function::Floor => quantity.value.floor(),
                Function::Truncate => quantity.value.trunc(),
                Function::Round => {
                    let digits = self.digits(args, scope)?;
                    quantity.value.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
                }
                _ => return self.fail(at, format!("`{}` needs a number", function.name())),
            };
            quantity.value = changed;
            return Ok(maybe(Some(Item::Quantity(quantity))));
        }
        let Some(decimal) = value.as_decimal() else {
            return self.fail(at, format!("`{}` needs a number", function.name()));
        };
        let whole = |value: Decimal| value.to_i64().map(Item::Integer);
        let inexact = |value: Option<f64>| value.and_then(number::inexact).map(Item::Decimal);
        let result = match function {
            Function::Abs => match value {
                Item::Integer(value) => value.checked_abs().map(Item::Integer),
                _ => Some(Item::Decimal(decimal.abs())),
            },
            Function::Ceiling => whole(decimal.ceil()),
            Function::Floor => whole(decimal.floor()),
            Function::Truncate => whole(decimal.trunc()),
            Function::Round => {
                let digits = self.digits(args, scope)?;
                let rounded = decimal.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
                Some(Item::Decimal(rounded))
            }
            Function::Exp => inexact(decimal.to_f64().map(f64::exp)),
            Function::Ln => inexact(decimal.to_f64().map(f64::ln)),
            Function::Sqrt => inexact(decimal.to_f64().map(f64::sqrt)),
            _ => {
                let argument = self.value(first(args, at), scope)?;
                let Some(argument) = argument else { return Ok(Collection::new()) };
                let Some(other) = argument.as_decimal() else {
                    return self.fail(at, format!("`{}` needs a number", function.name()));
                };
                match function {
                    Function::Log => {
                        let (base, value) = (other.to_f64(), decimal.to_f64());
                        inexact(value.zip(base).map(|(value, base)| logarithm(value, base)))
                    }
                    _ => {
                        let power = number::power(decimal, other);
                        let integers = matches!((&value, &argument), (Item::Integer(_), Item::Integer(_)));
                        power.map(|power| match power.to_i64() {
                            Some(whole) if integers && power.is_integer() => Item::Integer(whole),
                            _ => Item::Decimal(power),
                        })
                    }
                }
            }
        };
        Ok(maybe(result))
    }

    fn digits(&mut self, args: &[ExprId], scope: Scope<'_, 't>) -> Outcome<u32> {
        let Some(id) = args.first() else { return Ok(0) };
        match self.integer(*id, scope)? {
            None => Ok(0),
            Some(digits) => match u32::try_from(digits) {
                Ok(digits) => Ok(digits.min(28)),
                Err(_) => self.fail(*id, "the number of digits must not be negative"),
            },
        }
    }
}

/// A logarithm that is exact where the result is a whole number.
fn logarithm(value: f64, base: f64) -> f64 {
    let result = value.ln() / base.ln();
    let rounded = result.round();
    if (result - rounded).abs() < 1e-12 { rounded } else { result }
}
