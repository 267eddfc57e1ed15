//! How the files of a dataset are opened.

/// How the files of a dataset are opened: the same settings for every reader of files. A reader ignores what
/// does not apply to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// Whether to read all images of a folder that is not divided into training and test images, instead of
    /// holding a fifth out. This also opens a folder that has only training or only test images: both splits
    /// are then its images. [`image_folder`](crate::image_folder) and [`imagenet_1k`](crate::imagenet_1k)
    /// use it.
    pub whole: bool,
}
