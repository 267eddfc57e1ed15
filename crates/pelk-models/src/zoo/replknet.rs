//! RepLKNet (arXiv 2203.06717) as published, and a small version of the size of the small PeLKs.

use super::blueprint::Blueprint;
use super::model::{Model, PaperNumbers};
use super::rivals::dense;
use super::scales::{B, for_small_images, large};
use crate::config::{DenseInit, Family};

/// The layers around dense kernels: without layer scale. Convolutions start like PyTorch's, with a deviation
/// that falls with the number of inputs; the BatchNorm after each makes the factor irrelevant.
fn around(blueprint: Blueprint) -> Blueprint {
    let (family, dense_init) = (Family::RepLKNet, DenseInit::FanIn);
    Blueprint { family, dense_init, layer_scale: 0.0, ..blueprint }
}

pub(super) fn models() -> Vec<Model> {
    use PaperNumbers as Printed;
    // Convolutions and linear layers of the published code do 15.35 and 45.12 G multiply-adds, as here. It
    // has 79.86 M parameters, 79.54 M without the small kernels, as here, and 79.44 M once BatchNorms are
    // merged, which is the printed number. With UperNet, 113.05 M and 1170.9 G are counted here; without the
    // auxiliary head, as in inference, it would be 111.8 M. So 15.3 and 1170 seem to be truncated, not
    // rounded.
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
        // Counts of blocks with two residual branches.
        depths: vec![2, 2, 18, 2],
        ..large(B, 1.0, [31, 29, 27, 13], dense())
    };
    vec![
        model(
            "replknet_atto",
            "pelk_atto's size with dense kernels between 1 x 1 convolutions, BatchNorm throughout",
            &[],
            for_small_images([2, 2, 2], 32, dense()),
        ),
        model("replknet_31b", "RepLKNet-31B, dense kernels of 31-29-27-13", PAPER, base),
    ]
}
