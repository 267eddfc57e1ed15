//! Dataset formats, augmentation and a deterministic prefetching loader.
//!
//! A dataset is a numbered set of labelled images, as bytes, with a class for the whole image or for each place of it: [`ImageDataset`] holds one in memory, [`fashion_mnist`]
//! and [`mnist`] read one from IDX files, [`LongRange`] composes one, and other sources implement [`Dataset`]. A [`Loader`] turns it into batches of
//! normalised `f32` images, N, H, W, C in memory, for training (shuffled, with an [`Augmentation`]) or for evaluation.
//!
//! What a batch holds depends on the seed, the epoch and the batch's number, and neither on the number of threads nor
//! on where an epoch was resumed: every random draw comes from a stream of its own, see [`pelk_random`].
//!
//! ```
//! use std::sync::Arc;
//! use pelk_data::{Augmentation, ImageDataset, Loader, LoaderConfig, Mode};
//!
//! // Ten grey images of 8 x 8 pixels in two classes.
//! let pixels: Vec<u8> = (0..10 * 8 * 8).map(|i| (i % 251) as u8).collect();
//! let labels: Vec<u32> = (0..10).map(|i| i % 2).collect();
//! let classes = vec!["even".to_owned(), "odd".to_owned()];
//! let dataset = Arc::new(ImageDataset::new("an example", [8, 8, 1], pixels, labels, classes)?);
//!
//! let augmentation = Some(Augmentation { crop_padding: 2, ..Augmentation::default() });
//! let mode = Mode::Training { seed: 1, epoch: 0, augmentation, drop_last: true };
//! let config = LoaderConfig::new(4, mode, dataset.statistics().clone());
//! assert_eq!(config.plan(dataset.len())?.steps(), 2);
//!
//! for batch in Loader::new(dataset, config)? {
//!     let batch = batch?;
//!     assert_eq!(batch.images.dim(), (4, 8, 8, 1));
//!     assert!(batch.labels.iter().zip(&batch.indices).all(|(&label, &i)| label as usize == i % 2));
//! }
//! # Ok::<(), pelk_data::DataError>(())
//! ```
#![forbid(unsafe_code)]

mod augment;
mod batch;
mod canvas;
mod dataset;
mod error;
pub mod idx;
mod loader;
mod long_range;
mod mnist;
mod normalise;
mod prefetch;
mod steps;

pub use augment::Augmentation;
pub use batch::{Batch, Plan, steps_per_epoch};
pub use dataset::{Dataset, ImageDataset, NO_GROUP, Sample};
pub use error::DataError;
pub use loader::{Loader, LoaderConfig, Mode};
pub use long_range::LongRange;
pub use mnist::{Split, fashion_mnist, load, mnist};
pub use normalise::Normalisation;
pub use steps::{Fill, Padding, Pixel};
