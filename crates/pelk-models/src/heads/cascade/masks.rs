//! A mask head: the mask of each box, for each class.

use super::HeadForm;
use crate::config::CascadeConfig;
use crate::layers::{Convolution, conv2d_with, vector, weight};
use crate::scope::Scope;
use pelk_autodiff::operators::{ConvTranspose2d, Relu};
use pelk_autodiff::{Executor, Init, Result, Section};
use pelk_ops::Roi;
use std::sync::Arc;

/// The factor by which the last layers refine a mask.
pub(crate) const REFINEMENT: usize = 2;

/// The mask head of a stage on the features of these boxes: logits `[R, size, size, classes]`, twice as fine
/// as the features. `maps` are those of the pyramid without the last.
///
/// # Errors
/// When a parameter is missing, a box does not fit the maps, or the executor's backend returns an error.
pub fn mask_head<E: Executor>(
    e: &mut E,
    config: &CascadeConfig,
    form: HeadForm,
    stage: usize,
    maps: &[E::Value],
    rois: Arc<[Roi]>,
) -> Result<E::Value> {
    let x = e.apply_one(
        config.roi_align(rois, config.mask_size / REFINEMENT, form.stride, maps.len()),
        &maps.iter().collect::<Vec<_>>(),
    )?;
    mask_logits(e, config, form, stage, &x)
}

/// The mask head of a stage on features `[R, size / 2, size / 2, channels]`.
///
/// # Errors
/// As [`mask_head`].
pub fn mask_logits<E: Executor>(
    e: &mut E,
    config: &CascadeConfig,
    form: HeadForm,
    stage: usize,
    features: &E::Value,
) -> Result<E::Value> {
    let scope = Scope::new(format!("roi_head.mask_head.{stage}"), Section::MaskHead(stage));
    let channels = config.channels;
    // He's deviation for the sums of the backward pass, as in MMCV; for a transposed convolution PyTorch
    // counts its inputs.
    let init = |outputs: usize, area: usize| Init::Normal((2.0 / (outputs * area) as f32).sqrt());
    let mut x = features.clone();
    for j in 0..config.mask_convs {
        let convolution = Convolution::same(channels, 3, init(channels, 9));
        let y = conv2d_with(e, &scope.child("convs").child(j).child("conv"), &x, convolution, true)?;
        x = e.apply_one(Relu, &[&y])?;
    }
    let upsample = scope.child("upsample");
    let inputs = e.shape(&x).channels();
    let shape = [inputs, channels, REFINEMENT, REFINEMENT];
    let w = weight(e, &upsample, "weight", shape, init(inputs, REFINEMENT * REFINEMENT))?;
    let b = vector(e, &upsample, "bias", channels, 0.0)?;
    let x = e.apply_one(ConvTranspose2d { stride: REFINEMENT, padding: 0 }, &[&x, &w, &b])?;
    let x = e.apply_one(Relu, &[&x])?;
    let classify = Convolution::same(form.classes, 1, init(form.classes, 1));
    conv2d_with(e, &scope.child("conv_logits"), &x, classify, true)
}
