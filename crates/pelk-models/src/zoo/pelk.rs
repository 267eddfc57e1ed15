//! PeLK as in the paper (section 4.4, tables 4 and 7), and small versions for small images.

use super::form::{Form, PeripheralForm};
use super::model::{Model, PaperNumbers};
use super::scales::{B, KERNELS, S, Scale, T, for_small_images, large};
use crate::config::Position;

/// The paper's constants: base 2, 3/8 of the channels, a 5 x 5 branch as in SLaK and RepLKNet.
fn peripheral(center: usize) -> Form {
    let position = Position::InBounds;
    Form::Peripheral(PeripheralForm { center, ratio: 3.0 / 8.0, position, ..PeripheralForm::default() })
}

/// The paper's models: 40 % sparsity (density 0.6), like SLaK's.
fn paper(
    name: &'static str,
    summary: &'static str,
    scale: Scale,
    kernels: [usize; 4],
    center: usize,
    paper: &'static [PaperNumbers],
) -> Model {
    Model { name, summary, density: 0.6, paper, blueprint: large(scale, 1.3, kernels, peripheral(center)) }
}

/// Small models for images of 28 to 64 pixels.
fn small(name: &'static str, summary: &'static str, depths: [usize; 3], width: usize) -> Model {
    Model {
        name,
        summary,
        density: 1.0,
        paper: &[],
        blueprint: for_small_images(depths, width, peripheral(5)),
    }
}

const KERNELS_101: [usize; 4] = [101, 69, 67, 13];

pub(super) fn models() -> Vec<Model> {
    use PaperNumbers as Printed;
    const PELK_T: &[Printed] =
        &[Printed::imagenet(224, 29.0, 5.6), Printed::ade20k(62.0, 970.0), Printed::coco(86.0, 770.0)];
    const PELK_S: &[Printed] =
        &[Printed::imagenet(224, 50.0, 10.7), Printed::ade20k(84.0, 1077.0), Printed::coco(108.0, 874.0)];
    const PELK_B: &[Printed] = &[
        Printed::imagenet(224, 89.0, 18.3),
        Printed::imagenet(384, 89.0, 54.0),
        Printed::ade20k(126.0, 1237.0),
        Printed::coco(147.0, 1028.0),
    ];
    const PELK_B_101: &[Printed] =
        &[Printed::imagenet(384, 90.0, 68.3), Printed::ade20k(126.0, 1339.0), Printed::coco(147.0, 1127.0)];
    vec![
        small("pelk_atto", "3 stages of 2 blocks, 32 to 128 channels, for small images", [2, 2, 2], 32),
        small("pelk_femto", "3 stages of 2-4-2 blocks, 40 to 160 channels, for small images", [2, 4, 2], 40),
        small("pelk_pico", "3 stages of 3-6-3 blocks, 48 to 192 channels, for small images", [3, 6, 3], 48),
        small("pelk_nano", "3 stages of 3-9-3 blocks, 64 to 256 channels, for small images", [3, 9, 3], 64),
        paper("pelk_t", "the paper's tiny model, kernels 51-49-47-13", T, KERNELS, 5, PELK_T),
        paper("pelk_t_101", "tiny with kernels 101-69-67-13 (table 7)", T, KERNELS_101, 7, &[]),
        paper("pelk_s", "the paper's small model", S, KERNELS, 5, PELK_S),
        paper("pelk_b", "the paper's base model", B, KERNELS, 5, PELK_B),
        paper(
            "pelk_b_101",
            "base with kernels 101-69-67-13, made for 384 x 384",
            B,
            KERNELS_101,
            7,
            PELK_B_101,
        ),
    ]
}
