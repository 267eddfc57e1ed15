//! The subject of a field: a network from a checkpoint or with random weights, and its images.

use crate::datasets::{self, data_config};
use anyhow::{Context, Result, bail, ensure};
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, RgbImage};
use pelk_autodiff::{CpuBackend, Parameters, Shape};
use pelk_data::{Dataset, Exif, Normalization, Split};
use pelk_models::receptive_field::{ScoreMap, input_gradient};
use pelk_models::zoo::Blueprint;
use pelk_models::{Network, fold, initialize, zoo};
use pelk_train::preprocessing::resized;
use pelk_train::{CanvasConfig, DataConfig, Description, Trained, open_upright};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// RepLKNet and PeLK resize images to this height and width.
const PAPER_SIZE: usize = 1024;
/// Size of Fashion-MNIST images, which the small models are made for.
const SMALL_SIZE: usize = 28;
const SMALL_DATASET: &str = "fashion-mnist";

/// A network named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A trained one.
    Checkpoint(PathBuf),
    /// The averaged weights of a trained one.
    Averaged(PathBuf),
    /// A model of the zoo with random weights.
    Model(String),
}

impl Source {
    /// A name for tables and files: the model's, or the checkpoint's and its folder's.
    pub fn name(&self) -> String {
        match self {
            Source::Model(name) => name.clone(),
            Source::Checkpoint(path) | Source::Averaged(path) => {
                let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
                match path.parent().and_then(Path::file_name) {
                    Some(folder) => format!("{}-{stem}", folder.to_string_lossy()),
                    None => stem.into_owned(),
                }
            }
        }
    }
}

/// A network in its folded form, ready for differentiation.
pub struct Subject {
    network: Network,
    backend: CpuBackend,
    parameters: Parameters<CpuBackend>,
    normalization: Option<Normalization>,
    size: [usize; 2],
    dataset: Option<Origin>,
    /// What to do with the EXIF orientation of images if the network has no dataset, whose setting counts.
    without_dataset: Exif,
}

/// Which dataset a network's images come from.
enum Origin {
    /// That of its training.
    Trained(Box<Description>),
    /// That which it is made for.
    Named(Box<DataConfig>),
}

/// The images of a field.
pub enum Images {
    /// Files, resized as RepLKNet does.
    Files(Vec<PathBuf>, Exif),
    /// The first test images of a dataset.
    Dataset(Arc<dyn Dataset>, usize),
}

impl Subject {
    /// Reads or creates the network; `size` overrides the height and width of its images.
    ///
    /// # Errors
    /// When a checkpoint is unusable, a model is unknown, or the images are too small for it.
    pub fn new(source: &Source, seed: u64, size: Option<usize>) -> Result<Subject> {
        let mut subject = match source {
            Source::Checkpoint(path) => Subject::trained(path, false)?,
            Source::Averaged(path) => Subject::trained(path, true)?,
            Source::Model(name) => Subject::random(name, seed)?,
        };
        subject.size = size.map_or(subject.size, |side| [side, side]);
        let ([height, width], smallest) = (subject.size, subject.network.config().smallest_input());
        ensure!(
            height.min(width) >= smallest,
            "{} needs images of at least {smallest} x {smallest} pixels, not {height} x {width}",
            source.name()
        );
        Ok(subject)
    }

    fn trained(path: &Path, averaged: bool) -> Result<Subject> {
        let backend = CpuBackend::new()?;
        let read = if averaged { Trained::read_averaged } else { Trained::read };
        let Trained { description, network, parameters } = read(&backend, path, true)?;
        let [height, width, _] = description.image;
        Ok(Subject {
            network,
            backend,
            parameters,
            normalization: Some(description.normalization.clone()),
            size: [height, width],
            dataset: Some(Origin::Trained(Box::new(description))),
            without_dataset: Exif::default(),
        })
    }

