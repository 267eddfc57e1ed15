//! ConvNeXt's classifier, of the whole image or of each place of the last map.
//!
//! Names: `norm.*`, `head.*`.

use crate::layers::{INIT, layer_norm, linear};
use pelk_autodiff::operators::AdaptiveAvgPool;
use pelk_autodiff::{Error, Executor, Result};

/// Logits `[N, 1, 1, classes]`.
pub(super) fn pooled<E: Executor>(e: &mut E, features: &[E::Value], classes: usize) -> Result<E::Value> {
    let mean = e.apply_one(AdaptiveAvgPool { size: [1, 1] }, &[last(features)?])?;
    classify(e, &mean, classes)
}

/// Logits `[N, h, w, classes]` of the last stage's map.
pub(super) fn dense<E: Executor>(e: &mut E, features: &[E::Value], classes: usize) -> Result<E::Value> {
    classify(e, last(features)?, classes)
}

fn classify<E: Executor>(e: &mut E, x: &E::Value, classes: usize) -> Result<E::Value> {
    let normalized = layer_norm(e, "norm", x)?;
    linear(e, "head", &normalized, classes, |_| INIT)
}

fn last<V>(features: &[V]) -> Result<&V> {
    features
        .last()
        .ok_or_else(|| Error::Shape { operator: "classifier", reason: "there is no stage".to_owned() })
}
