//! The linear layers of PeLK-T's pixel MLPs: the matrix products.

mod common;

use common::{STAGES, bench, settings, values};
use criterion::{Criterion, criterion_group, criterion_main};
use pelk_cpu::linear;
use pelk_cpu::simd::Level;

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
                linear::forward(level, rows, inputs, outputs, &x, &weight, Some(&bias), &mut y).unwrap();
            });
            bench(&mut group, format!("{name}, backward"), 2 * work, || {
                let (gx, gweight) = (Some(&mut gx[..]), Some(&mut gweight[..]));
                let gbias = Some(&mut gbias[..]);
                linear::backward(level, rows, inputs, outputs, &x, &weight, &gy, gx, gweight, gbias).unwrap();
            });
        }
    }
}

criterion_group! { name = benches; config = settings(); targets = widening_and_narrowing }
criterion_main!(benches);
