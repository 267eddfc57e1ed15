//! The models by name. To add one: an entry in a file of this folder.

mod blueprint;
mod convnext;
mod inceptionnext;
mod pelk;
mod replknet;
mod rivals;
mod scales;

pub use blueprint::{Blueprint, Form, LargeKernel, ModelSpec};

use crate::config::{Head, NetworkConfig, UperNetConfig};
use crate::error::{ModelError, Result};
use crate::nearest;

/// What a paper counted a model for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Classification, 1000 classes.
    ImageNet,
    /// Segmentation with UperNet, 150 classes.
    Ade20k,
}

impl Task {
    /// Number of classes.
    pub fn classes(self) -> usize {
        match self {
            Task::ImageNet => 1000,
            Task::Ade20k => 150,
        }
    }

    /// What gives the logits.
    pub fn head(self) -> Head {
        match self {
            Task::ImageNet => Head::Pooled,
            Task::Ade20k => Head::UperNet(UperNetConfig::default()),
        }
    }

    /// Whether the papers' numbers count the multiply-adds of small kernels. Only without them do those for ImageNet come out,
    /// and only with them PeLK's for ADE20K, all to the printed digit.
    pub fn runs_small_kernels(self) -> bool {
        self == Task::Ade20k
    }
}

/// A number that a paper prints for a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaperNumbers {
    /// What the model was counted for.
    pub task: Task,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Parameters, in millions.
    pub params_m: f64,
    /// Multiply-adds, in thousands of millions (the papers' "FLOPs").
    pub macs_g: f64,
}

impl PaperNumbers {
    /// For classification, of square images.
    const fn imagenet(size: usize, params_m: f64, macs_g: f64) -> PaperNumbers {
        PaperNumbers { task: Task::ImageNet, size: [size; 2], params_m, macs_g }
    }

    /// For segmentation, of images of 2048 x 512 pixels (PeLK, table 2).
    const fn ade20k(params_m: f64, macs_g: f64) -> PaperNumbers {
        PaperNumbers { task: Task::Ade20k, size: [512, 2048], params_m, macs_g }
    }
}

/// A named model.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its name on the command line, for instance `pelk_t`.
    pub name: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// Share of the weights that the paper keeps and counts (PeLK and SLaK train with 40 % sparsity).
    pub density: f64,
    /// What the paper prints for it.
    pub paper: &'static [PaperNumbers],
    /// Its architecture.
    pub blueprint: Blueprint,
}

impl Model {
    /// Whether it is made for images of about 28 pixels, as in Fashion-MNIST: its stem takes small steps.
    pub fn for_small_images(&self) -> bool {
        self.blueprint.stem_stride < 4
    }

    /// The classifier's configuration for images of `in_channels` channels and `classes` classes, unchanged.
    ///
    /// # Errors
    /// When it makes no network.
    pub fn configure(&self, in_channels: usize, classes: usize) -> Result<NetworkConfig> {
        self.blueprint.build(self.name, in_channels, classes)
    }

    /// The network's configuration for a task of the papers.
    ///
    /// # Errors
    /// When it makes no network.
    pub fn configure_for(&self, task: Task, in_channels: usize, classes: usize) -> Result<NetworkConfig> {
        let config = NetworkConfig { head: task.head(), ..self.configure(in_channels, classes)? };
        config.validate()?;
        Ok(config)
    }
}

/// The configuration of the model that `spec` names, with its changes.
///
/// # Errors
/// When there is no such model, or a change has no meaning for it or makes no network.
pub fn configure(spec: &ModelSpec, in_channels: usize, classes: usize) -> Result<NetworkConfig> {
    let model = model(&spec.name)?;
    let mut config = model.blueprint.with(spec)?.build(model.name, in_channels, classes)?;
    if let Some(upernet) = &spec.upernet {
        config.head = Head::UperNet(upernet.clone());
    }
    config.head_init_scale = spec.head_init_scale.unwrap_or(config.head_init_scale);
    config.validate()?;
    Ok(config)
}

/// All models, in the order of listings.
pub fn models() -> Vec<Model> {
    let mut models = pelk::models();
    models.extend(rivals::models());
    models.extend(replknet::models());
    models.extend(convnext::models());
    models.extend(inceptionnext::models());
    models
}

/// The model called `name`.
///
/// # Errors
/// Names the nearest model when there is none.
pub fn model(name: &str) -> Result<Model> {
    let wanted = name.replace('-', "_").to_lowercase();
    let all = models();
    if let Some(found) = all.iter().find(|model| model.name == wanted) {
        return Ok(found.clone());
    }
    Err(ModelError::UnknownModel {
        name: name.to_owned(),
        nearest: nearest(&wanted, all.iter().map(|model| model.name)).unwrap_or_default().to_owned(),
        known: all.iter().map(|model| model.name).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_makes_a_network_and_lists_its_parameters_once() {
        for model in models() {
            let config = model.configure(3, 10).unwrap();
            let specs = crate::Network::new(config).unwrap().parameters().unwrap();
            let mut names: Vec<_> = specs.iter().map(|spec| &spec.name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), specs.len(), "{}", model.name);
        }
    }

    #[test]
    fn the_paper_s_grids_and_channel_counts() {
        let config = model("PeLK-T").unwrap().configure(3, 1000).unwrap();
        let got: Vec<_> = config
            .stages
            .iter()
            .map(|stage| match &stage.mixer {
                crate::MixerConfig::Peripheral(p) => {
                    (stage.width, p.channels, p.grid.kernel(), p.grid.cells())
                }
                other => panic!("PeLK has peripheral kernels, not {other:?}"),
            })
            .collect();
        assert_eq!(got, [(124, 46, 51, 13), (249, 93, 49, 13), (499, 187, 47, 13), (998, 374, 13, 9)]);
    }

    #[test]
    fn a_misspelled_model_gets_the_nearest_name() {
        let message = model("pelk_tt").unwrap_err().to_string();
        assert!(message.contains("\"pelk_t\""), "{message}");
    }

    #[test]
    fn options_that_mean_nothing_for_a_model_are_refused() {
        let refused = |spec: ModelSpec| configure(&spec, 3, 10).unwrap_err().to_string();
        for name in ["convnext_t", "slak_t", "replk_t", "replknet_31b", "inceptionnext_t"] {
            let message = refused(ModelSpec { center: Some(7), ..ModelSpec::named(name) });
            assert!(message.contains("center"), "{name}: {message}");
        }
        let message = refused(ModelSpec { form: Some(Form::Dense), ..ModelSpec::named("convnext_t") });
        assert!(message.contains("form"), "{message}");
        for form in [Form::Stripe, Form::Inception] {
            let message = refused(ModelSpec { form: Some(form), ..ModelSpec::named("pelk_t") });
            assert!(message.contains("position"), "{message}");
        }
    }
}
