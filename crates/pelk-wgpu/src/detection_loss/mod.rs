//! Losses of detectors. An item is a term of the sum: a logit, a pixel of a mask, or a row of deltas.
//!
//! Each loss has a shader that defines where a term's values begin, `place(i)`, its part of the loss,
//! `loss(i)`, and the derivatives by its values, `slope(i)`. The gradient computes the terms again, so
//! nothing is saved for it.

use crate::check::expect_len;
use crate::kernel::{Call, Each, Part, Scalar, Whole};
use crate::memory::{Buffer, Element};
use crate::{Gpu, Result};
use pelk_ops::{BinaryCrossEntropy, BoxGiou, DetectionLoss, MaskCrossEntropy, SmoothL1};

/// Multiply-adds of a term, about.
const WORK: usize = 64;

/// The terms of a loss, with its data on the device.
struct Terms {
    name: &'static str,
    /// The two parts of the shader.
    text: [&'static str; 2],
    units: usize,
    /// Terms of a unit.
    per_unit: usize,
    /// Values that a term reads.
    width: usize,
    /// The part of the input that a unit reads.
    input: Part,
    tensors: Vec<(&'static str, Buffer, Part)>,
    numbers: Vec<(&'static str, Scalar)>,
}

impl Gpu {
    /// The loss `[1]` of `x`, whose channels are `columns`; see [`DetectionLoss`].
    ///
    /// # Errors
    /// When the loss's data do not fit `x`, or the device has no memory left or has failed.
    pub fn detection_loss(&self, x: &Buffer, columns: usize, loss: DetectionLoss<'_>) -> Result<Buffer> {
        let terms = self.terms(x, columns, loss)?;
        if terms.units == 0 {
            return self.zeros(1); // no row counts
        }
        let losses = self.empty(terms.units * terms.per_unit, Element::F32)?;
        terms.run(terms.call(self, x, "loss", include_str!("forward.wgsl")).write(
            "losses",
            &losses,
            Each(terms.per_unit),
        ))?;
        self.column_sum(&losses, 1)
    }

    /// The gradient of [`Gpu::detection_loss`] by `x`, stored as `x` is, times `gy`, `[1]`.
    ///
    /// # Errors
    /// When the loss's data do not fit `x`, or the device has no memory left or has failed.
    pub fn detection_loss_backward(
        &self,
        x: &Buffer,
        columns: usize,
        loss: DetectionLoss<'_>,
        gy: &Buffer,
    ) -> Result<Buffer> {
        expect_len(loss.name(), "gy", gy.len(), 1)?;
        let terms = self.terms(x, columns, loss)?;
        let gx = self.zeros_of(x.len(), x.element())?;
        let call = terms.call(self, x, "slope", include_str!("backward.wgsl")).read("gy", gy, Whole);
        terms.run(call.write("gx", &gx, terms.input).scalar("width", terms.width))?;
        Ok(gx)
    }

    fn terms(&self, x: &Buffer, columns: usize, loss: DetectionLoss<'_>) -> Result<Terms> {
        let name = loss.name();
        expect_len(name, "x", x.len(), x.len() / columns.max(1) * columns)?;
        loss.check([x.len() / columns, columns])?;
        match loss {
            DetectionLoss::BinaryCrossEntropy(op) => self.logits(name, op),
            DetectionLoss::MaskCrossEntropy(op) => self.masks(name, columns, op),
            DetectionLoss::SmoothL1(op) => self.deltas(name, op),
            DetectionLoss::BoxGiou(op) => self.boxes(name, columns, op),
        }
    }

    fn logits(&self, name: &'static str, op: &BinaryCrossEntropy) -> Result<Terms> {
        let units = op.targets.len();
        let shares = shares((0..units).map(|i| op.weight(i)), op.normalizer);
        Ok(Terms {
            name,
            text: [include_str!("logit.wgsl"), include_str!("binary.wgsl")],
            units,
            per_unit: 1,
            width: 1,
            input: Each(1),
            tensors: vec![
                ("targets", self.upload(&op.targets)?, Each(1)),
                ("shares", self.upload(&shares)?, Each(1)),
            ],
            numbers: Vec::new(),
        })
    }

    fn masks(&self, name: &'static str, channels: usize, op: &MaskCrossEntropy) -> Result<Terms> {
        let pixels = op.pixels();
        let targets: Vec<f32> = op.targets.iter().map(|&target| if target { 1.0 } else { 0.0 }).collect();
        let shares = shares(op.weights.iter().copied(), op.normalizer);
        Ok(Terms {
            name,
            text: [include_str!("pixel.wgsl"), include_str!("binary.wgsl")],
            units: op.classes.len(),
            per_unit: pixels,
            width: 1,
            input: Each(pixels * channels),
            tensors: vec![
                ("targets", self.upload(&targets)?, Each(pixels)),
                ("shares", self.upload(&shares)?, Each(1)),
                ("classes", self.upload_integers(&integers(op.classes.iter().copied()))?, Each(1)),
            ],
            numbers: vec![("channels", channels.into()), ("pixels", pixels.into())],
        })
    }

    fn deltas(&self, name: &'static str, op: &SmoothL1) -> Result<Terms> {
        let places = integers(op.rows.iter().map(|row| 4 * row));
        Ok(Terms {
            name,
            text: [include_str!("smooth_l1.wgsl"), ""],
            units: op.rows.len(),
            per_unit: 1,
            width: 4,
            input: Whole,
            tensors: vec![
                ("places", self.upload_integers(&places)?, Each(1)),
                ("targets", self.upload(op.targets.as_flattened())?, Each(4)),
            ],
            numbers: vec![("beta", op.beta.into()), ("share", (1.0 / op.normalizer).into())],
        })
    }

    /// Boxes are seen from the center of the one that their deltas start from: far from the origin, the sides
    /// of a small box have few digits in float32.
    fn boxes(&self, name: &'static str, columns: usize, op: &BoxGiou) -> Result<Terms> {
        let places = op.rows.iter().zip(&op.classes[..]).map(|(row, class)| row * columns as u32 + 4 * class);
        let (mut sizes, mut targets) = (Vec::new(), Vec::new());
        for (from, target) in op.boxes.iter().zip(&op.targets[..]) {
            let [from, target] = [from, target].map(|b| b.map(f64::from));
            for axis in 0..2 {
                sizes.push((from[axis + 2] - from[axis]) as f32);
            }
            for (i, corner) in target.into_iter().enumerate() {
                targets.push((corner - 0.5 * (from[i % 2] + from[i % 2 + 2])) as f32);
            }
        }
        let [means, stds] = [op.coder.means, op.coder.stds];
        let coder = [
            ("mean_x", means[0]),
            ("mean_y", means[1]),
            ("mean_w", means[2]),
            ("mean_h", means[3]),
            ("std_x", stds[0]),
            ("std_y", stds[1]),
            ("std_w", stds[2]),
            ("std_h", stds[3]),
            ("limit", -op.coder.max_ratio.ln()),
            ("share", (f64::from(op.weight) / f64::from(op.normalizer)) as f32),
        ];
        Ok(Terms {
            name,
            text: [include_str!("box_giou.wgsl"), ""],
            units: op.rows.len(),
            per_unit: 1,
            width: 4,
            input: Whole,
            tensors: vec![
                ("places", self.upload_integers(&integers(places))?, Each(1)),
                ("sizes", self.upload(&sizes)?, Each(2)),
                ("targets", self.upload(&targets)?, Each(4)),
            ],
            numbers: coder.map(|(name, number)| (name, number.into())).into(),
        })
    }
}

impl Terms {
    /// The call of a shader for every term, which reads `x`; `end` uses what the loss defines.
    fn call<'a>(&'a self, gpu: &'a Gpu, x: &'a Buffer, pass: &str, end: &'a str) -> Call<'a> {
        let text = move || [self.text[0], self.text[1], end].concat();
        let call = gpu.generated(self.name, pass.to_owned(), text).read("x", x, self.input);
        let call =
            self.tensors.iter().fold(call, |call, (name, buffer, part)| call.read(name, buffer, *part));
        self.numbers.iter().fold(call, |call, (name, number)| call.scalar(name, *number))
    }

    fn run(&self, call: Call<'_>) -> Result<()> {
        call.run(self.units, self.per_unit, WORK * self.per_unit)
    }
}

/// Weights divided by the normalizer.
fn shares(weights: impl Iterator<Item = f32>, normalizer: f32) -> Vec<f32> {
    weights.map(|weight| (f64::from(weight) / f64::from(normalizer)) as f32).collect()
}

/// Places in a tensor and classes, which have fewer bits than a tensor has values; see [`Gpu::empty`].
fn integers(values: impl Iterator<Item = u32>) -> Vec<i32> {
    values.map(|value| value as i32).collect()
}
