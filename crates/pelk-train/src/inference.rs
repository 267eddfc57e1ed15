//! Running a trained network: on whole images or windows, at one or several sizes, also mirrored.

use crate::error::{Result, TrainError};
use ndarray::{Array4, ArrayView1, ArrayView4, Axis, Slice};
use pelk_autodiff::operators::BilinearResize;
use pelk_autodiff::{Backend, Executor, Parameters, Session, Shape, from_host};
use pelk_data::scaled_size;
use pelk_models::{Head, Network};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How evaluation and prediction run a network that classifies pixels. The default runs it once on the whole
/// image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InferenceConfig {
    /// Longest and shortest side, in pixels, that the image is scaled to fit within, keeping its ratio; [0,
    /// 0] keeps its size.
    pub fit: [usize; 2],
    /// Side, in pixels, of windows that are classified separately and averaged where they overlap; 0 uses
    /// whole images.
    pub window: usize,
    /// Pixels from one window to the next, from 1 to `window`.
    pub stride: usize,
    /// Factors for the image's size, each above 0; the probabilities of all sizes are averaged.
    pub scales: Vec<f64>,
    /// Also run the mirrored image and average its probabilities.
    pub flip: bool,
}

impl Default for InferenceConfig {
    fn default() -> InferenceConfig {
        InferenceConfig { fit: [0, 0], window: 0, stride: 0, scales: vec![1.0], flip: false }
    }
}

impl InferenceConfig {
    /// Checks the ranges of the fields.
    ///
    /// # Errors
    /// When a value is outside its range; names the key.
    pub fn validate(&self) -> Result<()> {
        let [longest, shortest] = self.fit;
        if self.fit != [0, 0] && (shortest == 0 || longest < shortest) {
            let reason = format!("is {:?}, must be the longest and the shortest side, or [0, 0]", self.fit);
            return Err(TrainError::value("inference.fit", reason));
        }
        if self.window > 0 && !(1..=self.window).contains(&self.stride) {
            let reason = format!("is {}, must be 1 to inference.window = {}", self.stride, self.window);
            return Err(TrainError::value("inference.stride", reason));
        }
        if self.scales.is_empty() || !self.scales.iter().all(|scale| scale.is_finite() && *scale > 0.0) {
            let reason = format!("is {:?}, must be one or more factors above 0", self.scales);
            return Err(TrainError::value("inference.scales", reason));
        }
        Ok(())
    }
}

/// A network that predicts the classes of images.
pub struct Predictor<'a, B: Backend> {
    backend: &'a B,
    network: &'a Network,
    parameters: &'a Parameters<B>,
    config: InferenceConfig,
    /// Recordings, latest last.
    sessions: Vec<(Recording, Session<B>)>,
}

/// The axes of images `[N, H, W, C]`.
const ROWS: Axis = Axis(1);
const COLUMNS: Axis = Axis(2);

/// Number of recordings to keep: those of windows, and of resizing back and forth.
const KEPT: usize = 4;

#[derive(Debug, Clone, PartialEq)]
enum Recording {
    /// Logits of images of this shape, resized to `size` for the network.
    Logits { images: Shape, size: Option<[usize; 2]> },
    /// Maps of this shape, resized.
    Resized { maps: Shape, size: [usize; 2] },
}

