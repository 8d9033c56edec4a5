//! The parameter `_shape`: a Flag as a partner's systems expect it (`docs/formats/shapes.md`).

use super::answer::ApiError;
use super::gate::Gate;
use super::parameters::Pairs;
use crate::convert::shape::{Shape, ShapeError};
use crate::exchange::{Found, Refusal};
use crate::fhir::{Issue, Severity};

/// The shape that a request asks for, if it asks for one.
///
/// The error is a name that is no shape's; it says which is nearest.
pub(super) fn asked(pairs: &Pairs) -> Result<Option<Shape>, ApiError> {
    let Some((_, name)) = pairs.iter().find(|(known, _)| known == "_shape") else { return Ok(None) };
    named(name).map(Some)
}

/// The shape of a name.
pub(super) fn named(name: &str) -> Result<Shape, ApiError> {
    Shape::named(name).ok_or_else(|| {
        let names = Shape::ALL.iter().map(|(known, _)| *known);
        let nearest = names.min_by_key(|known| strsim::damerau_levenshtein(known, name)).unwrap_or_default();
        let text = format!("there is no shape of this name; the nearest is `{nearest}`");
        ApiError::Refused(Refusal::Malformed { text })
    })
}

/// What a reader is told of a Flag that has no place in the shape.
pub(super) fn issue(severity_is_error: bool, error: &ShapeError) -> Issue {
    let severity = if severity_is_error { Severity::Error } else { Severity::Warning };
    Issue::new(severity, "not-supported", "shape", "", error.to_string())
}

/// Puts a copy that was read into the shape asked for, or refuses.
pub(super) async fn or_refuse(gate: &Gate, found: &mut Found, shape: Option<Shape>) -> Result<(), ApiError> {
    let Some(shape) = shape else { return Ok(()) };
    match gate.exchange.shape(found, shape).await? {
        Ok(()) => Ok(()),
        Err(error) => Err(Refusal::Invalid { issues: vec![issue(true, &error)] }.into()),
    }
}

/// Puts the copies that were found into the shape asked for; what cannot be said in it stays as it is and is told.
pub(super) async fn or_tell(
    gate: &Gate,
    found: &mut [Found],
    shape: Option<Shape>,
) -> Result<Vec<Issue>, ApiError> {
    let mut issues = Vec::new();
    let Some(shape) = shape else { return Ok(issues) };
    for one in found {
        if let Err(error) = gate.exchange.shape(one, shape).await? {
            let mut told = issue(false, &error);
            told.expression = format!("Flag/{}", one.id);
            issues.push(told);
        }
    }
    Ok(issues)
}
