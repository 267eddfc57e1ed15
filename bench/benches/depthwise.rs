//! The box convolution on PeLK-T's maps: peripheral kernels, the small branch, ConvNeXt's kernel.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{bench, settings, values};
use pelk_cpu::depthwise::{self, Gradients};
use pelk_cpu::shape::ImageShape;
use pelk_grid::SharingGrid;
use pelk_ops::{Bias, DepthwiseConv};
use pelk_simd::Level;

fn depthwise(c: &mut Criterion) {
    let shared = |kernel| SharingGrid::exponential(kernel, 5, 2).unwrap();
    let dense = |kernel| SharingGrid::dense(kernel).unwrap();
    let cases = [
        ("peripheral 51", 46, 56, shared(51)),
        ("peripheral 49", 93, 28, shared(49)),
        ("peripheral 47", 187, 14, shared(47)),
        ("peripheral 13", 374, 7, shared(13)),
        ("dense 5", 46, 56, dense(5)),
        ("dense 7", 96, 56, dense(7)),
    ];
    let level = Level::best();
    let mut group = c.benchmark_group("depthwise");
    for (name, channels, map, grid) in cases {
        let shape = ImageShape::checked("bench", 1, map, map, channels).unwrap();
        let conv = DepthwiseConv::square(grid);
        let x = values(shape.len());
        let theta = values(channels * conv.cells());
        let (mut y, mut gtheta) = (vec![0.0; x.len()], vec![0.0; theta.len()]);
        let name = format!("{name} on {map} x {map} x {channels}");
        bench(&mut group, format!("{name}, forward"), x.len(), || {
            depthwise::forward(level, &conv, shape, &x, &theta, Bias::None, &mut y).unwrap();
        });
        bench(&mut group, format!("{name}, backward"), x.len(), || {
            let gradients = Gradients { x: Some(&mut y), theta: Some(&mut gtheta) };
            depthwise::backward(level, &conv, shape, &x, &theta, &x, gradients).unwrap();
        });
    }
}

criterion_group! { name = benches; config = settings(); targets = depthwise }
criterion_main!(benches);
