//! GELU and the element-wise operators around PeLK-T's pixel MLPs.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{STAGES, bench, matrix, settings, values};
use pelk_cpu::{RowsMut, activation, channels, elementwise};
use pelk_simd::Level;

fn gelu(c: &mut Criterion) {
    let level = Level::best();
    let mut group = c.benchmark_group("gelu");
    for (rows, channels) in STAGES {
        let n = 4 * rows * channels;
        let (x, mut y) = (values(n), vec![0.0; n]);
        bench(&mut group, format!("{n}, forward"), n, || activation::gelu(level, &x, &mut y).unwrap());
        bench(&mut group, format!("{n}, backward"), n, || {
            activation::gelu_backward(level, &x, &x, &mut y).unwrap();
        });
    }
}

fn elementwise(c: &mut Criterion) {
    let level = Level::best();
    let mut group = c.benchmark_group("elementwise");
    let (rows, c) = STAGES[0];
    let n = rows * c;
    let (x, gamma, mut y) = (values(n), values(c), vec![0.0; n]);
    bench(&mut group, "add", n, || elementwise::add(level, &x, &x, &mut y).unwrap());
    bench(&mut group, "scale_channels", n, || {
        let y = RowsMut::new(&mut y, c).unwrap();
        elementwise::scale_channels(level, matrix(&x, c), &gamma, y).unwrap();
    });
    let (first, last) = (46, c - 46);
    let (mut a, mut b) = (vec![0.0; rows * first], vec![0.0; rows * last]);
    bench(&mut group, "split_channels", n, || {
        let (a, b) = (RowsMut::new(&mut a, first).unwrap(), RowsMut::new(&mut b, last).unwrap());
        channels::split(matrix(&x, c), &mut [a, b]).unwrap();
    });
    bench(&mut group, "concat_channels", n, || {
        let y = RowsMut::new(&mut y, c).unwrap();
        channels::concat(&[matrix(&a, first), matrix(&b, last)], y).unwrap();
    });
}

criterion_group! { name = benches; config = settings(); targets = gelu, elementwise }
criterion_main!(benches);
