//! Random changes to training images that keep their class, or move the classes of their places along.

mod apply;
mod photometric;
mod steps;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::resize::scaled_size;
use crate::{DataError, Labelling};

pub use apply::Augmented;
pub use steps::{Fill, Padding};

/// The longest side that images may be scaled to, in pixels, so that the sizes of what is allocated cannot overflow.
const LONGEST: usize = 1 << 15;
/// The largest factor by which images may be scaled.
const LARGEST_SCALE: f64 = 16.0;

/// Which random changes an image undergoes, in the order of the fields; labels of places and their groups move along.
///
/// The default is the customary treatment of 28 x 28 and 32 x 32 images (crops from a padding of 4, as in the Random
/// Erasing authors' script for Fashion-MNIST, and flips) with the random erasing of ConvNeXt's recipe; it is not tuned
/// further. The first four fields and `photometric` are those of MMSegmentation's recipes. A further augmentation is a
/// field here, a function in a file beside this one and a line in [`Augmentation::apply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// The longest and the shortest side of an image, in pixels: it is scaled, keeping its ratio, to the largest size
    /// that exceeds neither. \[0, 0\] leaves the size alone. Default \[0, 0\].
    pub fit: [usize; 2],
    /// The least and the largest factor, one is drawn uniformly, by which both numbers of `fit`, or without it the
    /// image's own sides, are multiplied before the image is scaled to them; wants `crop_size` if it is not 1. Default
    /// \[1, 1\].
    pub scale: [f64; 2],
    /// The side of the square cut out at a random place, in pixels; where the image ends before it, the mean colour and
    /// ignored labels are added below and to the right, in the end. 0 for the whole image. Default 0.
    pub crop_size: usize,
    /// The largest share that one class may have of a square's labels that are not ignored, above 0 and up to 1: squares
    /// with more of it, or with a single class, are drawn again, up to ten times in all. 1 takes the first. Default 1.
    pub crop_max_share: f64,
    /// The crop of the image's own size is taken anywhere in the image padded by this many pixels on all sides; 0 for
    /// no crop. Below the image's height and width, and 0 with `crop_size`. Default 4.
    pub crop_padding: usize,
    /// What the padding shows: `zero` (black, with ignored labels) or `reflect`. Default `zero`.
    pub padding: Padding,
    /// The probability of swapping left and right, 0 to 1. Default 0.5.
    pub flip_probability: f64,
    /// Whether brightness, contrast, saturation and hue change, each with probability 0.5, by up to 32/255, by factors of
    /// 0.5 to 1.5 (contrast and saturation) and by a tenth of a turn. Default no.
    pub photometric: bool,
    /// The probability of erasing a rectangle, 0 to 1; labels stay. Default 0.25.
    pub erasing_probability: f64,
    /// The least and the largest share of the image that the rectangle covers, above 0 and up to 1. Default 0.02 and
    /// 1/3, as timm.
    pub erasing_area: [f64; 2],
    /// The rectangle's least height over width and least width over height, above 0 and up to 1. Default 0.3.
    pub erasing_min_aspect: f64,
    /// What the rectangle shows: `constant` (the mean colour) or `pixel` (noise). Default `pixel`.
    pub erasing_fill: Fill,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            fit: [0, 0],
            scale: [1.0, 1.0],
            crop_size: 0,
            crop_max_share: 1.0,
            crop_padding: 4,
            padding: Padding::Zero,
            flip_probability: 0.5,
            photometric: false,
            erasing_probability: 0.25,
            erasing_area: [0.02, 1.0 / 3.0],
            erasing_min_aspect: 0.3,
            erasing_fill: Fill::Pixel,
        }
    }
}

impl Augmentation {
    /// The augmentation that changes nothing: every step is off.
    pub fn none() -> Self {
        Self { crop_padding: 0, flip_probability: 0.0, erasing_probability: 0.0, ..Self::default() }
    }

