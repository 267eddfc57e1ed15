//! Random sizes and crops of images with objects.

use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::steps::happens;
use crate::resize::{LONGEST, View, scaled_size};
use crate::{DataError, Rectangle};

/// Random sizes of images with objects, the aspect ratio kept: the recipe of DETR, as MMDetection's
/// configurations have it.
///
/// An image is resized so that its shorter side is one of `short`, unless the longer side would exceed
/// `long`. With `crop_probability` it is first resized to one of `crop_short` and cut to a random part of
/// random height and width. Boxes are clipped to the part; objects whose box is outside are dropped, and a
/// part without objects is used.
///
/// MMDetection resizes with OpenCV, whose pixels and masks differ a little. Its bilinear weights are rounded
/// to 1/2048, and its results to bytes, as here only between the two resizes of a crop. A pixel of its masks
/// is the one under its top left corner, `floor(i * from / to)`; here it is the one under its center.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Multiscale {
    /// Largest length of the longer side, in pixels, up to 32768.
    pub long: usize,
    /// Lengths of the shorter side, in pixels, one of which is chosen at random, each at most `long`.
    pub short: Vec<usize>,
    /// Probability of a random crop, 0 to 1.
    pub crop_probability: f64,
    /// Lengths of the shorter side before a crop, as `short`.
    pub crop_short: Vec<usize>,
    /// Smallest and largest height and width of a crop, in pixels; a shorter side of the image is kept whole.
    pub crop_sides: [usize; 2],
}

impl Default for Multiscale {
    fn default() -> Self {
        Self {
            long: 1333,
            short: (480..=800).step_by(32).collect(),
            crop_probability: 0.5,
            crop_short: vec![400, 500, 600],
            crop_sides: [384, 600],
        }
    }
}

impl Multiscale {
    pub(super) fn validate(&self) -> Result<(), DataError> {
        if !(1..=LONGEST).contains(&self.long) {
            return Err(DataError::config("multiscale.long", self.long, format!("1 to {LONGEST} pixels")));
        }
        for (field, sides) in [("multiscale.short", &self.short), ("multiscale.crop_short", &self.crop_short)]
        {
            if sides.is_empty() || !sides.iter().all(|side| (1..=self.long).contains(side)) {
                let expected = format!("one or more lengths, each from 1 to `long`, {}", self.long);
                return Err(DataError::config(field, sides, expected));
            }
        }
        if !(0.0..=1.0).contains(&self.crop_probability) {
            let expected = "a probability, 0 to 1";
            return Err(DataError::config("multiscale.crop_probability", self.crop_probability, expected));
        }
        let [least, largest] = self.crop_sides;
        if !(1 <= least && least <= largest) {
            let expected = "two lengths of at least 1, the smaller first";
            return Err(DataError::config("multiscale.crop_sides", self.crop_sides, expected));
        }
        Ok(())
    }

    /// The one or two views, one after the other, that lead from an image of this size to the network's.
    pub(super) fn draw(&self, rng: &mut impl Rng, mut size: [usize; 2]) -> Vec<View> {
        let mut views = Vec::with_capacity(2);
        if happens(rng, self.crop_probability) {
            let to = self.resized(rng, size, &self.crop_short);
            let [least, largest] = self.crop_sides;
            let [height, width] = to.map(|side| rng.random_range(least.min(side)..=largest.min(side)));
            let [top, left] = [to[0] - height, to[1] - width].map(|rest| rng.random_range(0..=rest));
            views.push(View { from: size, to, part: Rectangle { top, left, height, width } });
            size = [height, width];
        }
        let to = self.resized(rng, size, &self.short);
        views.push(View { from: size, to, part: Rectangle::whole(to) });
        views
    }

