//! Dataset formats, augmentation and a deterministic prefetching loader.
//!
//! A dataset is a numbered set of labeled images, as bytes, with one class per image, per square or per
//! pixel, or with objects: see [`Labeling`]. Other sources implement [`Dataset`].
//!
//! - Labels of images: [`ImageDataset`] keeps them in memory; [`fashion_mnist`] and [`mnist`] read IDX files,
//!   [`cifar10`] and [`cifar100`] binary records; [`image_folder`] and [`imagenet_1k`] decode image files.
//! - Labels of squares: [`LongRange`] composes canvases whose answer lies at a known distance.
//! - Labels of pixels: [`Scenes`] composes images of several items; [`ade20k`](ade20k()), [`coco`](coco())
//!   and [`mask_folder`] read files.
//! - Objects with boxes and masks: [`SceneInstances`] are the same scenes; [`coco_instances`] reads files.
//!
//! [`DatasetName`] lists them by name, and [`recognize`] determines which one a folder holds. [`FileOptions`]
//! says how files are opened. [`Relabeled`] numbers the classes of a dataset as a network does.
//!
//! A [`Loader`] turns a dataset into batches of normalized `f32` images, `[N, H, W, C]`: for training
//! (shuffled, changed by an [`Augmentation`] that moves labels and objects along with pixels, and optionally
//! mixed by a [`MixConfig`]) or for evaluation (optionally resized by an [`EvaluationTransform`]).
//! [`write_ade20k`] and [`write_coco`] write datasets for other programs.
//!
//! A batch depends on the seed, the epoch and its number, and neither on the number of threads nor on where
//! an epoch was resumed: every random draw comes from its own stream, see [`pelk_random`].
//!
//! ```
//! use std::sync::Arc;
//! use pelk_data::{Augmentation, Dataset, ImageDataset, Loader, LoaderConfig, MixConfig, Mode};
//!
//! // Ten gray images of 8 x 8 pixels in two classes.
//! let pixels: Vec<u8> = (0..10 * 8 * 8).map(|i| (i % 251) as u8).collect();
//! let labels: Vec<u32> = (0..10).map(|i| i % 2).collect();
//! let classes = vec!["even".to_owned(), "odd".to_owned()];
//! let dataset = Arc::new(ImageDataset::new("an example", [8, 8, 1], pixels, labels, classes)?);
//!
//! let augmentation = Some(Augmentation { crop_padding: 2, ..Augmentation::default() });
//! let mix = MixConfig::default();
//! let mode = Mode::Training { seed: 1, epoch: 0, augmentation, mix, drop_last: true };
//! let config = LoaderConfig::new(4, mode, dataset.statistics().clone());
//! assert_eq!(config.plan(&*dataset)?.steps(), 2);
//!
//! for batch in Loader::new(dataset, config)? {
//!     let batch = batch?;
//!     assert_eq!(batch.images.dim(), (4, 8, 8, 1));
//!     assert!(batch.labels.iter().zip(&batch.indices).all(|(&label, &i)| label as usize == i % 2));
//! }
//! # Ok::<(), pelk_data::DataError>(())
//! ```
//!
//! A class per pixel; labels are cropped with their pixels:
//!
//! ```
//! # use std::sync::Arc;
//! use pelk_data::{Dataset, IGNORED, Labeling, SceneConfig, Scenes, Split};
//! # use pelk_data::{Augmentation, ImageDataset, Loader, LoaderConfig, MixConfig, Mode};
//! # let classes = vec!["even".to_owned(), "odd".to_owned()];
//! # let labels = (0..10).map(|i| i % 2).collect();
//! # let items = Arc::new(ImageDataset::new("an example", [8, 8, 1], vec![200; 640], labels, classes)?);
//!
//! let scenes = Arc::new(Scenes::new(items, Split::Train, 1, 100, SceneConfig::default())?);
//! assert_eq!((scenes.image_size(), scenes.labeling()), (Some([96, 96]), Labeling::Pixels { stride: 1 }));
//!
//! let augmentation = Augmentation { scale: [0.5, 2.0], crop_size: 80, ..Augmentation::none() };
//! let augmentation = Some(augmentation);
//! let mode = Mode::Training { seed: 1, epoch: 0, augmentation, mix: MixConfig::default(), drop_last: true };
//! let config = LoaderConfig::new(4, mode, scenes.statistics().clone());
//! let batch = Loader::new(scenes, config)?.next().expect("there are 25")?;
//! assert_eq!((batch.images.dim(), batch.labels.len()), ((4, 80, 80, 3), 4 * 80 * 80));
//! assert!(batch.labels.iter().all(|&label| label < 3 || label == IGNORED));
//! # Ok::<(), pelk_data::DataError>(())
//! ```
//!
//! Objects; boxes and masks move along, and images of different sizes are padded:
//!
//! ```
//! # use std::sync::Arc;
//! # use pelk_data::{Augmentation, ImageDataset, Loader, LoaderConfig, MixConfig, Mode};
//! # use pelk_data::{SceneConfig, Scenes, Split};
//! use pelk_data::{Dataset, Multiscale, SceneInstances};
//! # let classes = vec!["even".to_owned(), "odd".to_owned()];
//! # let labels = (0..10).map(|i| i % 2).collect();
//! # let items = Arc::new(ImageDataset::new("an example", [8, 8, 1], vec![200; 640], labels, classes)?);
//!
//! let scenes = Scenes::new(items, Split::Train, 1, 100, SceneConfig::default())?;
//! let scenes = Arc::new(SceneInstances::new(scenes));
//!
//! let multiscale = Multiscale { short: vec![80, 100, 120], crop_probability: 0.0, ..Multiscale::default() };
//! let augmentation = Some(Augmentation { multiscale: Some(multiscale), ..Augmentation::none() });
//! let mode = Mode::Training { seed: 1, epoch: 0, augmentation, mix: MixConfig::default(), drop_last: true };
//! let config = LoaderConfig::new(4, mode, scenes.statistics().clone());
//! let batch = Loader::new(scenes, config)?.next().expect("there are 25")?;
//! assert_eq!((batch.images.dim().1 % 32, batch.images.dim().2 % 32), (0, 0));
//! for (objects, size) in batch.objects.iter().zip(&batch.sizes) {
//!     assert!(objects.iter().all(|object| object.mask.size() == *size && object.class < 2));
//! }
//! # Ok::<(), pelk_data::DataError>(())
//! ```
#![forbid(unsafe_code)]

