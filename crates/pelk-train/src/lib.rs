//! Optimizers, schedules, checkpoints and the training loop.
//!
//! A [`TrainConfig`] has everything that determines the result of a run. A [`Trainer`] trains the network
//! according to it, an [`Observer`] receives the results, and a [`Run`] keeps them in a folder.
//!
//! ```
//! use pelk_autodiff::CpuBackend;
//! use pelk_data::ImageDataset;
//! use pelk_train::*;
//! use std::sync::Arc;
//!
//! struct Losses(Vec<f64>);
//! impl Observer for Losses {
//!     fn on_step(&mut self, report: &StepReport) -> bool {
//!         self.0.extend(report.loss);
//!         true // continue
//!     }
//! }
//!
//! // Two classes of 8 x 8 images: dark and bright.
//! let labels: Vec<u32> = (0..32).map(|i| i % 2).collect();
//! let brightness = labels.iter().flat_map(|&label| [(40 + 150 * label) as u8; 64]);
//! let pixels = brightness.enumerate().map(|(i, value)| value + (i % 7) as u8).collect();
//! let classes = vec!["dark".into(), "bright".into()];
//! let data = Arc::new(ImageDataset::new("example", [8, 8, 1], pixels, labels, classes)?);
//!
//! let text = r#"
//!     model = { name = "pelk_atto", depths = [1, 1], widths = [8, 16], kernels = [7, 5] }
//!     data.dataset = "example"
//!     batch.size = 16
//!     schedule = { epochs = 3, warmup_epochs = 0 }
//! "#;
//! let config = TrainConfig::parse("example", text, &[])?;
//! let mut trainer = Trainer::new(CpuBackend::new()?, config, Datasets { train: data.clone(), test: data })?;
//! let mut losses = Losses(Vec::new());
//! assert_eq!(trainer.run(Limits::default(), &mut losses)?, Outcome::Finished);
//! assert_eq!(losses.0.len(), 6);
//! assert!(losses.0[5] < losses.0[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod atomic;
mod checkpoint;
mod config;
mod confusion;
#[cfg(feature = "curves")]
pub mod curves;
mod datasets;
mod ema;
mod error;
mod evaluate;
mod identity;
mod inference;
mod layer_decay;
mod loading;
mod lock;
mod loss_scale;
pub mod metrics;
mod observer;
mod optimizer;
pub mod preprocessing;
pub mod presets;
mod run;
mod schedule;
mod sparsity;
pub mod tensorboard;
mod tensors;
mod trained;
mod trainer;
mod warm_start;

pub use atomic::{write_atomically, write_new_atomically};
pub use checkpoint::{Best, Checkpoint, Description, TrainingState};
pub use config::{
    BatchConfig, CanvasConfig, ConfigError, DataConfig, Key, Kind, LossConfig, Origin, TrainConfig, keys,
    suggestions,
};
pub use confusion::Confusion;
pub use datasets::{dataset_folder, open_dataset, open_lenient, open_scenes, open_whole};
pub use ema::EmaConfig;
pub use error::{Result, TrainError};
pub use evaluate::{
    Evaluation, EvaluationTask, GroupResult, GroupScores, LabelEvaluation, ObjectEvaluation, evaluate,
    objects_of, ranked, results_of,
};
pub use identity::{DataIdentity, for_network};
pub use inference::{InferenceConfig, Predictor};
pub use layer_decay::{LayerDecay, LayerGroups};
pub use loading::Datasets;
pub use lock::FolderLock;
pub use loss_scale::LossScale;
pub use metrics::{LabelScores, Metric, MetricsRow, ObjectScores, Scores};
pub use observer::{EvaluationReport, Limits, LossParts, Observer, Outcome, StepDetail, StepReport};
pub use optimizer::{Algorithm, Optimizer, OptimizerConfig, Update, gradient_norm};
pub use preprocessing::{open_image, open_upright};
pub use run::Run;
pub use schedule::{Decay, ScheduleConfig};
pub use sparsity::{Densities, SparsityConfig};
pub use tensorboard::EventLog;
pub use trained::classifier::{Classifier, Prepared};
pub use trained::{Trained, averaged, inference_form, network_alone};
pub use trainer::Trainer;
pub use trainer::estimate::Estimate;
pub use trainer::fit::least_memory;
pub use warm_start::WarmStart;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The Rust snippets of the project's README, compiled and run as they are shown.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;
