//! Applies an augmentation to a sample.

use std::collections::BTreeMap;

use pelk_simd::Level;
use rand::{Rng, RngExt};

use super::color_jitter::jitter;
use super::config::Augmentation;
use super::photometric;
use super::pixels::{Pixels, to_bytes};
use super::steps::{erase, happens};
use super::working::{Augmented, Working};
use crate::resize::View;
use crate::{IGNORED, Labeling, Normalization, Rectangle, Sample};

impl Augmentation {
    /// The changed and normalized sample, of [`Augmentation::output_size`] if that is known.
    ///
    /// The sample has as many channels as `normalization`. All random numbers come from `rng`, in the loader
    /// the stream of this sample in this epoch. Results do not depend on `level`.
    ///
    /// # Panics
    /// If the sample has no pixels, its lengths do not fit its size and `labeling`, or
    /// [`Augmentation::validate_for`] refuses them.
    pub fn apply(
        &self,
        level: Level,
        rng: &mut impl Rng,
        sample: &Sample<'_>,
        labeling: Labeling,
        normalization: &Normalization,
    ) -> Augmented {
        let channels = normalization.mean.len();
        let [height, width] = sample.size;
        assert_eq!(sample.pixels.len(), height * width * channels, "pixels of {height} x {width}");
        let square = self.resized_crop.as_ref().map(|crop| crop.apply(level, rng, sample, channels));
        let sample = square.as_ref().unwrap_or(sample);

        let mut image = match &self.multiscale {
            Some(multiscale) => {
                // Here the flip comes first, as in MMDetection.
                let mut image = Working::whole(sample, labeling, channels);
                self.flip(rng, &mut image);
                multiscale.draw(rng, sample.size).iter().for_each(|view| image.see(view));
                image
            }
            None => {
                let view = self.draw_view(rng, sample);
                let mut image = Working::seen(&view, sample, labeling, channels);
                self.shift(rng, &mut image);
                self.flip(rng, &mut image);
                image
            }
        };
        image.pixels = self.recolored(level, rng, image.shape(), image.pixels, &normalization.mean);
        let size = if self.crop_size > 0 { [self.crop_size; 2] } else { image.size };
        let mut augmented = image.finish(normalization, size);
        self.erase(rng, channels, &mut augmented);
        augmented
    }

    /// The part of the scaled image to show: a random scale, then a random crop.
    fn draw_view(&self, rng: &mut impl Rng, sample: &Sample<'_>) -> View {
        let factor = match self.scale {
            [1.0, 1.0] => 1.0,
            [least, largest] => least + (largest - least) * rng.random::<f64>(),
        };
        let scaled = self.scaled(sample.size, factor);
        let whole = View { from: sample.size, to: scaled, part: Rectangle::whole(scaled) };
        if self.crop_size == 0 {
            return whole;
        }
        let accept = |part| {
            self.crop_max_share >= 1.0
                || is_mixed(&View { part, ..whole }.nearest(&sample.labels), self.crop_max_share)
        };
        View { part: Rectangle::draw_square(rng, scaled, self.crop_size, accept), ..whole }
    }

    /// Takes a random window of the padded image.
    fn shift(&self, rng: &mut impl Rng, image: &mut Working) {
        // Always drawn, so that later draws do not depend on it.
        let corner = [(); 2].map(|()| rng.random_range(0..=2 * self.crop_padding));
        if self.crop_padding > 0 {
            image.shift(self.padding, self.crop_padding, corner);
        }
    }

    fn flip(&self, rng: &mut impl Rng, image: &mut Working) {
        if happens(rng, self.flip_probability) {
            image.flip();
        }
    }

    /// Changes the colors. RandAugment and color jitter work on bytes, the photometric distortion on
    /// fractions.
    fn recolored(
        &self,
        level: Level,
        rng: &mut impl Rng,
        shape: [usize; 3],
        mut pixels: Pixels,
        mean: &[f32],
    ) -> Pixels {
        if self.photometric {
            let mut values = pixels.into_values();
            photometric::distort(rng, shape[2], &mut values);
            pixels = Pixels::Values(values);
        }
        if self.rand_augment.is_none() && self.color_jitter == 0.0 {
            return pixels;
        }
        let mut bytes = pixels.into_bytes();
        if let Some(rand_augment) = &self.rand_augment {
            rand_augment.apply(level, rng, shape, &mut bytes, &to_bytes(mean));
        }
        if self.color_jitter > 0.0 {
            jitter(level, rng, self.color_jitter, shape, &mut bytes);
        }
        Pixels::Bytes(bytes)
    }