mod assembly;
mod augment;
mod batch;
mod canvas;
mod cifar;
mod coco;
mod dataset;
mod error;
mod evaluation;
mod excluded;
mod export;
mod faults;
#[cfg(test)]
mod golden;
pub mod idx;
mod image_folder;
mod loader;
mod long_range;
mod masks;
mod mix;
mod mnist;
mod name;
mod normalization;
mod object;
mod options;
mod picture;
mod prefetch;
mod recognize;
mod rectangle;
mod relabel;
mod resample;
mod resize;
mod scenes;
mod splits;
mod strays;
mod text;

pub use augment::{Augmentation, Augmented, Fill, Multiscale, Padding, RandAugment, ResizedCrop};
pub use batch::{Batch, Plan, steps_per_epoch};
pub use cifar::{cifar10, cifar100};
pub use coco::{Coco, CocoInstances, ObjectConfig, coco, coco_instances};
pub use dataset::{Dataset, IGNORED, ImageDataset, Labeling, NO_GROUP, Properties, Sample};
pub use error::{DataError, PictureError};
pub use evaluation::EvaluationTransform;
pub use excluded::{EXCLUDED, Excluded};
pub use export::{write_ade20k, write_coco};
pub use image_folder::{ImageFolder, image_files_below, image_folder, imagenet_1k};
pub use loader::{Loader, LoaderConfig, Mode};
pub use long_range::LongRange;
pub use masks::{MaskFolder, ade20k, mask_folder};
pub use mix::{Mix, MixConfig};
pub use mnist::{Split, fashion_mnist, mnist};
pub use name::DatasetName;
pub use normalization::Normalization;
pub use object::Object;
pub use options::{Exif, FileOptions};
pub use picture::{Colors, ImageKind, decoding, read_rgb, read_upright};
pub use recognize::recognize;
pub use rectangle::Rectangle;
pub use relabel::Relabeled;
pub use resize::scaled_size;
pub use scenes::{Instance, Scene, SceneConfig, SceneInstances, Scenes};
pub use strays::image_files;
pub use text::{counted, listed, read_text};

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
