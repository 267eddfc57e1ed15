//! PeLK, as the paper has it (section 4.4, tables 4 and 7) and small ones for small images.

use super::blueprint::{Blueprint, PeripheralBlueprint};
use super::{Model, PaperNumbers};
use crate::config::{DenseInit, Position};

/// The paper's constants: base 2, 3/8 of the channels, a 5 x 5 branch as in SLaK and RepLKNet.
fn peripheral(center: usize) -> Option<PeripheralBlueprint> {
    Some(PeripheralBlueprint {
        center,
        base: 2,
        grids: None,
        ratio: 3.0 / 8.0,
        small_kernel: 5,
        position: Position::InBounds,
    })
}

/// The paper's models: width 1.3 and 40 % sparsity (density 0.6) as in SLaK.
fn paper(
    name: &'static str,
    summary: &'static str,
    (depth, width, drop_path): (usize, usize, f32),
    kernels: [usize; 4],
    center: usize,
    paper: &'static [PaperNumbers],
) -> Model {
    Model {
        name,
        summary,
        density: 0.6,
        paper,
        blueprint: Blueprint {
            stem_stride: 4,
            depths: vec![3, 3, depth, 3],
            widths: vec![width, 2 * width, 4 * width, 8 * width],
            width_factor: 1.3,
            kernels: kernels.to_vec(),
            peripheral: peripheral(center),
            layer_scale: 1e-6,
            dense_init: DenseInit::Fixed,
            drop_path,
        },
    }
}

/// Small models for images of 28 to 64 pixels. The kernels cover the whole map at 28 pixels (maps of 14, 7 and 3).
fn small(name: &'static str, summary: &'static str, depths: [usize; 3], width: usize) -> Model {
    Model {
        name,
        summary,
        density: 1.0,
        paper: &[],
        blueprint: Blueprint {
            stem_stride: 2,
            depths: depths.to_vec(),
            widths: vec![width, 2 * width, 4 * width],
            width_factor: 1.0,
            kernels: vec![27, 13, 5],
            peripheral: peripheral(5),
            layer_scale: 1.0,
            dense_init: DenseInit::FanIn,
            drop_path: 0.0,
        },
    }
}

const T: (usize, usize, f32) = (9, 96, 0.1);
const S: (usize, usize, f32) = (27, 96, 0.4);
const B: (usize, usize, f32) = (27, 128, 0.5);
const KERNELS: [usize; 4] = [51, 49, 47, 13];
const KERNELS_101: [usize; 4] = [101, 69, 67, 13];

const fn printed(size: usize, params_m: f64, macs_g: f64) -> PaperNumbers {
    PaperNumbers { size, params_m, macs_g }
}

pub(super) fn models() -> Vec<Model> {
    const PELK_T: &[PaperNumbers] = &[printed(224, 29.0, 5.6)];
    const PELK_S: &[PaperNumbers] = &[printed(224, 50.0, 10.7)];
    const PELK_B: &[PaperNumbers] = &[printed(224, 89.0, 18.3), printed(384, 89.0, 54.0)];
    const PELK_B_101: &[PaperNumbers] = &[printed(384, 90.0, 68.3)];
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
