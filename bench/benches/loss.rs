//! Cross entropy of a batch of images, and of the pixels of a segmentation.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{bench, matrix, settings, values};
use pelk_cpu::RowsMut;
use pelk_cpu::loss::{CrossEntropy, cross_entropy, cross_entropy_backward};
use pelk_simd::Level;

fn loss(c: &mut Criterion) {
    let level = Level::best();
    let mut group = c.benchmark_group("cross_entropy");
    for (rows, classes) in [(128, 10), (128, 1000), (128 * 128, 150)] {
        let logits = values(rows * classes);
        let labels = (0..rows).map(|row| (row % classes) as i64).collect();
        let op = CrossEntropy { labels, label_smoothing: 0.1, ..CrossEntropy::default() };
        let (mut saved, mut glogits) = (vec![0.0; rows], vec![0.0; logits.len()]);
        let name = format!("{rows} x {classes}");
        bench(&mut group, format!("{name}, forward"), logits.len(), || {
            cross_entropy(level, matrix(&logits, classes), &op, &mut saved).unwrap();
        });
        bench(&mut group, format!("{name}, backward"), logits.len(), || {
            let (x, glogits) = (matrix(&logits, classes), RowsMut::new(&mut glogits, classes).unwrap());
            cross_entropy_backward(level, x, &op, &saved, 1.0, glogits).unwrap();
        });
    }
}

criterion_group! { name = benches; config = settings(); targets = loss }
criterion_main!(benches);
