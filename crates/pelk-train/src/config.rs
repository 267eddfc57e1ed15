//! The configuration of a run.

mod error;
mod keys;
mod names;
mod refusal;
mod settings;

pub use error::{ConfigError, Origin};
pub use keys::{Key, Kind, keys};
pub use names::suggestions;

use crate::ema::EmaConfig;
use crate::error::{Result, TrainError};
use crate::inference::InferenceConfig;
use crate::metrics::Metric;
use crate::optimizer::OptimizerConfig;
use crate::schedule::ScheduleConfig;
use crate::sparsity::SparsityConfig;
use pelk_data::{Augmentation, EvaluationTransform, MixConfig, SceneConfig};
use pelk_models::ModelSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use toml::Table;

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
    /// Name of the dataset, for instance `fashion-mnist`, `folder` (one folder of images per class) or
    /// `masks` (one mask per image).
    pub dataset: String,
    /// Folder of the dataset's files; if absent, they are looked for by the dataset's name. Does not change
    /// results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The number of images in a composed dataset.
    #[serde(default)]
    pub canvases: CanvasConfig,
    /// What the composed images of `scenes` look like.
    #[serde(default)]
    pub scenes: SceneConfig,
    /// Random changes to each training image.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// Mixing of the training images of a batch with each other.
    #[serde(default)]
    pub mix: MixConfig,
    /// Resizing and cropping of images to one size for evaluation and prediction; if absent, they keep their
    /// size.
    #[serde(default)]
    pub evaluation: Option<EvaluationTransform>,
}

