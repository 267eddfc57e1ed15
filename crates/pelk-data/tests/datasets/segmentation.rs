//! Datasets with a label per pixel, from files to batches.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pelk_data::{
    Augmentation, Batch, Dataset, FileOptions, IGNORED, ImageDataset, Loader, LoaderConfig, MixConfig, Mode,
    SceneConfig, Scenes, Split, ade20k, write_ade20k,
};

/// Scenes of 12 sizes, in one folder.
fn write(folder: &Path) {
    let classes = ["shirt", "boot"].map(str::to_owned).to_vec();
    let pixels = (0..2 * 64).map(|i| 100 + i as u8 / 2).collect();
    let items = ImageDataset::new("a test", [8, 8, 1], pixels, vec![0, 1], classes).unwrap();
    let items = Arc::new(items);
    for i in 0..12 {
        let part = folder.join(i.to_string());
        let config = SceneConfig { size: [40 + 3 * i, 60 - 2 * i], sides: [8, 24], ..SceneConfig::default() };
        let scenes = Scenes::new(Arc::clone(&items), Split::Train, i as u64, 1, config).unwrap();
        write_ade20k(&scenes, &part, Split::Train, |_| {}).unwrap();
        for kind in ["images/training", "annotations/training"] {
            fs::create_dir_all(folder.join(kind)).unwrap();
            let to = folder.join(kind).join(format!("scene {i:02}.png"));
            fs::rename(part.join(kind).join("00000000.png"), to).unwrap();
        }
        fs::rename(part.join("objectInfo150.txt"), folder.join("objectInfo150.txt")).unwrap();
        fs::remove_dir_all(part).unwrap();
    }
}

fn batches(folder: &Path, change: impl Fn(&mut LoaderConfig)) -> Vec<Batch> {
    let dataset = Arc::new(ade20k(folder, Split::Train, &FileOptions::default()).unwrap());
    let augmentation = Augmentation {
        fit: [128, 64],
        scale: [0.5, 2.0],
        crop_size: 48,
        crop_max_share: 0.75,
        photometric: true,
        flip_probability: 0.5,
        ..Augmentation::none()
    };
    let (augmentation, mix) = (Some(augmentation), MixConfig::default());
    let mode = Mode::Training { seed: 4, epoch: 2, augmentation, mix, drop_last: false };
    let mut config = LoaderConfig::new(5, mode, dataset.statistics().clone());
    change(&mut config);
    Loader::new(dataset, config).unwrap().map(Result::unwrap).collect()
}

#[test]
fn pictures_of_all_sizes_become_batches_that_do_not_depend_on_workers_nor_on_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let whole = batches(folder.path(), |_| {});
    assert_eq!(whole.iter().map(|batch| batch.indices.len()).collect::<Vec<_>>(), [5, 5, 2]);
    let mut seen = [0; 4];
    for batch in &whole {
        assert_eq!(batch.images.dim(), (batch.indices.len(), 48, 48, 3));
        assert_eq!(batch.labels.len(), batch.indices.len() * 48 * 48);
        for (pixel, &label) in batch.images.rows().into_iter().zip(&batch.labels) {
            assert!(pixel.iter().all(|value| value.is_finite()));
            if label == IGNORED {
                assert!(pixel.iter().all(|&value| value == 0.0), "the mean color");
            }
            seen[if label == IGNORED { 3 } else { label as usize }] += 1;
        }
    }
    assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
    for workers in 1..=3 {
        for start_batch in 0..3 {
            let part = batches(folder.path(), |config| {
                (config.workers, config.start_batch) = (workers, start_batch);
            });
            assert_eq!(part, whole[start_batch..]);
        }
    }
}

#[test]
fn an_evaluation_sees_every_picture_in_its_own_size() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let dataset = ade20k(folder.path(), Split::Train, &FileOptions::default()).unwrap();
    let batches = batches(folder.path(), |config| {
        (config.mode, config.batch_size) = (Mode::Evaluation { transform: None }, 1);
    });
    assert_eq!(batches.len(), 12);
    for (index, batch) in batches.iter().enumerate() {
        let sample = dataset.sample(index).unwrap();
        assert_eq!(sample.size, [40 + 3 * index, 60 - 2 * index]);
        assert_eq!(batch.images.dim(), (1, sample.size[0], sample.size[1], 3));
        assert_eq!(batch.labels, sample.labels.as_ref());
        let mut expected: Vec<f32> = sample.pixels.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        dataset.statistics().apply(&mut expected);
        assert_eq!(batch.images.as_slice(), Some(&expected[..]));
    }
}
