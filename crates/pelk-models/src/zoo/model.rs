//! A model of the zoo, and the numbers that the papers print for it.

use super::blueprint::Blueprint;
use crate::config::{CascadeConfig, Head, NetworkConfig, UperNetConfig};
use crate::error::Result;

/// The task for which a paper counted a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Classification, 1000 classes.
    ImageNet,
    /// Segmentation with UperNet, 150 classes.
    Ade20k,
    /// Detection and instance segmentation with Cascade Mask R-CNN, 80 classes.
    Coco,
}

impl Task {
    /// Number of classes.
    pub fn classes(self) -> usize {
        match self {
            Task::ImageNet => 1000,
            Task::Ade20k => 150,
            Task::Coco => 80,
        }
    }

    /// The head of the network.
    pub fn head(self) -> Head {
        match self {
            Task::ImageNet => Head::Pooled,
            Task::Ade20k => Head::UperNet(UperNetConfig::default()),
            Task::Coco => Head::CascadeMaskRcnn(CascadeConfig::default()),
        }
    }

    /// Whether the papers' numbers count the multiply-adds of small kernels. ImageNet's match, to the printed
    /// digit, only without them, and PeLK's for ADE20K and COCO only with them.
    pub fn runs_small_kernels(self) -> bool {
        self != Task::ImageNet
    }

    /// Whether the papers' numbers include [`PartCost::mmcv_extra`](crate::cost::PartCost::mmcv_extra). COCO's
    /// match, to the printed digit, only with it.
    pub fn counts_like_mmcv(self) -> bool {
        self == Task::Coco
    }
}

/// A number that a paper prints for a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaperNumbers {
    /// The task.
    pub task: Task,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Parameters, in millions.
    pub params_m: f64,
    /// Multiply-adds, in billions (the papers' "FLOPs").
    pub macs_g: f64,
}

impl PaperNumbers {
    /// For classification of square images.
    pub(super) const fn imagenet(size: usize, params_m: f64, macs_g: f64) -> PaperNumbers {
        PaperNumbers { task: Task::ImageNet, size: [size; 2], params_m, macs_g }
    }

    /// For segmentation of images of 2048 x 512 pixels (PeLK, table 2).
    pub(super) const fn ade20k(params_m: f64, macs_g: f64) -> PaperNumbers {
        PaperNumbers { task: Task::Ade20k, size: [512, 2048], params_m, macs_g }
    }

    /// For detection, in images of 1280 x 800 pixels (PeLK, table 3).
    pub(super) const fn coco(params_m: f64, macs_g: f64) -> PaperNumbers {
        PaperNumbers { task: Task::Coco, size: [800, 1280], params_m, macs_g }
    }
}

/// A named model.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its name, for instance `pelk_t`.
    pub name: &'static str,
    /// A one-line description.
    pub summary: &'static str,
    /// Fraction of the weights that the paper keeps and counts (PeLK and SLaK train with 40 % sparsity).
    pub density: f64,
    /// The numbers that the paper prints.
    pub paper: &'static [PaperNumbers],
    /// Its architecture.
    pub blueprint: Blueprint,
}

impl Model {
    /// Whether it is meant for images of about 28 pixels, as in Fashion-MNIST: its stem has a small stride.
    pub fn for_small_images(&self) -> bool {
        self.blueprint.stem_stride < 4
    }

    /// The classifier's configuration for images of `in_channels` channels and `classes` classes, unchanged.
    ///
    /// # Errors
    /// When a value makes no network.
    pub fn configure(&self, in_channels: usize, classes: usize) -> Result<NetworkConfig> {
        self.blueprint.build(self.name, in_channels, classes)
    }

    /// The network's configuration for a task of the papers.
    ///
    /// # Errors
    /// When a value makes no network.
    pub fn configure_for(&self, task: Task, in_channels: usize, classes: usize) -> Result<NetworkConfig> {
        let config = NetworkConfig { head: task.head(), ..self.configure(in_channels, classes)? };
        config.validate()?;
        Ok(config)
    }
}
