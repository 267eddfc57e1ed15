//! The dataset shipped with the repository, from its files to batches.

use std::path::PathBuf;
use std::sync::Arc;

use pelk_data::{Loader, LoaderConfig, Mode, Split, fashion_mnist, load};

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "datasets", "fashion-mnist"].iter().collect()
}

#[test]
fn both_splits_are_complete_and_balanced() {
    for (split, len) in [(Split::Train, 60_000), (Split::Test, 10_000)] {
        let dataset = load(folder(), split).unwrap();
        assert_eq!((dataset.len(), dataset.shape(), dataset.classes().len()), (len, [28, 28, 1], 10));
        let mut counts = [0; 10];
        for index in 0..len {
            counts[dataset.label(index) as usize] += 1;
        }
        assert_eq!(counts, [len / 10; 10], "{split}");
        if split == Split::Train {
            // The values known from other libraries.
            let statistics = dataset.statistics();
            assert!((statistics.mean[0] - 0.2860).abs() < 5e-5, "{statistics:?}");
            assert!((statistics.std[0] - 0.3530).abs() < 5e-5, "{statistics:?}");
        }
    }
}

#[test]
fn an_evaluation_sees_every_test_image_once() {
    let dataset = Arc::new(fashion_mnist(folder(), Split::Test).unwrap());
    let normalisation = dataset.statistics().clone();
    let config = LoaderConfig { workers: 2, ..LoaderConfig::new(256, Mode::Evaluation, normalisation) };
    let (mut seen, mut sum) = (0, 0.0);
    for batch in Loader::new(dataset, config).unwrap() {
        let batch = batch.unwrap();
        seen += batch.labels.len();
        sum += batch.images.iter().map(|&value| f64::from(value)).sum::<f64>();
    }
    assert_eq!(seen, 10_000);
    assert!((sum / (10_000.0 * 28.0 * 28.0)).abs() < 1e-4, "normalised to mean 0: {sum}");
}
