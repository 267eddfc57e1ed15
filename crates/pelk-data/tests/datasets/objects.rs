//! Images with objects, from a dataset to batches.

use std::sync::Arc;

use pelk_coco::Rle;
use pelk_data::{
    Augmentation, Batch, DataError, Dataset, EvaluationTransform, Labeling, Loader, LoaderConfig, MixConfig,
    Mode, Multiscale, NO_GROUP, Normalization, Object, Properties, Sample,
};

/// Gray images of growing size, black but for a rectangle per object. An odd image has two objects, an even
/// one has one, every fifth has none.
struct Rectangles(Properties);

impl Rectangles {
    fn new() -> Arc<Self> {
        let classes = ["dark", "bright"].map(str::to_owned).to_vec();
        let labeling = Labeling::Objects;
        Arc::new(Self(Properties { labeling, ..Properties::new(1, classes, Normalization::identity(1)) }))
    }
}

fn size(index: usize) -> [usize; 2] {
    [20 + 3 * index, 50 - 2 * index]
}

/// The brightness of an object's pixels in image 0..=1.
fn brightness(class: u32) -> f32 {
    [100.0, 250.0][class as usize] / 255.0
}

impl Dataset for Rectangles {
    fn len(&self) -> usize {
        12
    }

    fn properties(&self) -> &Properties {
        &self.0
    }

    fn sample_size(&self, index: usize) -> Option<[usize; 2]> {
        Some(size(index))
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let [height, width] = size(index);
        let mut pixels = vec![0; height * width];
        let count = if index % 5 == 4 { 0 } else { 1 + index % 2 };
        let objects = (0..count).map(|number| {
            let (class, top, left) = (number as u32, 2 + 8 * number, 3 + index);
            let inside = |place: usize| {
                (top..top + 7).contains(&(place / width)) && (left..left + 9).contains(&(place % width))
            };
            let bits: Vec<bool> = (0..height * width).map(inside).collect();
            for (pixel, _) in pixels.iter_mut().zip(&bits).filter(|(_, inside)| **inside) {
                *pixel = [100, 250][number];
            }
            let mask = Rle::from_bitmap(&bits, [height, width]).unwrap();
            let bbox = [left, top, left + 9, top + 7].map(|value| value as f32);
            let id = 10 * index as u64 + 1 + number as u64;
            Object { id, class, bbox, mask, crowd: false, area: 63.0, group: NO_GROUP }
        });
        let objects: Vec<Object> = objects.collect();
        Ok(Sample { objects: objects.into(), ..Sample::new([height, width], pixels, vec![]) })
    }
}

fn training(augmentation: Augmentation) -> LoaderConfig {
    let (augmentation, mix) = (Some(augmentation), MixConfig::default());
    let mode = Mode::Training { seed: 5, epoch: 1, augmentation, mix, drop_last: false };
    LoaderConfig::new(4, mode, Normalization::identity(1))
}

fn batches(config: LoaderConfig) -> Vec<Batch> {
    Loader::new(Rectangles::new(), config).unwrap().map(Result::unwrap).collect()
}

/// Checks that every object's mask shows its brightness, at a distance of `blur` pixels from its outline,
/// that its box surrounds it but for `slack` pixels, and that the padding is zero; returns the number of
/// objects.
fn check(batch: &Batch, blur: usize, slack: f32) -> usize {
    let (_, height, width, _) = batch.images.dim();
    for (image, (objects, &[h, w])) in batch.images.outer_iter().zip(batch.objects.iter().zip(&batch.sizes)) {
        assert!(h <= height && w <= width);
        let padding = image.indexed_iter().filter(|((y, x, _), _)| *y >= h || *x >= w);
        assert!(padding.clone().all(|(_, &value)| value == 0.0));
        for object in objects {
            assert_eq!(object.mask.size(), [h, w]);
            let [x1, y1, x2, y2] = object.bbox;
            assert!(0.0 <= x1 && x1 < x2 && x2 <= w as f32 && 0.0 <= y1 && y1 < y2 && y2 <= h as f32);
            let bits = object.mask.to_bitmap();
            for (place, _) in bits.iter().enumerate().filter(|(_, inside)| **inside) {
                let (y, x) = (place / w, place % w);
                let [left, top] = [x as f32 + slack, y as f32 + slack];
                let [right, bottom] = [x, y].map(|at| at as f32 + 1.0 - slack);
                assert!(x1 <= left && right <= x2 && y1 <= top && bottom <= y2, "{object:?}");
                // A crop may have cut a blurred outline.
                let near = |at: usize, limit: usize| at < blur || at + blur >= limit;
                let reach = |at: usize| at - blur..=at + blur;
                if near(y, h) || near(x, w) {
                    continue;
                }
                if reach(y).all(|y| reach(x).all(|x| bits[y * w + x])) {
                    let difference = image[[y, x, 0]] - brightness(object.class);
                    assert!(difference.abs() < 1e-5, "{object:?} at {y}, {x}: {difference}");
                }
            }
        }
    }
    batch.objects.iter().map(Vec::len).sum()
}

