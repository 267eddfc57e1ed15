//! Which augmentations make sense, and for which datasets.

use super::config::Augmentation;
use crate::resample::CHANNELS;
use crate::resize::LONGEST;
use crate::{DataError, Labeling};

/// The largest factor by which images may be scaled.
const LARGEST_SCALE: f64 = 16.0;

impl Augmentation {
    /// Checks the ranges of the fields, for any dataset.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field.
    pub fn validate(&self) -> Result<(), DataError> {
        if let Some(crop) = &self.resized_crop {
            crop.validate()?;
            let why =
                |off: &str| format!("{off} with `resized_crop`, which already varies size and position");
            if self.fit != [0, 0] {
                return Err(DataError::config("fit", self.fit, why("[0, 0]")));
            }
            if self.scale != [1.0, 1.0] {
                return Err(DataError::config("scale", self.scale, why("[1, 1]")));
            }
            for (field, pixels) in [("crop_size", self.crop_size), ("crop_padding", self.crop_padding)] {
                if pixels > 0 {
                    return Err(DataError::config(field, pixels, why("0")));
                }
            }
        }
        if let Some(multiscale) = &self.multiscale {
            multiscale.validate()?;
            if self.fit != [0, 0] {
                let expected = "[0, 0] with `multiscale`, which already determines the size";
                return Err(DataError::config("fit", self.fit, expected));
            }
        }
        let [long, short] = self.fit;
        if self.fit != [0, 0] && !(1 <= short && short <= long && long <= LONGEST) {
            let expected = format!("two sides, the longer first, from 1 to {LONGEST} pixels, or [0, 0]");
            return Err(DataError::config("fit", self.fit, expected));
        }
        let [least, largest] = self.scale;
        if !(least > 0.0 && least <= largest && largest <= LARGEST_SCALE) {
            let expected = format!("two factors, the smaller first, above 0 and up to {LARGEST_SCALE}");
            return Err(DataError::config("scale", self.scale, expected));
        }
        if self.crop_size > LONGEST {
            return Err(DataError::config("crop_size", self.crop_size, format!("at most {LONGEST}")));
        }
        if self.scale != [1.0, 1.0] && self.crop_size == 0 {
            let expected = "at least 1 with `scale`: the images of a batch must have one size";
            return Err(DataError::config("crop_size", self.crop_size, expected));
        }
        if !(self.crop_max_share > 0.0 && self.crop_max_share <= 1.0) {
            let expected = "a share above 0 and up to 1";
            return Err(DataError::config("crop_max_share", self.crop_max_share, expected));
        }
        if self.crop_max_share < 1.0 && self.crop_size == 0 {
            let expected = "1 without `crop_size`: it selects crops";
            return Err(DataError::config("crop_max_share", self.crop_max_share, expected));
        }
        if self.crop_size > 0 && self.crop_padding > 0 {
            let expected = "0 with `crop_size`, which already moves the image";
            return Err(DataError::config("crop_padding", self.crop_padding, expected));
        }
        for (field, probability) in
            [("flip_probability", self.flip_probability), ("erasing_probability", self.erasing_probability)]
        {
            if !(0.0..=1.0).contains(&probability) {
                return Err(DataError::config(field, probability, "a probability, 0 to 1"));
            }
        }
        if let Some(rand_augment) = &self.rand_augment {
            rand_augment.validate()?;
        }
        if !(0.0..=1.0).contains(&self.color_jitter) {
            return Err(DataError::config("color_jitter", self.color_jitter, "a strength, 0 to 1"));
        }
        for (field, on) in [("rand_augment", self.rand_augment.is_some()), ("photometric", self.photometric)]
        {
            if on && self.color_jitter > 0.0 {
                let expected =
                    format!("0 with `{field}`, which already changes colors; timm ignores it there");
                return Err(DataError::config("color_jitter", self.color_jitter, expected));
            }
        }
        let [least, largest] = self.erasing_area;
        if !(least > 0.0 && least <= largest && largest <= 1.0) {
            let expected = "two shares of the image, the smaller first, above 0 and up to 1";
            return Err(DataError::config("erasing_area", self.erasing_area, expected));
        }
        if !(self.erasing_min_aspect > 0.0 && self.erasing_min_aspect <= 1.0) {
            let expected = "a ratio above 0 and up to 1";
            return Err(DataError::config("erasing_min_aspect", self.erasing_min_aspect, expected));
        }
        Ok(())
    }

