//! PeLK-T's dense convolutions: the stem and the downsampling, the stem of small images, and the 3 x 3
//! convolutions of a detector's regions and of a feature pyramid.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{bench, settings, values};
use pelk_cpu::Affine;
use pelk_cpu::conv2d::{Conv2dShape, backward, forward};
use pelk_cpu::shape::ImageShape;
use pelk_simd::Level;

fn conv2d(c: &mut Criterion) {
    let level = Level::best();
    let mut group = c.benchmark_group("conv2d");
    let image = |n, size, c| ImageShape::checked("bench", n, size, size, c).unwrap();
    let cases = [
        ("stem 4 x 4", image(1, 224, 3), 124, 4, 4, 0),
        ("downsampling 2 x 2", image(1, 56, 124), 249, 2, 2, 0),
        ("stem 3 x 3 of 128 small images", image(128, 28, 1), 32, 3, 2, 1),
        ("3 x 3 of 64 regions", image(64, 7, 256), 256, 3, 1, 1),
        ("3 x 3 of a pyramid's map", image(1, 100, 256), 256, 3, 1, 1),
    ];
    for (name, image, out_channels, side, stride, padding) in cases {
        let shape = Conv2dShape { image, out_channels, kernel: [side, side], stride, padding };
        let (x, gy) = (values(image.len()), values(shape.output().unwrap().len()));
        let (weight, bias) = (values(shape.weight_len()), values(out_channels));
        let (mut y, mut gx) = (vec![0.0; gy.len()], vec![0.0; x.len()]);
        let (mut gweight, mut gbias) = (vec![0.0; weight.len()], vec![0.0; out_channels]);
        bench(&mut group, format!("{name}, forward"), gy.len(), || {
            forward(level, &shape, &x, &weight, Some(&bias), &mut y).unwrap();
        });
        bench(&mut group, format!("{name}, backward"), gy.len(), || {
            let gradients = Affine { weight: Some(&mut gweight[..]), bias: Some(&mut gbias[..]) };
            backward(level, &shape, &x, &weight, &gy, Some(&mut gx), gradients).unwrap();
        });
    }
}

criterion_group! { name = benches; config = settings(); targets = conv2d }
criterion_main!(benches);
