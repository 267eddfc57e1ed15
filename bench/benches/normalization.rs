//! LayerNorm on PeLK-T's blocks, BatchNorm on its convolved channels.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{STAGES, bench, matrix, settings, values};
use pelk_cpu::{Affine, Moments, RowsMut, Running, batch_norm, layer_norm};
use pelk_simd::Level;

fn layer_norm(c: &mut Criterion) {
    let level = Level::best();
    let mut group = c.benchmark_group("layer_norm");
    for (rows, channels) in STAGES {
        let (x, weight, bias) = (values(rows * channels), values(channels), values(channels));
        let (mut y, mut mean, mut inv_std) = (vec![0.0; x.len()], vec![0.0; rows], vec![0.0; rows]);
        let (mut gx, mut gw, mut gb) = (vec![0.0; x.len()], vec![0.0; channels], vec![0.0; channels]);
        let name = format!("{rows} x {channels}");
        bench(&mut group, format!("{name}, forward"), x.len(), || {
            let affine = Affine { weight: &weight[..], bias: &bias[..] };
            let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
            let y = RowsMut::new(&mut y, channels).unwrap();
            layer_norm::forward(level, matrix(&x, channels), affine, 1e-6, y, moments).unwrap();
        });
        bench(&mut group, format!("{name}, backward"), x.len(), || {
            let moments = Moments { mean: &mean[..], inv_std: &inv_std[..] };
            let gradients = Affine { weight: Some(&mut gw[..]), bias: Some(&mut gb[..]) };
            let (x, gx) = (matrix(&x, channels), Some(RowsMut::new(&mut gx, channels).unwrap()));
            layer_norm::backward(level, x, &weight, moments, x, gx, gradients).unwrap();
        });
    }
}

fn batch_norm(c: &mut Criterion) {
    let level = Level::best();
    let mut group = c.benchmark_group("batch_norm");
    // Two images: 3/8 of the channels of the first and the last stage.
    for (rows, channels) in [(6272, 46), (98, 374)] {
        let (x, weight, bias) = (values(rows * channels), values(channels), values(channels));
        let vector = || vec![0.5; channels];
        let (mut running_mean, mut running_var) = (vector(), vector());
        let (mut y, mut mean, mut inv_std) = (vec![0.0; x.len()], vector(), vector());
        let (mut gx, mut gw, mut gb) = (vec![0.0; x.len()], vector(), vector());
        let name = format!("{rows} x {channels}");
        bench(&mut group, format!("{name}, forward in training"), x.len(), || {
            let affine = Affine { weight: &weight[..], bias: &bias[..] };
            let running = Running { mean: &mut running_mean[..], variance: &mut running_var[..], eps: 1e-5 };
            let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
            let (x, y) = (matrix(&x, channels), RowsMut::new(&mut y, channels).unwrap());
            batch_norm::forward_train(level, x, affine, running, 0.1, y, moments).unwrap();
        });
        bench(&mut group, format!("{name}, backward in training"), x.len(), || {
            let moments = Moments { mean: &mean[..], inv_std: &inv_std[..] };
            let gradients = Affine { weight: Some(&mut gw[..]), bias: Some(&mut gb[..]) };
            let (x, gx) = (matrix(&x, channels), Some(RowsMut::new(&mut gx, channels).unwrap()));
            batch_norm::backward_train(level, x, &weight, moments, x, gx, gradients).unwrap();
        });
        bench(&mut group, format!("{name}, forward in evaluation"), x.len(), || {
            let affine = Affine { weight: &weight[..], bias: &bias[..] };
            let running = Running { mean: &running_mean[..], variance: &running_var[..], eps: 1e-5 };
            let y = RowsMut::new(&mut y, channels).unwrap();
            batch_norm::forward_eval(level, matrix(&x, channels), affine, running, y).unwrap();
        });
    }
}

criterion_group! { name = benches; config = settings(); targets = layer_norm, batch_norm }
criterion_main!(benches);
