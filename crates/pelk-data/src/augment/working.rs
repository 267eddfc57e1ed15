//! A sample during and after an augmentation.

use super::pixels::Pixels;
use super::steps::{Padding, extend, flip, shift};
use crate::resize::View;
use crate::{IGNORED, Labeling, NO_GROUP, Normalization, Object, Rectangle, Sample};

/// A sample as a network gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Augmented {
    /// Height and width of the image, in pixels.
    pub size: [usize; 2],
    /// The normalized pixels, height x width x channels, row-major.
    pub pixels: Vec<f32>,
    /// The labels, a map of [`Labeling::size`], row-major; or [`IGNORED`].
    pub labels: Vec<u32>,
    /// The group of each label, if the dataset has groups, or [`NO_GROUP`].
    pub groups: Vec<u8>,
    /// The objects that are still visible.
    pub objects: Vec<Object>,
}

/// A sample between two steps. Each step moves pixels, labels, groups and objects together.
pub(super) struct Working {
    /// Height and width of the image, in pixels.
    pub size: [usize; 2],
    pub pixels: Pixels,
    labels: Vec<u32>,
    groups: Vec<u8>,
    objects: Vec<Object>,
    labeling: Labeling,
    channels: usize,
}

impl Working {
    /// The part of a sample that `view` shows.
    pub fn seen(view: &View, sample: &Sample<'_>, labeling: Labeling, channels: usize) -> Self {
        let (labels, groups) = match labeling {
            Labeling::Pixels { stride: 1 } => {
                let groups = &sample.groups;
                (view.nearest(&sample.labels), if groups.is_empty() { vec![] } else { view.nearest(groups) })
            }
            // These are neither scaled nor cropped, see `validate_for`.
            _ => (sample.labels.to_vec(), sample.groups.to_vec()),
        };
        let objects = sample.objects.iter().filter_map(|object| object.seen(view)).collect();
        let size = [view.part.height, view.part.width];
        let pixels = Pixels::seen(view, &sample.pixels, channels);
        Self { size, pixels, labels, groups, objects, labeling, channels }
    }

    /// A sample unchanged.
    pub fn whole(sample: &Sample<'_>, labeling: Labeling, channels: usize) -> Self {
        let whole = Rectangle::whole(sample.size);
        Self::seen(&View { from: sample.size, to: sample.size, part: whole }, sample, labeling, channels)
    }

    /// Leaves what `view` shows of the image and its objects. Values are rounded to bytes before. Only for
    /// [`Labeling::Objects`].
    pub fn see(&mut self, view: &View) {
        let bytes = std::mem::replace(&mut self.pixels, Pixels::Bytes(Vec::new())).into_bytes();
        self.pixels = Pixels::seen(view, &bytes, self.channels);
        self.size = [view.part.height, view.part.width];
        self.objects = self.objects.iter().filter_map(|object| object.seen(view)).collect();
    }

    /// Height, width and channels of the image.
    pub fn shape(&self) -> [usize; 3] {
        [self.size[0], self.size[1], self.channels]
    }

    /// Takes the window of the same size that starts at `corner` of the image padded by `pad` on all sides.
    pub fn shift(&mut self, padding: Padding, pad: usize, corner: [usize; 2]) {
        self.pixels = self.pixels.shifted(self.shape(), padding, pad, corner);
        if self.labeling == Labeling::Image {
            return;
        }
        let map = [self.size[0], self.size[1], 1];
        self.labels = shift(&self.labels, map, padding, pad, corner, IGNORED);
        if !self.groups.is_empty() {
            self.groups = shift(&self.groups, map, padding, pad, corner, NO_GROUP);
        }
    }

    /// Swaps left and right.
    pub fn flip(&mut self) {
        self.pixels.flip(self.shape());
        self.objects.iter_mut().for_each(|object| *object = object.flipped());
        if self.labeling != Labeling::Objects {
            let [rows, columns] = self.labeling.size(self.size);
            flip([rows, columns, 1], &mut self.labels);
            flip([rows, columns, 1], &mut self.groups);
        }
    }

    /// Normalizes the image, and adds the mean color and ignored labels below and to the right up to the size
    /// `to`.
    pub fn finish(self, normalization: &Normalization, to: [usize; 2]) -> Augmented {
        let (shape, map) = (self.shape(), [self.size[0], self.size[1], 1]);
        let Self { size, pixels, mut labels, mut groups, objects, labeling, .. } = self;
        let pixels = extend(pixels.normalized(normalization), shape, to, 0.0);
        if matches!(labeling, Labeling::Pixels { .. }) && to != size {
            labels = extend(labels, map, to, IGNORED);
            if !groups.is_empty() {
                groups = extend(groups, map, to, NO_GROUP);
            }
        }
        Augmented { size: to, pixels, labels, groups, objects }
    }
}
