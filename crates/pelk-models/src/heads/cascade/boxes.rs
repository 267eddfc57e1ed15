//! A box head: the class of each box, and how to refine it.

use super::HeadForm;
use crate::config::CascadeConfig;
use crate::families::Merge;
use crate::layers::{Convolution, conv2d_bn, conv2d_with, linear};
use crate::scope::Scope;
use pelk_autodiff::operators::{Conv2d, Relu};
use pelk_autodiff::{Executor, Init, Result, Section};
use pelk_ops::Roi;
use std::sync::Arc;

/// The outputs of a box head for `R` boxes.
#[derive(Debug, Clone)]
pub struct BoxOutputs<V> {
    /// Logits of the classes and, last, of the background, `[R, 1, 1, classes + 1]`.
    pub logits: V,
    /// Four deltas for each class, `[R, 1, 1, 4 classes]`.
    pub deltas: V,
}

fn scope(stage: usize) -> Scope {
    Scope::new(format!("roi_head.bbox_head.{stage}"), Section::BoxHead(stage))
}

fn convolution(stage: usize, j: usize) -> Scope {
    scope(stage).child("shared_convs").child(j)
}

pub(super) fn merges(config: &CascadeConfig, stage: usize) -> impl Iterator<Item = Merge> {
    (0..config.box_convs).map(move |j| Merge::conv_bn(&convolution(stage, j)))
}

/// The box head of a stage on the features of these boxes. `maps` are those of the pyramid without the last,
/// which serves the proposals alone.
///
/// # Errors
/// When a parameter is missing, a box does not fit the maps, or the executor's backend returns an error.
pub fn box_head<E: Executor>(
    e: &mut E,
    config: &CascadeConfig,
    form: HeadForm,
    stage: usize,
    maps: &[E::Value],
    rois: Arc<[Roi]>,
) -> Result<BoxOutputs<E::Value>> {
    let x = e.apply_one(
        config.roi_align(rois, config.box_size, form.stride, maps.len()),
        &maps.iter().collect::<Vec<_>>(),
    )?;
    box_outputs(e, config, form, stage, &x)
}

/// The box head of a stage on features `[R, size, size, channels]`.
///
/// # Errors
/// As [`box_head`].
pub fn box_outputs<E: Executor>(
    e: &mut E,
    config: &CascadeConfig,
    form: HeadForm,
    stage: usize,
    features: &E::Value,
) -> Result<BoxOutputs<E::Value>> {
    let scope = scope(stage);
    let mut x = features.clone();
    for j in 0..config.box_convs {
        // He's deviation for the sums of the backward pass, as in MMCV.
        let init = Init::Normal((2.0 / (config.channels * 9) as f32).sqrt());
        let y = conv2d_bn(
            e,
            form.folded,
            &convolution(stage, j),
            &x,
            Convolution::same(config.channels, 3, init),
        )?;
        x = e.apply_one(Relu, &[&y])?;
    }
    let [height, width, channels] = [e.shape(&x)[1], e.shape(&x)[2], e.shape(&x).channels()];
    let fans = height * width * channels + config.box_features;
    let whole = Convolution {
        outputs: config.box_features,
        kernel: height,
        op: Conv2d { stride: 1, padding: 0 },
        init: Init::Uniform((6.0 / fans as f32).sqrt()),
    };
    let x = conv2d_with(e, &scope.child("shared_fcs").child(0), &x, whole, true)?;
    let x = e.apply_one(Relu, &[&x])?;
    Ok(BoxOutputs {
        logits: linear(e, &scope.child("fc_cls"), &x, form.classes + 1, |_| Init::Normal(0.01))?,
        deltas: linear(e, &scope.child("fc_reg"), &x, 4 * form.classes, |_| Init::Normal(0.001))?,
    })
}
