//! What does not fit is an error on every backend, and never a panic.

use crate::case::Case;
use crate::cases::{Kind, all};
use pelk_autodiff::operators::{
    AdaptiveAvgPool, BatchNorm, BilinearResize, BinaryCrossEntropy, BoxCoder, BoxGiou, ConcatChannels,
    Conv2d, ConvTranspose2d, CrossEntropy, DepthwiseConv, MaskCrossEntropy, MaxPool, NearestResize,
    PositionBias, PositionForm, Roi, RoiAlign, ScaleSamples, SmoothL1, SplitChannels,
};
use pelk_autodiff::{
    AdamW, Backend, CpuBackend, Executor, GpuBackend, HostParameters, Op, Operator, Parameters, Pass,
    ReferenceBackend, Result, Sgd, Shape, Tape,
};
use pelk_grid::SharingGrid;
use pelk_simd::Level;
use proptest::prelude::*;

/// Applies an operator to tensors of ones and differentiates it; the shapes of the outputs.
fn apply<B: Backend>(backend: &B, op: &Op, shapes: &[Shape]) -> Result<Vec<Shape>> {
    let parameters = Parameters::upload(backend, &HostParameters::new())?;
    let mut tape = Tape::new(backend, &parameters, Pass { seed: 0, index: 0 });
    let ones = |shape: &Shape| backend.upload(shape, &vec![1.0; shape.elements()]);
    let mut inputs = Vec::new();
    for (i, shape) in shapes.iter().enumerate() {
        inputs.push(tape.leaf(&i.to_string(), ones(shape)?));
    }
    let outputs = tape.apply(op.clone(), &inputs.iter().collect::<Vec<_>>())?;
    let seed = ones(tape.shape(&outputs[0]))?;
    let shapes = outputs.iter().map(|output| tape.shape(output).clone()).collect();
    tape.backward(&outputs[0], seed)?;
    Ok(shapes)
}

/// [`apply`] on all backends, which must agree.
fn apply_everywhere(op: &Op, shapes: &[Shape]) -> Option<Vec<Shape>> {
    let reference = apply(&ReferenceBackend, op, shapes);
    let agrees = |other: Result<Vec<Shape>>| {
        assert_eq!(other.is_ok(), reference.is_ok(), "{op:?} on {shapes:?}: {other:?}, {reference:?}");
    };
    if pelk_testing::cpu() {
        agrees(apply(&CpuBackend::with_level(Level::best()), op, shapes));
    }
    if let Some(gpu) = pelk_testing::gpu() {
        agrees(apply(&GpuBackend::new(gpu), op, shapes));
    }
    reference.ok()
}

fn shapes(case: &Case) -> Vec<Shape> {
    case.inputs.iter().map(|input| input.shape.clone()).collect()
}

#[test]
fn empty_axes_are_errors() {
    for case in all() {
        let shapes = shapes(&case);
        assert!(apply_everywhere(&case.op, &shapes).is_some(), "{}", case.name);
        for i in 0..shapes.len() {
            for axis in 0..shapes[i].len() {
                // Alone, and in all inputs that share the size, as in an empty batch.
                let mut alone = shapes.clone();
                alone[i] = with_axis(&shapes[i], axis, 0);
                assert_eq!(apply_everywhere(&case.op, &alone), None, "{}: {alone:?}", case.name);
                let size = shapes[i][axis];
                let sizes = |shape: &Shape| shape.iter().map(|&s| if s == size { 0 } else { s }).collect();
                let together: Vec<Shape> =
                    shapes.iter().map(sizes).map(|sizes: Vec<usize>| Shape::from(sizes)).collect();
                assert_eq!(apply_everywhere(&case.op, &together), None, "{}: {together:?}", case.name);
            }
        }
    }
}

