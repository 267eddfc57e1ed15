//! The structure of all networks: stages of blocks, with a stem before them, downsampling between them and a
//! head after them.

use crate::collect::Collect;
use crate::config::{Head, NetworkConfig, StageConfig};
use crate::error::Result;
use crate::families::layers_of;
use crate::heads::cascade::Trunk;
use crate::heads::{self, Outputs};
use pelk_autodiff::{Backend, Error, Executor, ParameterSpec, Parameters, Role, Session, Shape};

/// A network: its checked configuration. It holds no weights; an [`Executor`] provides them.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    config: NetworkConfig,
}

impl Network {
    /// A network with this configuration.
    ///
    /// # Errors
    /// When the configuration is not valid.
    pub fn new(config: NetworkConfig) -> Result<Network> {
        config.validate()?;
        Ok(Network { config })
    }

    /// The configuration.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// Logits `[N, 1, 1, classes]` of images `[N, H, W, in_channels]`; with a dense head, of each position of
    /// the last stage's map, `[N, h, w, classes]`; with UperNet, of each pixel, `[N, H, W, classes]`.
    ///
    /// # Errors
    /// When the images do not fit, a parameter is missing, or the executor's backend refuses.
    pub fn logits<E: Executor>(&self, e: &mut E, images: &E::Value) -> pelk_autodiff::Result<E::Value> {
        let features = self.features(e, images)?;
        heads::logits(e, &self.config, &features, size(e, images)?)
    }

    /// The logits, together with everything else that the loss needs in training.
    ///
    /// # Errors
    /// Same as [`Network::logits`].
    pub fn outputs<E: Executor>(
        &self,
        e: &mut E,
        images: &E::Value,
    ) -> pelk_autodiff::Result<Outputs<E::Value>> {
        let features = self.features(e, images)?;
        heads::outputs(e, &self.config, &features, size(e, images)?)
    }

    /// Runs everything that the network consists of, for an executor that lists or counts.
    pub(crate) fn everything<E: Executor>(&self, e: &mut E, images: &E::Value) -> pelk_autodiff::Result<()> {
        let features = self.features(e, images)?;
        heads::all(e, &self.config, &features, size(e, images)?)
    }

    /// The maps and proposals of a detector, from images `[N, H, W, in_channels]`, see [`heads::cascade`].
    ///
    /// # Errors
    /// When the network is not a detector, the images do not fit, a parameter is missing, or the executor's
    /// backend returns an error.
    pub fn trunk<E: Executor>(&self, e: &mut E, images: &E::Value) -> pelk_autodiff::Result<Trunk<E::Value>> {
        let Head::CascadeMaskRcnn(cascade) = &self.config.head else {
            let reason = "is not a detector, and has no trunk".to_owned();
            return Err(Error::Shape { operator: "network", reason });
        };
        let features = self.features(e, images)?;
        heads::cascade::trunk(e, cascade, &features)
    }

    /// The logits of images of one shape, `[N, H, W, in_channels]`, as a recorded network: use it for more
    /// than one image or batch.
    ///
    /// # Errors
    /// Same as [`Network::logits`].
    pub fn session<B: Backend>(
        &self,
        backend: &B,
        parameters: &Parameters<B>,
        images: &Shape,
    ) -> pelk_autodiff::Result<Session<B>> {
        Session::record(backend, parameters, images, |e, images| self.logits(e, images))
    }

    /// The output of each stage, `[N, H_i, W_i, C_i]`, from the highest resolution down.
    ///
    /// # Errors
    /// Same as [`Network::logits`].
    pub fn features<E: Executor>(
        &self,
        e: &mut E,
        images: &E::Value,
    ) -> pelk_autodiff::Result<Vec<E::Value>> {
        let mut features: Vec<E::Value> = Vec::new();
        for i in 0..self.config.stages.len() {
            let x = self.stage(e, i, features.last().unwrap_or(images))?;
            features.push(x);
        }
        Ok(features)
    }

    /// Stage `i`, with the stem or the downsampling before it.
    fn stage<E: Executor>(&self, e: &mut E, i: usize, x: &E::Value) -> pelk_autodiff::Result<E::Value> {
        let stages = &self.config.stages;
        let mut x = match i {
            0 => layers_of!(self.config, stem(e, &self.config, x))?,
            _ => layers_of!(self.config, downsample(e, &self.config, i, x))?,
        };
        let depth = |stages: &[StageConfig]| stages.iter().map(|stage| stage.depth).sum::<usize>();
        let (before, all) = (depth(&stages[..i]), depth(stages));
        for j in 0..stages[i].depth {
            let rate = self.config.drop_path * (before + j) as f32 / (all - 1).max(1) as f32;
            x = self.block(e, i, j, rate, &x)?;
        }
        Ok(x)
    }

    /// Block `j` of stage `i`, dropped with probability `rate` in training, `[N, H, W, C]` to the same shape.
    ///
    /// # Errors
    /// Same as [`Network::logits`].
    pub fn block<E: Executor>(
        &self,
        e: &mut E,
        i: usize,
        j: usize,
        rate: f32,
        x: &E::Value,
    ) -> pelk_autodiff::Result<E::Value> {
        layers_of!(self.config, block(e, &self.config, [i, j], rate, x))
    }

    /// The shape of the logits of one image of `[height, width]` pixels.
    ///
    /// # Errors
    /// When the image does not fit.
    pub fn output_shape(&self, [height, width]: [usize; 2]) -> Result<Shape> {
        let images = Shape::from([1, height, width, self.config.in_channels]);
        Ok(self.logits(&mut Collect::default(), &images)?)
    }

    /// The number of trained values in all parameters, without buffers.
    ///
    /// # Errors
    /// Same as [`Network::parameters`].
    pub fn trained_values(&self) -> Result<usize> {
        let specs = self.parameters()?.into_iter();
        Ok(specs.filter(|spec| spec.role != Role::Buffer).map(|spec| spec.shape.elements()).sum())
    }

    /// Every parameter and buffer, in the order of the definition.
    ///
    /// # Errors
    /// When the configuration is not valid.
    pub fn parameters(&self) -> Result<Vec<ParameterSpec>> {
        let side = self.config.smallest_input();
        let mut collect = Collect::default();
        self.everything(&mut collect, &Shape::from([1, side, side, self.config.in_channels]))?;
        Ok(collect.into_specs())
    }
}

/// Height and width of images.
fn size<E: Executor>(e: &E, images: &E::Value) -> pelk_autodiff::Result<[usize; 2]> {
    match e.shape(images)[..] {
        [_, height, width, _] => Ok([height, width]),
        _ => Err(Error::Shape {
            operator: "network",
            reason: format!("wants images [N, H, W, C], was given {}", e.shape(images)),
        }),
    }
}
