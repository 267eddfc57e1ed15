//! Sizes that models with large kernels share: those of SLaK, which PeLK adopts, and small ones for small
//! images.

use super::blueprint::{Blueprint, MLP_RATIO};
use super::form::Form;
use crate::config::{DenseInit, Family};

/// Depth of the third stage, width of the first, drop path.
pub(super) type Scale = (usize, usize, f64);

pub(super) const T: Scale = (9, 96, 0.1);
pub(super) const S: Scale = (27, 96, 0.4);
pub(super) const B: Scale = (27, 128, 0.5);
/// The sides of the kernels of SLaK and PeLK.
pub(super) const KERNELS: [usize; 4] = [51, 49, 47, 13];

/// Four stages for images of 224 pixels and more.
pub(super) fn large(
    (depth, width, drop_path): Scale,
    width_factor: f64,
    kernels: [usize; 4],
    form: Form,
) -> Blueprint {
    Blueprint {
        family: Family::ConvNeXt,
        stem_stride: 4,
        depths: vec![3, 3, depth, 3],
        widths: vec![width, 2 * width, 4 * width, 8 * width],
        width_factor,
        kernels: kernels.to_vec(),
        last_mlp_ratio: MLP_RATIO,
        form,
        upernet: None,
        cascade: None,
        head_init_scale: 1.0,
        layer_scale: 1e-6,
        dense_init: DenseInit::Fixed,
        drop_path,
    }
}

/// Three stages for images of 28 to 64 pixels. The kernels cover the whole map at 28 pixels (maps of 14, 7
/// and 3).
pub(super) fn for_small_images(depths: [usize; 3], width: usize, form: Form) -> Blueprint {
    Blueprint {
        family: Family::ConvNeXt,
        stem_stride: 2,
        depths: depths.to_vec(),
        widths: vec![width, 2 * width, 4 * width],
        width_factor: 1.0,
        kernels: vec![27, 13, 5],
        last_mlp_ratio: MLP_RATIO,
        form,
        upernet: None,
        cascade: None,
        head_init_scale: 1.0,
        layer_scale: 1.0,
        dense_init: DenseInit::FanIn,
        drop_path: 0.0,
    }
}
