//! Random changes to training images that keep their class, or move the labels of their pixels or their
//! objects along.

mod apply;
mod color_jitter;
mod config;
mod multiscale;
mod operations;
mod photometric;
mod pixels;
mod rand_augment;
mod resized_crop;
mod steps;
mod validate;
mod warp;
mod working;

pub use config::Augmentation;
pub use multiscale::Multiscale;
pub use rand_augment::RandAugment;
pub use resized_crop::ResizedCrop;
pub use steps::{Fill, Padding};
pub use working::Augmented;
