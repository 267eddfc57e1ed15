//! Other ways to build a large kernel, in the family of SLaK and PeLK: crossed stripes (SLaK, arXiv
//! 2207.03620) and dense kernels reparameterized with small ones (as in RepLKNet, arXiv 2203.06717).

use super::form::{DenseForm, Form, StripeForm};
use super::model::{Model, PaperNumbers};
use super::scales::{B, KERNELS, S, T, for_small_images, large};

/// Dense kernels over all channels with a 5 x 5 branch, without position embedding.
pub(super) fn dense() -> Form {
    Form::Dense(DenseForm::default())
}

/// Stripes of width 5 over all channels.
fn stripes() -> Form {
    Form::Stripe(StripeForm::default())
}

pub(super) fn models() -> Vec<Model> {
    use PaperNumbers as Printed;
    const SLAK_T: &[Printed] = &[Printed::imagenet(224, 30.0, 5.0), Printed::ade20k(64.0, 957.0)];
    const SLAK_S: &[Printed] = &[Printed::imagenet(224, 55.0, 9.8), Printed::ade20k(89.0, 1057.0)];
    const SLAK_B: &[Printed] =
        &[Printed::imagenet(224, 95.0, 17.1), Printed::ade20k(131.0, 1210.0), Printed::coco(152.0, 1001.0)];
    let model = |name, summary, blueprint| Model { name, summary, density: 1.0, paper: &[], blueprint };
    let slak = |name, summary, scale, paper| Model {
        density: 0.6,
        paper,
        ..model(name, summary, large(scale, 1.3, KERNELS, stripes()))
    };
    let small = |form| for_small_images([2, 2, 2], 32, form);
    vec![
        model("slak_atto", "pelk_atto's layers with stripes on all channels", small(stripes())),
        slak("slak_t", "SLaK-T, stripes of 51-49-47-13 x 5", T, SLAK_T),
        slak("slak_s", "SLaK-S", S, SLAK_S),
        slak("slak_b", "SLaK-B", B, SLAK_B),
        model("replk_atto", "pelk_atto's layers with dense kernels on all channels", small(dense())),
        model(
            "replk_t",
            "dense kernels of 51-49-47-13 in ConvNeXt-T (table 1, without sparsity)",
            large(T, 1.0, KERNELS, dense()),
        ),
    ]
}
