//! The list of all models.

use super::model::Model;
use super::{convnext, inceptionnext, pelk, replknet, rivals};
use crate::error::{ModelError, Result};
use crate::nearest::nearest;

/// All models, in the order of listings.
pub fn models() -> Vec<Model> {
    let mut models = pelk::models();
    models.extend(rivals::models());
    models.extend(replknet::models());
    models.extend(convnext::models());
    models.extend(inceptionnext::models());
    models
}

/// The model called `name`.
///
/// # Errors
/// When there is no such model; the message names the nearest one.
pub fn model(name: &str) -> Result<Model> {
    let wanted = name.replace('-', "_").to_lowercase();
    let all = models();
    if let Some(found) = all.iter().find(|model| model.name == wanted) {
        return Ok(found.clone());
    }
    Err(ModelError::UnknownModel {
        name: name.to_owned(),
        nearest: nearest(&wanted, all.iter().map(|model| model.name)).unwrap_or_default().to_owned(),
        known: all.iter().map(|model| model.name).collect::<Vec<_>>().join(", "),
    })
}
