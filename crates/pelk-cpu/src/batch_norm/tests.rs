use super::*;
use crate::reference;
use crate::testing::{assert_close, assert_thread_count_free, rows, rows_mut, stale, values, widen};

const EPS: f32 = 1e-5;

struct Case {
    shape: (usize, usize),
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    running_mean: Vec<f32>,
    running_var: Vec<f32>,
    gy: Vec<f32>,
}

impl Case {
    fn affine(&self) -> Affine<&[f32]> {
        Affine { weight: &self.weight, bias: &self.bias }
    }

    fn running(&self) -> Running<&[f32]> {
        Running { mean: &self.running_mean, variance: &self.running_var, eps: EPS }
    }
}

fn case(rows: usize, channels: usize) -> Case {
    // Channels far from zero, where a variance from the mean of squares would cancel.
    let offset = |i: usize| 100.0 * (i % channels) as f32 / channels as f32;
    let x = values(1, rows * channels).iter().enumerate().map(|(i, x)| x + offset(i)).collect();
    Case {
        shape: (rows, channels),
        x,
        weight: values(2, channels),
        bias: values(3, channels),
        running_mean: values(4, channels),
        running_var: values(5, channels).iter().map(|v| v + 1.5).collect(),
        gy: values(6, rows * channels),
    }
}

const SHAPES: [(usize, usize); 7] = [(2, 1), (3, 3), (90, 4), (98, 46), (2000, 36), (9, 300), (40_000, 3)];

#[test]
fn training_meets_the_reference() {
    for level in Level::available() {
        for (r, c) in SHAPES {
            let what = format!("{level}: {r} x {c}");
            let case = case(r, c);
            let (mut running_mean, mut running_var) = (case.running_mean.clone(), case.running_var.clone());
            let (mut y, mut mean, mut inv_std) = (stale(r * c), stale(c), stale(c));
            let running = Running { mean: &mut running_mean[..], variance: &mut running_var[..], eps: EPS };
            let (x, w) = (rows(&case.x, c), &case.weight);
            let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
            let out = rows_mut(&mut y, c);
            forward_train(level, x, case.affine(), running, 0.1, out, moments).unwrap();
            let (x64, w64) = (widen(&case.x), widen(w));
            let running = (widen(&case.running_mean), widen(&case.running_var));
            let eps = f64::from(EPS);
            let want = reference::batch_norm::forward_train(
                &x64,
                &w64,
                &widen(&case.bias),
                eps,
                f64::from(0.1f32),
                &running.0,
                &running.1,
            );
            // Inputs near 100 are only known to 4e-6 of their distance from the mean.
            assert_close(&what, &y, &want.y, 2e-5);
            assert_close(format!("{what}, running_mean"), &running_mean, &want.running_mean, 1e-6);
            assert_close(format!("{what}, running_var"), &running_var, &want.running_var, 1e-5);
            let (mut gx, mut gw, mut gb) = (stale(r * c), stale(c), stale(c));
            let (gy, gx_out) = (rows(&case.gy, c), Some(rows_mut(&mut gx, c)));
            let gradients = Affine { weight: Some(&mut gw[..]), bias: Some(&mut gb[..]) };
            let moments = Moments { mean: &mean[..], inv_std: &inv_std[..] };
            backward_train(level, x, w, moments, gy, gx_out, gradients).unwrap();
            let gy = widen(&case.gy);
            let want = reference::batch_norm::backward_train(&x64, &w64, &want.mean, &want.inv_std, &gy);
            // Two rows are normalized to plus and minus one whatever they are: gx is all cancellation.
            assert_close(format!("{what}, gx"), &gx, &want.x, if r == 2 { 1e-3 } else { 1e-4 });
            assert_close(format!("{what}, gweight"), &gw, &want.weight, 1e-4);
            assert_close(format!("{what}, gbias"), &gb, &want.bias, 1e-5);
        }
    }
}