#[test]
fn settings_that_make_no_sense_are_errors() {
    let grid = SharingGrid::dense(3).unwrap();
    let position = |size| PositionBias { grid: grid.clone(), form: PositionForm::InBounds, size };
    let conv = |stride, padding| Conv2d { stride, padding };
    let spread = |stride, padding| ConvTranspose2d { stride, padding };
    let labels = |labels: &[i64], ignore_index, label_smoothing| CrossEntropy {
        labels: labels.into(),
        ignore_index,
        label_smoothing,
        ..CrossEntropy::default()
    };
    let binary = |targets: &[f32], normalizer| BinaryCrossEntropy {
        targets: targets.into(),
        weights: [].into(),
        normalizer,
    };
    let deltas = |rows: &[u32]| SmoothL1 {
        rows: rows.into(),
        targets: [[0.0; 4]; 2].into(),
        beta: 1.0,
        normalizer: 1.0,
    };
    let boxes = |class, side| BoxGiou {
        rows: [0].into(),
        classes: [class].into(),
        boxes: [[0.0, 0.0, side, 1.0]].into(),
        targets: [[0.0, 0.0, 1.0, 1.0]].into(),
        coder: BoxCoder::default(),
        weight: 1.0,
        normalizer: 1.0,
    };
    let masks = |class| MaskCrossEntropy {
        classes: [class].into(),
        targets: [true; 4].into(),
        weights: [1.0].into(),
        normalizer: 1.0,
    };
    let region = |image, map, corners| RoiAlign {
        rois: [Roi { image, map, corners }].into(),
        size: [2, 2],
        strides: [4].into(),
        sampling_ratio: 0,
    };
    let whole = region(0, 0, [0.0, 0.0, 16.0, 16.0]);
    const IMAGE: &[usize] = &[1, 4, 4, 2];
    let wrong: Vec<(Op, &[&[usize]])> = vec![
        (spread(0, 0).into(), &[IMAGE, &[2, 3, 2, 2]]),
        (spread(2, 4).into(), &[IMAGE, &[2, 3, 2, 2]]),
        (spread(2, usize::MAX).into(), &[IMAGE, &[2, 3, 2, 2]]),
        (spread(usize::MAX / 2, 0).into(), &[IMAGE, &[2, 3, 2, 2]]),
        (spread(2, 0).into(), &[IMAGE, &[3, 2, 2, 2]]),
        (conv(0, 1).into(), &[IMAGE, &[3, 2, 3, 3]]),
        (conv(1, usize::MAX).into(), &[IMAGE, &[3, 2, 3, 3]]),
        (conv(1, usize::MAX / 4).into(), &[IMAGE, &[3, 2, 3, 3]]),
        (conv(1, 0).into(), &[IMAGE, &[3, 2, 5, 3]]),
        (DepthwiseConv { stride: 0, ..DepthwiseConv::square(grid.clone()) }.into(), &[IMAGE, &[2, 3, 3]]),
        (position([0, 3]).into(), &[&[2, 3, 3], &[1, 3, 3]]),
        (position([usize::MAX, 3]).into(), &[&[2, 3, 3], &[1, 3, 3]]),
        (AdaptiveAvgPool { size: [0, 1] }.into(), &[IMAGE]),
        (AdaptiveAvgPool { size: [usize::MAX, 1] }.into(), &[IMAGE]),
        (BilinearResize { size: [1, 0] }.into(), &[IMAGE]),
        (BilinearResize { size: [usize::MAX, usize::MAX] }.into(), &[IMAGE]),
        (NearestResize { size: [0, 0] }.into(), &[IMAGE]),
        (MaxPool { kernel: 0, stride: 1, padding: 0 }.into(), &[IMAGE]),
        (MaxPool { kernel: 2, stride: 0, padding: 0 }.into(), &[IMAGE]),
        (MaxPool { kernel: 3, stride: 2, padding: 2 }.into(), &[IMAGE]),
        (MaxPool { kernel: 5, stride: 1, padding: 0 }.into(), &[IMAGE]),
        (MaxPool { kernel: usize::MAX, stride: 1, padding: usize::MAX / 2 }.into(), &[IMAGE]),
        (SplitChannels { first: 0 }.into(), &[IMAGE]),
        (SplitChannels { first: 2 }.into(), &[IMAGE]),
        (SplitChannels { first: 1 }.into(), &[&[]]),
        (ConcatChannels.into(), &[&[], &[]]),
        (ScaleSamples { factors: [].into() }.into(), &[IMAGE]),
        (BatchNorm { eps: 1e-5, momentum: 0.1, training: true }.into(), &[&[1, 2], &[2], &[2], &[2], &[2]]),
        (labels(&[0, 2], None, 0.0).into(), &[&[2, 2]]),
        (labels(&[0, -1], None, 0.0).into(), &[&[2, 2]]),
        (labels(&[1, 1], Some(1), 0.0).into(), &[&[2, 2]]),
        (labels(&[0, 1], None, 1.5).into(), &[&[2, 2]]),
        (labels(&[0, 1], None, f32::NAN).into(), &[&[2, 2]]),
        (binary(&[0.0, 2.0], 1.0).into(), &[&[2]]),
        (binary(&[0.0, 1.0], 0.0).into(), &[&[2]]),
        (deltas(&[0, 2]).into(), &[&[2, 4]]),
        (deltas(&[1, 1]).into(), &[&[2, 4]]),
        (deltas(&[1, 0]).into(), &[&[2, 6]]),
        (boxes(2, 1.0).into(), &[&[2, 8]]),
        (boxes(1, -1.0).into(), &[&[2, 8]]),
        (boxes(1, f32::NAN).into(), &[&[2, 8]]),
        (masks(2).into(), &[&[1, 2, 2, 2]]),
        (masks(1).into(), &[&[2, 2, 1, 2]]),
        (masks(1).into(), &[&[4, 2]]),
        (region(1, 0, [0.0, 0.0, 9.0, 9.0]).into(), &[IMAGE]),
        (region(0, 1, [0.0, 0.0, 9.0, 9.0]).into(), &[IMAGE]),
        (region(0, 0, [9.0, 0.0, 0.0, 9.0]).into(), &[IMAGE]),
        (region(0, 0, [0.0, f32::NAN, 9.0, 9.0]).into(), &[IMAGE]),
        (RoiAlign { rois: [].into(), ..whole.clone() }.into(), &[IMAGE]),
        (RoiAlign { size: [2, 0], ..whole.clone() }.into(), &[IMAGE]),
        (RoiAlign { size: [usize::MAX, 2], ..whole.clone() }.into(), &[IMAGE]),
        (RoiAlign { strides: [0].into(), ..whole }.into(), &[IMAGE]),
    ];
    for (op, shapes) in wrong {
        let shapes: Vec<Shape> = shapes.iter().map(Shape::from).collect();
        assert_eq!(apply_everywhere(&op, &shapes), None, "{op:?} on {shapes:?}");
    }
}

