//! Datasets, from their files to batches.

mod damaged_annotations;
mod exif;
mod fashion_mnist;
mod objects;
mod segmentation;
