//! The test cases of the operators: odd sizes, every form and every optional input, with repeatable values.

use crate::case::{Case, Objective, values};
use crate::detection_cases;
use pelk_autodiff::Op;
use pelk_autodiff::operators::{
    AdaptiveAvgPool, Add, BatchNorm, BilinearResize, ConcatChannels, Conv2d, ConvTranspose2d, CrossEntropy,
    DepthwiseConv, Gelu, LayerNorm, Linear, MaxPool, NearestResize, PixelMlp, PositionBias, PositionForm,
    Relu, ScaleChannels, ScaleSamples, SoftCrossEntropy, SplitChannels,
};
use pelk_grid::SharingGrid;
use std::sync::Arc;

macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        /// The operators without their settings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($kind),+ }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Kind::$kind),+];

            /// A new operator stops the tests from compiling here, then in [`Kind::cases`].
            pub fn of(op: &Op) -> Kind {
                match op { $(Op::$kind(_) => Kind::$kind),+ }
            }
        }
    };
}

kinds! {
    Linear, Conv2d, DepthwiseConv, PositionBias, LayerNorm, BatchNorm, Gelu, Relu, Add, ScaleChannels,
    ScaleSamples, SplitChannels, ConcatChannels, AdaptiveAvgPool, BilinearResize, CrossEntropy,
    NearestResize, MaxPool, ConvTranspose2d,
    SoftCrossEntropy, PixelMlp, BinaryCrossEntropy, SmoothL1, BoxGiou, MaskCrossEntropy, RoiAlign,
}

/// All cases.
pub fn all() -> Vec<Case> {
    Kind::ALL.iter().flat_map(|kind| kind.cases()).collect()
}

#[test]
fn every_operator_has_cases() {
    let mut names = std::collections::BTreeSet::new();
    for kind in Kind::ALL {
        let cases = kind.cases();
        assert!(!cases.is_empty(), "{kind:?} has no case");
        for case in cases {
            assert_eq!(Kind::of(&case.op), *kind, "{}", case.name);
            assert!(names.insert(case.name.clone()), "two cases are called {:?}", case.name);
        }
    }
}

impl Kind {
    /// The cases of this operator.
    pub fn cases(self) -> Vec<Case> {
        match self {
            Kind::Linear => linear(),
            Kind::Conv2d => conv2d(),
            Kind::ConvTranspose2d => conv_transpose2d(),
            Kind::DepthwiseConv => depthwise_conv(),
            Kind::PositionBias => position_bias(),
            Kind::LayerNorm => layer_norm(),
            Kind::BatchNorm => batch_norm(),
            Kind::Gelu => {
                [&[][..], &[2, 3, 5, 7], WIDE].map(|x| Case::new(&format!("{x:?}"), Gelu, &[x])).into()
            }
            Kind::Relu => {
                [&[1][..], &[2, 3, 5, 7], WIDE].map(|x| Case::new(&format!("{x:?}"), Relu, &[x])).into()
            }
            Kind::Add => {
                [&[1][..], &[2, 4, 4, 4], WIDE].map(|x| Case::new(&format!("{x:?}"), Add, &[x, x])).into()
            }
            Kind::ScaleChannels => [&[5][..], &[2, 4, 4, 4], &[3, 1, 7, 13], WIDE]
                .map(|x| Case::new(&format!("{x:?}"), ScaleChannels, &[x, &x[x.len() - 1..]]))
                .into(),
            Kind::ScaleSamples => scale_samples(),
            Kind::SplitChannels => split_channels(),
            Kind::ConcatChannels => {
                let many: [&[usize]; 4] =
                    [&[2, 17, 19, 5], &[2, 17, 19, 1], &[2, 17, 19, 37], &[2, 17, 19, 8]];
                let parts: [&[&[usize]]; 5] = [
                    &[&[2], &[1]],
                    &[&[3, 2]],
                    &[&[2, 4, 4, 4], &[2, 4, 4, 5]],
                    &[&[3, 7, 1], &[3, 7, 16]],
                    &many,
                ];
                parts.map(|parts| Case::new(&format!("{parts:?}"), ConcatChannels, parts)).into()
            }
            Kind::AdaptiveAvgPool => resampled(|size| AdaptiveAvgPool { size }.into()),
            Kind::BilinearResize => resampled(|size| BilinearResize { size }.into()),
            Kind::NearestResize => resampled(|size| NearestResize { size }.into()),
            Kind::MaxPool => max_pool(),
            Kind::CrossEntropy => cross_entropy(),
            Kind::SoftCrossEntropy => soft_cross_entropy(),
            Kind::PixelMlp => pixel_mlp(),
            Kind::BinaryCrossEntropy => detection_cases::binary_cross_entropy(),
            Kind::SmoothL1 => detection_cases::smooth_l1(),
            Kind::BoxGiou => detection_cases::box_giou(),
            Kind::MaskCrossEntropy => detection_cases::mask_cross_entropy(),
            Kind::RoiAlign => detection_cases::roi_align(),
        }
    }
}