impl DataConfig {
    /// A dataset as it is: nothing augmented, nothing mixed, images in their own size.
    pub fn named(dataset: impl Into<String>) -> DataConfig {
        DataConfig {
            dataset: dataset.into(),
            folder: None,
            canvases: CanvasConfig::default(),
            scenes: SceneConfig::default(),
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
    /// Images per pass in evaluation, where they have one size; does not change results.
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
    /// Reads a configuration and applies `key.path=value` settings to it; `origin` names it in errors. A setting's
    /// value is TOML, or else text; without a value its key has the default again.
    ///
    /// # Errors
    /// When the text or a setting does not parse, a key is unknown or a value has the wrong type.
    pub fn parse(origin: &str, text: &str, settings: &[String]) -> Result<TrainConfig> {
        let refuse = |source| refused(Origin::Text(origin.to_owned()), source);
        let syntax = |error: toml::de::Error| refuse(ConfigError::Syntax(error.to_string()));
        let mut table: Table = text.parse().map_err(syntax)?;
        let mut config = refusal::read(&table).map_err(refuse)?;
        for setting in settings {
            let refuse = |source| refused(Origin::Setting(setting.clone()), source);
            settings::set(&mut table, setting).map_err(refuse)?;
            config = refusal::read(&table).map_err(refuse)?;
        }
        config.validate()?;
        Ok(config)
    }

    /// The metric by which the best network is chosen.
    pub fn metric(&self) -> Metric {
        if self.model.upernet.is_some() { Metric::MeanIou } else { Metric::Accuracy }
    }

    /// Whether the other configuration makes the same run: all is equal but the place of the data.
    pub fn is_same_run(&self, other: &TrainConfig) -> bool {
        let placed = |config: &TrainConfig| {
            let mut config = config.clone();
            config.data.folder = None;
            config
        };
        placed(self) == placed(other)
    }

    /// The configuration as TOML, with every value written out.
    ///
    /// # Errors
    /// When a value cannot be written as TOML; none of these types has such values.
    pub fn to_toml(&self) -> Result<String> {
        let refuse = |error: toml::ser::Error| {
            refused(Origin::Text("the configuration".into()), ConfigError::Other(error.to_string()))
        };
        toml::to_string(self).map_err(refuse)
    }

    fn validate(&self) -> Result<()> {
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
        self.inference.validate()?;
        self.optimizer.validate()?;
        self.ema.validate()?;
        self.sparsity.validate()?;
        self.schedule.validate()
    }
}

fn refused(origin: Origin, source: ConfigError) -> TrainError {
    TrainError::Configuration { origin, source: Box::new(source) }
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "model.name = \"pelk_atto\"\ndata.dataset = \"fashion-mnist\"\n";

    fn parse(settings: &[&str]) -> Result<TrainConfig> {
        TrainConfig::parse("test", TEXT, &settings.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn settings_reach_every_level() {
        let config = parse(&[
            "seed=7",
            "optimizer.learning_rate=1e-3",
            "model.position=none",
            "model.kernels=[9,9,5]",
        ]);
        let config = config.unwrap();
        assert_eq!((config.seed, config.optimizer.learning_rate), (7, 1e-3));
        assert_eq!(config.model.kernels, Some(vec![9, 9, 5]));
    }

    #[test]
    fn the_written_configuration_reads_back() {
        let config = parse(&["model.drop_path=0.1", "loss.label_smoothing=0.05"]).unwrap();
        assert_eq!(TrainConfig::parse("again", &config.to_toml().unwrap(), &[]).unwrap(), config);
    }

    #[test]
    fn the_recipe_of_imagenet_reads_and_writes() {
        let settings = [
            "data.mix={mixup_alpha=0.8,cutmix_alpha=1.0}",
            "data.augmentation={resized_crop={size=192},rand_augment={},crop_padding=0}",
            "data.augmentation.rand_augment.magnitude=7",
            "data.evaluation={size=224}",
        ];
        let config = parse(&settings).unwrap();
        assert_eq!(config.data.augmentation.output_size(None), Some([192, 192]));
        assert_eq!(config.data.augmentation.rand_augment.as_ref().unwrap().magnitude, 7.0);
        assert_eq!(config.data.evaluation.as_ref().unwrap().crop_ratio, 0.875);
        assert!(config.data.mix.is_on() && !parse(&[]).unwrap().data.mix.is_on());
        assert_eq!(TrainConfig::parse("again", &config.to_toml().unwrap(), &[]).unwrap(), config);
        for (setting, text) in [
            ("data.mix.probability=2", "probability is 2.0"),
            ("data.evaluation.crop_ratio=0", "evaluation.crop_ratio is 0.0"),
            ("data.augmentation.color_jitter=0.4", "color_jitter is 0.4, but must be 0 with `rand_augment`"),
            ("data.mix.alpha=1", "no key `data.mix.alpha`"),
        ] {
            let message = parse(&[&settings[..], &[setting]].concat()).unwrap_err().to_string();
            assert!(message.contains(text), "{message}");
        }
    }

    #[test]
    fn a_key_without_a_value_has_its_default_again() {
        let config = parse(&["data.evaluation={size=96}", "seed=7", "data.evaluation=", "seed= "]).unwrap();
        assert_eq!(config, parse(&[]).unwrap());
        let message = parse(&["data.evaluatoin="]).unwrap_err().to_string();
        assert!(
            message.contains("data.evaluatoin=") && message.contains("no value to take away"),
            "{message}"
        );
        let message = parse(&["model.name="]).unwrap_err().to_string();
        assert!(message.contains("`model.name` is missing"), "{message}");
    }

    fn refused(settings: &[&str]) -> (Origin, ConfigError) {
        match parse(settings) {
            Err(TrainError::Configuration { origin, source }) => (origin, *source),
            other => panic!("{settings:?}: {other:?}"),
        }
    }

    #[test]
    fn an_unknown_key_gets_the_nearest_right_one() {
        for (setting, found, suggestion) in [
            ("optimizer.learning_rat=1", "optimizer.learning_rat", "optimizer.learning_rate"),
            ("learning_rate=1", "learning_rate", "optimizer.learning_rate"),
            ("optimiser.eps=1", "optimiser.eps", "optimizer.eps"),
            ("optimizer.layer_decay.rat=1", "optimizer.layer_decay.rat", "optimizer.layer_decay.rate"),
            ("data.evaluation.crop=1", "data.evaluation.crop", ""),
        ] {
            let (origin, error) = refused(&[setting]);
            assert_eq!(origin, Origin::Setting(setting.to_owned()));
            let suggestions = Vec::from_iter((!suggestion.is_empty()).then(|| suggestion.to_owned()));
            assert_eq!(error, ConfigError::UnknownKey { key: found.to_owned(), suggestions });
        }
        let message = parse(&["lr=1"]).unwrap_err().to_string();
        assert_eq!(message, "`lr=1`: there is no key `lr`: did you mean `optimizer.learning_rate`?");
    }

    #[test]
    fn a_value_of_another_type_is_shown_with_its_key_and_the_right_type() {
        for (setting, key, found, expected) in [
            ("batch.size=many", "batch.size", "\"many\"", "a whole number"),
            ("batch.size=-1", "batch.size", "-1", "a whole number"),
            ("batch.size=1.5", "batch.size", "1.5", "a whole number"),
            ("batch.recompute=1", "batch.recompute", "1", "true or false"),
            ("model.kernels=[9, \"x\"]", "model.kernels", "[9, \"x\"]", "a list of whole numbers"),
            ("data.augmentation.fit=[1]", "data.augmentation.fit", "[1]", "a list of 2 whole numbers"),
            ("optimizer.algorithm=adam", "optimizer.algorithm", "\"adam\"", "one of adamw, sgd"),
            ("data.evaluation=3", "data.evaluation", "3", "a table"),
        ] {
            let (_, error) = refused(&[setting]);
            let ConfigError::Type { key: k, found: f, expected: e, suggestions } = error else {
                panic!("{setting}: {error}")
            };
            assert_eq!((&*k, &*f, e.to_string().as_str()), (key, found, expected), "{setting}");
            assert!(suggestions.is_empty(), "{setting}: {suggestions:?}");
        }
        let (_, error) = refused(&["optimizer=sgd"]);
        let text = "`optimizer` is \"sgd\", must be a table: did you mean `optimizer.algorithm`?";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn bad_values_name_their_key() {
        let deep = format!("{}a=1", "a.".repeat(100_000));
        for (setting, key) in [
            (deep.as_str(), "has 100001 parts"),
            ("batch.size=0", "batch.size"),
            ("optimizer.beta1=1.5", "optimizer.beta1"),
            ("schedule.warmup_epochs=99", "schedule.warmup_epochs"),
            ("loss.label_smoothing=nan", "loss.label_smoothing"),
            ("batch.size=many", "size"),
            ("seed", "key.path=value"),
            ("=1", "empty"),
            ("seed.deep=1", "seed"),
        ] {
            let message = parse(&[setting]).unwrap_err().to_string();
            assert!(message.contains(key), "{setting}: {message}");
        }
    }
}