    /// Erases a random rectangle of normalized pixels.
    fn erase(&self, rng: &mut impl Rng, channels: usize, image: &mut Augmented) {
        if !happens(rng, self.erasing_probability) {
            return;
        }
        let drawn = Rectangle::draw(rng, image.size, self.erasing_area, self.erasing_min_aspect);
        if let Some(rectangle) = drawn {
            let shape = [image.size[0], image.size[1], channels];
            erase(rng, shape, rectangle, self.erasing_fill, &mut image.pixels);
        }
    }
}

/// Whether there are at least two classes, none with more than `max_share` of the labels that are not
/// ignored.
fn is_mixed(labels: &[u32], max_share: f64) -> bool {
    let mut counts = BTreeMap::new();
    // Neighbors mostly have the same label, so counting runs is faster than counting labels.
    for run in labels.chunk_by(|a, b| a == b).filter(|run| run[0] != IGNORED) {
        *counts.entry(run[0]).or_insert(0) += run.len();
    }
    let total = counts.values().sum::<usize>() as f64;
    counts.len() >= 2 && counts.values().all(|&count| count as f64 <= max_share * total)
}

#[cfg(test)]
mod tests {
    use pelk_random::{Purpose, stream};
    use proptest::prelude::*;

    use super::super::{Fill, Padding, RandAugment, ResizedCrop};
    use super::*;
    use crate::NO_GROUP;