/// Large enough to be cut into tasks, and not at a round number.
const WIDE: &[usize] = &[3, 17, 19, 37];

/// Images and their new sizes: one pixel, the same, overlapping bins, larger, lines.
const RESAMPLED: [([usize; 4], [usize; 2]); 7] = [
    ([2, 5, 7, 3], [1, 1]),
    ([2, 4, 4, 4], [4, 4]),
    ([1, 5, 7, 19], [2, 3]),
    ([1, 3, 4, 5], [7, 9]),
    ([2, 1, 9, 1], [1, 4]),
    ([1, 6, 1, 17], [3, 2]),
    ([3, 17, 19, 37], [8, 24]),
];

fn resampled(op: fn([usize; 2]) -> Op) -> Vec<Case> {
    RESAMPLED.map(|(x, size)| Case::new(&format!("{x:?} to {size:?}"), op(size), &[&x])).into()
}

fn linear() -> Vec<Case> {
    vec![
        Case::new("no bias", Linear, &[&[7, 5], &[3, 5]]),
        Case::new("bias", Linear, &[&[7, 5], &[3, 5], &[3]]),
        Case::new("image", Linear, &[&[2, 4, 4, 4], &[4, 4], &[4]]),
        Case::new("one row without a batch", Linear, &[&[17], &[2, 17], &[2]]),
        Case::new("one input, one output", Linear, &[&[9, 1], &[1, 1], &[1]]),
        Case::new("large", Linear, &[&[301, 65], &[130, 65], &[130]]),
    ]
}

fn conv2d() -> Vec<Case> {
    let case = |what: &str, [stride, padding]: [usize; 2], shapes: &[&[usize]]| {
        Case::new(what, Conv2d { stride, padding }, shapes)
    };
    vec![
        case("pointwise", [1, 0], &[&[2, 3, 5, 7], &[4, 7, 1, 1], &[4]]),
        case("pointwise with stride", [2, 0], &[&[2, 3, 5, 7], &[4, 7, 1, 1]]),
        case("3 x 3", [1, 1], &[&[2, 4, 4, 4], &[4, 4, 3, 3]]),
        case("downsampling with leftovers", [2, 1], &[&[2, 8, 5, 3], &[5, 3, 3, 2], &[5]]),
        case("patches with leftovers", [4, 0], &[&[1, 9, 11, 3], &[6, 3, 4, 4], &[6]]),
        case("line", [3, 2], &[&[1, 1, 13, 2], &[3, 2, 1, 5], &[3]]),
        case("kernel larger than the map", [1, 3], &[&[2, 2, 3, 3], &[2, 3, 7, 5]]),
        case("kernel smaller than the padding", [2, 3], &[&[1, 4, 3, 2], &[3, 2, 2, 2], &[3]]),
        case("kernel as large as the map", [1, 0], &[&[3, 4, 5, 2], &[7, 2, 4, 5], &[7]]),
        case("large", [2, 1], &[&[2, 25, 23, 9], &[33, 9, 3, 3], &[33]]),
    ]
}

