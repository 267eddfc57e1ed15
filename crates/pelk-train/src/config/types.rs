//! The values of a configuration, and their valid ranges.

use crate::ema::EmaConfig;
use crate::error::{Result, TrainError};
use crate::inference::InferenceConfig;
use crate::metrics::Metric;
use crate::optimizer::OptimizerConfig;
use crate::schedule::ScheduleConfig;
use crate::sparsity::SparsityConfig;
use pelk_data::{Augmentation, EvaluationTransform, Exif, MixConfig, ObjectConfig, SceneConfig};
use pelk_models::ModelSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Everything that determines the result of a run. The device, the number of threads and how often it saves
/// are not part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of all random numbers; runs with equal seeds give equal bits.
    #[serde(default)]
    pub seed: u64,
    /// Safetensors file with the backbone's initial weights, for instance a classifier's checkpoint; empty
    /// for random ones.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub weights: PathBuf,
    /// The network: a model of the zoo with changes.
    pub model: ModelSpec,
    /// The images and their augmentation.
    pub data: DataConfig,
    /// The size of a step, and how activations are stored.
    #[serde(default)]
    pub batch: BatchConfig,
    /// The loss.
    #[serde(default)]
    pub loss: LossConfig,
    /// The optimizer.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// Averaging of weights.
    #[serde(default)]
    pub ema: EmaConfig,
    /// Dynamic sparsity.
    #[serde(default)]
    pub sparsity: SparsityConfig,
    /// The length of the run, its evaluations and its learning rate.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// How evaluation runs the network.
    #[serde(default)]
    pub inference: InferenceConfig,
}

/// Which images, and how they are augmented, mixed and resized.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Name of the dataset, for instance `fashion-mnist`, `folder` (one folder of images per class), `masks`
    /// (one mask per image) or `coco-instances` (boxes and masks of objects).
    pub dataset: String,
    /// Folder of the dataset's files; if absent, they are looked for by the dataset's name. Does not change
    /// results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Annotation files in COCO's format, instead of those with the usual names in the folder: one, a fifth of
    /// whose images is held out for testing, or one for training and one for testing. Only for `coco` and
    /// `coco-instances`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<PathBuf>,
    /// The EXIF orientation that cameras record in images: `ignore` (as torchvision) or `apply` (turn images
    /// upright, in evaluation and prediction, too). Masks of the stored size are turned with their images, and
    /// so are COCO's annotations if only the stored image has their size; others are for the upright image.
    #[serde(default)]
    pub exif: Exif,
    /// The number of images in a composed dataset.
    #[serde(default)]
    pub canvases: CanvasConfig,
    /// The appearance of the composed images of `scenes` and `scenes-instances`.
    #[serde(default)]
    pub scenes: SceneConfig,
    /// Which images and objects are used for detection, and the size of batches.
    #[serde(default)]
    pub objects: ObjectConfig,
    /// Random changes to each training image.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// Mixing of the training images of a batch with each other.
    #[serde(default)]
    pub mix: MixConfig,
    /// Resizing and cropping of images for evaluation and prediction; if absent, they keep their size.
    #[serde(default)]
    pub evaluation: Option<EvaluationTransform>,
}

impl DataConfig {
    /// A dataset unchanged: nothing augmented, nothing mixed, images in their own size.
    pub fn named(dataset: impl Into<String>) -> DataConfig {
        DataConfig {
            dataset: dataset.into(),
            folder: None,
            annotations: Vec::new(),
            exif: Exif::default(),
            canvases: CanvasConfig::default(),
            scenes: SceneConfig::default(),
            objects: ObjectConfig::default(),
            augmentation: Augmentation::default(),
            mix: MixConfig::default(),
            evaluation: None,
        }
    }
}

/// The images of a composed dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CanvasConfig {
    /// Seed of everything random in the composed images.
    pub seed: u64,
    /// Number of training images to compose.
    pub train: usize,
    /// Number of test images to compose.
    pub test: usize,
}

impl Default for CanvasConfig {
    fn default() -> CanvasConfig {
        CanvasConfig { seed: 0, train: 16_000, test: 1000 }
    }
}

/// The size of a step, and how activations are stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// Images per pass (forward and backward).
    pub size: usize,
    /// Passes whose gradients are averaged into one step.
    pub accumulation: usize,
    /// Images per pass in evaluation, if they have one size; does not change results.
    pub evaluation_size: usize,
    /// Recompute the hidden layer of each pixel MLP in the backward pass instead of storing it: a tenth
    /// slower, with most of a pass's memory saved; does not change results.
    pub recompute: bool,
    /// Store activations and their gradients as 16-bit floats, in half the memory, with a scaled loss; for
    /// GPUs that support it, changes results slightly.
    pub float16: bool,
}

impl BatchConfig {
    /// Images per step.
    pub fn images_per_step(&self) -> usize {
        self.size * self.accumulation
    }
}

impl Default for BatchConfig {
    fn default() -> BatchConfig {
        BatchConfig { size: 128, accumulation: 1, evaluation_size: 250, recompute: false, float16: false }
    }
}

/// Settings of the cross-entropy loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Share of the target that is spread evenly over all classes, from 0 to below 1.
    pub label_smoothing: f32,
    /// Weight of labels of the background class, for datasets that have one; other labels have weight 1.
    pub background_weight: f32,
    /// Weight of the auxiliary head's loss, added to the main head's.
    pub auxiliary_weight: f32,
}

impl Default for LossConfig {
    fn default() -> LossConfig {
        LossConfig { label_smoothing: 0.1, background_weight: 1.0, auxiliary_weight: 0.4 }
    }
}

impl TrainConfig {
    /// The metric by which the best network is chosen.
    pub fn metric(&self) -> Metric {
        match self.model.blueprint() {
            blueprint if blueprint.cascade.is_some() => Metric::BoxAp,
            blueprint if blueprint.upernet.is_some() => Metric::MeanIou,
            _ => Metric::Accuracy,
        }
    }

    /// Whether the other configuration makes the same run: everything is equal except the place of the data.
    pub fn is_same_run(&self, other: &TrainConfig) -> bool {
        let placed = |config: &TrainConfig| {
            let mut config = config.clone();
            config.data.folder = None;
            config
        };
        placed(self) == placed(other)
    }

    /// Checks the ranges of all values.
    pub(super) fn validate(&self) -> Result<()> {
        for (key, value) in [
            ("batch.size", self.batch.size),
            ("batch.accumulation", self.batch.accumulation),
            ("batch.evaluation_size", self.batch.evaluation_size),
        ] {
            if value == 0 {
                return Err(TrainError::value(key, "is 0, must be at least 1"));
            }
        }
        if !(0.0..1.0).contains(&self.loss.label_smoothing) {
            let reason = format!("is {}, must be at least 0 and below 1", self.loss.label_smoothing);
            return Err(TrainError::value("loss.label_smoothing", reason));
        }
        for (key, weight) in [
            ("loss.background_weight", self.loss.background_weight),
            ("loss.auxiliary_weight", self.loss.auxiliary_weight),
        ] {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(TrainError::value(key, format!("is {weight}, must be 0 or more")));
            }
        }
        self.data.augmentation.validate()?;
        self.data.mix.validate()?;
        if let Some(evaluation) = &self.data.evaluation {
            evaluation.validate()?;
        }
        self.data.scenes.validate()?;
        self.data.objects.validate()?;
        self.inference.validate()?;
        self.optimizer.validate()?;
        self.ema.validate()?;
        self.sparsity.validate()?;
        self.schedule.validate()
    }
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}