    /// Checks the ranges of the fields, without regard to any dataset.
    ///
    /// # Errors
    /// [`DataError::Config`] naming the field.
    pub fn validate(&self) -> Result<(), DataError> {
        let [long, short] = self.fit;
        if self.fit != [0, 0] && !(1 <= short && short <= long && long <= LONGEST) {
            let expected = format!("two sides, the longest first, from 1 to {LONGEST} pixels, or [0, 0]");
            return Err(DataError::config("fit", self.fit, expected));
        }
        let [least, largest] = self.scale;
        if !(least > 0.0 && least <= largest && largest <= LARGEST_SCALE) {
            let expected = format!("two factors above 0 and up to {LARGEST_SCALE}, the smaller first");
            return Err(DataError::config("scale", self.scale, expected));
        }
        if self.crop_size > LONGEST {
            return Err(DataError::config("crop_size", self.crop_size, format!("at most {LONGEST}")));
        }
        if self.scale != [1.0, 1.0] && self.crop_size == 0 {
            let expected = "at least 1 with `scale`: the images of a batch have one size";
            return Err(DataError::config("crop_size", self.crop_size, expected));
        }
        if !(self.crop_max_share > 0.0 && self.crop_max_share <= 1.0) {
            let expected = "a share above 0 and up to 1";
            return Err(DataError::config("crop_max_share", self.crop_max_share, expected));
        }
        if self.crop_max_share < 1.0 && self.crop_size == 0 {
            let expected = "1 without `crop_size`, which it chooses among";
            return Err(DataError::config("crop_max_share", self.crop_max_share, expected));
        }
        if self.crop_size > 0 && self.crop_padding > 0 {
            let expected = "0 with `crop_size`, which moves the image already";
            return Err(DataError::config("crop_padding", self.crop_padding, expected));
        }
        for (field, probability) in
            [("flip_probability", self.flip_probability), ("erasing_probability", self.erasing_probability)]
        {
            if !(0.0..=1.0).contains(&probability) {
                return Err(DataError::config(field, probability, "a probability, 0 to 1"));
            }
        }
        let [least, largest] = self.erasing_area;
        if !(least > 0.0 && least <= largest && largest <= 1.0) {
            let expected = "two shares of the image, above 0 and up to 1, the smaller first";
            return Err(DataError::config("erasing_area", self.erasing_area, expected));
        }
        if !(self.erasing_min_aspect > 0.0 && self.erasing_min_aspect <= 1.0) {
            let expected = "a ratio above 0 and up to 1";
            return Err(DataError::config("erasing_min_aspect", self.erasing_min_aspect, expected));
        }
        Ok(())
    }

    /// Checks the fields for the training images of a dataset, of this height and width (none where images differ in
    /// them), channels and labelling.
    ///
    /// # Errors
    /// [`DataError::Config`] naming the field.
    pub fn validate_for(
        &self,
        image_size: Option<[usize; 2]>,
        channels: usize,
        labelling: Labelling,
    ) -> Result<(), DataError> {
        self.validate()?;
        if let Labelling::Places { stride } = labelling
            && stride != 1
        {
            self.validate_stride(stride, image_size)?;
        }
        if labelling == Labelling::Image && self.crop_max_share < 1.0 {
            let expected = "1 for this dataset, whose images have one class each";
            return Err(DataError::config("crop_max_share", self.crop_max_share, expected));
        }
        if self.photometric && channels != 1 && channels != 3 {
            let expected =
                format!("false for images of {channels} channels: it knows grey and colour, 1 or 3");
            return Err(DataError::config("photometric", self.photometric, expected));
        }
        let Some([height, width]) = self.output_size(image_size) else {
            let expected = "at least 1: the images of this dataset differ in size, those of a batch must not";
            return Err(DataError::config("crop_size", self.crop_size, expected));
        };
        if self.crop_padding >= height.min(width) {
            let expected = format!("below the height and width of the images, {height} x {width}");
            return Err(DataError::config("crop_padding", self.crop_padding, expected));
        }
        Ok(())
    }

    /// Refuses what would move pixels to other places than the labels of squares of `stride` pixels.
    fn validate_stride(&self, stride: usize, image_size: Option<[usize; 2]>) -> Result<(), DataError> {
        let why = |off: &str| {
            format!("{off} for this dataset: it would move pixels away from the labels of their places")
        };
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
        let whole = image_size.is_some_and(|[_, width]| width % stride == 0);
        if self.flip_probability > 0.0 && !whole {
            return Err(DataError::config("flip_probability", self.flip_probability, why("0")));
        }
        Ok(())
    }

    /// Height and width of images of `image_size` (none where they differ) after the augmentation; none where these
    /// differ from image to image.
    pub fn output_size(&self, image_size: Option<[usize; 2]>) -> Option<[usize; 2]> {
        match self.crop_size {
            0 if self.scale != [1.0, 1.0] => None,
            0 => image_size.map(|size| self.scaled(size, 1.0)),
            side => Some([side; 2]),
        }
    }

    fn scaled(&self, size: [usize; 2], factor: f64) -> [usize; 2] {
        scaled_size(size, self.fit, factor)
    }
}