fn conv_transpose2d() -> Vec<Case> {
    let case = |what: &str, [stride, padding]: [usize; 2], shapes: &[&[usize]]| {
        Case::new(what, ConvTranspose2d { stride, padding }, shapes)
    };
    vec![
        case("one pixel", [1, 0], &[&[1, 1, 1, 1], &[1, 1, 1, 1]]),
        case("2 x 2", [2, 0], &[&[2, 3, 5, 7], &[7, 4, 2, 2], &[4]]),
        case("2 x 2 without a bias", [2, 0], &[&[1, 5, 4, 3], &[3, 17, 2, 2]]),
        case("overlap, padding", [2, 1], &[&[2, 4, 3, 5], &[5, 6, 4, 3], &[6]]),
        case("gaps", [3, 0], &[&[1, 2, 3, 2], &[2, 3, 2, 1], &[3]]),
        case("large", [2, 0], &[&[3, 14, 13, 33], &[33, 21, 2, 2], &[21]]),
    ]
}

fn half(intervals: &[usize]) -> SharingGrid {
    SharingGrid::from_half(intervals).unwrap()
}

fn depthwise_conv() -> Vec<Case> {
    let dense = |k| SharingGrid::dense(k).unwrap();
    let square = DepthwiseConv::square;
    let stripe = DepthwiseConv::new;
    let strided = |stride, rows, columns| DepthwiseConv { stride, ..DepthwiseConv::new(rows, columns) };
    vec![
        Case::new("3 x 3", square(dense(3)), &[&[2, 4, 4, 4], &[4, 3, 3]]),
        Case::new("one tap", square(dense(1)), &[&[2, 3, 5, 2], &[2, 1, 1], &[2]]),
        Case::new("7 taps", square(half(&[2, 1, 1])), &[&[2, 5, 6, 3], &[3, 5, 5]]),
        Case::new("7 taps with a bias", square(half(&[2, 1, 1])), &[&[2, 5, 6, 3], &[3, 5, 5], &[3]]),
        Case::new("7 taps with a map", square(half(&[2, 1, 1])), &[&[2, 5, 6, 3], &[3, 5, 5], &[5, 6, 3]]),
        Case::new("no fine center", square(half(&[2, 3])), &[&[1, 9, 8, 17], &[17, 3, 3]]),
        Case::new("larger than the map", square(half(&[3, 2, 1, 1])), &[&[2, 3, 2, 5], &[5, 7, 7], &[5]]),
        Case::new("one pixel", square(half(&[2, 1, 1])), &[&[1, 1, 1, 1], &[1, 5, 5], &[1, 1, 1]]),
        Case::new("one row", square(half(&[2, 1, 1])), &[&[1, 1, 9, 17], &[17, 5, 5]]),
        Case::new("one column, theta of PyTorch", square(dense(5)), &[&[2, 8, 1, 3], &[3, 1, 5, 5], &[3]]),
        Case::new("wide", stripe(dense(3), half(&[3, 2, 1, 1])), &[&[1, 6, 15, 4], &[4, 3, 7], &[4]]),
        Case::new("tall", stripe(half(&[3, 2, 1, 1]), dense(1)), &[&[1, 15, 6, 4], &[4, 7, 1]]),
        Case::new("large", square(half(&[3, 2, 1, 1])), &[&[1, 19, 18, 21], &[21, 7, 7], &[21]]),
        Case::new("stride 2", strided(2, dense(3), dense(3)), &[&[2, 6, 7, 5], &[5, 1, 3, 3]]),
        Case::new("stride 2 on one pixel", strided(2, dense(3), dense(3)), &[&[2, 1, 1, 3], &[3, 3, 3]]),
        Case::new(
            "stride 3 with a map",
            strided(3, half(&[2, 1, 1]), dense(3)),
            &[&[1, 8, 5, 17], &[17, 5, 3], &[8, 5, 17]],
        ),
        Case::new("stride 2, large", strided(2, dense(3), dense(3)), &[&[3, 17, 19, 37], &[37, 3, 3], &[37]]),
        Case::new("maps of 7 x 7", square(half(&[3, 2, 1, 1])), &[&[3, 7, 7, 35], &[35, 7, 7], &[35]]),
    ]
}

