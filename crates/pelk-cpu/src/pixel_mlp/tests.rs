use super::*;
use crate::reference;
use crate::testing::{assert_close, assert_thread_count_free, dot, stale, values, widen};

/// Parameters in the order of `NAMES`, then `x` and `shortcut`.
const NAMES: [&str; 9] = [
    "norm weight",
    "norm bias",
    "expand weight",
    "expand bias",
    "project weight",
    "project bias",
    "gamma",
    "x",
    "shortcut",
];
const EPS: f32 = 1e-6;

fn inputs(mlp: &PixelMlpShape) -> Vec<Vec<f32>> {
    let PixelMlpShape { rows, channels: c, hidden: h, .. } = *mlp;
    let lens = [c, c, h * c, h, c * h, c, c, rows * c, rows * c];
    let mut inputs: Vec<Vec<f32>> = lens.iter().enumerate().map(|(i, n)| values(i as u64, *n)).collect();
    for i in [2, 4] {
        // Products of unit size, so that GELU is used where it bends.
        let scale = 1.5 / (if i == 2 { c } else { h } as f32).sqrt();
        inputs[i].iter_mut().for_each(|w| *w *= scale);
    }
    inputs
}

fn parameters<'a>(inputs: &'a [Vec<f32>], gamma: bool, factors: Option<&'a [f32]>) -> Parameters<'a> {
    Parameters {
        norm: [&inputs[0], &inputs[1]],
        expand: [&inputs[2], &inputs[3]],
        project: [&inputs[4], &inputs[5]],
        gamma: gamma.then_some(&inputs[6]),
        factors,
    }
}

/// The composition in float64.
fn reference(mlp: &PixelMlpShape, inputs: &[Vec<f64>], gamma: bool, factors: Option<&[f32]>) -> Vec<f64> {
    let PixelMlpShape { rows, channels: c, hidden: h, eps } = *mlp;
    let normed = reference::layer_norm::forward(c, &inputs[7], &inputs[0], &inputs[1], f64::from(eps)).y;
    let middle = reference::linear::forward(rows, c, h, &normed, &inputs[2], Some(&inputs[3]));
    let active: Vec<f64> = middle.into_iter().map(reference::activation::gelu).collect();
    let mut y = reference::linear::forward(rows, h, c, &active, &inputs[4], Some(&inputs[5]));
    for (i, y) in y.iter_mut().enumerate() {
        let scale = if gamma { inputs[6][i % c] } else { 1.0 };
        let factor = factors.map_or(1.0, |factors| f64::from(factors[i / c * factors.len() / rows]));
        *y = inputs[8][i] + factor * scale * *y;
    }
    y
}

struct Backward {
    gx: Vec<f32>,
    parameters: Vec<Vec<f32>>,
}

/// Only the input: the hidden layer is computed again.
fn saved(x: &[f32]) -> Saved<'_> {
    Saved { x, hidden: None }
}

fn backward(
    level: Level,
    mlp: &PixelMlpShape,
    inputs: &[Vec<f32>],
    gamma: bool,
    factors: Option<&[f32]>,
    gy: &[f32],
) -> Backward {
    let mut gx = stale(gy.len());
    let mut room: Vec<Vec<f32>> = inputs[..7].iter().map(|p| stale(p.len())).collect();
    let [a, b, d, e, f, g, h] = &mut room[..] else { unreachable!() };
    let gradients =
        Gradients { norm: [a, b], expand: [d, e], project: [f, g], gamma: gamma.then_some(&mut h[..]) };
    let parameters = parameters(inputs, gamma, factors);
    super::backward(level, mlp, saved(&inputs[7]), &parameters, gy, &mut gx, Some(gradients)).unwrap();
    Backward { gx, parameters: room }
}

