//! Random changes to training images that keep their class, or move the classes of their places along.

mod apply;
mod color_jitter;
mod operations;
mod photometric;
mod pixels;
mod rand_augment;
mod resized_crop;
mod steps;
mod validate;
mod warp;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::resize::scaled_size;

pub use apply::Augmented;
pub use rand_augment::RandAugment;
pub use resized_crop::ResizedCrop;
pub use steps::{Fill, Padding};
pub(crate) use validate::LONGEST;

/// Which random changes an image undergoes, in the order of the fields; labels of places and their groups move along.
///
/// The default is the customary treatment of 28 x 28 and 32 x 32 images (crops from a padding of 4, as in the Random
/// Erasing authors' script for Fashion-MNIST, and flips) with the random erasing of ConvNeXt's recipe; it is not tuned
/// further. `fit` to `crop_max_share` and `photometric` are those of MMSegmentation's recipes; `resized_crop`, `rand_augment`
/// and `color_jitter` those of ImageNet's, of which [ConvNeXt](https://arxiv.org/abs/2201.03545) takes the first two with a flip and
/// the erasing. A further augmentation is a field here, a function in a file beside this one and a line in [`Augmentation::apply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// A part of the image, of random size and shape, resized to a square; for images with one class each, and instead of
    /// `fit`, `scale`, `crop_size` and `crop_padding`. Default none.
    pub resized_crop: Option<ResizedCrop>,
    /// The longest and the shortest side of an image, in pixels: it is scaled, keeping its ratio, to the largest size
    /// that exceeds neither. \[0, 0\] leaves the size alone. Default \[0, 0\].
    pub fit: [usize; 2],
    /// The least and the largest factor, one is drawn uniformly, by which both numbers of `fit`, or without it the
    /// image's own sides, are multiplied before the image is scaled to them; wants `crop_size` if it is not 1. Default
    /// \[1, 1\].
    pub scale: [f64; 2],
    /// The side of the square cut out at a random place, in pixels; where the image ends before it, the mean color and
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
    /// Changes of random kind and strength, for images with one class each; what moves in from outside has the mean color.
    /// Default none.
    pub rand_augment: Option<RandAugment>,
    /// Brightness, contrast and saturation change, in random order, by factors of up to 1 more or less this number, 0 to 1; not
    /// with `rand_augment` or `photometric`, which change them already. Default 0.
    pub color_jitter: f64,
    /// The probability of erasing a rectangle, 0 to 1; labels stay. Default 0.25.
    pub erasing_probability: f64,
    /// The least and the largest share of the image that the rectangle covers, above 0 and up to 1. Default 0.02 and
    /// 1/3, as timm.
    pub erasing_area: [f64; 2],
    /// The rectangle's least height over width and least width over height, above 0 and up to 1. Default 0.3.
    pub erasing_min_aspect: f64,
    /// What the rectangle shows: `constant` (the mean color) or `pixel` (noise). Default `pixel`.
    pub erasing_fill: Fill,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            resized_crop: None,
            fit: [0, 0],
            scale: [1.0, 1.0],
            crop_size: 0,
            crop_max_share: 1.0,
            crop_padding: 4,
            padding: Padding::Zero,
            flip_probability: 0.5,
            photometric: false,
            rand_augment: None,
            color_jitter: 0.0,
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

    /// Height and width of images of `image_size` (none where they differ) after the augmentation; none where these
    /// differ from image to image.
    pub fn output_size(&self, image_size: Option<[usize; 2]>) -> Option<[usize; 2]> {
        if let Some(crop) = &self.resized_crop {
            return Some([crop.size; 2]);
        }
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
        let recipe = read("[resized_crop]\nsize = 64\n[rand_augment]\nmagnitude = 7").unwrap();
        assert_eq!(recipe.resized_crop, Some(ResizedCrop { size: 64, ..ResizedCrop::default() }));
        assert_eq!(recipe.rand_augment, Some(RandAugment { magnitude: 7.0, ..RandAugment::default() }));
        assert_eq!(read(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
        assert_eq!(read("fit = [2048, 512]\nphotometric = true").unwrap().fit, [2048, 512]);
        assert!(read("flip = 0.5").unwrap_err().to_string().contains("unknown field `flip`"));
        assert!(read("erasing_fill = 'red'").unwrap_err().to_string().contains("`constant` or `pixel`"));
    }
}
