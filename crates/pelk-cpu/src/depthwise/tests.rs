use pelk_grid::SharingGrid;
use proptest::prelude::*;

use super::*;
use crate::reference::depthwise as reference;
use crate::testing::{assert_close_at, assert_thread_count_free, largest, stale, values, widen};

fn both<'a>(x: &'a mut [f32], theta: &'a mut [f32]) -> Gradients<'a> {
    Gradients { x: Some(x), theta: Some(theta) }
}

/// Rounding of float32 sums, relative to the largest sum of the magnitudes of their terms.
const TOLERANCE: f64 = 1e-6;

/// Forward and both gradients on every level against the float64 tap loop.
fn compare(conv: &DepthwiseConv, shape: ImageShape, seed: u64) {
    let (rows, columns) = (&conv.rows, &conv.columns);
    let what = format!("{rows} x {columns} on {shape:?}");
    let x = values(seed, shape.len());
    let gy = values(seed + 1, shape.len());
    let theta = values(seed + 2, shape.c * rows.cells() * columns.cells());
    let map = values(seed + 3, shape.h * shape.w * shape.c);
    let mut y = reference::peripheral_forward(shape, rows, columns, &widen(&x), &widen(&theta));
    for image in y.chunks_mut(map.len()) {
        image.iter_mut().zip(&map).for_each(|(y, bias)| *y += f64::from(*bias));
    }
    let (gx, gtheta) =
        reference::peripheral_backward(shape, rows, columns, &widen(&x), &widen(&theta), &widen(&gy));
    let magnitudes = |values: &[f32]| values.iter().map(|&value| f64::from(value.abs())).collect::<Vec<_>>();
    let (x_size, theta_size, gy_size) = (magnitudes(&x), magnitudes(&theta), magnitudes(&gy));
    let mut y_size = reference::peripheral_forward(shape, rows, columns, &x_size, &theta_size);
    y_size.extend(magnitudes(&map));
    let (gx_size, gtheta_size) =
        reference::peripheral_backward(shape, rows, columns, &x_size, &theta_size, &gy_size);
    let check = |name: String, actual: &[f32], expected: &[f64], size: &[f64]| {
        assert_close_at(largest(size), format!("{name}, {what}"), actual, expected, TOLERANCE);
    };
    for variant in Level::available().into_iter().flat_map(|level| variants(level, shape)) {
        let mut out = stale(shape.len());
        forward_with(variant, conv, shape, &x, &theta, Bias::Map(&map), &mut out).unwrap();
        check(format!("{variant}: y"), &out, &y, &y_size);
        let (mut dx, mut dtheta) = (stale(shape.len()), stale(theta.len()));
        backward_with(variant, conv, shape, &x, &theta, &gy, both(&mut dx, &mut dtheta)).unwrap();
        check(format!("{variant}: gx"), &dx, &gx, &gx_size);
        check(format!("{variant}: gtheta"), &dtheta, &gtheta, &gtheta_size);

        // Each gradient alone is the same.
        let (mut dx_alone, mut dtheta_alone) = (stale(shape.len()), stale(theta.len()));
        backward_with(
            variant,
            conv,
            shape,
            &x,
            &theta,
            &gy,
            Gradients { x: Some(&mut dx_alone), theta: None },
        )
        .unwrap();
        backward_with(
            variant,
            conv,
            shape,
            &x,
            &theta,
            &gy,
            Gradients { x: None, theta: Some(&mut dtheta_alone) },
        )
        .unwrap();
        assert!(dx == dx_alone && dtheta == dtheta_alone, "{variant}: {what}");
    }
}