fn position_bias() -> Vec<Case> {
    let grid = half(&[2, 1, 1]);
    let mut cases = Vec::new();
    for form in [PositionForm::InBounds, PositionForm::Literal] {
        for (size, channels) in [([4, 4], 4), ([1, 9], 3), ([2, 3], 17), ([13, 11], 35)] {
            let op = PositionBias { grid: grid.clone(), form, size };
            let (theta, bias) = ([channels, grid.cells(), grid.cells()], [channels]);
            let h = [1, grid.kernel(), grid.kernel()];
            let what = format!("{form:?}, {size:?}");
            cases.push(Case::new(&what, op.clone(), &[&theta, &h]));
            cases.push(Case::new(&format!("{what} with a bias"), op, &[&theta, &h, &bias]));
        }
    }
    cases
}

fn layer_norm() -> Vec<Case> {
    [&[7][..], &[2, 4, 4, 4], &[5, 1], &[2, 3, 1, 17], WIDE]
        .map(|x| {
            let c = &x[x.len() - 1..];
            Case::new(&format!("{x:?}"), LayerNorm { eps: 1e-6 }, &[x, c, c])
        })
        .into()
}

fn batch_norm() -> Vec<Case> {
    let mut cases = Vec::new();
    for training in [true, false] {
        let shapes: [&[usize]; 6] = [&[3, 5], &[2, 4, 4, 4], &[1, 1, 9, 17], &[7, 1], WIDE, &[1, 6]];
        for x in shapes.into_iter().filter(|x| !training || x[..] != [1, 6]) {
            let c = &x[x.len() - 1..];
            let op = BatchNorm { eps: 1e-5, momentum: 0.1, training };
            let what = format!("{x:?}, {}", if training { "training" } else { "evaluation" });
            let mut case = Case::new(&what, op, &[x, c, c, c, c]);
            case.inputs[4].values.iter_mut().for_each(|variance| *variance += 1.5);
            case.inputs[3..].iter_mut().for_each(|running| running.differentiable = false);
            cases.push(case);
        }
    }
    cases
}

fn pixel_mlp() -> Vec<Case> {
    let mut cases = Vec::new();
    for (x, h) in [(&[2, 4, 4, 4][..], 16), (&[3, 5], 7), (&[2, 3, 1, 17], 40), (&[3, 5, 9, 37], 60)] {
        for (gamma, factors) in [(true, false), (false, true), (true, true)] {
            let c = x[x.len() - 1];
            let factors: Option<Arc<[f32]>> = factors.then(|| [0.0, 1.25, -3.0][..x[0]].into());
            let mut shapes: Vec<&[usize]> = vec![x, x];
            let [vector, wide, first, second] = [&[c][..], &[h], &[h, c], &[c, h]];
            shapes.extend([vector, vector, first, wide, second, vector]);
            shapes.extend(gamma.then_some(vector));
            for keep in [false, true] {
                let what = format!("{x:?}, {h} hidden, gamma {gamma}, factors {factors:?}, keep {keep}");
                let op = PixelMlp { keep, eps: 1e-6, factors: factors.clone() };
                cases.push(Case::new(&what, op, &shapes));
            }
        }
    }
    cases
}

