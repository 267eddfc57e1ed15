//! Images of several items with a class per pixel: a segmentation task without a download ("scenes").
//!
//! A scene shows items of Fashion-MNIST in random sizes, tints and positions on a textured background, on
//! shelves with one class each, as in a shop: an item's neighbors reveal its class. Without shelves, items
//! lie anywhere, and nothing outside an item reveals its class. Items hide parts of each other and are cut
//! off by the border, and neither color nor brightness gives away where or what they are. A pixel has the
//! class of the frontmost item that covers at least half of it, or background.

mod compose;
mod config;
mod instances;

use std::ops::Range;
use std::sync::Arc;

use pelk_random::{Purpose, stream};
use rand::{Rng, RngExt};

use crate::canvas::{Canvas, Sprite};
use crate::{DataError, Dataset, ImageDataset, Labeling, Normalization, Properties, Sample, Split};
use compose::{Item, Layout, Placed};

pub use compose::Instance;
pub use config::SceneConfig;
pub use instances::SceneInstances;

/// The smallest and the largest factor for an item's colors, drawn for each of the three.
const TINT: [f32; 2] = [0.25, 1.05];

/// A scene and its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The pixels, height x width x 3, row-major.
    pub pixels: Vec<u8>,
    /// The class of each pixel, height x width, row-major; 0 is background.
    pub labels: Vec<u32>,
    /// The items, from back to front; together they cover all pixels whose label is not 0.
    pub instances: Vec<Instance>,
}

/// A shelf: its number, the class of its items, and its rows.
struct Shelf {
    /// Counted from the top.
    number: usize,
    class: usize,
    /// The rows of pixels within which the items lie.
    rows: Range<usize>,
}

/// Scenes, composed on request: RGB, with a label per pixel.
///
/// Label 0 is background, label `c + 1` is class `c` of the items; all are measured.
#[derive(Debug)]
pub struct Scenes {
    items: Arc<ImageDataset>,
    /// The items of each class.
    by_class: Vec<Vec<usize>>,
    config: SceneConfig,
    split: Split,
    seed: u64,
    len: usize,
    properties: Properties,
}

impl Scenes {
    /// `len` scenes of the items of Fashion-MNIST's `split`. Equal seeds give equal scenes; training and test
    /// scenes share neither items nor random draws.
    ///
    /// # Errors
    /// [`DataError::Config`] if a field of `config` is out of range, `len` is 0, or the items are not square,
    /// gray and some of each class.
    pub fn new(
        items: Arc<ImageDataset>,
        split: Split,
        seed: u64,
        len: usize,
        config: SceneConfig,
    ) -> Result<Scenes, DataError> {
        config.validate()?;
        if len == 0 {
            return Err(DataError::config("canvases", len, "at least 1"));
        }
        let [height, width, channels] = items.shape();
        if height != width || channels != 1 {
            let found = format!("{height} x {width} x {channels}");
            return Err(DataError::config("the size of the items", found, "square and gray"));
        }
        let mut by_class = vec![Vec::new(); items.classes().len()];
        for item in 0..items.len() {
            by_class[items.label(item) as usize].push(item);
        }
        if let Some(class) = by_class.iter().position(Vec::is_empty) {
            return Err(DataError::config(
                "the number of items of a class",
                0,
                format!("at least 1, also for class {class}"),
            ));
        }
        let classes =
            std::iter::once("background".to_owned()).chain(items.classes().iter().cloned()).collect();
        // Measured on 1000 scenes of the default configuration in both splits; the same for every seed and
        // configuration, so that runs are comparable.
        let statistics = Normalization { mean: vec![0.45; 3], std: vec![0.2; 3] };
        let properties = Properties {
            image_size: Some(config.size),
            labeling: Labeling::Pixels { stride: 1 },
            ..Properties::new(3, classes, statistics)
        };
        Ok(Scenes { items, by_class, config, split, seed, len, properties })
    }

    /// Scene `index` with its items.
    ///
    /// # Errors
    /// [`DataError::Config`] if `index` is not below the number of scenes.
    pub fn scene(&self, index: usize) -> Result<Scene, DataError> {
        let (pixels, layout) = self.compose(index)?;
        Ok(Scene { pixels, labels: layout.labels(), instances: layout.instances() })
    }

    /// Height and width of every scene, in pixels.
    pub(crate) fn size(&self) -> [usize; 2] {
        self.config.size
    }