impl<'a, B: Backend> Predictor<'a, B> {
    /// A predictor for a network with these parameters.
    ///
    /// # Errors
    /// When the configuration is not valid, or is not the default for a network that does not classify
    /// pixels.
    pub fn new(
        backend: &'a B,
        network: &'a Network,
        parameters: &'a Parameters<B>,
        config: InferenceConfig,
    ) -> Result<Predictor<'a, B>> {
        config.validate()?;
        if config != InferenceConfig::default() && !matches!(network.config().head, Head::UperNet(_)) {
            let reason = "is for networks that classify pixels (model.upernet); leave it out";
            return Err(TrainError::value("inference", reason));
        }
        Ok(Predictor { backend, network, parameters, config, sessions: Vec::new() })
    }

    /// Logits of normalized images `[N, H, W, C]`, in the shape of [`Network::logits`]; if several sizes or
    /// mirrored images are averaged, the logarithms of the mean probabilities.
    ///
    /// # Errors
    /// When the images do not fit the network, it gives NaN or infinity, or the backend fails.
    pub fn logits(&mut self, images: &Array4<f32>) -> Result<Array4<f32>> {
        let scales = self.config.scales.clone();
        let views = scales.len() * if self.config.flip { 2 } else { 1 };
        if views == 1 {
            return self.at_scale(images.view(), scales[0]);
        }
        let mut sum: Option<Array4<f32>> = None;
        for scale in scales {
            for flip in [false, true].into_iter().take(if self.config.flip { 2 } else { 1 }) {
                let mut view = images.view();
                if flip {
                    view.invert_axis(COLUMNS);
                }
                let mut probabilities = self.at_scale(view, scale)?;
                if flip {
                    probabilities.invert_axis(COLUMNS);
                }
                softmax(&mut probabilities);
                match &mut sum {
                    Some(sum) => *sum += &probabilities,
                    None => sum = Some(probabilities),
                }
            }
        }
        let mut mean = sum.ok_or_else(|| TrainError::value("inference.scales", "is empty"))?;
        mean.mapv_inplace(|sum| (sum / views as f32).max(f32::MIN_POSITIVE).ln());
        Ok(mean)
    }

    /// The class of each position of each image, row by row: the one with the highest logit, the lowest among
    /// equals.
    ///
    /// # Errors
    /// Same as [`Predictor::logits`].
    pub fn classes(&mut self, images: &Array4<f32>) -> Result<Vec<u32>> {
        let logits = self.logits(images)?;
        let highest = |row: ArrayView1<'_, f32>| {
            let best = |best: usize, class: usize| if row[class] > row[best] { class } else { best };
            (0..row.len()).fold(0, best) as u32
        };
        Ok(logits.rows().into_iter().map(highest).collect())
    }

    fn at_scale(&mut self, images: ArrayView4<'_, f32>, scale: f64) -> Result<Array4<f32>> {
        let (_, height, width, _) = images.dim();
        let size = scaled_size([height, width], self.config.fit, scale);
        if self.config.window == 0 {
            let size = (size != [height, width]).then_some(size);
            return self.run(Recording::Logits { images: Shape::from(images.shape()), size }, images);
        }
        let scaled = self.resized(images, size)?;
        let logits = self.slide(scaled.view())?;
        self.resized(logits.view(), [height, width])
    }

    /// The mean logits of windows over images that have the network's input size.
    fn slide(&mut self, images: ArrayView4<'_, f32>) -> Result<Array4<f32>> {
        let (n, height, width, _) = images.dim();
        let classes = self.network.config().classes;
        let mut sum = Array4::<f32>::zeros((n, height, width, classes));
        let mut count = Array4::<f32>::zeros((1, height, width, 1));
        let InferenceConfig { window, stride, .. } = self.config;
        for rows in windows(height, window, stride) {
            for columns in windows(width, window, stride) {
                let (rows, columns) = (Slice::from(rows.clone()), Slice::from(columns));
                let mut part = images;
                part.slice_axis_inplace(ROWS, rows);
                part.slice_axis_inplace(COLUMNS, columns);
                let recording = Recording::Logits { images: Shape::from(part.shape()), size: None };
                let logits = self.run(recording, part)?;
                for (total, part) in [(&mut sum, &logits), (&mut count, &Array4::ones((1, 1, 1, 1)))] {
                    let mut place = total.view_mut();
                    place.slice_axis_inplace(ROWS, rows);
                    place.slice_axis_inplace(COLUMNS, columns);
                    place += part;
                }
            }
        }
        sum /= &count;
        Ok(sum)
    }

    fn resized(&mut self, maps: ArrayView4<'_, f32>, size: [usize; 2]) -> Result<Array4<f32>> {
        if maps.shape()[1..3] == size {
            return Ok(maps.to_owned());
        }
        self.run(Recording::Resized { maps: Shape::from(maps.shape()), size }, maps)
    }

    /// Runs a recording, after recording it if needed.
    fn run(&mut self, recording: Recording, input: ArrayView4<'_, f32>) -> Result<Array4<f32>> {
        let (backend, network) = (self.backend, self.network);
        let position = self.sessions.iter().position(|(known, _)| *known == recording);
        let mut session =
            match position {
                Some(position) => self.sessions.remove(position).1,
                None => Session::record(backend, self.parameters, &Shape::from(input.shape()), |e, x| {
                    match &recording {
                        Recording::Logits { size: None, .. } => network.logits(e, x),
                        Recording::Logits { images, size: Some(size) } => {
                            let scaled = e.apply_one(BilinearResize { size: *size }, &[x])?;
                            let logits = network.logits(e, &scaled)?;
                            e.apply_one(BilinearResize { size: [images[1], images[2]] }, &[&logits])
                        }
                        Recording::Resized { size, .. } => e.apply_one(BilinearResize { size: *size }, &[x]),
                    }
                })?,
            };
        let output = session.run(from_host(backend, &input.as_standard_layout().into_owned())?)?;
        let shape = backend.shape(&output);
        let dim = match shape[..] {
            [n, h, w, c] => (n, h, w, c),
            _ => return Err(unshaped(shape)),
        };
        let output = Array4::from_shape_vec(dim, backend.download(&output)?).map_err(|_| unshaped(shape))?;
        if let (Recording::Logits { .. }, Some(values)) = (&recording, output.as_slice()) {
            // Before views are averaged, where NaN would be lost.
            check_logits(values, dim.0)?;
        }
        self.sessions.push((recording, session));
        if self.sessions.len() > KEPT {
            self.sessions.remove(0);
        }
        Ok(output)
    }
}

/// Checks the logits of a number of images. Minus infinity is a class that is impossible.
pub(crate) fn check_logits(logits: &[f32], images: usize) -> Result<()> {
    match logits.iter().position(|logit| logit.is_nan() || *logit == f32::INFINITY) {
        Some(place) => Err(TrainError::Logits { image: place * images / logits.len(), value: logits[place] }),
        None => Ok(()),
    }
}

fn unshaped(shape: &Shape) -> TrainError {
    let reason = format!("returns {shape}, not maps [N, H, W, C]");
    pelk_autodiff::Error::Shape { operator: "the network", reason }.into()
}

/// Windows of a line of `len` pixels: the last ends where the line ends, so that it overlaps more.
fn windows(len: usize, window: usize, stride: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = len.saturating_sub(window).div_ceil(stride) + 1;
    (0..count).map(move |i| {
        let end = (i * stride + window).min(len);
        end.saturating_sub(window)..end
    })
}

/// Replaces logits by probabilities, pixel by pixel.
fn softmax(logits: &mut Array4<f32>) {
    for mut row in logits.rows_mut() {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.mapv_inplace(|logit| (logit - highest).exp());
        let sum = row.sum();
        row /= sum;
    }
}
