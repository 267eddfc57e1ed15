//! Average pooling at the end of PeLK-T, bilinear resizing as in a head for segmentation.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{bench, settings, values};
use pelk_cpu::separable::resample;
use pelk_cpu::shape::ImageShape;
use pelk_ops::resample::{bins, neighbors};
use pelk_simd::Level;

fn images(c: &mut Criterion) {
    let level = Level::best();
    let mut group = c.benchmark_group("resample");

    let shape = ImageShape::checked("bench", 1, 7, 7, 998).unwrap();
    let (x, mut y, mut gx) = (values(shape.len()), vec![0.0; shape.c], vec![0.0; shape.len()]);
    let axis = bins(7, 1);
    bench(&mut group, "global average of 7 x 7 x 998, forward", x.len(), || {
        resample(level, shape, &axis, &axis, &x, &mut y).unwrap();
    });
    let (mean, axis) = (ImageShape { h: 1, w: 1, ..shape }, axis.transposed());
    bench(&mut group, "global average of 7 x 7 x 998, backward", x.len(), || {
        resample(level, mean, &axis, &axis, &y, &mut gx).unwrap();
    });

    let shape = ImageShape::checked("bench", 1, 32, 32, 150).unwrap();
    let (large, axis) = (ImageShape { h: 128, w: 128, ..shape }, neighbors(32, 128));
    let n = large.len();
    let (x, mut y, mut gx) = (values(shape.len()), vec![0.0; n], vec![0.0; shape.len()]);
    bench(&mut group, "bilinear 32 x 32 x 150 to 128 x 128, forward", n, || {
        resample(level, shape, &axis, &axis, &x, &mut y).unwrap();
    });
    let axis = axis.transposed();
    bench(&mut group, "bilinear 32 x 32 x 150 to 128 x 128, backward", n, || {
        resample(level, large, &axis, &axis, &y, &mut gx).unwrap();
    });
}

criterion_group! { name = benches; config = settings(); targets = images }
criterion_main!(benches);