    /// Checks the fields for training images of this height and width (`None` if they differ in size),
    /// channels and labeling.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field.
    pub fn validate_for(
        &self,
        image_size: Option<[usize; 2]>,
        channels: usize,
        labeling: Labeling,
    ) -> Result<(), DataError> {
        self.validate()?;
        if let Labeling::Pixels { stride } = labeling
            && stride != 1
        {
            self.validate_stride(stride, image_size)?;
        }
        if labeling == Labeling::Image && self.crop_max_share < 1.0 {
            let expected = "1 for this dataset, whose images have one class each";
            return Err(DataError::config("crop_max_share", self.crop_max_share, expected));
        }
        let labels = match labeling {
            Labeling::Image => None,
            Labeling::Pixels { .. } => Some("labels per pixel"),
            Labeling::Objects => Some("objects"),
        };
        if let Some(labels) = labels {
            let expected =
                format!("left out for this dataset, which has {labels}: they would not move along");
            if let Some(crop) = &self.resized_crop {
                return Err(DataError::config("resized_crop", crop, expected));
            }
            if let Some(changes) = &self.rand_augment {
                return Err(DataError::config("rand_augment", changes, expected));
            }
        }
        if let Some(crop) = &self.resized_crop
            && !CHANNELS.contains(&channels)
        {
            let expected = format!("left out for images of {channels} channels: it supports {CHANNELS:?}");
            return Err(DataError::config("resized_crop", crop, expected));
        }
        let colors =
            |off: &str| format!("{off} for images of {channels} channels: it supports 1 (gray) and 3 (RGB)");
        if let Some(changes) = &self.rand_augment
            && channels != 1
            && channels != 3
        {
            return Err(DataError::config("rand_augment", changes, colors("left out")));
        }
        if self.color_jitter > 0.0 && channels != 1 && channels != 3 {
            return Err(DataError::config("color_jitter", self.color_jitter, colors("0")));
        }
        if self.photometric && channels != 1 && channels != 3 {
            return Err(DataError::config("photometric", self.photometric, colors("false")));
        }
        if labeling == Labeling::Objects {
            let expected = |off: &str| format!("{off} for this dataset, whose objects `multiscale` resizes");
            // Its images may differ in size.
            return self.refuse_windows(expected);
        }
        if let Some(multiscale) = &self.multiscale {
            let expected = "left out for this dataset, which has no objects";
            return Err(DataError::config("multiscale", multiscale, expected));
        }
        let Some([height, width]) = self.output_size(image_size) else {
            let expected = "at least 1, or `resized_crop` set: images of this dataset differ in size, and \
                            those of a batch must not";
            return Err(DataError::config("crop_size", self.crop_size, expected));
        };
        if self.crop_padding >= height.min(width) {
            let expected = format!("below the height and width of the images, {height} x {width}");
            return Err(DataError::config("crop_padding", self.crop_padding, expected));
        }
        Ok(())
    }

    /// Rejects changes that would move pixels away from the labels of their squares of `stride` pixels.
    fn validate_stride(&self, stride: usize, image_size: Option<[usize; 2]>) -> Result<(), DataError> {
        let why = |off: &str| {
            format!("{off} for this dataset: it would move pixels away from the labels of their squares")
        };
        if self.fit != [0, 0] {
            return Err(DataError::config("fit", self.fit, why("[0, 0]")));
        }
        self.refuse_windows(why)?;
        let whole = image_size.is_some_and(|[_, width]| width % stride == 0);
        if self.flip_probability > 0.0 && !whole {
            return Err(DataError::config("flip_probability", self.flip_probability, why("0")));
        }
        Ok(())
    }

