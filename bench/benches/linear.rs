//! PeLK-T's pixel MLPs, and the matrix products of their linear layers alone.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{STAGES, bench, matrix, settings, values};
use pelk_cpu::pixel_mlp::{self, Gradients, Saved};
use pelk_cpu::{Affine, RowsMut, linear};
use pelk_ops::{PixelMlpParameters, PixelMlpShape};
use pelk_simd::Level;

fn widening_and_narrowing(c: &mut Criterion) {
    let level = Level::best();
    let mut group = c.benchmark_group("linear");
    for (rows, channels) in STAGES {
        for (inputs, outputs) in [(channels, 4 * channels), (4 * channels, channels)] {
            let (x, gy) = (values(rows * inputs), values(rows * outputs));
            let (weight, bias) = (values(outputs * inputs), values(outputs));
            let (mut y, mut gx) = (vec![0.0; gy.len()], vec![0.0; x.len()]);
            let (mut gweight, mut gbias) = (vec![0.0; weight.len()], vec![0.0; outputs]);
            // Multiply-adds, so that the rate can be held against the processor's peak.
            let work = rows * inputs * outputs;
            let name = format!("{rows} x {inputs} to {outputs}");
            bench(&mut group, format!("{name}, forward"), work, || {
                let y = RowsMut::new(&mut y, outputs).unwrap();
                linear::forward(level, matrix(&x, inputs), matrix(&weight, inputs), Some(&bias), y).unwrap();
            });
            bench(&mut group, format!("{name}, backward that computes the middle again"), 2 * work, || {
                let (x, weight, gy) = (matrix(&x, inputs), matrix(&weight, inputs), matrix(&gy, outputs));
                let gx = Some(RowsMut::new(&mut gx, inputs).unwrap());
                let gradients = Affine { weight: Some(&mut gweight[..]), bias: Some(&mut gbias[..]) };
                linear::backward(level, x, weight, gy, gx, gradients).unwrap();
            });
        }
    }
}

fn pixel_mlp(c: &mut Criterion) {
    let level = Level::best();
    let mut group = c.benchmark_group("pixel_mlp");
    for (rows, channels) in STAGES {
        let hidden = 4 * channels;
        let mlp = PixelMlpShape { rows, channels, hidden, eps: 1e-6 };
        let (x, vector, middle) = (values(rows * channels), values(channels), values(hidden));
        let weight = values(channels * hidden);
        let parameters = PixelMlpParameters::<[f32]> {
            norm: [&vector, &vector],
            expand: [&weight, &middle],
            project: [&weight, &vector],
            gamma: Some(&vector),
            factors: None,
        };
        let (mut y, mut gx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let mut gvectors = [(); 4].map(|()| vec![0.0; channels]);
        let (mut gmiddle, mut gweights) = (vec![0.0; hidden], [(); 2].map(|()| vec![0.0; weight.len()]));
        let work = 2 * rows * channels * hidden;
        let name = format!("{rows} x {channels}");
        bench(&mut group, format!("{name}, forward"), work, || {
            pixel_mlp::forward(level, &mlp, &x, &x, &parameters, &mut y, None).unwrap();
        });
        bench(&mut group, format!("{name}, backward that computes the middle again"), 2 * work, || {
            let ([norm_weight, norm_bias, bias, gamma], [expand, project]) = (&mut gvectors, &mut gweights);
            let gradients = Gradients {
                norm: [norm_weight, norm_bias],
                expand: [expand, &mut gmiddle],
                project: [project, bias],
                gamma: Some(gamma),
            };
            let saved = Saved { x: &x, hidden: None };
            pixel_mlp::backward(level, &mlp, saved, &parameters, &x, &mut gx, Some(gradients)).unwrap();
        });
    }
}

criterion_group! { name = benches; config = settings(); targets = widening_and_narrowing, pixel_mlp }
criterion_main!(benches);