#[test]
fn evaluation_meets_the_reference() {
    for level in Level::available() {
        for (r, c) in SHAPES.into_iter().chain([(1, 5)]) {
            let what = format!("{level}: {r} x {c}");
            let case = case(r, c);
            let (x, w, mean, var) = (&case.x, &case.weight, &case.running_mean, &case.running_var);
            let (x64, w64, mean64, var64) = (widen(x), widen(w), widen(mean), widen(var));
            let mut y = stale(r * c);
            let (input, out) = (rows(x, c), rows_mut(&mut y, c));
            forward_eval(level, input, case.affine(), case.running(), out).unwrap();
            let (bias, eps) = (widen(&case.bias), f64::from(EPS));
            let want = reference::batch_norm::forward_eval(&x64, &w64, &bias, &mean64, &var64, eps);
            assert_close(&what, &y, &want, 1e-5);
            let (mut gx, mut gw, mut gb) = (stale(r * c), stale(c), stale(c));
            let (gy, gx_out) = (rows(&case.gy, c), Some(rows_mut(&mut gx, c)));
            let gradients = Affine { weight: Some(&mut gw[..]), bias: Some(&mut gb[..]) };
            backward_eval(level, input, w, case.running(), gy, gx_out, gradients).unwrap();
            let gy = widen(&case.gy);
            let want = reference::batch_norm::backward_eval(&x64, &w64, &mean64, &var64, eps, &gy);
            assert_close(format!("{what}, gx"), &gx, &want.x, 1e-5);
            assert_close(format!("{what}, gweight"), &gw, &want.weight, 1e-5);
            assert_close(format!("{what}, gbias"), &gb, &want.bias, 1e-5);
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_thread_count() {
    let case = case(5000, 36);
    let (r, c) = case.shape;
    assert_thread_count_free("batch_norm", || {
        let level = Level::best();
        let (mut running_mean, mut running_var) = (case.running_mean.clone(), case.running_var.clone());
        let (mut y, mut mean, mut inv_std) = (stale(r * c), stale(c), stale(c));
        let running = Running { mean: &mut running_mean[..], variance: &mut running_var[..], eps: EPS };
        let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
        let x = rows(&case.x, c);
        forward_train(level, x, case.affine(), running, 0.1, rows_mut(&mut y, c), moments).unwrap();
        let (mut gx, mut gw) = (stale(r * c), stale(c));
        let gradients = Affine { weight: Some(&mut gw[..]), bias: None };
        let moments = Moments { mean: &mean[..], inv_std: &inv_std[..] };
        let (gy, gx_out) = (rows(&case.gy, c), Some(rows_mut(&mut gx, c)));
        backward_train(level, x, &case.weight, moments, gy, gx_out, gradients).unwrap();
        [y, mean, inv_std, running_mean, running_var, gx, gw].concat()
    });
}

#[test]
fn bad_shapes_are_errors() {
    let (level, x, c) = (Level::PORTABLE, [0.0; 6], [0.0; 3]);
    let (mut m, mut v, mut mean, mut inv_std) = ([0.0; 3], [0.0; 3], [0.0; 3], [0.0; 3]);
    let mut y = [0.0; 6];
    let mut train = |x: &[f32], weight: &[f32], y: &mut [f32]| {
        let (affine, momentum) = (Affine { weight, bias: &c[..] }, 0.1);
        let running = Running { mean: &mut m[..], variance: &mut v[..], eps: EPS };
        let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
        forward_train(level, Rows::new(x, 3)?, affine, running, momentum, RowsMut::new(y, 3)?, moments)
    };
    assert!(train(&x, &c, &mut y).is_ok());
    assert!(train(&x, &c[..2], &mut y).is_err());
    assert!(train(&x[..5], &c, &mut y).is_err());
    assert!(train(&[], &c, &mut []).is_err());
    let error = train(&x[..3], &c, &mut y[..3]).unwrap_err();
    assert!(error.to_string().contains("no variance"), "{error}");
    let (x, affine) = (rows(&x, 3), Affine { weight: &c[..], bias: &c[..] });
    let running = |variance| Running { mean: &c[..], variance, eps: EPS };
    assert!(forward_eval(level, x, affine, running(&c[..1]), rows_mut(&mut y, 3)).is_err());
    let moments = |inv_std| Moments { mean: &c[..], inv_std };
    let none = || Affine { weight: None, bias: None };
    assert!(backward_train(level, x, &c, moments(&c[..1]), x, None, none()).is_err());
    let long = Affine { bias: Some(&mut y[..]), ..none() };
    assert!(backward_train(level, x, &c, moments(&c), x, None, long).is_err());
    let short = rows(&x.values()[..3], 3);
    assert!(backward_eval(level, x, &c, running(&c), short, None, none()).is_err());
}