#[test]
fn a_batch_is_padded_to_its_largest_image_and_tells_all_sizes() {
    let mode = Mode::Evaluation { transform: None };
    let config = LoaderConfig::new(5, mode, Normalization::identity(1));
    for (divisor, expected) in [(32, [[32, 64], [64, 64], [64, 32]]), (1, [[32, 50], [47, 40], [53, 30]])] {
        let batches = batches(LoaderConfig { size_divisor: divisor, ..config.clone() });
        let dims: Vec<_> = batches.iter().map(|batch| [batch.images.dim().1, batch.images.dim().2]).collect();
        assert_eq!(dims, expected);
        assert_eq!(batches.iter().map(|batch| check(batch, 0, 0.0)).sum::<usize>(), 15);
        for batch in &batches {
            let sizes: Vec<_> = batch.indices.iter().map(|&index| size(index)).collect();
            assert_eq!((&batch.sizes, &batch.original_sizes, batch.labels.len()), (&sizes, &sizes, 0));
            for (objects, &index) in batch.objects.iter().zip(&batch.indices) {
                assert_eq!(objects[..], *Rectangles::new().objects(index).unwrap());
            }
        }
    }
}

#[test]
fn objects_are_flipped_with_their_pixels() {
    let flip = Augmentation { flip_probability: 1.0, ..Augmentation::none() };
    let batches = batches(LoaderConfig { batch_size: 3, ..training(flip) });
    assert_eq!(batches.iter().map(|batch| check(batch, 0, 0.0)).sum::<usize>(), 15);
    for (objects, &index) in batches.iter().flat_map(|batch| batch.objects.iter().zip(&batch.indices)) {
        for object in objects {
            assert_eq!(object.bbox[2], (size(index)[1] - 3 - index) as f32);
        }
    }
}

/// Small versions of MMDetection's sizes.
fn recipe() -> Augmentation {
    let multiscale = Multiscale {
        long: 80,
        short: vec![30, 40, 50],
        crop_short: vec![25, 60],
        crop_sides: [16, 30],
        ..Multiscale::default()
    };
    Augmentation { flip_probability: 0.5, multiscale: Some(multiscale), ..Augmentation::none() }
}

#[test]
fn objects_are_resized_and_cut_with_their_pixels() {
    let (mut whole, mut partial, mut lost) = (0, 0, 0);
    for epoch in 0..40 {
        let mut config = training(recipe());
        let Mode::Training { epoch: own, .. } = &mut config.mode else { unreachable!() };
        *own = epoch;
        for batch in batches(config) {
            // The outline of a mask is rounded to pixels before and after a crop is enlarged, at most
            // threefold.
            check(&batch, 8, 0.5 + 1.6);
            for (i, (size, &original)) in batch.sizes.iter().zip(&batch.original_sizes).enumerate() {
                let [short, long] = [size[0].min(size[1]), size[0].max(size[1])];
                assert!(long <= 80 && ([30, 40, 50].contains(&short) || long == 80), "{size:?}");
                assert_eq!(original, self::size(batch.indices[i]));
                let index = batch.indices[i];
                let count = if index % 5 == 4 { 0 } else { 1 + index % 2 };
                lost += count - batch.objects[i].len();
                for object in &batch.objects[i] {
                    let [x1, y1, x2, y2] = object.bbox;
                    // A rectangle of 9 x 7 pixels that keeps its shape is whole.
                    let uncut = ((x2 - x1) * 7.0 / ((y2 - y1) * 9.0) - 1.0).abs() < 0.03;
                    *if uncut { &mut whole } else { &mut partial } += 1;
                }
            }
        }
    }
    assert!(whole > 100 && partial > 20 && lost > 20, "{whole} whole, {partial} partial, {lost} lost");
}

#[test]
fn the_images_of_a_training_batch_have_one_orientation() {
    let config = LoaderConfig { batch_size: 3, ..training(recipe()) };
    let plan = config.plan(&*Rectangles::new()).unwrap();
    // Images 0 to 5 are wider than high.
    let wide = |index: &usize| size(*index)[1] > size(*index)[0];
    assert_eq!((0..12).filter(wide).count(), 6);
    assert_eq!(plan.steps(), 4);
    for batch in batches(config) {
        let count = batch.indices.iter().filter(|index| wide(index)).count();
        assert!(count == 0 || count == 3, "{:?}", batch.indices);
    }
    // Six images do not fill two batches of five: some are repeated.
    let config = LoaderConfig { batch_size: 5, ..training(recipe()) };
    let mut seen = [0; 12];
    for batch in batches(config.clone()) {
        assert_eq!(batch.indices.len(), 5);
        batch.indices.iter().for_each(|&index| seen[index] += 1);
    }
    assert!(seen.iter().all(|&count| count >= 1) && seen.iter().sum::<usize>() == 20);
}

