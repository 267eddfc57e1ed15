//! What distinguishes the models of one family, and how users change it.

use crate::config::{
    DenseInit, Family, Head, InceptionConfig, MixerConfig, NetworkConfig, PeripheralConfig, Position,
    StageConfig, StripeConfig, ThetaScale, UperNetConfig,
};
use crate::error::{ModelError, Result};
use pelk_grid::SharingGrid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The architecture of a model, a list entry a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    /// The layers around the mixers.
    pub family: Family,
    /// Step of the stem.
    pub stem_stride: usize,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Channels of each stage, before the width factor.
    pub widths: Vec<usize>,
    /// Factor on all widths; the product is cut to an integer, as in SLaK.
    pub width_factor: f64,
    /// Side of the large kernel of each stage.
    pub kernels: Vec<usize>,
    /// Width of the last stage's pixel MLPs over that of its blocks; 4 in all others.
    pub last_mlp_ratio: usize,
    /// What the large kernels are made of; `None` for ConvNeXt's plain depthwise kernels.
    pub large: Option<LargeKernel>,
    /// Start of the layer scale.
    pub layer_scale: f32,
    /// How dense layers start.
    pub dense_init: DenseInit,
    /// Drop path of the last block.
    pub drop_path: f32,
}

/// Width of pixel MLPs over that of blocks.
pub(super) const MLP_RATIO: usize = 4;

/// What a large kernel is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Parameters shared away from the center: PeLK.
    Peripheral,
    /// A parameter for every tap: RepLKNet.
    Dense,
    /// Two crossed stripes as wide as the small kernel: SLaK.
    Stripe,
    /// The small kernel, a horizontal and a vertical band, a third of the convolved channels each: InceptionNeXt.
    Inception,
}

/// What the mixers of large kernels have.
#[derive(Debug, Clone, PartialEq)]
pub struct LargeKernel {
    /// What the kernels are made of.
    pub form: Form,
    /// Side of the unshared center.
    pub center: usize,
    /// Growth of the blocks outside it.
    pub base: usize,
    /// Explicit half grids, one a stage, instead of `kernels`, `center` and `base`.
    pub grids: Option<Vec<String>>,
    /// Share of the channels that is convolved, cut to an integer.
    pub ratio: f64,
    /// Side of the small dense kernel; 0 for none.
    pub small_kernel: usize,
    /// Position embedding.
    pub position: Position,
    /// What the parameters are factors of.
    pub theta_scale: ThetaScale,
}

/// A model of the zoo by name, with changes; what is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Name in the zoo.
    pub name: String,
    /// Step of the stem: 1, 2 or 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stem_stride: Option<usize>,
    /// Blocks of each stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depths: Option<Vec<usize>>,
    /// Channels of each stage, before the width factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub widths: Option<Vec<usize>>,
    /// Factor on all widths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width_factor: Option<f64>,
    /// Side of the large kernel of each stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernels: Option<Vec<usize>>,
    /// What large kernels are made of: peripheral, dense, stripe or inception (all models but ConvNeXt's).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// Side of the unshared center (peripheral kernels).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub center: Option<usize>,
    /// Growth of the blocks outside the center (peripheral kernels).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<usize>,
    /// Explicit half grids such as "9,8,4,2,1,1,1", one a stage (peripheral kernels).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grids: Option<Vec<String>>,
    /// Share of the channels that is convolved (all models but ConvNeXt's).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Side of the parallel dense kernel, 0 for none; the width of stripes; the side of the square beside bands (all models but
    /// ConvNeXt's).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub small_kernel: Option<usize>,
    /// Position embedding: none, in_bounds or literal (all models but ConvNeXt's; stripes and bands have none).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Whether parameters are factors of the regions' sums or means: sum, as in the paper, or mean (peripheral kernels).
    #[serde(alias = "boxes", skip_serializing_if = "Option::is_none")]
    pub theta_scale: Option<ThetaScale>,
    /// Start of the layer scale; 0 leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer_scale: Option<f32>,
    /// Factor on the start of the classifier's last weights, 1 unless it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_init_scale: Option<f32>,
    /// How dense layers start: fixed or fan_in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dense_init: Option<DenseInit>,
    /// Drop path of the last block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_path: Option<f32>,
    /// UperNet's settings, which give a class to each pixel; `{}` takes its defaults. Without it the network is a classifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upernet: Option<UperNetConfig>,
}

fn set<T: Clone>(field: &mut T, option: &Option<T>) {
    if let Some(value) = option {
        field.clone_from(value);
    }
}

impl ModelSpec {
    /// The model as the zoo has it.
    pub fn named(name: impl Into<String>) -> ModelSpec {
        ModelSpec { name: name.into(), ..ModelSpec::default() }
    }
}

