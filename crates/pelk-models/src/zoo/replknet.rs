//! RepLKNet (arXiv 2203.06717) as published, and a small one of the size of the small PeLKs.

use super::blueprint::{Blueprint, Form};
use super::rivals::rival;
use super::scales::{B, for_small_images, large};
use super::{Model, PaperNumbers};
use crate::config::{DenseInit, Skeleton};

/// The layers around dense kernels: without layer scale. Convolutions start as PyTorch's, with a deviation that falls with the
/// number of inputs; the BatchNorm after each makes the factor irrelevant.
fn around(blueprint: Blueprint) -> Blueprint {
    let (skeleton, dense_init) = (Skeleton::RepLKNet, DenseInit::FanIn);
    Blueprint { skeleton, dense_init, layer_scale: 0.0, ..blueprint }
}

pub(super) fn models() -> Vec<Model> {
    use PaperNumbers as Printed;
    const PAPER: &[Printed] = &[
        Printed::imagenet(224, 79.0, 15.3),
        Printed::imagenet(384, 79.0, 45.1),
        Printed::ade20k(112.0, 1170.0),
    ];
    let model = |name, summary, paper, blueprint| Model {
        name,
        summary,
        density: 1.0,
        paper,
        blueprint: around(blueprint),
    };
    let base = Blueprint {
        // Of blocks with two residual branches.
        depths: vec![2, 2, 18, 2],
        ..large(B, 1.0, [31, 29, 27, 13], rival(Form::Dense))
    };
    vec![
        model(
            "replknet_atto",
            "pelk_atto's size with dense kernels between 1 x 1 convolutions, BatchNorm throughout",
            &[],
            for_small_images([2, 2, 2], 32, rival(Form::Dense)),
        ),
        model("replknet_31b", "RepLKNet-31B, dense kernels of 31-29-27-13", PAPER, base),
    ]
}
