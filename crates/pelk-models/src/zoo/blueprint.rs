//! What distinguishes the models of one skeleton, and how users change it.

use crate::config::{DenseInit, MixerConfig, NetworkConfig, PeripheralConfig, Position, StageConfig};
use crate::error::{ModelError, Result};
use pelk_grid::SharingGrid;
use serde::{Deserialize, Serialize};

/// The architecture of a model, a list entry a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
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
    /// The peripheral part; `None` for dense depthwise kernels on all channels.
    pub peripheral: Option<PeripheralBlueprint>,
    /// Start of the layer scale.
    pub layer_scale: f32,
    /// How dense layers start.
    pub dense_init: DenseInit,
    /// Drop path of the last block.
    pub drop_path: f32,
}

/// What only peripheral mixers have.
#[derive(Debug, Clone, PartialEq)]
pub struct PeripheralBlueprint {
    /// Side of the unshared centre.
    pub center: usize,
    /// Growth of the blocks outside it.
    pub base: usize,
    /// Explicit half grids, one a stage, instead of `kernels`, `center` and `base`.
    pub grids: Option<Vec<String>>,
    /// Share of the channels that is convolved, cut to an integer.
    pub ratio: f64,
    /// Side of the parallel dense kernel; 0 for none.
    pub small_kernel: usize,
    /// Position embedding.
    pub position: Position,
}

/// A model of the zoo by name, with changes; what is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Side of the unshared centre (peripheral models).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub center: Option<usize>,
    /// Growth of the blocks outside the centre (peripheral models).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<usize>,
    /// Explicit half grids such as "9,8,4,2,1,1,1", one a stage (peripheral models).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grids: Option<Vec<String>>,
    /// Share of the channels that is convolved (peripheral models).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Side of the parallel dense kernel, 0 for none (peripheral models).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub small_kernel: Option<usize>,
    /// Position embedding: none, in_bounds or literal (peripheral models).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Start of the layer scale; 0 leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer_scale: Option<f32>,
    /// How dense layers start: fixed or fan_in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dense_init: Option<DenseInit>,
    /// Drop path of the last block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_path: Option<f32>,
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
        if let Some(peripheral) = &mut self.peripheral {
            set(&mut peripheral.center, &options.center);
            set(&mut peripheral.base, &options.base);
            set(&mut peripheral.ratio, &options.ratio);
            set(&mut peripheral.small_kernel, &options.small_kernel);
            set(&mut peripheral.position, &options.position);
            peripheral.grids.clone_from(&options.grids);
            return Ok(self);
        }
        let given = [
            ("center", options.center.is_some()),
            ("base", options.base.is_some()),
            ("grids", options.grids.is_some()),
            ("ratio", options.ratio.is_some()),
            ("small_kernel", options.small_kernel.is_some()),
            ("position", options.position.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            None => Ok(self),
            Some((field, _)) => Err(ModelError::config(
                field,
                format!("{} has dense kernels; only peripheral models take it", options.name),
            )),
        }
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
            let mixer = match &self.peripheral {
                None => MixerConfig::Depthwise { kernel: self.kernels[i] },
                Some(peripheral) => {
                    MixerConfig::Peripheral(peripheral.stage(i, self.kernels[i], width, stages)?)
                }
            };
            Ok(StageConfig { depth: self.depths[i], width, mixer })
        };
        let config = NetworkConfig {
            name: name.to_owned(),
            in_channels,
            classes,
            stem_stride: self.stem_stride,
            stages: (0..stages).map(stage).collect::<Result<_>>()?,
            mlp_ratio: 4,
            layer_scale: self.layer_scale,
            dense_init: self.dense_init,
            drop_path: self.drop_path,
            folded: false,
        };
        config.validate()?;
        Ok(config)
    }
}

impl PeripheralBlueprint {
    fn stage(&self, i: usize, kernel: usize, width: usize, stages: usize) -> Result<PeripheralConfig> {
        let grid = match &self.grids {
            // A kernel that the centre covers is dense: there is nothing left to share.
            None if kernel <= self.center => {
                SharingGrid::dense(kernel).map_err(|source| ModelError::Grid { field: "kernels", source })?
            }
            None => SharingGrid::exponential(kernel, self.center, self.base)
                .map_err(|source| ModelError::Grid { field: "kernels", source })?,
            Some(grids) if grids.len() == stages => SharingGrid::from_half_text(&grids[i])
                .map_err(|source| ModelError::Grid { field: "grids", source })?,
            Some(grids) => {
                let reason =
                    format!("has {} entries, but depths has {stages}: give one a stage", grids.len());
                return Err(ModelError::config("grids", reason));
            }
        };
        if !(self.ratio > 0.0 && self.ratio <= 1.0) {
            return Err(ModelError::config(
                "ratio",
                format!("is {}, must be above 0 and at most 1", self.ratio),
            ));
        }
        Ok(PeripheralConfig {
            grid,
            channels: ((width as f64 * self.ratio) as usize).max(1),
            small_kernel: self.small_kernel,
            position: self.position,
        })
    }
}