/// Backend calls that no operator makes.
fn refuses_what_does_not_fit<B: Backend>(backend: &B) {
    let zeros = |sizes: &[usize]| backend.zeros(&Shape::from(sizes)).unwrap();
    assert!(backend.upload(&Shape::from([2, 3]), &[0.0; 5]).is_err());
    assert!(backend.upload(&Shape::from([usize::MAX, 2]), &[0.0; 5]).is_err());
    assert!(backend.sum_leading(&zeros(&[2, 3]), &Shape::from([4])).is_err());
    assert!(backend.add_assign(&mut zeros(&[2, 3]), &zeros(&[7])).is_err());
    assert!(backend.mul_assign(&mut zeros(&[2, 3]), &zeros(&[7])).is_err());
    assert!(backend.sparse_lerp_assign(&mut zeros(&[2, 3]), &zeros(&[7]), 0.5).is_err());
    let (x, weight) = (zeros(&[2, 3]), zeros(&[4, 3]));
    assert!(backend.linear_backward(&x, &weight, &zeros(&[2, 4]), [true; 3]).is_ok());
    assert!(backend.linear_backward(&x, &weight, &zeros(&[2, 5]), [true; 3]).is_err());
    assert!(backend.gelu_backward(&x, &zeros(&[2, 5])).is_err());
    let step = |step, sizes: &[usize]| {
        let hyper = AdamW { learning_rate: 0.1, beta1: 0.9, beta2: 0.9, eps: 1e-8, weight_decay: 0.0, step };
        let moments = [&mut zeros(sizes), &mut zeros(&[2, 3])];
        backend.adamw(&hyper, &mut zeros(&[2, 3]), &zeros(&[2, 3]), moments)
    };
    assert!(step(1, &[2, 3]).is_ok());
    assert!(step(0, &[2, 3]).is_err(), "steps are counted from 1");
    assert!(step(1, &[2, 4]).is_err());
    let descend = |momentum, sizes: &[usize]| {
        let hyper = Sgd { learning_rate: 0.1, momentum, weight_decay: 0.0, nesterov: true };
        backend.sgd(&hyper, &mut zeros(&[2, 3]), &zeros(&[2, 3]), &mut zeros(sizes))
    };
    assert!(descend(0.9, &[2, 3]).is_ok());
    assert!(descend(-0.9, &[2, 3]).is_err() && descend(0.9, &[2, 4]).is_err());
}

