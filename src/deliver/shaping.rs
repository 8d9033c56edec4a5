//! A copy in the shape that its receiver asked for, made of what was released and never of more.

use crate::convert::shape::{Shape, ShapeError, referred, shaped};
use crate::store::{SharedStore, StoreError};
use crate::validate::Validator;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many resources around a Flag are looked at: its owner and author, and the organisations of both.
const AROUND: usize = 6;

/// Why a copy has no shape.
#[derive(Debug, thiserror::Error)]
pub enum Unshaped {
    /// The shape cannot say it.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The released copy of a Flag in a shape. CP-IS tells the authority's name and telephones: they are read from what
/// the copy itself refers to, so a copy that may not name its author has none, and a copy from which the patient's
/// location was withheld never does, because the authority would tell it.
///
/// Errors: see [`Unshaped`].
pub async fn in_shape(
    store: &SharedStore,
    validator: &Validator,
    shape: Shape,
    released: &Value,
    obligations: &[&'static str],
) -> Result<Value, Unshaped> {
    let mut around = BTreeMap::new();
    if shape.tells_of_authority() && !obligations.contains(&"location-withheld") {
        let mut wanted = referred(released);
        while let Some(reference) = wanted.pop().filter(|_| around.len() < AROUND) {
            let named = reference.split_once('/').filter(|(_, id)| !id.contains('/'));
            let Some((resource_type, id)) = named else { continue };
            let ours = matches!(resource_type, "Organization" | "PractitionerRole");
            if !ours || around.contains_key(&reference) {
                continue;
            }
            let stored = store.read(resource_type, id).await?.filter(|stored| !stored.deleted);
            let Some(body) = stored.and_then(|stored| serde_json::from_str::<Value>(&stored.body).ok())
            else {
                continue;
            };
            wanted.extend(referred(&body));
            around.insert(reference, body);
        }
    }
    Ok(shaped(shape, released, &around, validator)?)
}
