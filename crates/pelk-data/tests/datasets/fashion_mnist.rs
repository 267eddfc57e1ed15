//! The dataset shipped with the repository, from its files to batches.

use std::path::PathBuf;
use std::sync::Arc;

use pelk_data::{
    Dataset, DatasetName, Loader, LoaderConfig, Mode, SceneConfig, Scenes, Split, fashion_mnist, recognize,
};

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "datasets", "fashion-mnist"].iter().collect()
}

#[test]
fn both_splits_are_complete_and_balanced() {
    assert_eq!(recognize(folder()).unwrap(), DatasetName::FashionMnist);
    for (split, len) in [(Split::Train, 60_000), (Split::Test, 10_000)] {
        let dataset = fashion_mnist(folder(), split).unwrap();
        assert_eq!((dataset.len(), dataset.shape(), dataset.classes().len()), (len, [28, 28, 1], 10));
        let mut counts = [0; 10];
        for index in 0..len {
            counts[dataset.label(index) as usize] += 1;
        }
        assert_eq!(counts, [len / 10; 10], "{split}");
        if split == Split::Train {
            // The values that other libraries use.
            let statistics = dataset.statistics();
            assert!((statistics.mean[0] - 0.2860).abs() < 5e-5, "{statistics:?}");
            assert!((statistics.std[0] - 0.3530).abs() < 5e-5, "{statistics:?}");
        }
    }
}

#[test]
fn an_evaluation_sees_every_test_image_once() {
    let dataset = Arc::new(fashion_mnist(folder(), Split::Test).unwrap());
    let normalization = dataset.statistics().clone();
    let config = LoaderConfig {
        workers: 2,
        ..LoaderConfig::new(256, Mode::Evaluation { transform: None }, normalization)
    };
    let (mut seen, mut sum) = (0, 0.0);
    for batch in Loader::new(dataset, config).unwrap() {
        let batch = batch.unwrap();
        seen += batch.labels.len();
        sum += batch.images.iter().map(|&value| f64::from(value)).sum::<f64>();
    }
    assert_eq!(seen, 10_000);
    assert!((sum / (10_000.0 * 28.0 * 28.0)).abs() < 1e-4, "normalized to mean 0: {sum}");
}

#[test]
fn scenes_have_their_statistics_and_brightness_does_not_give_items_away() {
    for split in [Split::Train, Split::Test] {
        let items = Arc::new(fashion_mnist(folder(), split).unwrap());
        let scenes = Scenes::new(items, split, 3, 300, SceneConfig::default()).unwrap();
        let (mut counts, mut brightness) = ([0.0_f64; 11], [0.0; 2]);
        let (mut sum, mut squares, mut values) = (0.0, 0.0, 0.0);
        for index in 0..scenes.len() {
            let sample = scenes.sample(index).unwrap();
            for (pixel, &label) in sample.pixels.chunks_exact(3).zip(&*sample.labels) {
                let unit = [pixel[0], pixel[1], pixel[2]].map(|byte| f64::from(byte) / 255.0);
                counts[label as usize] += 1.0;
                brightness[usize::from(label > 0)] += unit.iter().sum::<f64>() / 3.0;
                sum += unit.iter().sum::<f64>();
                squares += unit.iter().map(|value| value * value).sum::<f64>();
                values += 3.0;
            }
        }
        let statistics = scenes.statistics();
        let mean = sum / values;
        let deviation = (squares / values - mean * mean).sqrt();
        assert!((mean - f64::from(statistics.mean[0])).abs() < 0.02, "{mean}");
        assert!((deviation - f64::from(statistics.std[0])).abs() < 0.02, "{deviation}");
        let pixels = values / 3.0;
        assert!(
            (0.55..0.8).contains(&(counts[0] / pixels)),
            "most is background, but not nearly all: {counts:?}"
        );
        assert!(counts[1..].iter().all(|&count| count > 0.01 * pixels), "{counts:?}");
        let means = [brightness[0] / counts[0], brightness[1] / (pixels - counts[0])];
        assert!((means[0] - means[1]).abs() < 0.05, "{means:?}");
    }
}