    fn compose(&self, index: usize) -> Result<(Vec<u8>, Layout), DataError> {
        let (mut rng, layout) = self.layout(index)?;
        let mut canvas = Canvas::textured(&mut rng, self.config.size, self.config.texture as f32 * 128.0);
        for Placed { item, corner, .. } in &layout.placed {
            canvas.paste(&item.sprite, *corner, item.tint);
        }
        canvas.add_noise(&mut rng, self.config.noise as f32);
        Ok((canvas.into_bytes(), layout))
    }

    /// The items of scene `index`, and the stream to draw the rest of it from.
    fn layout(&self, index: usize) -> Result<(impl Rng + use<>, Layout), DataError> {
        if index >= self.len {
            let expected = format!("below {}, the number of scenes", self.len);
            return Err(DataError::config("index", index, expected));
        }
        // The long-range task uses 0 and 1.
        let split = match self.split {
            Split::Train => 2,
            Split::Test => 3,
        };
        let mut rng = stream(self.seed, Purpose::Compose, split, index as u64);
        let [shelves, items] = [self.config.shelves, self.config.items].map(|[fewest, most]| fewest..=most);
        let shelves = rng.random_range(shelves);
        let mut layout = Layout::new(self.config.size);
        // Without shelves the scene is one shelf without a class.
        for number in 0..shelves.max(1) {
            let shelf = (shelves > 0).then(|| {
                let [top, bottom] = [number, number + 1].map(|edge| edge * self.config.size[0] / shelves);
                Shelf { number, class: self.any_class(&mut rng), rows: top..bottom }
            });
            for _ in 0..rng.random_range(items.clone()) {
                self.add_item(&mut rng, &mut layout, shelf.as_ref());
            }
        }
        Ok((rng, layout))
    }

    fn any_class(&self, rng: &mut impl Rng) -> usize {
        rng.random_range(0..self.by_class.len())
    }

    /// Places a random item of the shelf's class within its rows; without a shelf, any item anywhere.
    fn add_item(&self, rng: &mut impl Rng, layout: &mut Layout, shelf: Option<&Shelf>) {
        let class = shelf.map_or_else(|| self.any_class(rng), |shelf| shelf.class);
        let number = self.by_class[class][rng.random_range(0..self.by_class[class].len())];
        let [smallest, largest] = self.config.sides;
        let largest = shelf.map_or(largest, |shelf| largest.min(shelf.rows.len()));
        // Rounds down, so that the largest side is as likely as its neighbors.
        let side = smallest as f64 * ((largest + 1) as f64 / smallest as f64).powf(rng.random());
        let side = (side as usize).min(largest);
        let sprite = Sprite::new(self.items.image(number), self.items.shape()[0], side, rng.random());
        let tint = [(); 3].map(|()| TINT[0] + (TINT[1] - TINT[0]) * rng.random::<f32>());
        let shelf_number = shelf.map(|shelf| shelf.number);
        let item = Item { sprite, class: class as u32 + 1, tint, shelf: shelf_number };
        layout.place(rng, item, shelf.map(|shelf| &shelf.rows), self.config.occlusion);
    }
}

