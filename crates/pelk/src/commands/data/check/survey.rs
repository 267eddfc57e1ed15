//! Reads every sample of a split once and collects statistics.

use super::faults::Fault;
use crate::progress::Evaluating;
use pelk_data::{Colors, Dataset, IGNORED, ImageKind, read_rgb};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Statistics of the samples of a split.
#[derive(Debug, Default)]
pub struct Survey {
    /// Number of labels of each class.
    pub labels: Vec<u64>,
    /// Height and width of every readable sample.
    pub sizes: Vec<[u32; 2]>,
    /// Number of images with each format or oddity.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Unreadable samples.
    pub broken: Vec<Broken>,
    /// Fingerprints of the readable samples.
    pub prints: Vec<Print>,
}

/// A sample that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// Index of the sample.
    pub index: usize,
    /// The reason.
    pub fault: Fault,
}

/// A fingerprint, for finding duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Print {
    /// A hash of its size and pixels.
    pub pixels: u64,
    /// Index of the sample.
    pub index: usize,
    /// A hash of its labels and objects.
    pub labels: u64,
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Reads image files, on all threads of the pool; returns those that cannot be read.
pub fn unreadable(files: &[PathBuf]) -> Vec<(PathBuf, Fault)> {
    let read = |file: &PathBuf| Some((file.clone(), Fault::of(&read_rgb(file).err()?)));
    files.par_iter().filter_map(read).collect()
}

impl Survey {
    /// Reads all samples, on all threads of the pool.
    pub fn of(data: &dyn Dataset) -> Survey {
        let (bar, done) = (Evaluating::new(data.len()), AtomicUsize::new(0));
        let empty = || Survey { labels: vec![0; data.classes().len()], ..Survey::default() };
        let survey = (0..data.len()).into_par_iter().fold(empty, |mut survey, index| {
            survey.add(data, index);
            bar.show(done.fetch_add(1, Ordering::Relaxed) + 1);
            survey
        });
        let mut survey = survey.reduce(empty, Survey::with);
        bar.finish();
        // The order of the threads is random.
        survey.broken.sort();
        survey.prints.sort_unstable();
        survey.sizes.sort_by_key(|[height, width]| (u64::from(*height) * u64::from(*width), *height));
        survey
    }

    fn add(&mut self, data: &dyn Dataset, index: usize) {
        let sample = match data.sample(index) {
            Ok(sample) => sample,
            Err(error) => {
                self.broken.push(Broken { index, fault: Fault::of(&error) });
                return;
            }
        };
        self.sizes.push(sample.size.map(|side| side as u32));
        let objects = sample.objects.iter().map(|object| object.class);
        for label in sample.labels.iter().copied().filter(|label| *label != IGNORED).chain(objects) {
            match self.labels.get_mut(label as usize) {
                Some(count) => *count += 1,
                None => {
                    let problem = format!("sample {index} has the label {label}, which is not a class");
                    let (kind, remedy) = ("label without class", "correct the label".to_owned());
                    self.broken.push(Broken { index, fault: Fault { kind, problem, remedy } });
                }
            }
        }
        let objects = sample.objects.iter().map(|it| (it.class, it.bbox.map(f32::to_bits), &it.mask));
        let objects: Vec<_> = objects.collect();
        let (pixels, labels) = (hash((sample.size, &sample.pixels)), hash((&sample.labels, objects)));
        self.prints.push(Print { pixels, index, labels });
        // Only files that could be read have a kind.
        if let Some(Ok(kind)) = data.file(index).map(|path| ImageKind::of(&path)) {
            self.add_kind(kind);
        }
    }

    fn add_kind(&mut self, kind: ImageKind) {
        let ImageKind { format, colors, alpha, bits, named_otherwise, orientation, repaired } = kind;
        let traits = [
            (true, format),
            (colors == Colors::Gray, "gray"),
            (colors == Colors::Cmyk, "CMYK"),
            (bits > 8, "more than 8 bits per channel"),
            (alpha, "with an alpha channel, which is dropped"),
            (named_otherwise, "with the extension of another format"),
            (orientation != 1, "with an EXIF orientation (see --exif)"),
            (repaired.is_some(), repaired.unwrap_or_default()),
        ];
        for (_, name) in traits.into_iter().filter(|(has, _)| *has) {
            *self.kinds.entry(name).or_default() += 1;
        }
    }

    fn with(mut self, other: Survey) -> Survey {
        for (count, more) in self.labels.iter_mut().zip(&other.labels) {
            *count += more;
        }
        for (name, more) in other.kinds {
            *self.kinds.entry(name).or_default() += more;
        }
        self.sizes.extend(other.sizes);
        self.broken.extend(other.broken);
        self.prints.extend(other.prints);
        self
    }
}
