//! Steps of the optimizers on the largest weight of PeLK-T and on one that fits a cache.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{bench, settings, values};
use pelk_cpu::optimizer::{AdamW, Sgd, adamw_step, sgd_step};
use pelk_simd::Level;

fn optimizer(c: &mut Criterion) {
    let level = Level::best();
    let adamw =
        AdamW { learning_rate: 1e-6, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.05, step: 100 };
    let sgd = Sgd { learning_rate: 1e-6, momentum: 0.9, weight_decay: 1e-4, nesterov: true };
    let mut group = c.benchmark_group("optimizer");
    for n in [124 * 496, 998 * 3992] {
        let (mut parameter, gradient) = (values(n), values(n));
        let (mut first, mut second) = (vec![0.0; n], vec![0.0; n]);
        bench(&mut group, format!("adamw {n}"), n, || {
            adamw_step(level, &adamw, &mut parameter, &gradient, &mut first, &mut second).unwrap();
        });
        bench(&mut group, format!("sgd {n}"), n, || {
            sgd_step(level, &sgd, &mut parameter, &gradient, &mut first).unwrap();
        });
    }
}

criterion_group! { name = benches; config = settings(); targets = optimizer }
criterion_main!(benches);
