//! Copies in the shapes that readers ask for.

use super::Exchange;
use super::reads::Found;
use super::refusal::Refusal;
use crate::convert::shape::{Shape, ShapeError};
use crate::deliver::shaping::{Unshaped, in_shape};

impl Exchange {
    /// Puts a released copy into a shape; anything but a Flag stays as it is.
    ///
    /// The inner error is what the shape cannot say: the copy then stays as it was. The outer error is a store that
    /// cannot be read.
    pub async fn shape(&self, found: &mut Found, shape: Shape) -> Result<Result<(), ShapeError>, Refusal> {
        if found.resource_type != "Flag" {
            return Ok(Ok(()));
        }
        match in_shape(&self.store, &self.validator, shape, &found.resource, &found.obligations).await {
            Ok(shaped) => found.resource = shaped,
            Err(Unshaped::Shape(error)) => return Ok(Err(error)),
            Err(Unshaped::Store(error)) => return Err(error.into()),
        }
        Ok(Ok(()))
    }
}