    /// Random weights with a layer scale of 1: with the initial 1e-6, blocks pass on little but their input,
    /// and all large networks would only show the field of their strided convolutions.
    fn random(name: &str, seed: u64) -> Result<Subject> {
        let model = zoo::model(name)?;
        let small = model.for_small_images();
        let blueprint = Blueprint { layer_scale: 1.0, ..model.blueprint };
        let (channels, classes) = if small { (1, 10) } else { (3, 1000) };
        let config = blueprint.build(model.name, channels, classes)?;
        let weights = initialize(&Network::new(config.clone())?, seed)?;
        let (config, weights) = fold(&config, &weights)?;
        let backend = CpuBackend::new()?;
        let parameters = Parameters::upload(&backend, &weights)?;
        // The statistics of torchvision's networks; small models use those of their dataset.
        let imagenet = || Normalization { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] };
        Ok(Subject {
            network: Network::new(config)?,
            backend,
            parameters,
            normalization: (!small).then(imagenet),
            size: if small { [SMALL_SIZE; 2] } else { [PAPER_SIZE; 2] },
            dataset: if small {
                let config = data_config(SMALL_DATASET, CanvasConfig::default(), &[])?;
                Some(Origin::Named(Box::new(config)))
            } else {
                None
            },
            without_dataset: Exif::default(),
        })
    }

    /// Height and width of the images.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// What to do with the EXIF orientation of images: as in the network's training, unless it was set.
    fn exif(&self) -> Exif {
        match &self.dataset {
            Some(Origin::Trained(description)) => description.data.exif,
            Some(Origin::Named(config)) => config.exif,
            None => self.without_dataset,
        }
    }

    /// Sets what to do with the EXIF orientation of images.
    pub fn set_exif(&mut self, exif: Exif) {
        match &mut self.dataset {
            Some(Origin::Trained(description)) => description.data.exif = exif,
            Some(Origin::Named(config)) => config.exif = exif,
            None => self.without_dataset = exif,
        }
    }

    /// These image files, or the first `count` test images of the network's dataset if there are none.
    ///
    /// # Errors
    /// When there are no files and the network has no dataset, or the dataset cannot be read.
    pub fn images(&self, files: &[PathBuf], count: usize, folder: Option<&Path>) -> Result<Images> {
        if !files.is_empty() {
            return Ok(Images::Files(files.to_vec(), self.exif()));
        }
        let Some(data) = &self.dataset else {
            bail!("{} was made for photos and has no dataset: name some image files", self.name());
        };
        let images = match data {
            Origin::Trained(description) => datasets::open_for(description, folder, Split::Test, false)?,
            Origin::Named(config) => datasets::open(config, folder, Split::Test)?,
        };
        Ok(Images::Dataset(images, count))
    }

    fn name(&self) -> &str {
        &self.network.config().name
    }

    /// The mean score map over the images; `done` gets the number of finished images.
    ///
    /// # Errors
    /// When an image cannot be read or does not fit, or the backend fails.
    pub fn score(&self, images: &Images, mut done: impl FnMut(usize)) -> Result<ScoreMap> {
        let [height, width] = self.size;
        let channels = self.network.config().in_channels;
        let normalization = match (&self.normalization, images) {
            (Some(normalization), _) => normalization.clone(),
            (None, Images::Dataset(data, _)) => data.statistics().clone(),
            (None, Images::Files(..)) => Normalization::identity(channels),
        };
        normalization.validate(channels)?;
        let shape = Shape::from([1, height, width, channels]);
        let mut map = ScoreMap::new(self.size);
        for index in 0..images.len() {
            let image = images.get(index)?;
            let bicubic = FilterType::CatmullRom;
            let pixels = resized(&image, [height, width, channels], bicubic, &normalization)?;
            map.add(&input_gradient(&self.backend, &self.network, &self.parameters, &shape, &pixels)?)?;
            done(index + 1);
        }
        Ok(map)
    }
}

impl Images {
    /// The number of images.
    pub fn len(&self) -> usize {
        match self {
            Images::Files(paths, _) => paths.len(),
            Images::Dataset(data, count) => data.len().min(*count),
        }
    }

    fn get(&self, index: usize) -> Result<DynamicImage> {
        match self {
            Images::Files(paths, exif) => Ok(open_upright(&paths[index], *exif)?),
            Images::Dataset(data, _) => {
                let sample = data.sample(index)?;
                let ([height, width], pixels) =
                    (sample.size.map(|side| side as u32), sample.pixels.into_owned());
                let channels = data.channels();
                let image = match channels {
                    1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
                    3 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
                    _ => None,
                };
                image.with_context(|| format!("test image {index} has {channels} channels; wanted 1 or 3"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_runs_apart() {
        let checkpoint = |path: &str| Source::Checkpoint(PathBuf::from(path)).name();
        assert_eq!(checkpoint("runs/convnext/best.safetensors"), "convnext-best");
        assert_eq!(checkpoint("best.safetensors"), "best");
        assert_eq!(Source::Model("pelk_t".to_owned()).name(), "pelk_t");
    }

    #[test]
    fn a_small_model_takes_the_images_of_its_dataset_or_files() {
        let subject = Subject::new(&Source::Model("pelk_atto".to_owned()), 0, None).unwrap();
        assert_eq!(subject.size(), [28, 28]);
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/fashion-mnist");
        let images = |count| subject.images(&[], count, Some(&data)).unwrap();
        assert_eq!(images(3).len(), 3);
        let mut heard = Vec::new();
        let map = subject.score(&images(2), |done| heard.push(done)).unwrap();
        assert_eq!((map.images(), heard), (2, vec![1, 2]));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gray.png");
        GrayImage::from_fn(40, 30, |x, y| image::Luma([(5 * x + y) as u8])).save(&path).unwrap();
        let subject = Subject::new(&Source::Model("pelk_atto".to_owned()), 0, Some(20)).unwrap();
        let files = subject.images(&[path], 50, None).unwrap();
        let field = subject.score(&files, |_| {}).unwrap().field().unwrap();
        assert_eq!((files.len(), field.size()), (1, [20, 20]));
    }

    #[test]
    fn files_are_turned_upright_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turned.jpg");
        GrayImage::new(40, 30).save(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        bytes.splice(2..2, exif.iter().copied());
        std::fs::write(&path, bytes).unwrap();
        let mut subject = Subject::new(&Source::Model("pelk_atto".to_owned()), 0, None).unwrap();
        let mut height = |exif| {
            subject.set_exif(exif);
            let images = subject.images(std::slice::from_ref(&path), 1, None).unwrap();
            images.get(0).unwrap().height()
        };
        assert_eq!((height(Exif::Ignore), height(Exif::Apply)), (30, 40));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |source: &str, size| {
            let subject = Subject::new(&Source::Model(source.to_owned()), 0, size)?;
            subject.images(&[], 1, None).map(drop)
        };
        let error = |source, size| error(source, size).unwrap_err().to_string();
        assert!(
            error("pelk_atto", Some(7)).contains("at least 8 x 8 pixels"),
            "{}",
            error("pelk_atto", Some(7))
        );
        assert!(error("pelk_atta", None).contains("pelk_atto"));
        assert!(error("convnext_t", None).contains("name some image files"));
    }
}
