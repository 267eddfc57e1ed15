//! ConvNeXt (arXiv 2201.03545), and a small version comparable to the small PeLKs.

use super::blueprint::{Blueprint, MLP_RATIO};
use super::form::{DepthwiseForm, Form};
use super::model::{Model, PaperNumbers};
use crate::config::{DenseInit, Family};

fn convnext(
    name: &'static str,
    summary: &'static str,
    stem_stride: usize,
    depths: &[usize],
    width: usize,
    (layer_scale, dense_init): (f64, DenseInit),
    drop_path: f64,
    paper: &'static [PaperNumbers],
) -> Model {
    Model {
        name,
        summary,
        density: 1.0,
        paper,
        blueprint: Blueprint {
            family: Family::ConvNeXt,
            stem_stride,
            depths: depths.to_vec(),
            widths: (0..depths.len()).map(|stage| width << stage).collect(),
            width_factor: 1.0,
            kernels: vec![7; depths.len()],
            last_mlp_ratio: MLP_RATIO,
            form: Form::Depthwise(DepthwiseForm {}),
            layer_scale,
            head_init_scale: 1.0,
            upernet: None,
            cascade: None,
            dense_init,
            drop_path,
        },
    }
}

/// As published: layer scale from 1e-6, weights with deviation 0.02.
const ORIGINAL: (f64, DenseInit) = (1e-6, DenseInit::Fixed);

pub(super) fn models() -> Vec<Model> {
    use PaperNumbers as Printed;
    const T: &[Printed] =
        &[Printed::imagenet(224, 28.6, 4.5), Printed::ade20k(60.0, 939.0), Printed::coco(86.0, 741.0)];
    const S: &[Printed] =
        &[Printed::imagenet(224, 50.2, 8.7), Printed::ade20k(82.0, 1027.0), Printed::coco(108.0, 827.0)];
    const B: &[Printed] = &[
        Printed::imagenet(224, 88.6, 15.4),
        Printed::imagenet(384, 88.6, 45.0),
        Printed::ade20k(122.0, 1170.0),
        Printed::coco(146.0, 964.0),
    ];
    vec![
        convnext(
            "convnext_atto",
            "pelk_atto's layers with 7 x 7 kernels",
            2,
            &[2, 2, 2],
            32,
            (1.0, DenseInit::FanIn),
            0.0,
            &[],
        ),
        convnext("convnext_t", "ConvNeXt-T", 4, &[3, 3, 9, 3], 96, ORIGINAL, 0.1, T),
        convnext("convnext_s", "ConvNeXt-S", 4, &[3, 3, 27, 3], 96, ORIGINAL, 0.4, S),
        convnext("convnext_b", "ConvNeXt-B", 4, &[3, 3, 27, 3], 128, ORIGINAL, 0.5, B),
    ]
}
