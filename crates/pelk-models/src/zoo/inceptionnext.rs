//! InceptionNeXt (arXiv 2303.16900), and a small version of the size of the small PeLKs.

use super::blueprint::Blueprint;
use super::form::{Form, InceptionForm};
use super::model::{Model, PaperNumbers};
use super::scales::{B, S, Scale, T, for_small_images, large};
use crate::config::Family;

/// A 3 x 3 square and two bands over 1/8 of the channels each.
fn inception() -> Form {
    Form::Inception(InceptionForm::default())
}

/// The layers around them; the last stage's MLPs are narrower, since the classifier has its own.
fn around(kernels: &[usize], blueprint: Blueprint) -> Blueprint {
    let family = Family::InceptionNeXt;
    Blueprint { family, last_mlp_ratio: 3, kernels: kernels.to_vec(), ..blueprint }
}

/// The published sizes: depths and widths of ConvNeXt, bands of 11.
fn published(
    name: &'static str,
    summary: &'static str,
    (depth, width, _): Scale,
    drop_path: f64,
    paper: &'static [PaperNumbers],
) -> Model {
    let blueprint = large((depth, width, drop_path), 1.0, [11; 4], inception());
    Model { name, summary, density: 1.0, paper, blueprint: around(&[11; 4], blueprint) }
}

pub(super) fn models() -> Vec<Model> {
    use PaperNumbers as Printed;
    // The published code's table. Its networks have 28.06, 49.37 and 86.67 M parameters, and their
    // convolutions and linear layers do 4.19, 8.36, 14.84 and 43.60 G multiply-adds, as here. Adding two
    // operations for each value that a BatchNorm normalizes, as some counters do, turns 14.84, the only one
    // that does not match to the digit, into 14.85 and leaves the others unchanged.
    const TINY: &[Printed] = &[Printed::imagenet(224, 28.0, 4.2)];
    const SMALL: &[Printed] = &[Printed::imagenet(224, 49.0, 8.4)];
    const BASE: &[Printed] = &[Printed::imagenet(224, 87.0, 14.9), Printed::imagenet(384, 87.0, 43.6)];
    vec![
        Model {
            name: "inceptionnext_atto",
            summary: "pelk_atto's size with squares and bands, BatchNorm, and a classifier of two layers",
            density: 1.0,
            paper: &[],
            // The published length, except on the last map of 3 x 3, where 5 covers everything.
            blueprint: around(&[11, 11, 5], for_small_images([2, 2, 2], 32, inception())),
        },
        published("inceptionnext_t", "InceptionNeXt-T", T, 0.1, TINY),
        published("inceptionnext_s", "InceptionNeXt-S", S, 0.3, SMALL),
        published("inceptionnext_b", "InceptionNeXt-B", B, 0.4, BASE),
    ]
}