#[test]
fn backends_check_what_no_operator_checks() {
    refuses_what_does_not_fit(&ReferenceBackend);
    refuses_what_does_not_fit(&CpuBackend::with_level(Level::best()));
    if let Some(gpu) = pelk_testing::gpu() {
        refuses_what_does_not_fit(&GpuBackend::new(gpu));
    }
}

fn with_axis(shape: &Shape, axis: usize, size: usize) -> Shape {
    let mut sizes = shape.to_vec();
    sizes[axis] = size;
    Shape::from(sizes)
}

/// A small change of an operator's inputs.
#[derive(Debug, Clone)]
enum Change {
    Size { input: usize, axis: usize, size: usize },
    RemoveAxis { input: usize, axis: usize },
    AddAxis { input: usize, axis: usize, size: usize },
    RemoveInput { input: usize },
    AddInput { sizes: Vec<usize> },
}

impl Change {
    fn apply(&self, shapes: &mut Vec<Shape>) {
        let count = shapes.len().max(1);
        let edit = |shapes: &mut [Shape], input: usize, edit: &dyn Fn(&mut Vec<usize>)| {
            if let Some(shape) = shapes.get_mut(input % count) {
                let mut sizes = shape.to_vec();
                edit(&mut sizes);
                *shape = Shape::from(sizes);
            }
        };
        match *self {
            Change::Size { input, axis, size } => edit(shapes, input, &|sizes| {
                let rank = sizes.len().max(1);
                if let Some(old) = sizes.get_mut(axis % rank) {
                    *old = size;
                }
            }),
            Change::RemoveAxis { input, axis } => edit(shapes, input, &|sizes| {
                if !sizes.is_empty() {
                    sizes.remove(axis % sizes.len());
                }
            }),
            Change::AddAxis { input, axis, size } => {
                edit(shapes, input, &|sizes| sizes.insert(axis % (sizes.len() + 1), size));
            }
            Change::RemoveInput { input } if !shapes.is_empty() => {
                shapes.remove(input % shapes.len());
            }
            Change::RemoveInput { .. } => {}
            Change::AddInput { ref sizes } => shapes.push(Shape::from(sizes)),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let (input, axis, size) = (0..6usize, 0..4usize, 0..6usize);
    prop_oneof![
        (input.clone(), axis.clone(), size.clone()).prop_map(|(input, axis, size)| Change::Size {
            input,
            axis,
            size
        }),
        (input.clone(), axis.clone()).prop_map(|(input, axis)| Change::RemoveAxis { input, axis }),
        (input.clone(), axis, size).prop_map(|(input, axis, size)| Change::AddAxis { input, axis, size }),
        input.prop_map(|input| Change::RemoveInput { input }),
        sizes().prop_map(|sizes| Change::AddInput { sizes }),
    ]
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..5usize, 0..5)
}

/// The operators of all cases whose tensors are small, with the shapes that they take.
fn problems() -> Vec<(Op, Vec<Shape>)> {
    let small = |case: &Case| case.inputs.iter().all(|input| input.shape.elements() < 1000);
    all().into_iter().filter(small).map(|case| (case.op.clone(), shapes(&case))).collect()
}

/// Fails unless the backends take exactly what the operator's shape rule takes, and return the shapes that it
/// predicts.
fn check(op: &Op, shapes: &[Shape]) {
    let rule = op.output_shapes(&shapes.iter().collect::<Vec<_>>()).ok();
    let applied = apply_everywhere(op, shapes);
    // Labels are values: the shape rule does not check whether they are classes.
    let refused = Kind::of(op) == Kind::CrossEntropy && applied.is_none();
    assert!(applied == rule || refused, "{op:?} on {shapes:?} gave {applied:?}, its rule says {rule:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn changed_inputs_are_taken_or_refused(
        problem in prop::sample::select(problems()),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let (op, mut shapes) = problem;
        changes.iter().for_each(|change| change.apply(&mut shapes));
        check(&op, &shapes);
    }

    #[test]
    fn any_inputs_are_taken_or_refused(
        problem in prop::sample::select(problems()),
        inputs in prop::collection::vec(sizes(), 0..6),
    ) {
        check(&problem.0, &inputs.iter().map(Shape::from).collect::<Vec<_>>());
    }
}