#[test]
fn forward_meets_the_composition_in_float64() {
    // Several pieces; several blocks of rows; one block; odd sizes.
    for (rows, channels, hidden) in [(1500, 12, 2200), (360, 40, 160), (49, 24, 96), (6, 5, 7)] {
        let mlp = PixelMlpShape { rows, channels, hidden, eps: EPS };
        let inputs = inputs(&mlp);
        let wide: Vec<Vec<f64>> = inputs.iter().map(|v| widen(v)).collect();
        for level in Level::available() {
            for (gamma, factors) in [(true, None), (false, None), (true, Some([0.0, 1.25, 2.0].as_slice()))] {
                if factors.is_some() && rows % 3 != 0 {
                    continue;
                }
                let mut y = stale(rows * channels);
                let parameters = parameters(&inputs, gamma, factors);
                forward(level, &mlp, &inputs[7], &inputs[8], &parameters, &mut y, None).unwrap();
                let want = reference(&mlp, &wide, gamma, factors);
                let what = format!("{level}, {rows} x {channels} x {hidden}, {gamma}, {factors:?}");
                assert_close(what, &y, &want, 5e-6);
            }
        }
    }
}

#[test]
fn backward_meets_finite_differences() {
    let mlp = PixelMlpShape { rows: 6, channels: 5, hidden: 7, eps: EPS };
    let inputs = inputs(&mlp);
    let wide: Vec<Vec<f64>> = inputs.iter().map(|v| widen(v)).collect();
    let gy = values(99, 30);
    for level in Level::available() {
        for (gamma, factors) in [(true, None), (false, None), (true, Some([0.0, 1.25, 2.0].as_slice()))] {
            let actual = backward(level, &mlp, &inputs, gamma, factors, &gy);
            for (i, name) in NAMES.iter().enumerate().take(8) {
                if i == 6 && !gamma {
                    continue;
                }
                let gradient = if i == 7 { &actual.gx } else { &actual.parameters[i] };
                // Differences of float64 against a float32 gradient: the exact gradient first, by
                // differences.
                let mut exact = vec![0.0; gradient.len()];
                for (k, exact) in exact.iter_mut().enumerate() {
                    let mut moved = wide.clone();
                    let mut at = |d: f64| {
                        moved[i][k] = wide[i][k] + d;
                        dot(&widen(&gy), &reference(&mlp, &moved, gamma, factors))
                    };
                    *exact = (at(1e-5) - at(-1e-5)) / 2e-5;
                }
                assert_close(format!("{level}, {gamma}, {factors:?}: {name}"), gradient, &exact, 2e-5);
            }
        }
    }
}

#[test]
fn pieces_add_up() {
    // The same rows in several pieces and, cut by hand, in one piece each.
    let (rows, channels, hidden) = (1440, 8, 2200);
    let mlp = PixelMlpShape { rows, channels, hidden, eps: EPS };
    assert!(pieces(&mlp).count() > 1);
    let mut inputs = inputs(&mlp);
    let (gy, level) = (values(99, rows * channels), Level::best());
    let whole = backward(level, &mlp, &inputs, true, None, &gy);
    let x = inputs[7].clone();
    let mut sums: Vec<Vec<f64>> = inputs[..7].iter().map(|p| vec![0.0; p.len()]).collect();
    for first in (0..rows).step_by(480) {
        let values = first * channels..(first + 480) * channels;
        inputs[7] = x[values.clone()].to_vec();
        let piece = PixelMlpShape { rows: 480, ..mlp };
        let part = backward(level, &piece, &inputs, true, None, &gy[values.clone()]);
        assert_close(format!("gx from row {first}"), &part.gx, &widen(&whole.gx[values]), 1e-6);
        for (sum, part) in sums.iter_mut().zip(&part.parameters) {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += f64::from(*part));
        }
    }
    for ((sum, whole), name) in sums.iter().zip(&whole.parameters).zip(NAMES) {
        assert_close(name, whole, sum, 1e-5);
    }
}

