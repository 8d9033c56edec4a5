//! FHIRPath: expressions over resources, parsed once and evaluated as often as wanted on borrowed trees.
//!
//! An [`Expression`] is parsed from text, may be [checked](Expression::check) against a [`Model`] before it is used,
//! and is evaluated on an element of a [`Tree`](crate::fhir::tree::Tree) in an [`Environment`]. Every evaluation has
//! a budget of steps, so that no expression and no resource can make it run away. This module never knows which
//! feature asks: types, references, profiles and terminology come through the traits [`Model`] and [`Services`].
//!
//! Implements <http://hl7.org/fhirpath/N1/> and <https://hl7.org/fhir/R4/fhirpath.html>, with those functions of the
//! later drafts that published expressions use (`sort`, `lowBoundary`, `highBoundary`, `precision`, `encode`,
//! `escape`, `defineVariable`, `matchesFull`, `coalesce` and their like).

mod check;
mod evaluate;
mod expression;
mod function;
mod json;
mod model;
mod number;
mod quantity;
mod reference;
mod syntax;
mod temporal;
pub mod ucum;
mod value;

pub use check::SemanticError;
pub use evaluate::EvalError;
pub use expression::Expression;
pub use model::{Coded, Coding, Element, Environment, Model, Resolution, Services, Untyped};
pub use quantity::{CalendarUnit, Quantity, Unit};
pub use reference::{container_of, named_type, resolve};
pub use syntax::SyntaxError;
pub use temporal::{Precision, Temporal, TemporalKind};
pub use value::{Collection, Item};