impl Dataset for Scenes {
    fn len(&self) -> usize {
        self.len
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let (pixels, layout) = self.compose(index)?;
        Ok(Sample::new(self.config.size, pixels, layout.labels()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// White squares with a black border, of three classes in turn; those of class 2 have no border.
    fn items() -> Arc<ImageDataset> {
        let image = |class: u32| {
            (0..28 * 28).map(move |place| {
                let inside = |at: usize| class == 2 || (4..24).contains(&at);
                if inside(place / 28) && inside(place % 28) { 200 } else { 0 }
            })
        };
        let pixels: Vec<u8> = (0..30).flat_map(|i| image(i % 3)).collect();
        let classes = (0..3).map(|class| format!("class {class}")).collect();
        Arc::new(
            ImageDataset::new("a test", [28, 28, 1], pixels, (0..30).map(|i| i % 3).collect(), classes)
                .unwrap(),
        )
    }

    pub(super) fn scenes(split: Split, seed: u64, len: usize) -> Scenes {
        let config = SceneConfig { size: [64, 80], shelves: [1, 3], ..SceneConfig::default() };
        scenes_of(config, split, seed, len)
    }

    pub(super) fn scenes_of(config: SceneConfig, split: Split, seed: u64, len: usize) -> Scenes {
        Scenes::new(items(), split, seed, len, config).unwrap()
    }

    #[test]
    fn a_scene_depends_on_seed_split_and_index_only() {
        let all = [scenes(Split::Train, 1, 9), scenes(Split::Train, 2, 9), scenes(Split::Test, 1, 9)];
        let base = all[0].scene(7).unwrap();
        assert_eq!(base, all[0].scene(7).unwrap());
        for (i, index) in [(0, 8), (1, 7), (2, 7)] {
            assert_ne!(base.pixels, all[i].scene(index).unwrap().pixels);
        }
        assert_eq!(base, scenes(Split::Train, 1, 8).scene(7).unwrap(), "not on the number");
        let error = all[0].scene(9).unwrap_err().to_string();
        assert_eq!(error, "index is 9, but must be below 9, the number of scenes");
    }

    #[test]
    fn a_sample_is_a_scene_whose_labels_are_its_instances() {
        let scenes = scenes(Split::Train, 3, 200);
        let mut seen = [0; 4];
        for index in 0..200 {
            let scene = scenes.scene(index).unwrap();
            let sample = scenes.sample(index).unwrap();
            assert_eq!(
                (sample.pixels.as_ref(), sample.labels.as_ref()),
                (&scene.pixels[..], &scene.labels[..])
            );
            assert_eq!((sample.size, scene.pixels.len()), ([64, 80], 64 * 80 * 3));
            assert!(scene.instances.len() <= 3 * 5);
            let mut labels = vec![0; 64 * 80];
            for instance in &scene.instances {
                seen[instance.class as usize] += 1;
                labels
                    .iter_mut()
                    .zip(&instance.mask)
                    .filter(|(_, seen)| **seen)
                    .for_each(|(label, _)| *label = instance.class);
                let longest = instance.bounds.height.max(instance.bounds.width);
                assert!(longest <= 56, "{:?}", instance.bounds);
            }
            assert_eq!(labels, scene.labels);
        }
        assert!(seen[0] == 0 && seen[1..].iter().all(|&count| count > 200), "{seen:?}");
    }

    #[test]
    fn the_items_of_a_shelf_are_of_one_class_and_lie_on_it() {
        let config = SceneConfig { size: [66, 80], shelves: [3, 3], ..SceneConfig::default() };
        let scenes = Scenes::new(items(), Split::Train, 4, 100, config).unwrap();
        let mut differ = 0;
        for index in 0..100 {
            let mut classes = [0; 3];
            for instance in scenes.scene(index).unwrap().instances {
                let rows = instance.bounds.rows();
                let shelf = rows.start / 22;
                assert_eq!(instance.shelf, Some(shelf));
                assert_eq!((rows.end - 1) / 22, shelf, "from row {} to {}", rows.start, rows.end);
                assert!([0, instance.class].contains(&classes[shelf]), "a shelf of {classes:?}");
                classes[shelf] = instance.class;
            }
            assert!(!classes.contains(&0), "an empty shelf: {classes:?}");
            differ += usize::from(classes[0] != classes[1]);
        }
        assert!((40..95).contains(&differ), "each shelf has its own class: {differ} of 100");
    }

    #[test]
    fn without_shelves_items_lie_anywhere() {
        let config = SceneConfig { size: [64, 80], shelves: [0, 0], items: [6, 6], ..SceneConfig::default() };
        let scenes = Scenes::new(items(), Split::Train, 4, 50, config).unwrap();
        let (mut tops, mut mixed) = ([false; 64], 0);
        for index in 0..50 {
            let instances = scenes.scene(index).unwrap().instances;
            assert!(instances.len() <= 6 && instances.iter().all(|item| item.shelf.is_none()));
            mixed += usize::from(instances.iter().any(|item| item.class != instances[0].class));
            instances.iter().for_each(|item| tops[item.bounds.top] = true);
        }
        assert!(tops[..40].iter().all(|&seen| seen), "{tops:?}");
        assert!(mixed > 40, "{mixed} of 50 scenes show several classes");
    }

    #[test]
    fn unsuitable_items_are_named() {
        let make = |shape: [usize; 3], labels: Vec<u32>, len| {
            let pixels = vec![0; labels.len() * shape.iter().product::<usize>()];
            let items =
                ImageDataset::new("a test", shape, pixels, labels, vec!["a".into(), "b".into()]).unwrap();
            Scenes::new(Arc::new(items), Split::Train, 0, len, SceneConfig::default())
                .unwrap_err()
                .to_string()
        };
        assert!(make([2, 2, 1], vec![0, 1], 0).starts_with("canvases is 0"));
        assert!(make([2, 3, 1], vec![0, 1], 1).contains("square and gray"));
        assert!(make([2, 2, 1], vec![0, 0], 1).contains("also for class 1"));
    }
}
