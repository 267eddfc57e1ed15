//! Measures single operators on the CPU, in the current thread pool.

use super::cases::{Depthwise, Mlp, Pass, Peripheral};
use super::record::{Record, Times};
use crate::timing::{PeakRate, Timing, repeat};
use anyhow::Result;
use pelk_cpu::depthwise;
use pelk_cpu::pixel_mlp::{self, Gradients, Hidden, Saved};
use pelk_grid::SharingGrid;
use pelk_ops::{Bias, DepthwiseConv, ImageShape, PixelMlpParameters, PixelMlpShape};
use pelk_simd::Level;

/// The CPU's device name.
pub const CPU: &str = "cpu";

/// Measures operators on a device.
pub trait Operators: Sync {
    /// A description of the device and the measurement.
    fn machine(&self) -> String;

    /// A peripheral convolution of `n` images.
    ///
    /// # Errors
    /// When the shape is invalid, or the device fails.
    fn peripheral(&self, shape: Peripheral, n: usize, pass: Pass) -> Result<Record>;

    /// A depthwise convolution of `n` images with a dense kernel.
    ///
    /// # Errors
    /// When the shape is invalid, or the device fails.
    fn depthwise(&self, shape: Depthwise, n: usize, pass: Pass) -> Result<Record>;

    /// A pixel MLP.
    ///
    /// # Errors
    /// When the shape is invalid, or the device fails.
    fn mlp(&self, shape: Mlp, pass: Pass) -> Result<Record>;
}

/// Measures operators on the CPU.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    /// The vector instructions.
    pub level: Level,
    /// Threads in the current pool.
    pub threads: usize,
    /// Minimum number of timed runs.
    pub runs: usize,
    /// Peak rate of a core, for comparison.
    pub peak: PeakRate,
}

/// `n` reproducible numbers in -1..1, each far from its neighbors.
pub fn values(n: usize) -> Vec<f32> {
    // Fractional parts of multiples of the golden ratio.
    (0..n as u32).map(|i| (i.wrapping_mul(0x9E37_79B9) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

impl Operators for Bench {
    fn machine(&self) -> String {
        let (level, best, giga) = (self.level, Level::best(), self.peak.giga());
        format!("{level} (best available: {best}); peak of one core: {giga:.1} G multiply-adds/s")
    }

    fn peripheral(&self, shape: Peripheral, n: usize, pass: Pass) -> Result<Record> {
        let Peripheral { c, h, kernel, center } = shape;
        let times = self.box_conv(&DepthwiseConv::square(shape.grid()?), [n, h, c], pass)?;
        let (threads, simd) = (self.threads, self.level.name().to_owned());
        Ok(Record::PeripheralConv {
            pass,
            n,
            c,
            h,
            w: h,
            kernel,
            center,
            threads,
            simd,
            times,
            device: CPU.to_owned(),
        })
    }

    fn depthwise(&self, shape: Depthwise, n: usize, pass: Pass) -> Result<Record> {
        let Depthwise { c, h, kernel_h, kernel_w } = shape;
        let conv = DepthwiseConv::new(SharingGrid::dense(kernel_h)?, SharingGrid::dense(kernel_w)?);
        let times = self.box_conv(&conv, [n, h, c], pass)?;
        let (threads, simd) = (self.threads, self.level.name().to_owned());
        Ok(Record::DepthwiseConv {
            pass,
            n,
            c,
            h,
            w: h,
            kernel_h,
            kernel_w,
            threads,
            simd,
            times,
            device: CPU.to_owned(),
        })
    }

    fn mlp(&self, shape: Mlp, pass: Pass) -> Result<Record> {
        let Mlp { rows, c } = shape;
        let mlp = PixelMlpShape { rows, channels: c, hidden: 4 * c, eps: 1e-6 };
        let (x, vector, middle, weight) = (values(rows * c), values(c), values(4 * c), values(4 * c * c));
        let parameters = PixelMlpParameters::<[f32]> {
            norm: [&vector, &vector],
            expand: [&weight, &middle],
            project: [&weight, &vector],
            gamma: Some(&vector),
            factors: None,
        };
        let (mut y, mut gx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let mut gvectors = [(); 4].map(|()| vec![0.0; c]);
        let (mut gmiddle, mut gweights) = (vec![0.0; 4 * c], [(); 2].map(|()| vec![0.0; 4 * c * c]));
        // Training keeps the hidden layer, inference does not.
        let kept = if pass == Pass::ForwardBackward { 4 * rows * c } else { 0 };
        let [mut active, mut slope] = [(); 2].map(|()| vec![0.0; kept]);
        let timing = repeat(self.runs, || {
            let room = (kept > 0).then_some(Hidden { active: &mut active[..], slope: &mut slope[..] });
            pixel_mlp::forward(self.level, &mlp, &x, &x, &parameters, &mut y, room)?;
            if pass == Pass::ForwardBackward {
                let ([norm_weight, norm_bias, bias, gamma], [expand, project]) =
                    (&mut gvectors, &mut gweights);
                let gradients = Gradients {
                    norm: [norm_weight, norm_bias],
                    expand: [expand, &mut gmiddle],
                    project: [project, bias],
                    gamma: Some(gamma),
                };
                // The output's gradient is the input itself, whose values are as good as any.
                let kept = Some(Hidden { active: &active[..], slope: &slope[..] });
                let saved = Saved { x: &x, hidden: kept };
                pixel_mlp::backward(self.level, &mlp, saved, &parameters, &x, &mut gx, Some(gradients))?;
            }
            Ok(())
        })?;
        let times = self.times(timing, pass, (rows * 8 * c * c) as u64);
        let (threads, simd) = (self.threads, self.level.name().to_owned());
        Ok(Record::PixelMlp { pass, rows, c, threads, simd, times, device: CPU.to_owned() })
    }
}

impl Bench {
    fn box_conv(&self, conv: &DepthwiseConv, [n, h, c]: [usize; 3], pass: Pass) -> Result<Times> {
        let shape = ImageShape::checked("bench", n, h, h, c)?;
        let x = values(shape.len());
        let theta = values(c * conv.cells());
        let mut y = vec![0.0; x.len()];
        let (mut gx, mut gtheta) = (vec![0.0; x.len()], vec![0.0; theta.len()]);
        let timing = repeat(self.runs, || {
            depthwise::forward(self.level, conv, shape, &x, &theta, Bias::None, &mut y)?;
            if pass == Pass::ForwardBackward {
                let gradients = depthwise::Gradients { x: Some(&mut gx), theta: Some(&mut gtheta) };
                depthwise::backward(self.level, conv, shape, &x, &theta, &x, gradients)?;
            }
            Ok(())
        })?;
        Ok(self.times(timing, pass, depthwise::multiply_adds(conv, shape)))
    }

    fn times(&self, timing: Timing, pass: Pass, multiply_adds: u64) -> Times {
        Times::new(timing, Some(self.peak.floor_ms(multiply_adds * pass.cost(), self.threads)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spread_over_their_range() {
        let values = values(1000);
        let mean = values.iter().sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.01 && values.iter().all(|value| value.abs() <= 1.0), "{mean}");
        assert!(values.windows(2).all(|pair| (pair[0] - pair[1]).abs() > 0.1));
    }
}
