//! RoIAlign as in the box heads of Cascade Mask R-CNN: 512 regions of an 800 x 1216 image, 7 x 7 bins, four
//! maps of 256 channels.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{bench, settings, values};
use pelk_cpu::roi_align;
use pelk_cpu::shape::ImageShape;
use pelk_ops::roi_align::level;
use pelk_ops::{Roi, RoiAlign};
use pelk_simd::Level;

const IMAGE: [usize; 2] = [800, 1216];
const STRIDES: [usize; 4] = [4, 8, 16, 32];
const CHANNELS: usize = 256;

/// Regions of all sizes and shapes, as proposals are: sides from 16 to 512 pixels, the logarithm even.
fn regions() -> Vec<Roi> {
    let numbers: Vec<f32> = values(4 * 512).iter().map(|v| 0.5 * v + 0.5).collect();
    let region = |n: &[f32]| {
        let [w, h] = [16.0 * 32.0f32.powf(n[0]), 16.0 * 32.0f32.powf(n[1])];
        let [x, y] = [n[2] * (IMAGE[1] as f32 - w), n[3] * (IMAGE[0] as f32 - h)];
        let corners = [x, y, x + w, y + h];
        Roi { image: 0, map: level(corners, 56.0, STRIDES.len()), corners }
    };
    numbers.chunks_exact(4).map(region).collect()
}

fn align(c: &mut Criterion) {
    let simd = Level::best();
    let mut group = c.benchmark_group("roi_align");
    let rois = regions();
    let op = RoiAlign { rois: rois.into(), size: [7, 7], strides: STRIDES.into(), sampling_ratio: 0 };
    let shape = |stride: usize| {
        ImageShape::checked("bench", 1, IMAGE[0] / stride, IMAGE[1] / stride, CHANNELS).unwrap()
    };
    let shapes = STRIDES.map(shape);
    let x = shapes.map(|shape| values(shape.len()));
    let maps: Vec<_> = shapes.iter().copied().zip(x.iter().map(Vec::as_slice)).collect();
    let mut y = vec![0.0; op.output(&shapes).unwrap().len()];
    bench(&mut group, "512 regions of 7 x 7 x 256 from four maps, forward", y.len(), || {
        roi_align::forward(simd, &op, &maps, &mut y).unwrap();
    });
    let mut gradients = shapes.map(|shape| vec![0.0; shape.len()]);
    bench(&mut group, "512 regions of 7 x 7 x 256 from four maps, backward", y.len(), || {
        let mut slices: Vec<_> = gradients.iter_mut().map(|g| Some(&mut g[..])).collect();
        roi_align::backward(simd, &op, &shapes, &y, &mut slices).unwrap();
    });
}

criterion_group! { name = benches; config = settings(); targets = align }
criterion_main!(benches);