    /// Rejects random sizes and windows of one size; `why` gets the value that turns a field off.
    fn refuse_windows(&self, why: impl Fn(&str) -> String) -> Result<(), DataError> {
        if self.scale != [1.0, 1.0] {
            return Err(DataError::config("scale", self.scale, why("[1, 1]")));
        }
        for (field, pixels) in [("crop_size", self.crop_size), ("crop_padding", self.crop_padding)] {
            if pixels > 0 {
                return Err(DataError::config(field, pixels, why("0")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RandAugment, ResizedCrop};
    use super::*;

    const SIZE: Option<[usize; 2]> = Some([6, 5]);
    const PIXELS: Labeling = Labeling::Pixels { stride: 1 };

    #[test]
    fn fields_out_of_range_are_named() {
        let base = Augmentation::default;
        let none = Augmentation::none;
        for (augmentation, text) in [
            (Augmentation { flip_probability: 1.5, ..base() }, "flip_probability is 1.5"),
            (Augmentation { erasing_probability: f64::NAN, ..base() }, "erasing_probability is NaN"),
            (Augmentation { erasing_area: [0.5, 0.2], ..base() }, "erasing_area is [0.5, 0.2]"),
            (Augmentation { erasing_area: [0.0, 0.2], ..base() }, "erasing_area is [0.0, 0.2]"),
            (Augmentation { erasing_area: [0.1, 1.2], ..base() }, "erasing_area is [0.1, 1.2]"),
            (Augmentation { erasing_min_aspect: 0.0, ..base() }, "erasing_min_aspect is 0.0"),
            (Augmentation { crop_padding: 5, ..base() }, "crop_padding is 5"),
            (Augmentation { crop_size: 8, ..base() }, "crop_padding is 4, but must be 0"),
            (Augmentation { fit: [3, 4], ..none() }, "fit is [3, 4]"),
            (Augmentation { fit: [4, 0], ..none() }, "fit is [4, 0]"),
            (Augmentation { fit: [1 << 16, 4], ..none() }, "fit is [65536, 4]"),
            (Augmentation { scale: [2.0, 1.0], crop_size: 4, ..none() }, "scale is [2.0, 1.0]"),
            (Augmentation { scale: [0.0, 1.0], crop_size: 4, ..none() }, "scale is [0.0, 1.0]"),
            (Augmentation { scale: [1.0, f64::INFINITY], crop_size: 4, ..none() }, "scale is [1.0, inf]"),
            (Augmentation { scale: [0.5, 2.0], ..none() }, "crop_size is 0"),
            (Augmentation { crop_size: 1 << 16, ..none() }, "crop_size is 65536"),
            (Augmentation { crop_max_share: 0.0, crop_size: 4, ..none() }, "crop_max_share is 0.0"),
            (Augmentation { crop_max_share: 0.5, ..none() }, "crop_max_share is 0.5"),
        ] {
            let error = augmentation.validate_for(SIZE, 2, PIXELS).unwrap_err().to_string();
            assert!(error.starts_with(text) && error.contains("must be"), "{error}");
        }
        assert!(none().validate_for(Some([1, 1]), 2, Labeling::Image).is_ok());
        assert!(base().validate_for(SIZE, 2, Labeling::Image).is_ok());
    }

    #[test]
    fn what_does_not_suit_a_dataset_is_named() {
        let text = |augmentation: Augmentation, size, channels, labeling| {
            augmentation.validate_for(size, channels, labeling).unwrap_err().to_string()
        };
        let none = Augmentation::none;
        let crop = Augmentation { crop_size: 4, crop_max_share: 0.75, ..none() };
        assert!(crop.validate_for(None, 3, PIXELS).is_ok());
        assert!(text(crop, SIZE, 3, Labeling::Image).starts_with("crop_max_share is 0.75, but must be 1"));
        assert!(text(none(), None, 3, PIXELS).starts_with("crop_size is 0, but must be at least 1, or"));
        let photometric = Augmentation { photometric: true, ..none() };
        assert!(photometric.validate_for(SIZE, 1, PIXELS).is_ok());
        assert!(text(photometric, SIZE, 2, PIXELS).starts_with("photometric is true, but must be false"));
        let small = Augmentation { fit: [8, 4], crop_padding: 4, ..none() };
        assert!(text(small, Some([200, 300]), 3, PIXELS).ends_with("images, 4 x 6"));

        let cells = Labeling::Pixels { stride: 2 };
        for (augmentation, expected) in [
            (Augmentation { fit: [8, 8], ..none() }, "fit is [8, 8], but must be [0, 0]"),
            (Augmentation { scale: [0.5, 1.0], crop_size: 4, ..none() }, "scale is [0.5, 1.0]"),
            (Augmentation { crop_size: 4, ..none() }, "crop_size is 4, but must be 0"),
            (Augmentation { crop_padding: 1, ..none() }, "crop_padding is 1, but must be 0"),
            (Augmentation { flip_probability: 0.5, ..none() }, "flip_probability is 0.5, but must be 0"),
        ] {
            let error = text(augmentation, SIZE, 3, cells);
            assert!(error.starts_with(expected) && error.contains("labels of their squares"), "{error}");
        }
        let flip = Augmentation { flip_probability: 0.5, erasing_probability: 1.0, ..none() };
        assert!(flip.validate_for(Some([6, 4]), 3, cells).is_ok(), "columns of whole squares");
    }

    #[test]
    fn what_the_recipe_of_imagenet_does_not_go_with_is_named() {
        let recipe = Augmentation {
            resized_crop: Some(ResizedCrop::default()),
            rand_augment: Some(RandAugment::default()),
            ..Augmentation::none()
        };
        let base = || recipe.clone();
        let crop = |crop| Augmentation { resized_crop: Some(crop), ..base() };
        let changes = |changes| Augmentation { rand_augment: Some(changes), ..base() };
        let (part, rand) = (ResizedCrop::default, RandAugment::default);
        for size in [SIZE, None, Some([1, 9000])] {
            assert!(base().validate_for(size, 3, Labeling::Image).is_ok());
            assert_eq!(base().output_size(size), Some([224, 224]));
        }
        for (augmentation, text) in [
            (Augmentation { fit: [4, 4], ..base() }, "fit is [4, 4], but must be [0, 0] with `resized_crop`"),
            (Augmentation { scale: [0.5, 1.0], ..base() }, "scale is [0.5, 1.0], but must be [1, 1] with"),
            (Augmentation { crop_size: 4, ..base() }, "crop_size is 4, but must be 0 with `resized_crop`"),
            (
                Augmentation { crop_padding: 4, ..base() },
                "crop_padding is 4, but must be 0 with `resized_crop`",
            ),
            (
                Augmentation { color_jitter: 0.4, ..base() },
                "color_jitter is 0.4, but must be 0 with `rand_augment`",
            ),
            (crop(ResizedCrop { size: 0, ..part() }), "resized_crop.size is 0"),
            (crop(ResizedCrop { scale: [0.0, 1.0], ..part() }), "resized_crop.scale is [0.0, 1.0]"),
            (crop(ResizedCrop { scale: [0.5, 1.1], ..part() }), "resized_crop.scale is [0.5, 1.1]"),
            (crop(ResizedCrop { ratio: [2.0, 1.0], ..part() }), "resized_crop.ratio is [2.0, 1.0]"),
            (crop(ResizedCrop { ratio: [0.0, 1.0], ..part() }), "resized_crop.ratio is [0.0, 1.0]"),
            (changes(RandAugment { magnitude: 10.5, ..rand() }), "rand_augment.magnitude is 10.5"),
            (changes(RandAugment { deviation: f64::NAN, ..rand() }), "rand_augment.deviation is NaN"),
            (changes(RandAugment { layers: 11, ..rand() }), "rand_augment.layers is 11"),
            (changes(RandAugment { probability: -0.5, ..rand() }), "rand_augment.probability is -0.5"),
        ] {
            let error = augmentation.validate_for(SIZE, 3, Labeling::Image).unwrap_err().to_string();
            assert!(error.starts_with(text) && error.contains("must be"), "{error}");
        }
        let text = |augmentation: Augmentation, channels, labeling| {
            augmentation.validate_for(SIZE, channels, labeling).unwrap_err().to_string()
        };
        assert!(text(base(), 3, PIXELS).starts_with("resized_crop is"));
        assert!(
            text(Augmentation { resized_crop: None, ..base() }, 3, PIXELS).starts_with("rand_augment is")
        );
        assert!(text(base(), 2, Labeling::Image).starts_with("rand_augment is"));
        assert!(text(base(), 5, Labeling::Image).starts_with("resized_crop is"));
        let jitter = Augmentation { color_jitter: 0.4, ..Augmentation::none() };
        assert!(jitter.validate_for(SIZE, 3, PIXELS).is_ok(), "colors may change if pixels have labels");
        assert!(
            text(jitter.clone(), 4, PIXELS).starts_with("color_jitter is 0.4, but must be 0 for images of 4")
        );
        let twice = Augmentation { photometric: true, ..jitter };
        assert!(text(twice, 3, PIXELS).starts_with("color_jitter is 0.4, but must be 0 with `photometric`"));
    }
}
