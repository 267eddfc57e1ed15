//! Average pooling at the end of PeLK-T, bilinear resizing as in a head for segmentation.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{bench, settings, values};
use pelk_cpu::shape::ImageShape;
use pelk_cpu::{pool, resize};
use pelk_simd::Level;

fn resample(c: &mut Criterion) {
    let level = Level::best();
    let mut group = c.benchmark_group("resample");

    let shape = ImageShape::checked("bench", 1, 7, 7, 998).unwrap();
    let (x, mut y, mut gx) = (values(shape.len()), vec![0.0; shape.c], vec![0.0; shape.len()]);
    bench(&mut group, "global average of 7 x 7 x 998, forward", x.len(), || {
        pool::adaptive_average(level, shape, [1, 1], &x, &mut y).unwrap();
    });
    bench(&mut group, "global average of 7 x 7 x 998, backward", x.len(), || {
        pool::adaptive_average_backward(level, shape, [1, 1], &y, &mut gx).unwrap();
    });

    let shape = ImageShape::checked("bench", 1, 32, 32, 150).unwrap();
    let size = [128, 128];
    let n = size[0] * size[1] * shape.c;
    let (x, mut y, mut gx) = (values(shape.len()), vec![0.0; n], vec![0.0; shape.len()]);
    bench(&mut group, "bilinear 32 x 32 x 150 to 128 x 128, forward", n, || {
        resize::bilinear(level, shape, size, &x, &mut y).unwrap();
    });
    bench(&mut group, "bilinear 32 x 32 x 150 to 128 x 128, backward", n, || {
        resize::bilinear_backward(level, shape, size, &y, &mut gx).unwrap();
    });
}

criterion_group! { name = benches; config = settings(); targets = resample }
criterion_main!(benches);