#[test]
fn evaluation_fits_images_into_limits_and_keeps_their_objects() {
    let transform = EvaluationTransform { fit: [60, 40], ..EvaluationTransform::default() };
    let set = Rectangles::new();
    let normalization = Normalization::identity(1);
    let config = LoaderConfig::evaluation(&*set, Some(transform), 4, normalization);
    assert_eq!(config.batch_size, 1, "images of different sizes are not padded to each other");
    for batch in batches(config) {
        check(&batch, 3, 0.501);
        let (index, [height, width]) = (batch.indices[0], batch.sizes[0]);
        assert!(height.max(width) == 60 || height.min(width) == 40);
        let objects = set.objects(index).unwrap();
        assert_eq!(batch.objects[0].len(), objects.len());
        let [by_y, by_x] = [height as f32 / size(index)[0] as f32, width as f32 / size(index)[1] as f32];
        for (seen, object) in batch.objects[0].iter().zip(&*objects) {
            assert_eq!((seen.id, seen.area), (object.id, object.area));
            for (i, (value, original)) in seen.bbox.iter().zip(object.bbox).enumerate() {
                assert!((value - original * if i % 2 == 0 { by_x } else { by_y }).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn batches_depend_neither_on_workers_nor_on_where_an_epoch_is_resumed() {
    let recipe = Augmentation { erasing_probability: 0.5, ..recipe() };
    let whole = batches(training(recipe.clone()));
    for (workers, start_batch) in [(1, 1), (2, 0), (3, 2)] {
        let config = LoaderConfig { workers, start_batch, ..training(recipe.clone()) };
        assert_eq!(batches(config), whole[start_batch..]);
    }
}

#[test]
fn what_does_not_suit_objects_is_refused_by_name() {
    let none = Augmentation::none;
    let mixed = MixConfig { mixup_alpha: 0.8, ..MixConfig::default() };
    let text = |config| Loader::new(Rectangles::new(), config).unwrap_err().to_string();
    for (augmentation, start) in [
        (Augmentation { resized_crop: Some(Default::default()), ..none() }, "resized_crop is"),
        (Augmentation { rand_augment: Some(Default::default()), ..none() }, "rand_augment is"),
        (
            Augmentation { scale: [0.5, 2.0], crop_size: 8, ..none() },
            "scale is [0.5, 2.0], but must be [1, 1]",
        ),
        (Augmentation { crop_size: 8, crop_max_share: 0.5, ..none() }, "crop_size is 8, but must be 0"),
        (Augmentation { crop_padding: 4, ..none() }, "crop_padding is 4, but must be 0"),
    ] {
        let error = text(training(augmentation));
        assert!(error.starts_with(start) && error.contains("objects"), "{error}");
    }
    let mut config = training(none());
    let Mode::Training { mix, .. } = &mut config.mode else { unreachable!() };
    *mix = mixed;
    assert!(text(config).starts_with("mixup_alpha is 0.8, but must be 0 for this dataset"));
    assert!(text(LoaderConfig { size_divisor: 0, ..training(none()) }).starts_with("size_divisor is 0"));
}

/// Image 2 with an object changed.
struct Faulty(fn(&mut Object));

impl Dataset for Faulty {
    fn len(&self) -> usize {
        1
    }

    fn properties(&self) -> &Properties {
        static PROPERTIES: std::sync::LazyLock<Properties> =
            std::sync::LazyLock::new(|| Rectangles::new().properties().clone());
        &PROPERTIES
    }

    fn sample(&self, _: usize) -> Result<Sample<'_>, DataError> {
        let rectangles = Rectangles::new();
        let Sample { size, pixels, objects, .. } = rectangles.sample(2)?;
        let mut objects = objects.into_owned();
        self.0(&mut objects[0]);
        Ok(Sample { objects: objects.into(), ..Sample::new(size, pixels.into_owned(), vec![]) })
    }
}

#[test]
fn objects_that_contradict_their_image_are_named() {
    for (change, expected) in [
        ((|object| object.class = 2) as fn(&mut Object), "is of class 2, but there are 2"),
        (|object| object.bbox[2] = 47.0, "has the box [5.0, 2.0, 47.0, 9.0]"),
        (|object| object.mask = Rle::from_counts(&[6], [2, 3]).unwrap(), "has a mask of 2 x 3 pixels"),
    ] {
        let mut loader = Loader::new(Arc::new(Faulty(change)), training(Augmentation::none())).unwrap();
        let error = loader.next().unwrap().unwrap_err().to_string();
        assert!(error.starts_with("object 21 of sample 0") && error.contains(expected), "{error}");
    }
}
