//! Which random changes training images undergo.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::multiscale::Multiscale;
use super::rand_augment::RandAugment;
use super::resized_crop::ResizedCrop;
use super::steps::{Fill, Padding};
use crate::resize::scaled_size;

/// Random changes to an image, in the order of the fields; labels of pixels, their groups and objects move
/// along.
///
/// The default is the usual recipe for 28 x 28 and 32 x 32 images (crops from a padding of 4, as in the
/// Random Erasing authors' script for Fashion-MNIST, and flips) with the random erasing of ConvNeXt's recipe,
/// not tuned further. `fit` to `crop_max_share` and `photometric` are those of MMSegmentation's recipes,
/// `multiscale` that of MMDetection's; `resized_crop`, `rand_augment` and `color_jitter` are those of
/// ImageNet's; [ConvNeXt](https://arxiv.org/abs/2201.03545) uses the first two of these with a flip and
/// erasing. To add an augmentation: a field here, a function in a file next to this one, a line in
/// [`Augmentation::apply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// A random part of the image, resized to a square; only for labels of images, and instead of `fit`,
    /// `scale`, `crop_size` and `crop_padding`.
    pub resized_crop: Option<ResizedCrop>,
    /// Random sizes and crops of images with objects, after the flip; only for labels of objects, and instead
    /// of `fit`.
    pub multiscale: Option<Multiscale>,
    /// Limits of the longer and the shorter side, in pixels: the image is scaled, keeping its aspect ratio,
    /// to the largest size within both; `[0, 0]` for no scaling.
    pub fit: [usize; 2],
    /// Smallest and largest random factor for `fit`, or without it for the image's own size, above 0 and up
    /// to 16; other than `[1, 1]` it needs `crop_size`.
    pub scale: [f64; 2],
    /// Side of the square crop at a random position, in pixels; smaller images are padded below and on the
    /// right with the mean color and ignored labels; 0 for the whole image.
    pub crop_size: usize,
    /// Largest share of one class among a crop's labels, above 0 and up to 1 (any crop): crops with more, or
    /// with only one class, are drawn again, up to ten times in all.
    pub crop_max_share: f64,
    /// Padding on all sides, in pixels, from which a crop of the image's own size is taken at random; below
    /// the image's height and width, and 0 with `crop_size`.
    pub crop_padding: usize,
    /// What the padding shows: `zero` (black, with ignored labels) or `reflect`.
    pub padding: Padding,
    /// Probability of a horizontal flip, 0 to 1.
    pub flip_probability: f64,
    /// Random brightness (up to 32/255), contrast and saturation (factors of 0.5 to 1.5) and hue (up to 36
    /// degrees), each with probability 0.5.
    pub photometric: bool,
    /// Random changes of random kind and strength, only for labels of images; uncovered pixels get the mean
    /// color.
    pub rand_augment: Option<RandAugment>,
    /// Strength of random brightness, contrast and saturation (factors of 1 plus or minus this), 0 to 1; not
    /// with `rand_augment` or `photometric`, which include them.
    pub color_jitter: f64,
    /// Probability of erasing a rectangle, 0 to 1; labels stay.
    pub erasing_probability: f64,
    /// Smallest and largest share of the image that the rectangle covers, above 0 and up to 1; the defaults
    /// are timm's.
    pub erasing_area: [f64; 2],
    /// Smallest aspect ratio of the rectangle, in either direction, above 0 and up to 1.
    pub erasing_min_aspect: f64,
    /// What the rectangle shows: `constant` (the mean color) or `pixel` (noise).
    pub erasing_fill: Fill,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            resized_crop: None,
            multiscale: None,
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
    /// The augmentation that changes nothing.
    pub fn none() -> Self {
        Self { crop_padding: 0, flip_probability: 0.0, erasing_probability: 0.0, ..Self::default() }
    }

    /// Height and width of images of `image_size` (`None` if they differ in size) after the augmentation;
    /// `None` if these also differ.
    pub fn output_size(&self, image_size: Option<[usize; 2]>) -> Option<[usize; 2]> {
        if let Some(crop) = &self.resized_crop {
            return Some([crop.size; 2]);
        }
        match self.crop_size {
            0 if self.scale != [1.0, 1.0] || self.multiscale.is_some() => None,
            0 => image_size.map(|size| self.scaled(size, 1.0)),
            side => Some([side; 2]),
        }
    }

    pub(super) fn scaled(&self, size: [usize; 2], factor: f64) -> [usize; 2] {
        scaled_size(size, self.fit, factor)
    }
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