    /// The size of an image after a resize to one of these shorter sides.
    fn resized(&self, rng: &mut impl Rng, size: [usize; 2], short: &[usize]) -> [usize; 2] {
        scaled_size(size, [self.long, short[rng.random_range(0..short.len())]], 1.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pelk_random::{Purpose, stream};

    use super::*;

    fn draws(multiscale: &Multiscale, size: [usize; 2]) -> Vec<Vec<View>> {
        (0..4000).map(|i| multiscale.draw(&mut stream(i, Purpose::Augment, 0, 0), size)).collect()
    }

    #[test]
    fn sizes_are_those_of_the_published_recipe() {
        let draws = draws(&Multiscale::default(), [427, 640]);
        let last: BTreeSet<usize> =
            draws.iter().filter(|views| views.len() == 1).map(|views| views[0].to[0]).collect();
        assert_eq!(last, (480..=800).step_by(32).collect());
        // MMCV's sizes: int(side * min(1333 / 640, 800 / 427) + 0.5).
        assert!(draws.iter().any(|views| views[0].to == [800, 1199]));
        let crops: Vec<_> = draws.iter().filter(|views| views.len() == 2).collect();
        assert!((1900..2100).contains(&crops.len()), "{} of 4000 are cropped", crops.len());
        let before: BTreeSet<_> = crops.iter().map(|views| views[0].to).collect();
        assert_eq!(before, BTreeSet::from([[400, 600], [500, 749], [600, 899]]));
        for views in crops {
            let (to, part) = (views[0].to, views[0].part);
            assert!(part.rows().end <= to[0] && part.columns().end <= to[1]);
            assert!((384..=to[0].min(600)).contains(&part.height) && (384..=600).contains(&part.width));
            assert_eq!(views[1].from, [part.height, part.width]);
            let sides = [views[1].to[0].min(views[1].to[1]), views[1].to[0].max(views[1].to[1])];
            assert!(sides[1] <= 1333 && (480..=800).contains(&sides[0]), "{sides:?}");
        }
    }

    #[test]
    fn a_crop_reaches_every_place_and_size_and_keeps_a_short_side_whole() {
        let multiscale =
            Multiscale { crop_sides: [4, 6], crop_short: vec![5], crop_probability: 1.0, ..small() };
        let (mut heights, mut widths, mut lefts) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for views in draws(&multiscale, [5, 9]) {
            let part = views[0].part;
            heights.insert(part.height);
            widths.insert(part.width);
            lefts.insert(part.left);
        }
        assert_eq!((heights, widths), (BTreeSet::from([4, 5]), BTreeSet::from([4, 5, 6])));
        assert_eq!(lefts, (0..=5).collect());
        let whole = Multiscale { crop_sides: [600, 900], ..multiscale };
        assert!(draws(&whole, [5, 9]).iter().all(|views| views[0].part == Rectangle::whole([5, 9])));
    }

    fn small() -> Multiscale {
        Multiscale { long: 20, short: vec![8, 10], crop_short: vec![6], ..Multiscale::default() }
    }

    #[test]
    fn fields_out_of_range_are_named() {
        for (multiscale, start) in [
            (Multiscale { long: 0, ..small() }, "multiscale.long is 0"),
            (Multiscale { long: 1 << 16, ..small() }, "multiscale.long is 65536"),
            (Multiscale { short: vec![], ..small() }, "multiscale.short is []"),
            (Multiscale { short: vec![8, 21], ..small() }, "multiscale.short is [8, 21]"),
            (Multiscale { crop_short: vec![0], ..small() }, "multiscale.crop_short is [0]"),
            (Multiscale { crop_probability: 1.5, ..small() }, "multiscale.crop_probability is 1.5"),
            (Multiscale { crop_sides: [0, 3], ..small() }, "multiscale.crop_sides is [0, 3]"),
            (Multiscale { crop_sides: [4, 3], ..small() }, "multiscale.crop_sides is [4, 3]"),
        ] {
            let error = multiscale.validate().unwrap_err().to_string();
            assert!(error.starts_with(start) && error.contains("must be"), "{error}");
        }
        assert!(small().validate().is_ok() && Multiscale::default().validate().is_ok());
    }
}
