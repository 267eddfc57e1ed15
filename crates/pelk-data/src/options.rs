//! How the files of a dataset are opened.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to do with the EXIF orientation that cameras record in images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Exif {
    /// Read the pixels as they are stored, as torchvision does.
    #[default]
    Ignore,
    /// Turn images upright.
    Apply,
}

/// How the files of a dataset are opened: the same settings for every reader of files. A reader ignores what
/// does not apply to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// Whether to read all images of a folder that is not divided into training and test images, instead of
    /// holding a fifth out. This also opens a folder that has only training or only test images: both splits
    /// are then its images. [`image_folder`](crate::image_folder), [`imagenet_1k`](crate::imagenet_1k),
    /// [`coco`](crate::coco()) and [`coco_instances`](crate::coco_instances) use it.
    pub whole: bool,
    /// The annotation files of a set in COCO's format, instead of those that its folder has under the usual
    /// names: one, of whose images a fifth is held out as the test set, or one for training and one for
    /// testing. A file that is not found is looked for in the folder. [`coco`](crate::coco()) and
    /// [`coco_instances`](crate::coco_instances) use it.
    pub annotations: Vec<PathBuf>,
    /// Whether to turn images upright as their EXIF orientation says. Masks of the stored size are turned
    /// with them; masks of the upright size, if that is another, are for the upright images. Annotations of
    /// [`coco`](crate::coco()) and [`coco_instances`](crate::coco_instances) are turned if only the stored
    /// image has the size that they say; otherwise they are for the upright images, because programs that
    /// annotate show them upright.
    pub exif: Exif,
    /// Whether to go on after a fault in a folder's layout that leaves the rest of it usable, such as a class
    /// without images: for reports on all faults at once. [`Dataset::faults`](crate::Dataset::faults) lists
    /// them. [`image_folder`](crate::image_folder), [`imagenet_1k`](crate::imagenet_1k),
    /// [`mask_folder`](crate::mask_folder) and [`ade20k`](crate::ade20k) use it.
    pub lenient: bool,
}