    /// An image of 6 x 5 x 2 with one class.
    fn image() -> Sample<'static> {
        Sample::new([6, 5], (0..60).map(|i| 4 * i + 1).collect::<Vec<_>>(), vec![7])
    }

    fn augmented(augmentation: &Augmentation, seed: u64, epoch: u64, index: u64) -> Vec<f32> {
        let mut rng = stream(seed, Purpose::Augment, epoch, index);
        let out = augmentation.apply(
            Level::best(),
            &mut rng,
            &image(),
            Labeling::Image,
            &Normalization::identity(2),
        );
        assert_eq!((out.size, out.labels, out.groups), ([6, 5], vec![7], vec![]));
        out.pixels
    }

    #[test]
    fn none_only_normalizes() {
        let normalization = Normalization { mean: vec![0.5, 0.25], std: vec![0.5, 2.0] };
        let mut rng = stream(0, Purpose::Augment, 0, 0);
        let out =
            Augmentation::none().apply(Level::best(), &mut rng, &image(), Labeling::Image, &normalization);
        for (i, (&value, &byte)) in out.pixels.iter().zip(&*image().pixels).enumerate() {
            let channel = i % 2;
            assert_eq!(
                value,
                (f32::from(byte) / 255.0 - normalization.mean[channel]) / normalization.std[channel]
            );
        }
    }

    #[test]
    fn the_stream_decides_and_nothing_else() {
        let augmentation = Augmentation { erasing_probability: 1.0, ..Augmentation::default() };
        let base = augmented(&augmentation, 1, 2, 3);
        assert_eq!(base, augmented(&augmentation, 1, 2, 3));
        for other in [(2, 2, 3), (1, 3, 3), (1, 2, 4)] {
            assert_ne!(base, augmented(&augmentation, other.0, other.1, other.2));
        }
    }

    #[test]
    fn probabilities_are_kept() {
        let plain = augmented(&Augmentation::none(), 0, 0, 0);
        let share = |augmentation: Augmentation| {
            let changed = (0..2000).filter(|&index| augmented(&augmentation, 0, 0, index) != plain).count();
            changed as f64 / 2000.0
        };
        assert_eq!(share(Augmentation { flip_probability: 1.0, ..Augmentation::none() }), 1.0);
        let flips = share(Augmentation { flip_probability: 0.3, ..Augmentation::none() });
        let erasures = share(Augmentation { erasing_probability: 0.3, ..Augmentation::none() });
        let crops = share(Augmentation { crop_padding: 1, ..Augmentation::none() });
        // Five standard deviations of 2000 draws are 0.05; one of the crop's nine positions is the image
        // itself.
        assert!((flips - 0.3).abs() < 0.05, "{flips}");
        assert!((erasures - 0.3).abs() < 0.05, "{erasures}");
        assert!((crops - 8.0 / 9.0).abs() < 0.05, "{crops}");
    }

    #[test]
    fn the_recipe_of_imagenet_makes_squares_of_images_of_any_size() {
        let recipe = Augmentation {
            resized_crop: Some(ResizedCrop { size: 16, ..ResizedCrop::default() }),
            rand_augment: Some(RandAugment::default()),
            crop_padding: 0,
            ..Augmentation::default()
        };
        let mut rng = stream(0, Purpose::Augment, 0, 0);
        let images = [[30, 50], [9, 7], [1, 40]].map(|size| Sample {
            labels: vec![4].into(),
            groups: vec![].into(),
            ..mosaic(&mut rng, size)
        });
        let apply = |recipe: &Augmentation, sample: &Sample<'_>, seed| {
            let normalization = Normalization { mean: vec![0.4, 0.5, 0.6], std: vec![0.3; 3] };
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            recipe.apply(Level::best(), &mut rng, sample, Labeling::Image, &normalization)
        };
        for sample in &images {
            let distinct = (0..20).filter(|&seed| {
                let out = apply(&recipe, sample, seed);
                assert_eq!((out.size, out.pixels.len(), &out.labels[..]), ([16, 16], 16 * 16 * 3, &[4][..]));
                assert_eq!(out, apply(&recipe, sample, seed));
                out != apply(&recipe, sample, seed + 1)
            });
            assert!(distinct.count() >= 15, "of 20, where an image has so few pixels");
        }
        // An image moved by at least 0.45 of its width or height leaves the mean color, 0, behind.
        let strong =
            RandAugment { magnitude: 10.0, deviation: 0.0, probability: 1.0, layers: 1, increasing: true };
        let moved = Augmentation { rand_augment: Some(strong), ..Augmentation::none() };
        let empty = |seed| {
            let pixels = apply(&moved, &images[0], seed).pixels;
            pixels.iter().filter(|value| value.abs() < 0.5 / 255.0 / 0.3 + 1e-6).count() * 5
                > 2 * pixels.len()
        };
        let count = (0..300).filter(|&seed| empty(seed)).count();
        assert!((20..80).contains(&count), "{count}: two of fifteen operations");
    }

    #[test]
    fn a_mixture_has_two_classes_and_none_too_large() {
        let labels = [1, 1, 1, IGNORED, IGNORED, 2];
        assert!(is_mixed(&labels, 0.75) && !is_mixed(&labels, 0.74));
        assert!(!is_mixed(&[3; 5], 1.0) && !is_mixed(&[IGNORED, 3], 1.0) && !is_mixed(&[IGNORED], 1.0));
    }

    #[test]
    fn crops_of_one_class_are_rare_where_a_largest_share_is_set() {
        // Class 1 in the left tenth of the image.
        let labels: Vec<u32> = (0..100 * 100).map(|place| u32::from(place % 100 < 10)).collect();
        let sample = Sample::new([100, 100], vec![0; 100 * 100], labels);
        let mixed = |crop_max_share| {
            let augmentation = Augmentation { crop_size: 20, crop_max_share, ..Augmentation::none() };
            let all = (0..500).filter(|&index| {
                let mut rng = stream(0, Purpose::Augment, 0, index);
                let normalization = Normalization::identity(1);
                let labeling = Labeling::Pixels { stride: 1 };
                is_mixed(
                    &augmentation.apply(Level::best(), &mut rng, &sample, labeling, &normalization).labels,
                    0.75,
                )
            });
            all.count()
        };
        // 6 of 81 positions are accepted: 7% of the first draws, 54% within ten.
        let counts = (mixed(1.0), mixed(0.75));
        assert!(counts.0 < 70 && (220..320).contains(&counts.1), "{counts:?}");
    }

    /// The color of a class: all different, none black.
    fn color(label: u32) -> [u8; 3] {
        [40 + 30 * label as u8, 250 - 40 * label as u8, 30 + 110 * (label % 3) as u8]
    }

    /// An image of rectangles of 6 classes, four to nine pixels wide and high, whose color shows the class;
    /// the group is also the class.
    fn mosaic(rng: &mut impl Rng, size: [usize; 2]) -> Sample<'static> {
        let cells = size.map(|_| rng.random_range(4..10_usize));
        let classes: Vec<u32> = (0..400).map(|_| rng.random_range(0..6)).collect();
        let class = |place: usize| classes[place / size[1] / cells[0] * 20 + place % size[1] / cells[1]];
        let labels: Vec<u32> = (0..size[0] * size[1]).map(class).collect();
        let pixels = labels.iter().flat_map(|&label| color(label)).collect::<Vec<_>>();
        let groups = labels.iter().map(|&label| label as u8).collect::<Vec<_>>();
        Sample { groups: groups.into(), ..Sample::new(size, pixels, labels) }
    }

    /// Whether the color of a pixel may mix several classes: it lies beside another class or at the border.
    fn is_blended(labels: &[u32], [height, width]: [usize; 2], place: usize, reach: usize) -> bool {
        let (y, x) = (place / width, place % width);
        if y < reach || x < reach || y + reach >= height || x + reach >= width {
            return true;
        }
        let mut near = (y - reach..=y + reach).flat_map(|y| &labels[y * width + x - reach..][..=2 * reach]);
        near.any(|&label| label != labels[place] && label != IGNORED)
    }

    fn augmentations() -> impl Strategy<Value = Augmentation> {
        // At least half of the size, so that no rectangle falls between two labels.
        let sizes = (any::<bool>(), 45..90_usize, 30..40_usize, 0.9..1.0_f64, 1.0..2.0_f64);
        (sizes, 0..60_usize, 0..8_usize, any::<bool>(), 0..3_u32).prop_map(
            |((fits, long, short, least, largest), crop_size, crop_padding, reflects, flips)| Augmentation {
                fit: if fits { [long, short] } else { [0, 0] },
                scale: if crop_size > 0 { [least, largest] } else { [1.0, 1.0] },
                crop_size,
                crop_max_share: if crop_size > 0 { 0.75 } else { 1.0 },
                crop_padding: if crop_size > 0 { 0 } else { crop_padding },
                padding: if reflects { Padding::Reflect } else { Padding::Zero },
                flip_probability: f64::from(flips) / 2.0,
                ..Augmentation::none()
            },
        )
    }

    proptest! {
        #[test]
        fn labels_move_with_their_pixels(
            augmentation in augmentations(), size in [30..50_usize, 30..50_usize], seed: u64,
        ) {
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            let sample = mosaic(&mut rng, size);
            let labeling = Labeling::Pixels { stride: 1 };
            prop_assert!(augmentation.validate_for(Some(size), 3, labeling).is_ok());
            let normalization = Normalization::identity(3);
            let out = augmentation.apply(Level::best(), &mut rng, &sample, labeling, &normalization);
            prop_assert_eq!(Some(out.size), augmentation.output_size(Some(size)));
            for (place, (&label, pixel)) in out.labels.iter().zip(out.pixels.as_chunks::<3>().0).enumerate() {
                prop_assert_eq!(pixel == &[0.0; 3], label == IGNORED, "ignored where it is padded");
                let group = if label == IGNORED { NO_GROUP } else { label as u8 };
                prop_assert_eq!(out.groups[place], group);
                // Images are enlarged less than threefold, so a blend of two pixels is at most that wide.
                if label != IGNORED && !is_blended(&out.labels, out.size, place, 3) {
                    for (value, byte) in pixel.iter().zip(color(label)) {
                        let difference = (value * 255.0 - f32::from(byte)).abs();
                        prop_assert!(difference < 0.01, "{label} at {place}: {pixel:?}");
                    }
                }
            }
        }

        #[test]
        fn photometric_changes_and_erasures_leave_labels_alone(seed: u64) {
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            let sample = mosaic(&mut rng, [30, 40]);
            let normalization = Normalization::identity(3);
            let apply = |augmentation: Augmentation| {
                let mut rng = stream(seed, Purpose::Augment, 0, 1);
                let labeling = Labeling::Pixels { stride: 1 };
                augmentation.apply(Level::best(), &mut rng, &sample, labeling, &normalization)
            };
            let base = Augmentation { crop_size: 32, flip_probability: 0.5, ..Augmentation::none() };
            let plain = apply(base.clone());
            let changed = apply(Augmentation { photometric: true, ..base.clone() });
            prop_assert_eq!((&plain.labels, &plain.groups), (&changed.labels, &changed.groups));
            prop_assert_eq!(plain.pixels.iter().filter(|value| **value == 0.0).count(), 2 * 32 * 3);
            prop_assert!(changed.pixels[30 * 32 * 3..].iter().all(|&value| value == 0.0), "padding stays");
            let erased = apply(Augmentation { erasing_probability: 1.0, erasing_fill: Fill::Pixel, ..base });
            prop_assert_eq!((&plain.labels, &plain.groups), (&erased.labels, &erased.groups));
            prop_assert!(plain.pixels != erased.pixels);
        }

        #[test]
        fn a_flip_mirrors_the_labels_of_squares(seed: u64) {
            let sample = mosaic(&mut stream(seed, Purpose::Augment, 0, 0), [6, 8]);
            let labels: Vec<u32> = (0..12).collect();
            let groups: Vec<u8> = (0..12).collect();
            let squares = Sample { labels: labels.into(), groups: groups.into(), ..sample };
            let flip = Augmentation { flip_probability: 1.0, ..Augmentation::none() };
            let labeling = Labeling::Pixels { stride: 2 };
            let mut rng = stream(seed, Purpose::Augment, 0, 1);
            let out = flip.apply(Level::best(), &mut rng, &squares, labeling, &Normalization::identity(3));
            prop_assert_eq!(&out.labels, &[3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8]);
            let groups: Vec<u32> = out.groups.iter().map(|&group| u32::from(group)).collect();
            prop_assert_eq!(groups, out.labels);
        }
    }
}
