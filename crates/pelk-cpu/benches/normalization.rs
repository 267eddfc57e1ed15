//! LayerNorm on PeLK-T's blocks, BatchNorm on its convolved channels.

mod common;

use common::{STAGES, bench, settings, values};
use criterion::{Criterion, criterion_group, criterion_main};
use pelk_cpu::{batch_norm, layer_norm};
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
            let (mean, inv_std) = (&mut mean, &mut inv_std);
            layer_norm::forward(level, rows, channels, &x, &weight, &bias, 1e-6, &mut y, mean, inv_std)
                .unwrap();
        });
        bench(&mut group, format!("{name}, backward"), x.len(), || {
            let (gx, gw, gb) = (Some(&mut gx[..]), Some(&mut gw[..]), Some(&mut gb[..]));
            layer_norm::backward(level, rows, channels, &x, &weight, &mean, &inv_std, &x, gx, gw, gb)
                .unwrap();
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
            let running = (&mut running_mean, &mut running_var);
            let saved = (&mut mean, &mut inv_std);
            batch_norm::forward_train(
                level, rows, channels, &x, &weight, &bias, 1e-5, 0.1, running.0, running.1, &mut y, saved.0,
                saved.1,
            )
            .unwrap();
        });
        bench(&mut group, format!("{name}, backward in training"), x.len(), || {
            let (gx, gw, gb) = (Some(&mut gx[..]), Some(&mut gw[..]), Some(&mut gb[..]));
            batch_norm::backward_train(level, rows, channels, &x, &weight, &mean, &inv_std, &x, gx, gw, gb)
                .unwrap();
        });
        bench(&mut group, format!("{name}, forward in evaluation"), x.len(), || {
            let (mean, var) = (&running_mean, &running_var);
            batch_norm::forward_eval(level, rows, channels, &x, &weight, &bias, mean, var, 1e-5, &mut y)
                .unwrap();
        });
    }
}

criterion_group! { name = benches; config = settings(); targets = layer_norm, batch_norm }
criterion_main!(benches);