#[test]
fn a_kept_middle_gives_the_same_bits_as_one_computed_again() {
    let (rows, channels, hidden) = (1000, 8, 2200);
    let mlp = PixelMlpShape { rows, channels, hidden, eps: EPS };
    assert!(pieces(&mlp).count() > 1);
    let (inputs, gy) = (inputs(&mlp), values(99, rows * channels));
    for level in Level::available() {
        let parameters = parameters(&inputs, true, None);
        let run = |keep: bool| {
            let (mut y, mut gx) = (stale(rows * channels), stale(rows * channels));
            let [mut active, mut slope] = [(); 2].map(|()| stale(if keep { rows * hidden } else { 0 }));
            let room = keep.then_some(Hidden { active: &mut active[..], slope: &mut slope[..] });
            forward(level, &mlp, &inputs[7], &inputs[8], &parameters, &mut y, room).unwrap();
            let [mut a, mut b, mut d, mut e, mut f, mut g, mut h]: [Vec<f32>; 7] =
                std::array::from_fn(|i| stale(inputs[i].len()));
            let gradients = Gradients {
                norm: [&mut a, &mut b],
                expand: [&mut d, &mut e],
                project: [&mut f, &mut g],
                gamma: Some(&mut h),
            };
            let kept = keep.then_some(Hidden { active: &active[..], slope: &slope[..] });
            super::backward(
                level,
                &mlp,
                Saved { x: &inputs[7], hidden: kept },
                &parameters,
                &gy,
                &mut gx,
                Some(gradients),
            )
            .unwrap();
            [y, gx, a, b, d, e, f, g, h].concat()
        };
        assert!(run(false) == run(true), "{level}");
    }
}

#[test]
fn bits_do_not_depend_on_the_thread_count() {
    let mlp = PixelMlpShape { rows: 720, channels: 40, hidden: 160, eps: EPS };
    let (inputs, gy) = (inputs(&mlp), values(99, 720 * 40));
    assert_thread_count_free("pixel_mlp", || {
        let mut y = stale(720 * 40);
        let level = Level::best();
        forward(level, &mlp, &inputs[7], &inputs[8], &parameters(&inputs, true, None), &mut y, None).unwrap();
        let Backward { gx, parameters } = backward(level, &mlp, &inputs, true, None, &gy);
        y.extend(gx);
        y.extend(parameters.concat());
        y
    });
}

#[test]
fn bad_shapes_are_errors() {
    let mlp = PixelMlpShape { rows: 6, channels: 5, hidden: 7, eps: EPS };
    let inputs = inputs(&mlp);
    let good = parameters(&inputs, true, None);
    let mut y = stale(30);
    let level = Level::best();
    forward(level, &mlp, &inputs[7], &inputs[8], &good, &mut y, None).unwrap();
    let bad = [
        Parameters { norm: [&inputs[0], &inputs[3]], ..good },
        Parameters { expand: [&inputs[0], &inputs[3]], ..good },
        Parameters { project: [&inputs[4], &inputs[3]], ..good },
        Parameters { gamma: Some(&inputs[3]), ..good },
        Parameters { factors: Some(&[1.0; 4]), ..good },
        Parameters { factors: Some(&[]), ..good },
    ];
    for parameters in bad {
        assert!(
            forward(level, &mlp, &inputs[7], &inputs[8], &parameters, &mut y, None).is_err(),
            "{parameters:?}"
        );
        assert!(
            super::backward(level, &mlp, saved(&inputs[7]), &parameters, &inputs[8], &mut y, None).is_err()
        );
    }
    assert!(forward(level, &mlp, &inputs[7], &inputs[8][1..], &good, &mut y, None).is_err());
    assert!(forward(level, &PixelMlpShape { rows: 0, ..mlp }, &[], &[], &good, &mut [], None).is_err());
    let mut room = [stale(5), stale(5), stale(35), stale(7), stale(35), stale(5)];
    let [a, b, d, e, f, g] = &mut room;
    let gradients = Gradients { norm: [a, b], expand: [d, e], project: [f, g], gamma: None };
    assert!(
        super::backward(level, &mlp, saved(&inputs[7]), &good, &inputs[8], &mut y, Some(gradients)).is_err()
    );
    let short = Hidden { active: &inputs[2][..], slope: &inputs[2] };
    let saved = Saved { x: &inputs[7], hidden: Some(short) };
    assert!(super::backward(level, &mlp, saved, &good, &inputs[8], &mut y, None).is_err());
}