/// Any symmetric grid: half a grid, outer intervals first, then an odd center.
fn grids() -> impl Strategy<Value = SharingGrid> {
    (prop::collection::vec(1usize..6, 0..6), 0usize..3).prop_map(|(mut half, center)| {
        half.push(2 * center + 1);
        SharingGrid::from_half(&half).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_grids_on_any_image(
        rows in grids(),
        columns in grids(),
        (n, h, w, c) in (1usize..3, 1usize..12, 1usize..20, 1usize..21),
        seed in any::<u32>(),
    ) {
        compare(&DepthwiseConv::new(rows, columns), ImageShape { n, h, w, c }, u64::from(seed));
    }
}

fn square(kernel: usize) -> DepthwiseConv {
    DepthwiseConv::square(SharingGrid::exponential(kernel, 5, 2).unwrap())
}

#[test]
fn paper_kernels() {
    compare(&square(51), ImageShape { n: 1, h: 56, w: 56, c: 3 }, 1);
    compare(&square(47), ImageShape { n: 2, h: 14, w: 14, c: 18 }, 2);
    compare(&square(13), ImageShape { n: 3, h: 7, w: 7, c: 36 }, 3);
    compare(&square(101), ImageShape { n: 1, h: 30, w: 33, c: 2 }, 4);
}

/// Transforms of every radix, on images low enough that the reference does not take minutes.
#[test]
fn wide_images() {
    compare(&square(51), ImageShape { n: 1, h: 3, w: 128, c: 3 }, 14);
    compare(&square(101), ImageShape { n: 2, h: 4, w: 151, c: 9 }, 15);
    compare(
        &DepthwiseConv::new(square(13).rows, SharingGrid::dense(31).unwrap()),
        ImageShape { n: 1, h: 9, w: 130, c: 2 },
        16,
    );
}

#[test]
fn kernels_larger_than_the_map() {
    compare(&square(101), ImageShape { n: 2, h: 1, w: 9, c: 5 }, 5);
    compare(&square(101), ImageShape { n: 1, h: 9, w: 1, c: 17 }, 6);
    compare(&square(51), ImageShape { n: 1, h: 1, w: 1, c: 1 }, 7);
    compare(
        &DepthwiseConv::square(SharingGrid::from_half(&[31]).unwrap()),
        ImageShape { n: 1, h: 5, w: 7, c: 9 },
        8,
    );
}

#[test]
fn equal_sizes_of_all_axes() {
    compare(&square(13), ImageShape { n: 9, h: 9, w: 9, c: 9 }, 9);
}

#[test]
fn dense_kernels_and_stripes() {
    let dense = |k| SharingGrid::dense(k).unwrap();
    for kernel in [1, 3, 5, 7] {
        compare(&DepthwiseConv::square(dense(kernel)), ImageShape { n: 2, h: 14, w: 15, c: 20 }, 10);
    }
    compare(&DepthwiseConv::new(dense(51), dense(5)), ImageShape { n: 1, h: 20, w: 20, c: 8 }, 11);
    compare(&DepthwiseConv::new(dense(5), dense(51)), ImageShape { n: 1, h: 20, w: 20, c: 8 }, 12);
    compare(&DepthwiseConv::new(square(51).rows, dense(3)), ImageShape { n: 1, h: 30, w: 20, c: 8 }, 13);
}

#[test]
fn the_thread_count_changes_no_bit() {
    let narrow = (square(13), ImageShape { n: 70, h: 7, w: 8, c: 37 });
    let wide = (square(13), ImageShape { n: 3, h: 7, w: 150, c: 17 });
    for (conv, shape) in [narrow, wide] {
        let (x, gy) = (values(1, shape.len()), values(2, shape.len()));
        let theta = values(3, shape.c * conv.cells());
        for variant in Level::available().into_iter().flat_map(|level| variants(level, shape)) {
            assert_thread_count_free(format!("{variant}: box convolution"), || {
                let (mut y, mut gx) = (stale(shape.len()), stale(shape.len()));
                let mut gtheta = stale(theta.len());
                forward_with(variant, &conv, shape, &x, &theta, Bias::None, &mut y).unwrap();
                backward_with(variant, &conv, shape, &x, &theta, &gy, both(&mut gx, &mut gtheta)).unwrap();
                [y, gx, gtheta].concat()
            });
        }
    }
}

#[test]
fn biases_are_added() {
    let (conv, shape) = (square(13), ImageShape { n: 2, h: 4, w: 5, c: 19 });
    let (x, bias) = (values(1, shape.len()), values(2, shape.c));
    let theta = values(3, shape.c * conv.cells());
    for level in Level::available() {
        let (mut plain, mut biased) = (stale(shape.len()), stale(shape.len()));
        forward(level, &conv, shape, &x, &theta, Bias::None, &mut plain).unwrap();
        forward(level, &conv, shape, &x, &theta, Bias::Channel(&bias), &mut biased).unwrap();
        for (pixel, (plain, biased)) in plain.chunks(shape.c).zip(biased.chunks(shape.c)).enumerate() {
            for channel in 0..shape.c {
                assert_eq!(biased[channel], plain[channel] + bias[channel], "{level}, pixel {pixel}");
            }
        }
    }
}

#[test]
fn bad_shapes_and_lengths_are_errors() {
    let (conv, level) = (square(13), Level::best());
    let shape = ImageShape { n: 1, h: 3, w: 4, c: 2 };
    let (image, theta) = (vec![0.0; 24], vec![0.0; 2 * 81]);
    let forward = |shape, x: &[f32], theta: &[f32], bias: Bias<&[f32]>, len| {
        forward(level, &conv, shape, x, theta, bias, &mut vec![0.0; len]).map_err(|error| error.to_string())
    };
    assert_eq!(forward(shape, &image, &theta, Bias::None, 24), Ok(()));
    let error = forward(ImageShape { h: 0, ..shape }, &image, &theta, Bias::None, 24).unwrap_err();
    assert_eq!(error, "box convolution: the height is 0, and must be at least 1");
    let error = forward(shape, &image, &theta[1..], Bias::None, 24).unwrap_err();
    assert_eq!(error, "box convolution: theta has 161 values, but its shape needs 162");
    assert!(forward(shape, &image[1..], &theta, Bias::None, 24).is_err());
    assert!(forward(shape, &image, &theta, Bias::None, 25).is_err());
    assert!(forward(shape, &image, &theta, Bias::Channel(&[0.0; 3]), 24).is_err());
    assert!(forward(shape, &image, &theta, Bias::Map(&[0.0; 2]), 24).is_err());
    let huge = ImageShape { n: usize::MAX, ..shape };
    assert!(forward(huge, &image, &theta, Bias::None, 24).is_err());

    let backward = |gy: &[f32], gx, gtheta| {
        let (mut gx, mut gtheta) = (vec![0.0; gx], vec![0.0; gtheta]);
        backward(level, &conv, shape, &image, &theta, gy, both(&mut gx, &mut gtheta))
    };
    assert_eq!(backward(&image, 24, 162), Ok(()));
    assert!(backward(&image[1..], 24, 162).is_err());
    assert!(backward(&image, 23, 162).is_err());
    assert!(backward(&image, 24, 161).is_err());

    let strided = DepthwiseConv { stride: 2, ..square(13) };
    let error =
        super::forward(level, &strided, shape, &image, &theta, Bias::None, &mut [0.0; 24]).unwrap_err();
    assert!(error.to_string().contains("the stride is 2"), "{error}");
}

#[test]
fn multiply_adds_leave_out_the_padding() {
    // Kernel 51 (13 x 13 parameters) on 36 channels of 56 x 56: 19.1 million with all padding.
    let counted = multiply_adds(&square(51), ImageShape { n: 1, h: 56, w: 56, c: 36 });
    assert!((15_300_000..15_500_000).contains(&counted), "{counted}");
    let dense = DepthwiseConv::square(SharingGrid::dense(3).unwrap());
    assert_eq!(multiply_adds(&dense, ImageShape { n: 2, h: 2, w: 2, c: 5 }), 2 * 5 * 16);
}
