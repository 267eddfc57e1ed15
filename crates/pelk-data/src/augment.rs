//! Random changes to training images that keep their class.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::steps::{Fill, Padding, Pixel, Rectangle, crop, erase, flip};
use crate::{DataError, Normalisation};

/// Which random changes an image undergoes, in the order of the fields.
///
/// The default is the customary treatment of 28 x 28 and 32 x 32 images (crops from a padding of 4, as in the Random
/// Erasing authors' script for Fashion-MNIST, and flips) with the random erasing of ConvNeXt's recipe; it is not tuned
/// further. A further augmentation is a field here, a function in `steps.rs` and a line in [`Augmentation::apply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// The crop of the image's own size is taken anywhere in the image padded by this many pixels on all sides; 0 for
    /// no crop. Below the image's height and width. Default 4.
    pub crop_padding: usize,
    /// What the padding shows: `zero` (black) or `reflect`. Default `zero`.
    pub padding: Padding,
    /// The probability of swapping left and right, 0 to 1. Default 0.5.
    pub flip_probability: f64,
    /// The probability of erasing a rectangle, 0 to 1. Default 0.25.
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
            crop_padding: 4,
            padding: Padding::Zero,
            flip_probability: 0.5,
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

    /// Checks the ranges of the fields, without regard to any image's size.
    ///
    /// # Errors
    /// [`DataError::Config`] naming the field.
    pub fn validate(&self) -> Result<(), DataError> {
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

    /// Checks the fields for images of `shape` (height, width, channels) whose labels have `label_size` (rows, columns).
    ///
    /// # Errors
    /// [`DataError::Config`] naming the field.
    pub fn validate_for(
        &self,
        [height, width, _]: [usize; 3],
        label_size: [usize; 2],
    ) -> Result<(), DataError> {
        self.validate()?;
        if label_size != [1, 1] {
            let expected = "0 for this dataset: it would move pixels away from the labels of their places";
            if self.crop_padding > 0 {
                return Err(DataError::config("crop_padding", self.crop_padding, expected));
            }
            if self.flip_probability > 0.0 {
                return Err(DataError::config("flip_probability", self.flip_probability, expected));
            }
        }
        if self.crop_padding >= height.min(width) {
            let expected = format!("below the height and width of the images, {height} x {width}");
            return Err(DataError::config("crop_padding", self.crop_padding, expected));
        }
        Ok(())
    }

    /// Writes the changed and normalised image to `out`.
    ///
    /// `image` and `out` are height x width x channels (`shape`), row-major; bytes, or `f32` in 0..1. All that is
    /// random comes from `rng`, in the loader the stream of this sample in this epoch.
    ///
    /// # Panics
    /// When the lengths do not fit `shape`, or [`Augmentation::validate_for`] refuses `shape`.
    pub fn apply<P: Pixel>(
        &self,
        rng: &mut impl Rng,
        image: &[P],
        shape: [usize; 3],
        normalisation: &Normalisation,
        out: &mut [f32],
    ) {
        let size = shape.iter().product::<usize>();
        assert!(image.len() == size && out.len() == size, "image and output have the size of {shape:?}");

        // On pixels in 0..1:
        let corner = [(); 2].map(|()| rng.random_range(0..=2 * self.crop_padding));
        crop(image, shape, self.padding, self.crop_padding, corner, out);
        if happens(rng, self.flip_probability) {
            flip(shape, out);
        }
        normalisation.apply(out);
        // On normalised pixels:
        if happens(rng, self.erasing_probability) {
            let [height, width, _] = shape;
            let drawn = Rectangle::draw(rng, height, width, self.erasing_area, self.erasing_min_aspect);
            if let Some(rectangle) = drawn {
                erase(rng, shape, rectangle, self.erasing_fill, out);
            }
        }
    }
}

fn happens(rng: &mut impl Rng, probability: f64) -> bool {
    rng.random::<f64>() < probability
}

#[cfg(test)]
mod tests {
    use pelk_random::{Purpose, stream};

    use super::*;

    const SHAPE: [usize; 3] = [6, 5, 2];

    fn image() -> Vec<u8> {
        (0..60).map(|i| 4 * i + 1).collect()
    }

    fn apply(augmentation: &Augmentation, seed: u64, epoch: u64, index: u64) -> Vec<f32> {
        let mut out = vec![f32::NAN; 60];
        let mut rng = stream(seed, Purpose::Augment, epoch, index);
        augmentation.apply(&mut rng, &image(), SHAPE, &Normalisation::identity(2), &mut out);
        out
    }

