//! The other ways to a large kernel, in the family of SLaK and PeLK: crossed stripes (SLaK, arXiv 2207.03620) and
//! dense kernels re-parameterised with small ones (as in RepLKNet, arXiv 2203.06717).

use super::blueprint::{Form, LargeKernel};
use super::pelk::peripheral;
use super::scales::{B, KERNELS, S, T, for_small_images, large};
use super::{Model, PaperNumbers};
use crate::config::Position;

/// All channels, a 5 x 5 branch, no embedding.
pub(super) fn rival(form: Form) -> LargeKernel {
    LargeKernel { form, ratio: 1.0, position: Position::None, ..peripheral(5) }
}

pub(super) fn models() -> Vec<Model> {
    use PaperNumbers as Printed;
    const SLAK_T: &[Printed] = &[Printed::imagenet(224, 30.0, 5.0), Printed::ade20k(64.0, 957.0)];
    const SLAK_S: &[Printed] = &[Printed::imagenet(224, 55.0, 9.8), Printed::ade20k(89.0, 1057.0)];
    const SLAK_B: &[Printed] = &[Printed::imagenet(224, 95.0, 17.1), Printed::ade20k(131.0, 1210.0)];
    let model = |name, summary, blueprint| Model { name, summary, density: 1.0, paper: &[], blueprint };
    let slak = |name, summary, scale, paper| Model {
        density: 0.6,
        paper,
        ..model(name, summary, large(scale, 1.3, KERNELS, rival(Form::Stripe)))
    };
    let small = |form| for_small_images([2, 2, 2], 32, rival(form));
    vec![
        model("slak_atto", "the family of pelk_atto with stripes on all channels", small(Form::Stripe)),
        slak("slak_t", "SLaK-T, stripes of 51-49-47-13 x 5", T, SLAK_T),
        slak("slak_s", "SLaK-S", S, SLAK_S),
        slak("slak_b", "SLaK-B", B, SLAK_B),
        model("replk_atto", "the family of pelk_atto with dense kernels on all channels", small(Form::Dense)),
        model(
            "replk_t",
            "dense kernels of 51-49-47-13 in ConvNeXt-T (table 1, without sparsity)",
            large(T, 1.0, KERNELS, rival(Form::Dense)),
        ),
    ]
}