fn scale_samples() -> Vec<Case> {
    let case = |x: &[usize], count: usize| {
        let factors = (0..count).map(|i| [0.0, 1.25, -3.0][i * i % 3]).collect();
        Case::new(&format!("{x:?}, {count} factors"), ScaleSamples { factors }, &[x])
    };
    vec![
        case(&[3], 3),
        case(&[3, 2, 5, 7], 3),
        case(WIDE, 3),
        case(&[3, 2], 6),
        case(&[3, 2, 5, 7], 21),
        case(&[3, 2, 5, 7], 210),
        case(WIDE, 111),
    ]
}

fn split_channels() -> Vec<Case> {
    let mut cases = Vec::new();
    for (x, first) in [(&[3][..], 2), (&[2, 4, 4, 4], 1), (&[3, 5, 1, 17], 6), (WIDE, 13)] {
        for objective in [Objective::First, Objective::Second, Objective::Swapped] {
            let case = Case::new(&format!("{x:?} after {first}"), SplitChannels { first }, &[x]);
            cases.push(case.differentiating(objective));
        }
    }
    cases
}

fn max_pool() -> Vec<Case> {
    let case = |what: &str, [kernel, stride, padding]: [usize; 3], x: &[usize]| {
        Case::new(what, MaxPool { kernel, stride, padding }, &[x])
    };
    vec![
        case("one pixel", [1, 1, 0], &[1, 1, 1, 1]),
        case("every other pixel", [1, 2, 0], &[2, 7, 10, 3]),
        case("2 x 2 with leftovers", [2, 2, 0], &[1, 9, 8, 4]),
        case("3 x 3 that overlap", [3, 2, 1], &[2, 11, 7, 5]),
        case("gaps", [2, 3, 1], &[2, 8, 5, 2]),
        case("larger than the map", [5, 1, 2], &[1, 1, 3, 17]),
        case("large", [3, 2, 1], WIDE),
    ]
}

fn cross_entropy() -> Vec<Case> {
    let case = |what: &str, logits: &[usize], labels: &[i64], ignore_index, label_smoothing| {
        let op =
            CrossEntropy { labels: labels.into(), ignore_index, label_smoothing, ..CrossEntropy::default() };
        Case::new(what, op, &[logits])
    };
    let weighted = CrossEntropy {
        labels: [0, 255, 2, 1].into(),
        ignore_index: Some(255),
        label_smoothing: 0.1,
        class_weights: [0.2, 1.0, 2.5].into(),
    };
    let many: Vec<i64> = (0..2 * 17 * 19).map(|i| if i % 7 == 3 { 255 } else { i * i % 37 }).collect();
    vec![
        case("plain", &[4, 5], &[0, 4, 2, 2], None, 0.0),
        case("smoothing", &[4, 5], &[0, 4, 2, 2], None, 0.1),
        case("ignored rows", &[4, 5], &[0, 255, 2, 255], Some(255), 0.0),
        case("an ignored class, smoothing", &[4, 5], &[1, 4, 2, 2], Some(2), 0.3),
        case("one row", &[3], &[1], None, 0.0),
        case("one class", &[2, 1], &[0, 0], None, 0.0),
        case("map", &[1, 2, 2, 3], &[-100, 1, 0, 2], Some(-100), 0.05),
        case("large", &[2, 17, 19, 37], &many, Some(255), 0.1),
        Case::new("class weights", weighted, &[&[4, 3]]),
    ]
}

fn soft_cross_entropy() -> Vec<Case> {
    let case = |what: &str, logits: &[usize], targets: &[f32]| {
        Case::new(what, SoftCrossEntropy { targets: targets.into() }, &[logits])
    };
    let many: Vec<f32> = values("targets", 0, 400 * 37).iter().map(|t| (t + 1.0) / 37.0).collect();
    vec![
        case("mixed labels", &[2, 3], &[0.7, 0.3, 0.0, 0.1, 0.0, 0.9]),
        case("targets that do not sum to one", &[1, 2, 2], &[0.5, 0.0, 0.9, 0.9]),
        case("one row", &[3], &[0.2, 0.5, 0.3]),
        case("large", &[4, 10, 10, 37], &many),
    ]
}