    #[test]
    fn none_only_normalises() {
        let normalisation = Normalisation { mean: vec![0.5, 0.25], std: vec![0.5, 2.0] };
        let mut out = vec![f32::NAN; 60];
        let mut rng = stream(0, Purpose::Augment, 0, 0);
        Augmentation::none().apply(&mut rng, &image(), SHAPE, &normalisation, &mut out);
        for (i, (&value, &byte)) in out.iter().zip(&image()).enumerate() {
            let channel = i % 2;
            assert_eq!(
                value,
                (f32::from(byte) / 255.0 - normalisation.mean[channel]) / normalisation.std[channel]
            );
        }
    }

    #[test]
    fn bytes_and_floats_give_the_same() {
        let floats: Vec<f32> = image().iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let mut out = vec![f32::NAN; 60];
        let mut rng = stream(1, Purpose::Augment, 2, 3);
        Augmentation::default().apply(&mut rng, &floats, SHAPE, &Normalisation::identity(2), &mut out);
        assert_eq!(out, apply(&Augmentation::default(), 1, 2, 3));
    }

    #[test]
    fn the_stream_decides_and_nothing_else() {
        let augmentation = Augmentation { erasing_probability: 1.0, ..Augmentation::default() };
        let base = apply(&augmentation, 1, 2, 3);
        assert_eq!(base, apply(&augmentation, 1, 2, 3));
        for other in [(2, 2, 3), (1, 3, 3), (1, 2, 4)] {
            assert_ne!(base, apply(&augmentation, other.0, other.1, other.2));
        }
    }

    #[test]
    fn probabilities_are_kept() {
        let plain = apply(&Augmentation::none(), 0, 0, 0);
        let share = |augmentation: Augmentation| {
            let changed = (0..2000).filter(|&index| apply(&augmentation, 0, 0, index) != plain).count();
            changed as f64 / 2000.0
        };
        assert_eq!(share(Augmentation { flip_probability: 1.0, ..Augmentation::none() }), 1.0);
        let flips = share(Augmentation { flip_probability: 0.3, ..Augmentation::none() });
        let erasures = share(Augmentation { erasing_probability: 0.3, ..Augmentation::none() });
        let crops = share(Augmentation { crop_padding: 1, ..Augmentation::none() });
        // Five standard deviations of 2000 draws are 0.05; of the nine places of the crop one is the image itself.
        assert!((flips - 0.3).abs() < 0.05, "{flips}");
        assert!((erasures - 0.3).abs() < 0.05, "{erasures}");
        assert!((crops - 8.0 / 9.0).abs() < 0.05, "{crops}");
    }

    #[test]
    fn fields_out_of_range_are_named() {
        let base = Augmentation::default;
        for (augmentation, text) in [
            (Augmentation { flip_probability: 1.5, ..base() }, "flip_probability is 1.5"),
            (Augmentation { erasing_probability: f64::NAN, ..base() }, "erasing_probability is NaN"),
            (Augmentation { erasing_area: [0.5, 0.2], ..base() }, "erasing_area is [0.5, 0.2]"),
            (Augmentation { erasing_area: [0.0, 0.2], ..base() }, "erasing_area is [0.0, 0.2]"),
            (Augmentation { erasing_area: [0.1, 1.2], ..base() }, "erasing_area is [0.1, 1.2]"),
            (Augmentation { erasing_min_aspect: 0.0, ..base() }, "erasing_min_aspect is 0.0"),
            (Augmentation { crop_padding: 5, ..base() }, "crop_padding is 5"),
        ] {
            let error = augmentation.validate_for(SHAPE, [1, 1]).unwrap_err().to_string();
            assert!(error.starts_with(text) && error.contains("must be"), "{error}");
        }
        assert!(Augmentation::none().validate_for([1, 1, 1], [1, 1]).is_ok());
        assert!(base().validate_for(SHAPE, [1, 1]).is_ok());
        let error = base().validate_for(SHAPE, [2, 2]).unwrap_err().to_string();
        assert!(error.starts_with("crop_padding is 4, but must be 0"), "{error}");
        let fixed = Augmentation { crop_padding: 0, flip_probability: 0.0, ..base() };
        assert!(fixed.validate_for(SHAPE, [2, 2]).is_ok(), "erasing moves nothing");
    }

    #[test]
    fn configurations_are_read_strictly() {
        let read = |text: &str| toml::from_str::<Augmentation>(text);
        assert_eq!(read("").unwrap(), Augmentation::default());
        let expected =
            Augmentation { padding: Padding::Reflect, flip_probability: 0.0, ..Default::default() };
        assert_eq!(read("padding = 'reflect'\nflip_probability = 0").unwrap(), expected);
        assert_eq!(read(&toml::to_string(&expected).unwrap()).unwrap(), expected);
        assert!(read("flip = 0.5").unwrap_err().to_string().contains("unknown field `flip`"));
        assert!(read("erasing_fill = 'red'").unwrap_err().to_string().contains("`constant` or `pixel`"));
    }
}
