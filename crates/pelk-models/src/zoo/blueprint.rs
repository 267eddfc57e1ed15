//! What distinguishes the models of the zoo, option by option.

use super::form::Form;
use super::options::Options;
use crate::config::{CascadeConfig, DenseInit, Family, Head, NetworkConfig, StageConfig, UperNetConfig};
use crate::error::{ModelError, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The options of a model: those of every model, and those of its form. Lists have one entry per stage.
///
/// Each field is an option that users set by its name. To add one: a field with its doc comment, its value in
/// the models of this folder, and its use in [`Blueprint::build`]; for an option of one form see [`Form`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Blueprint {
    /// The layers around the mixers.
    pub family: Family,
    /// Stride of the stem: 1, 2 or 4.
    pub stem_stride: usize,
    /// Number of blocks of each stage.
    pub depths: Vec<usize>,
    /// Channels of each stage, before the width factor.
    pub widths: Vec<usize>,
    /// Factor for all widths; the product is rounded down to an integer, as in SLaK.
    pub width_factor: f64,
    /// Side of the large kernel of each stage.
    pub kernels: Vec<usize>,
    /// Width of the last stage's pixel MLPs relative to its blocks; 4 in all other stages.
    pub last_mlp_ratio: usize,
    /// Initial layer scale; 0 leaves layer scale out.
    pub layer_scale: f64,
    /// Factor for the initial weights of the classifier's last layer; small in fine-tuning.
    pub head_init_scale: f64,
    /// Initial weights of dense layers.
    pub dense_init: DenseInit,
    /// Drop path rate of the last block; it grows linearly from 0 at the first.
    pub drop_path: f64,
    /// UperNet's settings, to classify each pixel; `{}` takes its defaults. Without it, the network
    /// classifies images.
    pub upernet: Option<UperNetConfig>,
    /// Cascade Mask R-CNN's settings, to find objects with their boxes and masks; `{}` uses its defaults.
    pub cascade: Option<CascadeConfig>,
    /// What the kernels are made of.
    #[serde(flatten)]
    #[schemars(skip)]
    pub form: Form,
}

/// Width of pixel MLPs relative to their blocks.
pub(super) const MLP_RATIO: usize = 4;

impl Blueprint {
    /// This blueprint with another value of one option, by its key. Another `form` starts from its own
    /// defaults, but keeps the options that both forms have.
    ///
    /// # Errors
    /// When neither the model nor its form has this option, or the value has the wrong type.
    pub fn with(&self, key: &str, value: Value) -> Result<Blueprint> {
        if key == "form" {
            return self.with_form(value);
        }
        let mut options = Options::of(self);
        match options.get_mut(key) {
            Some(option) => *option = value,
            // Files of earlier versions had to say that these kernels have no position embedding.
            None if key == "position"
                && value == "none"
                && matches!(self.form, Form::Stripe(_) | Form::Inception(_)) =>
            {
                return Ok(self.clone());
            }
            None => return Err(self.no_option(key, &options)),
        }
        options.into_structure(key)
    }

    fn head(&self) -> Result<Head> {
        match (&self.upernet, &self.cascade) {
            (None, None) => Ok(Head::Pooled),
            (Some(upernet), None) => Ok(Head::UperNet(upernet.clone())),
            (None, Some(cascade)) => Ok(Head::CascadeMaskRcnn(cascade.clone())),
            (Some(_), Some(_)) => {
                Err(ModelError::config("cascade", "is another head than `upernet`: set one of them"))
            }
        }
    }

    fn with_form(&self, name: Value) -> Result<Blueprint> {
        let mut form = Options::default();
        form.insert("form".to_owned(), name);
        let mut form = Options::of(&form.into_structure::<Form>("form")?);
        for (key, value) in self.form.options().0 {
            form.entry(key.as_str()).and_modify(|default| *default = value);
        }
        Ok(Blueprint { form: form.into_structure("form")?, ..self.clone() })
    }

    fn no_option(&self, key: &str, known: &Options) -> ModelError {
        let others = Form::all().into_iter().filter(|form| form.options().contains_key(key));
        let others: Vec<_> = others.map(|form| form.name()).collect();
        if others.is_empty() {
            return ModelError::UnknownOption { key: key.to_owned(), known: known.list() };
        }
        let options = self.form.options();
        ModelError::OptionOfOtherForm {
            key: key.to_owned(),
            form: self.form.name(),
            others: others.join(", "),
            options: if options.is_empty() { "no options of their own".to_owned() } else { options.list() },
        }
    }

    /// The network's configuration.
    ///
    /// # Errors
    /// When the lists have different lengths or a value is not valid.
    pub fn build(&self, name: &str, in_channels: usize, classes: usize) -> Result<NetworkConfig> {
        let stages = self.depths.len();
        for (field, len) in [("widths", self.widths.len()), ("kernels", self.kernels.len())] {
            if len != stages {
                let reason = format!("has {len} entries, but depths has {stages}: give one for each stage");
                return Err(ModelError::config(field, reason));
            }
        }
        if !(self.width_factor > 0.0 && self.width_factor.is_finite()) {
            let reason = format!("is {}, must be above 0", self.width_factor);
            return Err(ModelError::config("width_factor", reason));
        }
        let stage = |i: usize| {
            let width = (self.widths[i] as f64 * self.width_factor) as usize;
            let mixer = self.form.mixer(i, stages, self.kernels[i], width)?;
            let mlp_ratio =
                (i + 1 == stages && self.last_mlp_ratio != MLP_RATIO).then_some(self.last_mlp_ratio);
            Ok(StageConfig { depth: self.depths[i], width, mixer, mlp_ratio })
        };
        let config = NetworkConfig {
            name: name.to_owned(),
            in_channels,
            classes,
            stem_stride: self.stem_stride,
            stages: (0..stages).map(stage).collect::<Result<_>>()?,
            mlp_ratio: MLP_RATIO,
            layer_scale: self.layer_scale as f32,
            family: self.family,
            dense_init: self.dense_init,
            head_init_scale: self.head_init_scale as f32,
            drop_path: self.drop_path as f32,
            folded: false,
            head: self.head()?,
        };
        config.validate()?;
        Ok(config)
    }
}