impl Blueprint {
    /// This architecture with a user's changes.
    ///
    /// # Errors
    /// When a change has no meaning for the model.
    pub(super) fn with(mut self, options: &ModelSpec) -> Result<Blueprint> {
        set(&mut self.stem_stride, &options.stem_stride);
        set(&mut self.depths, &options.depths);
        set(&mut self.widths, &options.widths);
        set(&mut self.width_factor, &options.width_factor);
        set(&mut self.kernels, &options.kernels);
        set(&mut self.layer_scale, &options.layer_scale);
        set(&mut self.dense_init, &options.dense_init);
        set(&mut self.drop_path, &options.drop_path);
        let sharing = [
            ("center", options.center.is_some()),
            ("base", options.base.is_some()),
            ("grids", options.grids.is_some()),
            ("theta_scale", options.theta_scale.is_some()),
        ];
        let large = [
            ("form", options.form.is_some()),
            ("ratio", options.ratio.is_some()),
            ("small_kernel", options.small_kernel.is_some()),
            ("position", options.position.is_some()),
        ];
        let refuse = |options: &[(&'static str, bool)], reason: String| {
            let given = options.iter().find(|(_, given)| *given);
            given.map_or(Ok(()), |(field, _)| Err(ModelError::config(field, reason)))
        };
        let Some(blueprint) = &mut self.large else {
            let reason = || format!("{} has plain depthwise kernels, which do not take it", options.name);
            refuse(&sharing, reason())?;
            refuse(&large, reason())?;
            return Ok(self);
        };
        set(&mut blueprint.form, &options.form);
        set(&mut blueprint.center, &options.center);
        set(&mut blueprint.base, &options.base);
        set(&mut blueprint.ratio, &options.ratio);
        set(&mut blueprint.small_kernel, &options.small_kernel);
        set(&mut blueprint.position, &options.position);
        set(&mut blueprint.theta_scale, &options.theta_scale);
        blueprint.grids.clone_from(&options.grids);
        if blueprint.form != Form::Peripheral {
            refuse(&sharing, "is for peripheral kernels; set model.form=peripheral too".to_owned())?;
        }
        if matches!(blueprint.form, Form::Stripe | Form::Inception) && blueprint.position != Position::None {
            let reason = "is for large square kernels; with model.form=stripe or inception set model.position=none too";
            return Err(ModelError::config("position", reason));
        }
        Ok(self)
    }

    /// The network's configuration.
    ///
    /// # Errors
    /// When the lists have different lengths or a value makes no network.
    pub(super) fn build(&self, name: &str, in_channels: usize, classes: usize) -> Result<NetworkConfig> {
        let stages = self.depths.len();
        for (field, len) in [("widths", self.widths.len()), ("kernels", self.kernels.len())] {
            if len != stages {
                let reason = format!("has {len} entries, but depths has {stages}: give one a stage");
                return Err(ModelError::config(field, reason));
            }
        }
        if !(self.width_factor > 0.0 && self.width_factor.is_finite()) {
            return Err(ModelError::config(
                "width_factor",
                format!("is {}, must be above 0", self.width_factor),
            ));
        }
        let stage = |i: usize| {
            let width = (self.widths[i] as f64 * self.width_factor) as usize;
            let mixer = match &self.large {
                None => MixerConfig::Depthwise { kernel: self.kernels[i] },
                Some(large) => large.stage(i, self.kernels[i], width, stages)?,
            };
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
            layer_scale: self.layer_scale,
            family: self.family,
            dense_init: self.dense_init,
            head_init_scale: 1.0,
            drop_path: self.drop_path,
            folded: false,
            head: Head::default(),
        };
        config.validate()?;
        Ok(config)
    }
}

impl LargeKernel {
    fn stage(&self, i: usize, kernel: usize, width: usize, stages: usize) -> Result<MixerConfig> {
        if !(self.ratio > 0.0 && self.ratio <= 1.0) {
            return Err(ModelError::config(
                "ratio",
                format!("is {}, must be above 0 and at most 1", self.ratio),
            ));
        }
        let channels = ((width as f64 * self.ratio) as usize).max(1);
        let square = |grid, small_kernel| {
            let LargeKernel { position, theta_scale, .. } = *self;
            MixerConfig::Peripheral(PeripheralConfig { grid, channels, small_kernel, position, theta_scale })
        };
        Ok(match self.form {
            Form::Peripheral => square(self.grid(i, kernel, stages)?, self.small_kernel),
            Form::Dense => square(dense(kernel)?, self.small_kernel),
            Form::Stripe if kernel > self.small_kernel => {
                MixerConfig::Stripe(StripeConfig { kernel, width: self.small_kernel, channels })
            }
            // Stripes no longer than they are wide are one dense kernel, as in SLaK.
            Form::Stripe => square(dense(kernel)?, 0),
            Form::Inception => MixerConfig::Inception(InceptionConfig {
                square: self.small_kernel,
                band: kernel,
                channels: (width as f64 * self.ratio / InceptionConfig::BRANCHES as f64) as usize,
            }),
        })
    }

    fn grid(&self, i: usize, kernel: usize, stages: usize) -> Result<SharingGrid> {
        match &self.grids {
            // A kernel that the center covers is dense: there is nothing left to share.
            None if kernel <= self.center => dense(kernel),
            None => SharingGrid::exponential(kernel, self.center, self.base)
                .map_err(|source| ModelError::Grid { field: "kernels", source }),
            Some(grids) if grids.len() == stages => SharingGrid::from_half_text(&grids[i])
                .map_err(|source| ModelError::Grid { field: "grids", source }),
            Some(grids) => {
                let reason =
                    format!("has {} entries, but depths has {stages}: give one a stage", grids.len());
                Err(ModelError::config("grids", reason))
            }
        }
    }
}

fn dense(kernel: usize) -> Result<SharingGrid> {
    SharingGrid::dense(kernel).map_err(|source| ModelError::Grid { field: "kernels", source })
}