/// Whether an event of this probability happens; one draw, whatever the probability.
fn happens(rng: &mut impl Rng, probability: f64) -> bool {
    rng.random::<f64>() < probability
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Option<[usize; 2]> = Some([6, 5]);
    const PIXELS: Labelling = Labelling::Places { stride: 1 };

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
        assert!(none().validate_for(Some([1, 1]), 2, Labelling::Image).is_ok());
        assert!(base().validate_for(SIZE, 2, Labelling::Image).is_ok());
    }

    #[test]
    fn what_does_not_suit_a_dataset_is_named() {
        let text = |augmentation: Augmentation, size, channels, labelling| {
            augmentation.validate_for(size, channels, labelling).unwrap_err().to_string()
        };
        let none = Augmentation::none;
        let crop = Augmentation { crop_size: 4, crop_max_share: 0.75, ..none() };
        assert!(crop.validate_for(None, 3, PIXELS).is_ok());
        assert!(text(crop, SIZE, 3, Labelling::Image).starts_with("crop_max_share is 0.75, but must be 1"));
        assert!(
            text(none(), None, 3, PIXELS).starts_with("crop_size is 0, but must be at least 1: the images")
        );
        let photometric = Augmentation { photometric: true, ..none() };
        assert!(photometric.validate_for(SIZE, 1, PIXELS).is_ok());
        assert!(text(photometric, SIZE, 2, PIXELS).starts_with("photometric is true, but must be false"));
        let small = Augmentation { fit: [8, 4], crop_padding: 4, ..none() };
        assert!(text(small, Some([200, 300]), 3, PIXELS).ends_with("images, 4 x 6"));

        let cells = Labelling::Places { stride: 2 };
        for (augmentation, expected) in [
            (Augmentation { fit: [8, 8], ..none() }, "fit is [8, 8], but must be [0, 0]"),
            (Augmentation { scale: [0.5, 1.0], crop_size: 4, ..none() }, "scale is [0.5, 1.0]"),
            (Augmentation { crop_size: 4, ..none() }, "crop_size is 4, but must be 0"),
            (Augmentation { crop_padding: 1, ..none() }, "crop_padding is 1, but must be 0"),
            (Augmentation { flip_probability: 0.5, ..none() }, "flip_probability is 0.5, but must be 0"),
        ] {
            let error = text(augmentation, SIZE, 3, cells);
            assert!(error.starts_with(expected) && error.contains("labels of their places"), "{error}");
        }
        let flip = Augmentation { flip_probability: 0.5, erasing_probability: 1.0, ..none() };
        assert!(flip.validate_for(Some([6, 4]), 3, cells).is_ok(), "columns of whole squares");
    }

    #[test]
    fn sizes_are_those_of_the_published_recipe() {
        let size = |fit, image| Augmentation { fit, ..Augmentation::none() }.output_size(Some(image));
        assert_eq!(size([2048, 512], [512, 683]), Some([512, 683]));
        assert_eq!(size([2048, 512], [683, 512]), Some([683, 512]));
        assert_eq!(size([2048, 512], [1024, 1366]), Some([512, 683]));
        assert_eq!(size([2048, 512], [100, 1000]), Some([205, 2048]));
        assert_eq!(size([0, 0], [7, 5]), Some([7, 5]));
        assert_eq!(size([10, 10], [1, 1000]), Some([1, 10]), "no side vanishes");
        let random = Augmentation { scale: [0.5, 2.0], fit: [2048, 512], ..Augmentation::none() };
        assert_eq!(random.scaled([512, 683], 0.5), [256, 342]);
        assert_eq!(random.scaled([512, 683], 0.75 + 1e-4), [384, 512], "long and short are cut first");
        assert_eq!((random.output_size(Some([512, 683])), random.output_size(None)), (None, None));
        let cropped = Augmentation { crop_size: 512, ..random };
        assert_eq!(cropped.output_size(None), Some([512, 512]));
    }

    #[test]
    fn configurations_are_read_strictly() {
        let read = |text: &str| toml::from_str::<Augmentation>(text);
        assert_eq!(read("").unwrap(), Augmentation::default());
        let expected =
            Augmentation { padding: Padding::Reflect, flip_probability: 0.0, ..Default::default() };
        assert_eq!(read("padding = 'reflect'\nflip_probability = 0").unwrap(), expected);
        assert_eq!(read(&toml::to_string(&expected).unwrap()).unwrap(), expected);
        assert_eq!(read("fit = [2048, 512]\nphotometric = true").unwrap().fit, [2048, 512]);
        assert!(read("flip = 0.5").unwrap_err().to_string().contains("unknown field `flip`"));
        assert!(read("erasing_fill = 'red'").unwrap_err().to_string().contains("`constant` or `pixel`"));
    }
}
