//! How to read an annotation file.

/// What becomes of the segmentations of an annotation file while it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Masks {
    /// They are kept in the form that the file has.
    #[default]
    Keep,
    /// Polygons become runs at once, which take a fraction of the memory.
    Runs,
    /// They are dropped.
    Skip,
}

/// How to read an annotation file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// What becomes of the segmentations.
    pub masks: Masks,
    /// Whether boxes may have a width or height of 0 or less. pycocotools counts such things, which nothing
    /// can match, among those to detect.
    pub allow_empty_boxes: bool,
}
