//! A photo of ImageNet's usual size on its way into a batch: decoded, cut for a test, changed as ImageNet's
//! recipe does.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use image::RgbImage;
use pelk_data::{
    Augmentation, EvaluationTransform, Labeling, Normalization, RandAugment, ResizedCrop, Sample, read_rgb,
};
use pelk_random::{Purpose, stream};
use pelk_simd::Level;
use std::hint::black_box;

/// Something between smooth and noisy, as photos are.
fn photo() -> RgbImage {
    RgbImage::from_fn(500, 375, |x, y| {
        let (fx, fy) = (x as f32 / 500.0, y as f32 / 375.0);
        let noise = ((x * 7919 + y * 104_729) % 61) as f32 / 61.0;
        let wave = ((fx * 23.0).sin() * (fy * 17.0).cos() + 1.0) / 2.0;
        image::Rgb(
            [wave, fx * 0.7 + 0.3 * noise, fy].map(|value| (255.0 * (0.9 * value + 0.1 * noise)) as u8),
        )
    })
}

fn loading(c: &mut Criterion) {
    let photo = photo();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo.jpg");
    photo.save(&path).unwrap();
    let sample = Sample::new([375, 500], photo.as_raw(), vec![0]);
    let normalization = Normalization::identity(3);
    let mut group = c.benchmark_group("loading");
    group.throughput(Throughput::Elements(1));
    group.bench_function("decode", |b| b.iter(|| read_rgb(black_box(&path)).unwrap()));
    let level = Level::best();
    let test = EvaluationTransform::default();
    group.bench_function("test transform", |b| {
        b.iter(|| test.apply(level, black_box(photo.as_raw()), [375, 500], 3));
    });
    let crop = Augmentation { resized_crop: Some(ResizedCrop::default()), ..Augmentation::none() };
    let changed = Augmentation { rand_augment: Some(RandAugment::default()), ..crop.clone() };
    let recipe = Augmentation { flip_probability: 0.5, erasing_probability: 0.25, ..changed.clone() };
    for (name, augmentation) in [("crop", crop), ("crop, RandAugment", changed), ("the whole recipe", recipe)]
    {
        let mut index = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                index += 1;
                let mut rng = stream(0, Purpose::Augment, 0, index);
                augmentation.apply(level, &mut rng, black_box(&sample), Labeling::Image, &normalization)
            });
        });
    }
}

criterion_group!(benches, loading);
criterion_main!(benches);
